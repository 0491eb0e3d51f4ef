"""What a peer asks for in the report, over HTTP: time to rest, and not to meet the caller again."""

from typing import Any

import pytest
from sqlalchemy import select

from tests.cast import Cast, Person
from tests.web import walk
from warmline import clock, db
from warmline.contacts import offers
from warmline.models import Apart, Offer, Report

RESTS = "You are resting until"
APART = "We should not be connected again"
LOGGED = {"disposition": "support_given", "reasons": "social"}


def talked(person: Person, number: str = "+14045550123") -> str:
    """A call that is over, and still to be logged."""
    walk.is_ready(person)
    contact = walk.calls(number)
    with db.reading() as session:
        offer = session.scalars(select(Offer.id).filter_by(contact_id=contact)).one()
    offers.accept(walk.peer(person), offer, clock.now())
    walk.talk(contact)
    walk.hangs_up(contact)
    return contact


def logs(person: Person, contact: str, **more: Any) -> Any:
    return person.post(f"/console/contacts/{contact}/report", **LOGGED, **more)


def test_a_peer_rests_until_they_are_ready(cast: Cast) -> None:
    assert logs(cast.peer1, talked(cast.peer1), heavy="yes").status_code == 200
    until = walk.peer(cast.peer1).rests_until
    assert until is not None
    assert walk.state(cast.peer1)["rests_until"] == until.isoformat()
    page = cast.peer1.get("/console").text
    assert RESTS in page
    assert "You are ready" not in page
    assert "resting until" in cast.supervisor.get("/board").text
    for _ in range(2):
        assert cast.peer1.post("/console/ready").get_json() == {"ok": True}
    assert walk.state(cast.peer1)["rests_until"] is None
    assert RESTS not in cast.peer1.get("/console").text
    assert "resting until" not in cast.supervisor.get("/board").text


def test_without_a_script_the_button_leads_back_to_the_page(cast: Cast) -> None:
    answer = cast.peer1.post("/console/ready", accept="text/html")
    assert (answer.status_code, answer.location) == (303, "/console")


def test_a_draft_keeps_what_is_ticked(cast: Cast) -> None:
    contact = talked(cast.peer1)
    assert cast.peer1.post(f"/console/contacts/{contact}/draft", heavy="yes", apart="caller").status_code == 200
    with db.reading() as session:
        report = session.scalars(select(Report)).one()
        assert (report.heavy, report.apart) == (True, "caller")
        assert session.scalars(select(Apart)).all() == []
    page = cast.peer1.get(f"/console?contact={contact}").text
    assert " ".join(page.split()).count('value="caller" checked') == 1


def test_a_correction_is_seen_by_a_supervisor(cast: Cast) -> None:
    contact = talked(cast.peer1)
    logs(cast.peer1, contact, apart="caller")
    assert "not to be connected again (the caller asked)" in cast.supervisor.get(f"/contacts/{contact}").text
    logs(cast.peer1, contact)
    assert "may be connected again" in cast.supervisor.get(f"/contacts/{contact}").text


@pytest.mark.parametrize(("number", "asked"), [("+14045550123", True), ("anonymous", False)])
def test_of_a_withheld_number_it_is_not_asked(cast: Cast, number: str, asked: bool) -> None:
    contact = talked(cast.peer1, number)
    assert (APART in cast.peer1.get(f"/console?contact={contact}").text) is asked
    assert logs(cast.peer1, contact, apart="peer").status_code == 200
    with db.reading() as session:
        assert bool(session.scalars(select(Apart)).all()) is asked


def test_an_answer_that_is_none_is_refused(cast: Cast) -> None:
    answer = logs(cast.peer1, talked(cast.peer1), apart="supervisor")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, "apart_unknown")
