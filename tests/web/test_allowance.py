"""A day's allowance over HTTP: what callers hear and read, what the peer sees, and what a supervisor may do.

Twilio asks everything twice here, and each document is held to its grammar: see tests/web/test_hooks.py.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select, update

from tests.cast import Cast
from tests.web import walk
from tests.web.test_afterwards import logs, talked
from tests.web.test_hooks import CALLER, ENGLISH, GEORGIA, SPANISH, Call, Twilio, failures, twilio
from warmline import clock, db
from warmline.models import Account, Caller, Contact, Engagement, Event, Line, Role
from warmline.models.base import new_id

__all__ = ["failures", "twilio"]

NOON = datetime(2031, 3, 7, 17, 0, tzinfo=UTC)  # of a Friday in Georgia
USED_UP = "Your time on this line for today is used up."
MARK = 'name="exempt"'
BUTTON, LIFTED = "Let this caller call today without a limit", "This caller may call today without a limit."


@pytest.fixture(autouse=True)
def _half_an_hour(cast: Cast) -> None:
    the_line_gives(minutes_a_day=30)


@pytest.fixture(autouse=True)
def _noon(cast: Cast) -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


def the_line_gives(**policy: int) -> None:
    with db.transaction() as session:
        session.execute(update(Line).values(policy=policy))


def lasted(contact: str, minutes: float) -> None:
    """The contact's talk lasted so long, as we wrote it down, or has lasted so long by now."""
    with db.transaction() as session:
        session.execute(
            update(Engagement)
            .where(Engagement.contact_id == contact)
            .values(active_at=clock.now() - timedelta(minutes=minutes))
        )


def calls(twilio: Twilio) -> Call:
    """A call whose sid no talk before it has had."""
    return Call(twilio, f"CA{new_id()}", CALLER, GEORGIA)


def has_talked(cast: Cast, minutes: float) -> str:
    cast.peer1.log_in()
    contact = talked(cast.peer1, CALLER)
    logs(cast.peer1, contact)
    lasted(contact, minutes)
    return contact


@pytest.mark.parametrize(
    ("key", "language", "words", "again"),
    [
        ("1", ENGLISH, USED_UP, "You are welcome to come back after midnight"),
        ("2", SPANISH, "Su tiempo de hoy en esta línea se ha terminado.", "después de la medianoche"),
    ],
)
def test_a_caller_over_the_allowance_is_told_when_to_call_again(
    twilio: Twilio, cast: Cast, key: str, language: str, words: str, again: str
) -> None:
    has_talked(cast, 31)
    call = calls(twilio)
    document = call.presses(call.rings(), key)
    assert document.verbs == ["Say", "Hangup"]
    assert document.languages == {language}
    for told in (words, again, "988"):
        assert told in document.spoken
    assert (call.contact.state, call.contact.ended_how) == ("missed", "allowance")
    assert words in call.picks_up_the_fallback().spoken, "a call that asks again hears the same"


def test_little_is_said_once_before_the_queue(twilio: Twilio, cast: Cast) -> None:
    has_talked(cast, 22)
    call = calls(twilio)
    document = call.presses(call.rings(), "1")
    assert document.verbs == ["Say", "Enqueue"]
    assert document.spoken == "You have about 8 minutes left on this line today."
    assert document.languages == {ENGLISH}
    assert "left on this line" not in call.waits(document).spoken
    assert call.picks_up_the_fallback().verbs == ["Enqueue"], "whoever waits has heard it"


def test_little_is_said_after_the_menu_of_wishes(twilio: Twilio, cast: Cast) -> None:
    has_talked(cast, 22)
    the_line_gives(minutes_a_day=30, contacts_a_day=2)
    with db.transaction() as session:
        policy = {"minutes_a_day": 30, "contacts_a_day": 2, "wishes": ["veteran"]}
        session.execute(update(Line).values(policy=policy))
    call = calls(twilio)
    menu = call.presses(call.rings(), "1")
    assert "left on this line" not in menu.spoken
    told = call.presses(menu, "1").spoken
    assert (
        told == "You have about 8 minutes left on this line today. This is your last conversation on this line today."
    )


def test_with_much_left_nothing_is_said(twilio: Twilio, cast: Cast) -> None:
    has_talked(cast, 5)
    call = calls(twilio)
    assert call.presses(call.rings(), "1").verbs == ["Enqueue"]


def test_a_closed_line_says_that_it_is_closed(twilio: Twilio, cast: Cast) -> None:
    has_talked(cast, 31)
    with db.transaction() as session:
        session.execute(update(Line).values(hours={"0": [["09:00", "10:00"]]}))
    spoken = calls(twilio).rings().spoken
    assert "is closed just now" in spoken
    assert USED_UP not in spoken


