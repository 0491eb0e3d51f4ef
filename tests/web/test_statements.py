"""What is asked often asks the database little, and no more the longer the product has been in use."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update
from twilio.request_validator import RequestValidator

from tests.cast import ENVIRONMENT, Cast
from tests.web.walk import GEORGIA, caller_leg, calls, counted, is_ready, peer, sid, writes
from warmline import clock, db
from warmline.contacts import availability, dispatch, offers, screens
from warmline.contacts.screens import why
from warmline.models import Leg, Line, LineNumber, Offer

pytestmark = pytest.mark.both

CALLER, WRITER = "+14045550123", "+14045550144"
# Statements, as counted. A number that must grow should be worth it.
MOST = {
    "incoming call": 9,
    "incoming call, again": 2,
    "wait document": 1,
    "status callback": 9,
    "menu of wishes": 7,
    "incoming text": 8,
    "heartbeat": 2,
    "console": 22,
    "console's state": 4,
    "board": 10,
    "board's state": 10,
    "why a caller waits": 20,
    "why a peer is not asked": 25,
    "why I was not asked": 25,
    "schedule": 2 * 7 * 8 + 8,  # two for each day of eight weeks
}
# All of a table that only ever grows, or all of an organization in it; what is pending has an index of its own.
HISTORY = re.compile(
    r"SCAN (contact|engagement|offer|outside_request|leg|survey|message|event|report)(?! USING INDEX uq_)"
    r"|SEARCH contact USING INDEX ix_contact_organization_id"
)


@pytest.fixture
def statements(cast: Cast) -> Callable[[Callable[[], Any]], int]:
    """Counts what a deed asks, the second time that it is done."""

    def count(deed: Callable[[], Any]) -> int:
        deed()
        with counted() as asked:
            deed()
        return len([statement for statement in asked if not statement.startswith("BEGIN")])

    return count


def test_each_request_asks_the_database_a_few_things(
    cast: Cast, statements: Callable[[Callable[[], Any]], int]
) -> None:
    validator = RequestValidator(ENVIRONMENT["TWILIO_AUTH_TOKEN"])

    def asks(path: str, **form: str) -> None:
        signature = validator.compute_signature(ENVIRONMENT["PUBLIC_BASE_URL"] + path, form)
        answer = cast.stranger.post(path, data=form, headers={"X-Twilio-Signature": signature})
        assert answer.status_code == 200

    def rings(call: str = "") -> None:
        asks("/twilio/voice/incoming", CallSid=call or sid("CA"), From=CALLER, To=GEORGIA)

    found = {"incoming call": statements(rings), "incoming call, again": statements(lambda: rings("CA1"))}
    waiting = calls()
    queue = {"CallSid": caller_leg(waiting), "QueueSid": sid("QU")}
    for waited in ("0", "30"):
        asks(f"/twilio/voice/contacts/{waiting}/wait", QueueTime=waited, **queue)
    found["wait document"] = statements(lambda: asks(f"/twilio/voice/contacts/{waiting}/wait", QueueTime="60", **queue))
    ends = iter([caller_leg(calls()), caller_leg(calls())])
    found["status callback"] = statements(
        lambda: asks("/twilio/voice/status", CallSid=next(ends), CallStatus="completed")
    )
    with db.transaction() as session:
        session.execute(update(Line).values(policy={"wishes": ["veteran", "family"]}))
    asks("/twilio/voice/incoming", CallSid="CA2", From=CALLER, To=GEORGIA)
    with db.reading() as session:
        arriving = session.scalars(select(Leg.contact_id).filter_by(call_sid="CA2")).one()
    found["menu of wishes"] = statements(
        lambda: asks(f"/twilio/voice/contacts/{arriving}/wish", CallSid="CA2", Digits="1")
    )
    writes(number=WRITER)
    found["incoming text"] = statements(
        lambda: asks("/twilio/sms/incoming", MessageSid=sid("SM"), From=WRITER, To=GEORGIA, Body="Hello?")
    )
    peer1 = peer(cast.peer1)
    beats = iter([clock.now() + timedelta(seconds=seconds) for seconds in (0, 10)])
    found["heartbeat"] = statements(lambda: availability.seen(peer1, next(beats)))
    assert {name: (count, MOST[name]) for name, count in found.items() if count > MOST[name]} == {}


def test_pages_ask_the_database_a_few_things(cast: Cast, statements: Callable[[Callable[[], Any]], int]) -> None:
    contact = calls()
    is_ready(cast.peer1)
    with db.reading() as session:
        offer = session.query(Offer).filter_by(contact_id=contact).one()
    offers.accept(peer(cast.peer1), offer.id, clock.now())
    waits, marisol = calls("+14045550124"), peer(cast.peer2)
    with db.reading() as session:
        line = session.get_one(LineNumber, GEORGIA).line_id
    found = {
        "console": statements(lambda: cast.peer1.get("/console")),
        "console's state": statements(lambda: screens.console_state(peer(cast.peer1).id, clock.now())) - 1,
        "board": statements(lambda: cast.supervisor.get("/board")),
        "board's state": statements(lambda: cast.supervisor.get("/board/state")),
        "why a caller waits": statements(lambda: cast.supervisor.get(f"/board/contacts/{waits}/why")),
        "why a peer is not asked": statements(lambda: cast.supervisor.get(f"/board/peers/{marisol.id}/why")),
        "why I was not asked": statements(lambda: cast.peer2.get("/console/why")),
        "schedule": statements(lambda: cast.supervisor.get(f"/lines/{line}/schedule")),
    }
    assert {name: (count, MOST[name]) for name, count in found.items() if count > MOST[name]} == {}


def test_many_consoles_ask_no_more_than_one(cast: Cast, statements: Callable[[Callable[[], Any]], int]) -> None:
    contact = ""
    for number, person in enumerate((cast.peer1, cast.peer2)):
        is_ready(person)
        contact = calls(f"+1404555013{number}")
        with db.reading() as session:
            offer = session.query(Offer).filter_by(contact_id=contact, state="pending").one()
        offers.accept(peer(person), offer.id, clock.now())
    one, other, now = peer(cast.peer1).id, peer(cast.peer2).id, clock.now()
    asked: list[screens.Asked] = [(one, None), (one, contact), (other, None), (other, contact), ("nobody", None)]
    alone = statements(lambda: screens.consoles([(one, None)], now))
    assert statements(lambda: screens.consoles(asked, now)) == alone
    together = screens.consoles(asked, now)
    assert together == {
        (one, None): screens.console(one, now),
        (other, None): screens.console(other, now),
        (other, contact): screens.console(other, now, contact),
    }, "whoever has no part in a contact sees nothing of it"
    assert all(view.open is not None for view in together.values())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_the_clock_and_the_screens_ask_every_second_reads_no_history(cast: Cast) -> None:
    """SQLite says beforehand what it has no index for."""
    organization = peer(cast.peer1).organization_id
    contact = calls()
    is_ready(cast.peer1)
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(db.bound(), "before_cursor_execute", note)
    clock.tick(clock.now())
    screens.board_state(organization, clock.now())
    screens.console_state(peer(cast.peer1).id, clock.now())
    screens.consoles([(peer(person).id, None) for person in (cast.peer1, cast.peer2)], clock.now())
    why.still_waits(organization, contact, clock.now())
    why.not_asked(organization, peer(cast.peer2).id, clock.now())
    with db.reading() as session:
        dispatch.look(session, organization, clock.now())
    event.remove(db.bound(), "before_cursor_execute", note)
    assert len(asked) > 20
    with db.bound().connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            assert [row.detail for row in plan if HISTORY.match(row.detail)] == [], statement
