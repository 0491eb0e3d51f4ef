"""The supervisors' board over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import update

from tests.cast import Cast
from tests.web.walk import ILLINOIS, calls, counted, hangs_up, is_ready, peer, state, talk, writes
from warmline import clock, db
from warmline.contacts import availability, dispatch, offers
from warmline.models import Contact, Line
from warmline.models.base import new_id

A_MINUTE = timedelta(minutes=1)


def test_the_state_has_what_the_contract_says(cast: Cast) -> None:
    first, second = calls(), calls(number="+14045550124")
    writes(line=ILLINOIS)
    answer = state(cast.supervisor, "/board")
    assert set(answer) == {"version", "waiting", "lines", "peers", "alerts"}
    counts = [(line["name"], line["waiting"], line["since"] is not None) for line in answer["lines"]]
    assert counts == [("Georgia", 2, True), ("Illinois", 1, True), ("Washington D.C.", 0, False)]
    assert all(set(row) == {"contact", "line", "channel", "state", "place", "since"} for row in answer["waiting"])
    assert [(row["line"], row["channel"], row["place"], row["state"]) for row in answer["waiting"]] == [
        ("Georgia", "voice", 1, "waiting"),
        ("Georgia", "voice", 2, "waiting"),
        ("Illinois", "text", 1, "waiting"),
    ]
    assert [row["contact"] for row in answer["waiting"][:2]] == [first, second]
    assert all(set(row) == {"name", "status", "activity", "since", "rests_until"} for row in answer["peers"])
    assert [(row["name"], row["status"]) for row in answer["peers"]] == [
        ("Marisol Vega", "off"),
        ("Robin Hale", "off"),
    ]


def test_of_many_the_first_are_shown_and_all_are_counted(cast: Cast) -> None:
    """Each push to an open board reads it: what that takes, and the process's memory, end with a page of them."""
    latest = calls()
    with db.transaction() as session:
        contact = session.get_one(Contact, latest)
        alike = {
            "organization_id": contact.organization_id, "line_id": contact.line_id, "channel": "voice",
            "state": "waiting", "language": "en", "queue_sid": "QU" + "0" * 32,
        }  # fmt: skip
        assert contact.queued_at
        times = [contact.queued_at - timedelta(seconds=number) for number in range(1, 60)]
        for at in times:
            session.add(Contact(id=new_id(), **alike, arrived_at=at, queued_at=at))
    longest = times[-1]
    answer = state(cast.supervisor, "/board")
    assert [row["place"] for row in answer["waiting"]] == list(range(1, 51))
    assert answer["lines"][0] == {"name": "Georgia", "waiting": 60, "since": longest.isoformat()}
    assert answer["waiting"][0]["since"] == longest.isoformat()
    assert latest not in {row["contact"] for row in answer["waiting"]}
    page = cast.supervisor.get("/board").text
    assert "<strong>60</strong> waiting" in page
    assert "and 10 more behind them" in page
    hangs_up(latest)
    assert state(cast.supervisor, "/board")["version"] != answer["version"], "one fewer waits"


def test_places_follow_priority_then_time(cast: Cast) -> None:
    calls()
    urgent = calls(number="+14045550124")
    with db.transaction() as session:
        session.get_one(Contact, urgent).priority = 10
    waiting = state(cast.supervisor, "/board")["waiting"]
    assert [row["place"] for row in waiting] == [1, 2]
    assert waiting[0]["contact"] == urgent


def test_a_contact_on_its_way_through_the_board(cast: Cast) -> None:
    is_ready(cast.peer1)
    contact = calls()

    def row() -> tuple[str, str]:
        answer = state(cast.supervisor, "/board")
        waiting = [each["state"] for each in answer["waiting"]]
        return (waiting[0] if waiting else "", answer["peers"][1]["activity"])

    assert row() == ("offered", "offered")
    assert "offered to Robin Hale" in cast.supervisor.get("/board").text
    cast.peer1.post(f"/console/offers/{state(cast.peer1)['offers'][0]['id']}/accept")
    assert row() == ("connecting", "connecting")
    assert "being connected with Robin Hale" in cast.supervisor.get("/board").text
    talk(contact)
    assert row() == ("", "talking")
    hangs_up(contact)
    assert row() == ("", "wrapping")