def test_a_peer_sees_quietly_that_little_is_left_and_nothing_ends(cast: Cast) -> None:
    cast.peer1.log_in()
    walk.is_ready(cast.peer1)
    contact = walk.calls(CALLER)
    cast.peer1.post(f"/console/offers/{walk.state(cast.peer1)['offers'][0]['id']}/accept")
    walk.talk(contact)
    for minutes, words in [
        (5, None),
        (21, "The caller has about 9 minutes left today."),
        (29.5, "The caller has about a minute left today."),
        (31, "time for today is reached"),
        (90, "time for today is reached"),
    ]:
        lasted(contact, minutes)
        page = cast.peer1.get("/console").text
        shown = re.findall(r"The caller has about|time for today is reached", page)
        assert len(shown) == (0 if words is None else 1), minutes
        assert words is None or words in page
    clock.tick(clock.now())
    with db.reading() as session:
        assert session.get_one(Contact, contact).state == "connected"


def test_a_peer_who_writes_sees_it_too(cast: Cast) -> None:
    the_line_gives(contacts_a_day=1)
    cast.peer1.log_in()
    walk.is_ready(cast.peer1)
    walk.writes()
    cast.peer1.post(f"/console/offers/{walk.state(cast.peer1)['offers'][0]['id']}/accept")
    assert cast.peer1.get("/console").text.count("This is the caller") == 1


def test_a_contact_by_relay_does_not_count(cast: Cast, twilio: Twilio) -> None:
    contact = has_talked(cast, 31)
    assert MARK in cast.peer1.get(f"/console?contact={contact}").text
    assert logs(cast.peer1, contact, exempt="relay").status_code == 200
    page = " ".join(cast.peer1.get(f"/console?contact={contact}").text.split())
    assert '<option value="relay" selected' in page
    call = calls(twilio)
    assert call.presses(call.rings(), "1").verbs == ["Enqueue"]
    cast.supervisor.log_in()
    assert "does not count towards the time for today (by relay)" in cast.supervisor.get(f"/contacts/{contact}").text
    answer = logs(cast.peer1, contact, exempt="nuisance")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, "exempt_unknown")


@pytest.mark.parametrize(("number", "policy"), [("anonymous", {"minutes_a_day": 30}), (CALLER, {})])
def test_where_nothing_is_limited_nothing_is_asked(cast: Cast, number: str, policy: dict[str, int]) -> None:
    the_line_gives(**policy)
    cast.peer1.log_in()
    contact = talked(cast.peer1, number)
    assert MARK not in cast.peer1.get(f"/console?contact={contact}").text
    cast.supervisor.log_in()
    assert BUTTON not in cast.supervisor.get(f"/contacts/{contact}").text


def test_a_supervisor_lifts_the_limit_for_today(cast: Cast, twilio: Twilio) -> None:
    contact = has_talked(cast, 31)
    cast.supervisor.log_in()
    assert BUTTON in cast.supervisor.get(f"/contacts/{contact}").text
    for _ in range(2):
        answer = cast.supervisor.post(f"/contacts/{contact}/allowance", accept="text/html")
        assert (answer.status_code, answer.location) == (303, f"/contacts/{contact}")
    assert cast.supervisor.post(f"/contacts/{contact}/allowance").get_json() == {"ok": True}
    page = cast.supervisor.get(f"/contacts/{contact}").text
    assert LIFTED in page
    assert BUTTON not in page
    (moment,) = re.findall(r"The caller may call without a limit today\s+· ([\w ]+)", page)
    assert moment.strip() == "Dana Whitlock"
    with db.reading() as session:
        (event,) = session.scalars(select(Event).filter_by(name="allowance_lifted")).all()
        assert event.why["account"] == cast.supervisor.account.id
        assert session.scalars(select(Caller)).one().allowance_free_until == datetime(2031, 3, 8, 5, tzinfo=UTC)
    call = calls(twilio)
    assert call.presses(call.rings(), "1").verbs == ["Enqueue"]


def test_nobody_else_lifts_it(cast: Cast) -> None:
    contact = has_talked(cast, 31)
    theirs = cast.outsider
    with db.transaction() as session:
        session.execute(update(Account).where(Account.id == theirs.account.id).values(role=Role.SUPERVISOR))
    for person, status in ((cast.peer1, 403), (theirs, 404)):
        person.log_in()
        assert person.post(f"/contacts/{contact}/allowance").status_code == status, person.email
    with db.reading() as session:
        assert session.scalars(select(Caller)).one().allowance_free_until is None


def test_a_withheld_number_has_no_limit_to_lift(cast: Cast) -> None:
    cast.peer1.log_in()
    contact = talked(cast.peer1, "anonymous")
    cast.supervisor.log_in()
    answer = cast.supervisor.post(f"/contacts/{contact}/allowance")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "number_withheld")


def test_the_history_says_why_somebody_was_turned_away(cast: Cast, twilio: Twilio) -> None:
    has_talked(cast, 31)
    call = calls(twilio)
    call.presses(call.rings(), "1")
    cast.supervisor.log_in()
    page = cast.supervisor.get(f"/contacts/{call.contact.id}").text
    assert "Turned away (the time for today was used up)" in page
    assert "nobody" not in page.lower()
