"""The documents of a callback: what a caller hears who books one, and whoever picks up. Each is asked for twice."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import update

from routing.ranking import Priority
from tests.cast import Cast
from tests.web import walk
from tests.web.test_hooks import (
    GEORGIA,
    NOBODY,
    Call,
    Connection,
    Document,
    Twilio,
    broken,
    change_line,
    failures,
    nobody_on_shift,
    off_shift,
    sid,
)
from warmline import clock, db
from warmline.contacts import parting
from warmline.models import Contact
from warmline.telephony import twiml

__all__ = ["broken", "failures"]

NOW = {"steps": [{"after": 0, "kind": "callback"}]}
ENDS, ENDS_ES = "If you press nothing, this call will end.", "Si no oprime nada, esta llamada terminará."
STAY, STAY_ES = "stay on the line", "no cuelgue"
LEFT = "You have about 5 minutes left"


@pytest.fixture
def twilio(app: Flask, failures: list[Exception]) -> Iterator[Twilio]:
    """Twilio, which asks everything twice."""
    yield Twilio(app, twice=True)
    assert failures == []


def books(twilio: Twilio, number: str = "+14045550123", key: str = "1") -> tuple[Call, Document]:
    """A caller who waits on a line that calls back and has pressed 2: the first document of the booking."""
    change_line(GEORGIA, policy=NOW)
    call = twilio.calls(number)
    enqueue = call.presses(call.rings(), key)
    waiting = call.waits(enqueue)
    clock.tick(clock.now())
    offered = call.waits(enqueue, str(call.contact.queue_sid), "30")
    assert ("press 2" if key == "1" else "oprima 2") in offered.spoken
    assert "survey" not in waiting.spoken + offered.spoken
    leave = call.asks(offered.url("Gather", "action"), Digits="2", QueueSid=str(call.contact.queue_sid))
    assert leave.verbs == ["Leave"]
    return call, call.asks(enqueue.url("Enqueue", "action"), QueueResult="leave")


def test_a_caller_confirms_the_number_and_may_hang_up(twilio: Twilio) -> None:
    call, menu = books(twilio)
    assert "4 0 4, 5 5 5, 0 1 2 3" in menu.spoken
    goodbye = call.presses(menu, "1")
    assert goodbye.ends
    assert "kept" in goodbye.spoken
    assert call.contact.callback_at is not None
    call.asks("/twilio/voice/status", over=True, CallStatus="completed")
    assert call.contact.state == "waiting"


def test_silence_goes_back_to_the_queue(twilio: Twilio) -> None:
    call, menu = books(twilio)
    assert call.says_nothing_to(menu).verbs == ["Enqueue"]
    assert call.contact.booking_at is None


def test_another_number_is_typed_and_read_back(twilio: Twilio) -> None:
    call, menu = books(twilio)
    typing = call.presses(menu, "2")
    assert "ten digits" in typing.spoken
    again = call.presses(typing, "12")
    assert "not a number" in again.spoken
    back = call.presses(again, "4045550199")
    assert "4 0 4, 5 5 5, 0 1 9 9" in back.spoken
    assert call.presses(back, "1").ends
    assert call.contact.callback_number == "+14045550199"


def test_a_withheld_number_is_asked_for(twilio: Twilio) -> None:
    call, typing = books(twilio, "anonymous")
    assert "ten digits" in typing.spoken
    assert call.says_nothing_to(typing).verbs == ["Enqueue"]


def test_nonsense_leads_back_to_the_queue_at_last(twilio: Twilio) -> None:
    call, menu = books(twilio)
    for _ in range(2):
        menu = call.presses(menu, "9")
    assert call.presses(menu, "9").verbs == ["Enqueue"]


def test_a_line_that_closes_soon_asks_whether_we_may_call_later(twilio: Twilio) -> None:
    call, menu = books(twilio)
    local = clock.now().astimezone(ZoneInfo("America/New_York"))
    opens, closes = f"{(local.hour - 1) % 24:02}:00", f"{(local.hour + 1) % 24:02}:00"
    change_line(GEORGIA, hours={str(day): [[opens, closes]] for day in range(7)})
    later = call.presses(menu, "1")
    assert "close soon" in later.spoken
    assert call.contact.callback_at is None
    assert call.presses(later, "1").ends
    assert call.contact.callback_later


def it_has_closed() -> None:
    local = clock.now().astimezone(ZoneInfo("America/New_York"))
    change_line(GEORGIA, hours={str((local.weekday() + 3) % 7): [["09:00", "17:00"]]})


@pytest.mark.parametrize(
    ("key", "opens", "ends", "stay", "gone"),
    [
        ("1", "opens again", ENDS, STAY, "Nobody is on shift"),
        ("2", "Abre de nuevo", ENDS_ES, STAY_ES, "nadie está de turno"),
    ],
    ids=["English", "Spanish"],
)
@pytest.mark.parametrize("policy", [NOW, {}], ids=["calls back", "calls nobody back"])
def test_a_line_that_has_closed_with_nobody_left_offers_a_call_after_the_next_opening(
    twilio: Twilio, key: str, opens: str, ends: str, stay: str, gone: str, policy: dict[str, Any]
) -> None:
    change_line(GEORGIA, policy=policy)
    call = twilio.calls()
    enqueue = call.is_waiting(key)
    it_has_closed()
    nobody_on_shift()
    assert call.waits(enqueue, str(call.contact.queue_sid), "30").verbs == ["Leave"]
    menu = call.asks(enqueue.url("Enqueue", "action"), QueueResult="leave")
    assert opens in menu.spoken
    assert ends in menu.spoken
    assert stay not in menu.spoken, "who stays loses the call"
    assert gone in call.says_nothing_to(menu).spoken
    assert call.contact.state == "missed"


def test_whoever_says_yes_when_nobody_is_left_is_called_also_on_a_line_that_calls_nobody_back(twilio: Twilio) -> None:
    call = twilio.calls()
    enqueue = call.is_waiting()
    it_has_closed()
    nobody_on_shift()
    assert call.waits(enqueue, str(call.contact.queue_sid), "30").verbs == ["Leave"]
    menu = call.asks(enqueue.url("Enqueue", "action"), QueueResult="leave")
    goodbye = call.presses(menu, "1")
    assert goodbye.ends
    assert "kept" in goodbye.spoken
    assert call.contact.callback_later
    call.asks("/twilio/voice/status", over=True, CallStatus="completed")
    clock.tick(clock.now())
    assert call.contact.state == "waiting"
    due = call.contact.callback_due_at
    assert due is not None
    assert due > clock.now() + timedelta(hours=1), "at the next opening"


@pytest.mark.parametrize(
    ("key", "unknown", "ends", "gone"),
    [
        ("1", "cannot say yet when", ENDS, "Nobody is on shift"),
        ("2", "no podemos decir cuándo", ENDS_ES, "nadie está de turno"),
    ],
    ids=["English", "Spanish"],
)
def test_a_line_that_has_closed_until_further_notice_with_nobody_left_says_so_and_offers_a_call(
    twilio: Twilio, key: str, unknown: str, ends: str, gone: str
) -> None:
    call = twilio.calls()
    enqueue = call.is_waiting(key)
    change_line(GEORGIA, closed_at=clock.now())
    nobody_on_shift()
    assert call.waits(enqueue, str(call.contact.queue_sid), "30").verbs == ["Leave"]
    menu = call.asks(enqueue.url("Enqueue", "action"), QueueResult="leave")
    assert unknown in menu.spoken
    assert ends in menu.spoken
    told = call.says_nothing_to(menu)
    assert gone in told.spoken
    assert "988" in told.spoken
    assert told.ends


def test_a_yes_of_before_a_closing_is_asked_for_anew_after_it(twilio: Twilio) -> None:
    call, menu = books(twilio)
    change_line(GEORGIA, closed_at=clock.now())
    nobody_on_shift()
    asked = call.presses(menu, "1")
    assert "cannot say yet when" in asked.spoken
    assert call.contact.callback_at is None
    assert call.presses(asked, "1").ends
    assert call.contact.callback_later


def test_whoever_was_dropped_and_finds_nobody_any_more_hears_so_and_had_an_answer(twilio: Twilio, cast: Cast) -> None:
    call = twilio.calls()
    call.is_waiting()
    with db.transaction() as session:
        session.execute(update(Contact).values(answered_at=clock.now(), priority=Priority.DROPPED))
    change_line(GEORGIA, closed_at=clock.now())
    nobody_on_shift()
    asked = call.asks(f"/twilio/voice/contacts/{call.contact.id}/dropped")
    assert "call you after we open again" in asked.spoken
    for told in (call.says_nothing_to(asked), call.asks(f"/twilio/voice/contacts/{call.contact.id}/dropped")):
        assert "Nobody is on shift" in told.spoken
        assert "988" in told.spoken
        assert told.ends
    assert call.contact.state == "closed"


def test_whoever_was_told_to_stay_is_asked_once_more_when_nobody_is_left_meanwhile(twilio: Twilio) -> None:
    call, menu = books(twilio)
    assert STAY in menu.spoken
    it_has_closed()
    nobody_on_shift()
    asked = call.says_nothing_to(menu)
    assert "Nobody is here" in asked.spoken
    assert ENDS in asked.spoken
    assert call.contact.state == "waiting"
    assert call.says_nothing_to(asked).ends
    assert call.contact.state == "missed"


def test_a_full_queue_is_told_kindly(twilio: Twilio) -> None:
    change_line(GEORGIA, policy={"most_waiting": 1})
    twilio.calls().is_waiting()
    other = twilio.calls("+14045550124")
    assert "so many people" in other.presses(other.rings(), "1").spoken.lower()
    assert other.contact.state == "missed"


def on_a_full_line(twilio: Twilio, number: str = "+14045550124", key: str = "1") -> tuple[Call, Call, Document]:
    """Who waits on a line for one, which gives five minutes a day; who is asked instead, and what they hear."""
    change_line(GEORGIA, policy={"most_waiting": 1, "minutes_a_day": 5, **NOW})
    waits, other = twilio.calls(), twilio.calls(number)
    waits.is_waiting()
    return waits, other, other.presses(other.rings(), key)


@pytest.mark.parametrize(
    ("key", "full", "ends", "stay", "gone"),
    [
        ("1", "So many people", ENDS, STAY, "call again later"),
        ("2", "tantas personas", ENDS_ES, STAY_ES, "llame más tarde"),
    ],
    ids=["English", "Spanish"],
)
def test_on_a_full_line_a_caller_may_be_called_back_and_is_not_told_to_stay(
    twilio: Twilio, key: str, full: str, ends: str, stay: str, gone: str
) -> None:
    _, other, menu = on_a_full_line(twilio, key=key)
    assert full in menu.spoken
    assert ends in menu.spoken
    assert stay not in menu.spoken
    typing = other.presses(menu, "2")
    assert ends in typing.spoken
    assert ends in other.presses(typing, "12").spoken
    assert gone in other.says_nothing_to(menu).spoken


def test_whoever_withholds_their_number_on_a_full_line_hears_what_silence_does(twilio: Twilio) -> None:
    _, other, typing = on_a_full_line(twilio, "anonymous")
    assert "ten digits" in typing.spoken
    assert ENDS in typing.spoken
    assert "call again later" in other.says_nothing_to(typing).spoken


def test_on_a_full_line_what_is_left_of_today_is_told_once(twilio: Twilio) -> None:
    waits, other, menu = on_a_full_line(twilio)
    assert LEFT in menu.spoken
    assert LEFT not in other.presses(menu, "9").spoken
    typing = other.presses(menu, "2")
    back = other.presses(typing, "4045550199")
    assert LEFT not in typing.spoken + back.spoken
    parting.leg_ended(waits.sid, clock.now())
    enqueue = other.says_nothing_to(back)
    assert enqueue.verbs == ["Enqueue"], "there is room now"
    assert LEFT not in other.waits(enqueue).spoken


def test_where_room_is_found_meanwhile_what_is_left_of_today_is_told_as_well(twilio: Twilio) -> None:
    waits, other, _ = on_a_full_line(twilio)
    parting.leg_ended(waits.sid, clock.now())
    menu = other.picks_up_the_fallback()
    assert LEFT in menu.spoken
    assert STAY in menu.spoken
    assert other.says_nothing_to(menu).verbs == ["Enqueue"]


@pytest.mark.parametrize(
    ("key", "still", "opens", "stay", "nobody"),
    [
        ("1", "some of us are still here", "opens again", STAY, "Nobody"),
        ("2", "algunos seguimos aquí", "Abre de nuevo", STAY_ES, "nadie"),
    ],
    ids=["English", "Spanish"],
)
def test_a_line_that_has_closed_and_still_serves_does_not_say_that_nobody_is_here(
    twilio: Twilio, key: str, still: str, opens: str, stay: str, nobody: str
) -> None:
    call, menu = books(twilio, key=key)
    it_has_closed()
    menu = call.presses(menu, "9")
    assert still in menu.spoken
    assert opens in menu.spoken
    assert stay in menu.spoken
    assert nobody not in menu.spoken
    assert call.says_nothing_to(menu).verbs == ["Enqueue"]


@pytest.mark.parametrize("asked", ["which language", "where to call"])
def test_whoever_is_called_in_from_a_menu_is_asked_again_and_not_told_of_a_connection(
    twilio: Twilio, cast: Cast, asked: str
) -> None:
    call, menu = books(twilio)
    if asked == "which language":
        call.waits(call.says_nothing_to(menu))
        with db.transaction() as session:
            session.execute(update(Contact).values(language="es", priority=Priority.DROPPED))
        off_shift(walk.peer(cast.peer2))
    again = call.asks(f"/twilio/voice/contacts/{call.contact.id}/dropped")
    assert again.verbs == ["Gather", "Redirect"]
    assert ("oprima 3" if asked == "which language" else "4 0 4, 5 5 5, 0 1 2 3") in again.spoken
    assert not any(word in again.spoken for word in ("connection", "conexión", "front", "frente"))


def rings(twilio: Twilio, cast: Cast) -> tuple[Contact, Connection, str, str]:
    """A booked caller's phone rings while the peer waits: contact, the peer's connection, our call, its address."""
    call, menu = books(twilio)
    call.presses(menu, "1")
    parting.leg_ended(call.sid, clock.now())
    clock.tick(clock.now())
    walk.is_ready(cast.peer1)
    peer = twilio.accepts(walk.peer(cast.peer1))
    dial = peer.browser_calls()
    peer.happens(dial, "participant-join", peer.sid)
    contact = call.contact
    assert contact.calling == peer.engagement.id
    return contact, peer, sid(), f"/twilio/voice/contacts/{contact.id}/called?call={peer.engagement.id}"


def test_whoever_picks_up_hears_nothing_of_what_it_is_about_and_takes_it_by_a_key(twilio: Twilio, cast: Cast) -> None:
    _, peer, ours, address = rings(twilio, cast)
    twilio.asks(address.replace("/called", "/call"), over=True, CallSid=ours, CallStatus="initiated")
    heard = twilio.asks(address, served=True, CallSid=ours, CallStatus="in-progress")
    assert not any(word in heard.spoken.lower() for word in ("warm", "peer", "line", "988", "georgia", "health"))
    room = twilio.asks(heard.root[0].get("action") or "", served=True, CallSid=ours, Digits="1")
    assert room.verbs == ["Dial"]
    peer.happens(room, "participant-join", ours)
    assert walk.state(cast.peer1)["activity"] == "talking"


def test_another_key_takes_no_call_and_is_asked_again_twice(twilio: Twilio, cast: Cast) -> None:
    _, _, ours, address = rings(twilio, cast)
    heard = twilio.asks(address, served=True, CallSid=ours, CallStatus="in-progress")
    for key in "57":
        heard = twilio.asks(heard.root[0].get("action") or "", served=True, CallSid=ours, Digits=key)
        assert "press 1" in heard.spoken
    action = heard.root[0].get("action") or ""
    assert twilio.asks(action, served=True, CallSid=ours, Digits="9").verbs == ["Hangup"]
    assert twilio.asks(action, served=True, CallSid=ours, Digits="1").verbs == ["Dial"]


@pytest.mark.parametrize("status", ["no-answer", "busy", "failed", "completed"])
def test_a_call_that_nobody_takes_frees_the_peer(twilio: Twilio, cast: Cast, status: str) -> None:
    contact, _, ours, address = rings(twilio, cast)
    if status == "completed":
        heard = twilio.asks(address, served=True, CallSid=ours, CallStatus="in-progress")
        assert heard.verbs[-1] == "Hangup"
    twilio.asks(address.replace("/called", "/call"), over=True, CallSid=ours, CallStatus=status)
    assert walk.state(cast.peer1)["activity"] == "idle"
    with db.reading() as session:
        contact = session.get_one(Contact, contact.id)
    assert (contact.state, contact.callback_tries) == ("waiting", 1)


def test_a_call_that_nobody_waits_for_any_more_says_so(twilio: Twilio, cast: Cast) -> None:
    contact, _, ours, address = rings(twilio, cast)
    mine = twilio.calls()
    mine.rings()
    assert mine.contact.id == contact.id
    over = twilio.asks(address, served=True, CallSid=ours, CallStatus="in-progress")
    assert "not needed" in over.spoken


@pytest.mark.parametrize("broken", ["sqlite:////nowhere/warmline.db"], indirect=True)
def test_without_a_database_whoever_picks_up_hears_nothing_and_it_is_as_if_nobody_had(broken: Twilio) -> None:
    document = broken.asks(f"/twilio/voice/contacts/{NOBODY}/called?call={NOBODY}", served=True, CallSid=sid())
    tries = 1
    while not document.ends:
        assert document.spoken == ""
        document = broken.asks(document.url("Redirect"), served=True, CallSid=sid())
        tries += 1
    assert (tries, document.spoken) == (twiml.TROUBLE_TRIES, "")