def test_a_contact_that_rings_at_several_stands_there_once_with_everybody_s_name(cast: Cast) -> None:
    with db.transaction() as session:
        session.execute(update(Line).where(Line.name == "Georgia").values(policy={"strategy": "ring_several"}))
    is_ready(cast.peer1)
    is_ready(cast.peer2)
    contact = calls()
    calls(number="+14045550124")
    rows = state(cast.supervisor, "/board")["waiting"]
    assert [(row["place"], row["state"]) for row in rows] == [(1, "offered"), (2, "waiting")]
    page = cast.supervisor.get("/board").text
    assert page.count(f'id="waiting-{contact}"') == 1
    assert "offered to Marisol Vega, Robin Hale" in page
    cast.peer1.post(f"/console/offers/{state(cast.peer1)['offers'][0]['id']}/accept")
    assert "being connected with Robin Hale" in cast.supervisor.get("/board").text


def test_the_board_says_who_let_two_offers_ring(cast: Cast) -> None:
    is_ready(cast.peer1)
    calls()
    robin = peer(cast.peer1)
    now = clock.now()
    for number in range(offers.MISSED):
        with time_machine.travel(now + number * A_MINUTE):
            availability.seen(robin, clock.now())
            dispatch.run(robin.organization_id, clock.now())
            offers.expire(state(cast.peer1)["offers"][0]["id"], offers.NO_ANSWER, clock.now())
    assert "two offers were not answered" in cast.supervisor.get("/board").text
    assert "set you to Away because two offers in a row" in cast.peer1.get("/console").text


def test_since_is_the_latest_change_of_status_or_activity(cast: Cast) -> None:
    def since() -> datetime:
        return datetime.fromisoformat(state(cast.supervisor, "/board")["peers"][1]["since"])

    start = clock.now()
    with time_machine.travel(start + A_MINUTE, tick=False):
        is_ready(cast.peer1)
        assert since() == start + A_MINUTE
    with time_machine.travel(start + 2 * A_MINUTE, tick=False):
        is_ready(cast.peer1)  # a heartbeat and the same status again are no change
        assert since() == start + A_MINUTE
        calls()
        assert since() == start + 2 * A_MINUTE


def test_the_board_says_whose_console_is_not_open(cast: Cast) -> None:
    is_ready(cast.peer1)
    assert cast.supervisor.get("/board").text.count("no console open") == 0
    with time_machine.travel(clock.now() + A_MINUTE):
        assert cast.supervisor.get("/board").text.count("no console open") == 1


@pytest.mark.parametrize(
    ("reader", "shown"), [("en", "12:00:00 PM EST · 11:00:00 AM CST"), ("es", "12:00:00 EST · 11:00:00 CST")]
)
def test_the_board_is_as_of_the_time_where_the_lines_are(cast: Cast, reader: str, shown: str) -> None:
    """Georgia and D.C. have one zone, Illinois another."""
    with time_machine.travel(datetime(2026, 11, 20, 17, 0, tzinfo=UTC), tick=False):
        cast.supervisor.log_in()
        cast.supervisor.post("/language", language=reader)
        page = cast.supervisor.get("/board").text
        assert f'data-as-of="America/New_York America/Chicago">{shown}<' in page


def test_the_version_changes_with_the_answer_and_only_then(cast: Cast) -> None:
    before = state(cast.supervisor, "/board")
    assert state(cast.supervisor, "/board") == before
    calls()
    assert state(cast.supervisor, "/board")["version"] != before["version"]
    held = {"If-None-Match": cast.supervisor.get("/board/fragment").headers["ETag"]}
    assert cast.supervisor.client.get("/board/fragment", headers=held).status_code == 304


def test_another_organization_is_out_of_sight(cast: Cast) -> None:
    calls(line="+16065550104")
    is_ready(cast.outsider)
    answer = state(cast.supervisor, "/board")
    assert answer["waiting"] == []
    assert peer(cast.outsider).name not in [row["name"] for row in answer["peers"]]
    assert "Harbor" not in cast.supervisor.get("/board").text


@pytest.mark.parametrize("path", ["/board", "/board/fragment", "/board/state"])
def test_the_board_is_for_supervisors_and_administrators(cast: Cast, path: str) -> None:
    assert cast.supervisor.get(path).status_code == 200
    assert cast.admin.get(path).status_code == 200
    assert cast.peer1.get(path).status_code == 403
    assert cast.stranger.get(path, headers={"Accept": "application/json"}).status_code == 401


def test_the_number_of_queries_does_not_grow(cast: Cast) -> None:
    calls()
    cast.supervisor.get("/board")
    with counted() as few:
        cast.supervisor.get("/board")
    for number in range(150, 160):
        calls(number=f"+14045550{number}")
    is_ready(cast.peer1)
    is_ready(cast.peer2)
    with counted() as many:
        cast.supervisor.get("/board")
    assert len(many) == len(few)
