"""What a console says every ten seconds, and what it is answered."""

import json
import re
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.cast import Cast, Person
from tests.web.walk import calls, is_ready, peer, writes
from warmline import clock, db
from warmline.contacts import offers
from warmline.models import Line, Offer, Peer, Presence
from warmline.web import heartbeats

pytestmark = pytest.mark.both


def shown(person: Person, contact: str = "") -> dict[str, Any]:
    """What the page says that it shows."""
    page = person.get(f"/console/fragment?contact={contact}").text
    version, numbers = re.search(r'data-version="(.+?)"', page), re.search(r'data-numbers="(.+?)"', page)
    assert version
    assert numbers
    return {"version": version[1], "contact": contact, "numbers": unescape(numbers[1])}


def answer(person: Person, page: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = person.post("/console/heartbeat", **page).get_json()
    assert told.pop("ok") is True
    return told


def test_a_page_that_shows_what_there_is_is_told_so(cast: Cast) -> None:
    is_ready(cast.peer2)
    page = shown(cast.peer1)
    with db.reading() as session:
        assert session.get(Presence, peer(cast.peer1).id) is None
    assert answer(cast.peer1, page) == {"fresh": True}
    with db.reading() as session:
        assert session.get(Presence, peer(cast.peer1).id)
    # A colleague has a caller: nothing of it is on this page
    contact = calls()
    with db.reading() as session:
        offer = session.scalars(select(Offer.id)).one()
    offers.accept(peer(cast.peer2), offer, clock.now())
    assert answer(cast.peer1, page)["fresh"]
    assert answer(cast.peer2, shown(cast.peer2)) == answer(cast.peer2, shown(cast.peer2, contact)) == {"fresh": True}
    assert answer(cast.peer1, page | {"contact": contact}) == {"fresh": False}


def test_how_many_wait_is_told_apart(cast: Cast) -> None:
    page = shown(cast.peer1)
    writes()
    told = answer(cast.peer1, page)
    now = shown(cast.peer1)
    assert told == {"fresh": True, "numbers": json.loads(now["numbers"])}
    assert sorted(number for number, _ in told["numbers"].values()) == [0, 0, 1]
    assert now["version"] == page["version"], "or each caller would make each console fetch"
    assert answer(cast.peer1, now) == {"fresh": True}


def test_whatever_else_changes_is_to_be_fetched(cast: Cast) -> None:
    page = shown(cast.peer1)
    own, lantern = Peer.id == peer(cast.peer1).id, Line.organization_id == peer(cast.peer1).organization_id
    for change in (
        update(Peer).where(own).values(status="break"),
        update(Line).where(lantern).values(paused_at=clock.now()),
    ):
        with db.transaction() as session:
            session.execute(change)
        assert answer(cast.peer1, page) == {"fresh": False}
        page = shown(cast.peer1)
    calls()
    is_ready(cast.peer1)
    assert answer(cast.peer1, page) == {"fresh": False}, "it rings"


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"version": ""},
        {"version": "\0", "contact": "\0"},
        {"version": "1", "contact": "x" * 5000, "numbers": "[" * 5000},
    ],
)
def test_a_page_that_says_nothing_of_use_is_present_and_fetches(cast: Cast, page: dict[str, Any]) -> None:
    assert answer(cast.peer1, page) == {"fresh": False}
    with db.reading() as session:
        assert session.get(Presence, peer(cast.peer1).id)


def test_what_cannot_be_written_is_no_heartbeat(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(heartbeats, "ask", nothing)
    cast.peer1.get("/console")
    assert cast.peer1.post("/console/heartbeat").status_code == 503
