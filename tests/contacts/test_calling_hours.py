"""Nobody is called after closing time without a yes, and nobody promised a call that cannot come."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from routing.ranking import Priority
from tests.contacts.booked import (
    OFFICE,
    UNTIL_FIVE,
    books,
    calls_made,
    hangs_up,
    is_rung_perhaps,
    nobody_on_shift,
    promises,
    the_request,
    wants,
    words_sent,
)
from tests.contacts.world import CALLER, QUEUE, World
from warmline import clock, db
from warmline.contacts import calling_back, intake, outbox
from warmline.models import Offer, Shift
from warmline.telephony.gateway import NotTaken


def test_nobody_is_called_after_closing_time_without_a_yes(world: World) -> None:
    promises(world, hours=OFFICE)
    contact_id, _ = books(world)
    world.now += timedelta(seconds=UNTIL_FIVE)
    world.pass_time(2)
    assert world.contact(contact_id).state == "unreached"
    (told,) = words_sent(world)
    assert "closed now" in told, "nobody has called, and nobody says so"
    assert "opens again on Saturday at 9 AM" in told
    assert not any(word in told.lower() for word in ("warm", "peer", "988", "crisis", "georgia"))
    world.available(world.peer1)
    assert world.offer_to(world.peer1) is None


@pytest.mark.parametrize(
    ("spans", "asked"),
    [
        pytest.param([["09:00", "17:00"]], False, id="three hours before closing"),
        pytest.param([["09:00", "16:00"]], False, id="two hours before it"),
        pytest.param([["09:00", "15:59"]], True, id="less than that"),
        pytest.param([["09:00", "14:30"], ["15:30", "20:00"]], True, id="before a break"),
        pytest.param([["09:00", "14:30"], ["14:30", "20:00"]], False, id="hours without a gap"),
        pytest.param([["00:00", "24:00"]], False, id="around the clock"),
    ],
)
def test_whoever_books_within_two_hours_of_a_closing_is_asked_about_the_next_opening(
    world: World, spans: list[list[str]], asked: bool
) -> None:
    promises(world, hours={str(day): spans for day in range(7)})
    contact_id, _ = world.waits()
    world.now += timedelta(hours=1)  # it is 14:00
    wants(world, contact_id)
    assert calling_back.plan(contact_id, world.now).asks_later == asked


def test_whoever_said_yes_before_a_break_is_called_after_it(world: World) -> None:
    promises(world, hours={str(day): [["09:00", "13:30"], ["14:30", "20:00"]] for day in range(7)})
    contact_id, _ = books(world, later=True)
    world.pass_time(3600, every=60)
    assert (world.contact(contact_id).state, words_sent(world)) == ("waiting", [])
    world.available(world.peer1)
    assert world.offer_to(world.peer1) is None
    opens = world.contact(contact_id).callback_due_at
    assert opens is not None
    world.pass_time((opens - world.now).total_seconds(), every=60)
    assert world.rings_at(world.peer1).contact_id == contact_id


def test_whoever_said_yes_is_called_after_the_next_opening(world: World) -> None:
    promises(world, hours=OFFICE)
    contact_id, _ = books(world, later=True)
    world.now += timedelta(seconds=UNTIL_FIVE)
    world.available(world.peer1)
    world.pass_time(2)
    assert world.offer_to(world.peer1) is None
    contact = world.contact(contact_id)
    assert contact.callback_due_at is not None
    assert (contact.state, contact.callback_due_at.hour) == ("waiting", 14)  # 9:00 in New York
    world.now = contact.callback_due_at
    world.available(world.peer1)
    world.pass_time(2)
    assert world.offer_to(world.peer1) is not None


def test_a_peer_who_comes_up_after_closing_time_calls_nobody(world: World) -> None:
    promises(world, hours=OFFICE)
    contact_id, _ = books(world)
    world.now += timedelta(seconds=UNTIL_FIVE - 80)
    world.available(world.peer1)
    engagement = world.accepts(world.peer1)
    world.now += timedelta(seconds=80)
    world.comes_up(engagement)
    assert calls_made(world) == 0
    world.pass_time(2)
    assert world.contact(contact_id).state == "unreached"
    assert world.activity(world.peer1) == "idle"


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("how", ["not taken", "answer lost", "killed", "killed before"])
def test_a_call_that_could_not_be_sent_before_closing_time_is_not_made_after_it(
    world: World, how: str, later: bool
) -> None:
    promises(world, hours=OFFICE)
    closing = world.now + timedelta(seconds=UNTIL_FIVE)
    contact_id, _ = books(world, later=later)
    world.now = closing - timedelta(seconds=2)  # and one until the peer is there
    world.available(world.peer1)
    if how == "not taken":
        world.company.failures = [NotTaken("429")]
        world.comes_up(world.accepts(world.peer1))
    elif how == "killed before":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(outbox, "deliver", lambda _: None)
            world.comes_up(world.accepts(world.peer1))
    else:
        is_rung_perhaps(world, world.peer1, how=how)
    made = calls_made(world)
    assert the_request(world).state in ("pending", "sending", "unknown")

    world.available(world.peer2)
    world.now = closing
    world.pass_time(50)
    assert calls_made(world) == made
    assert world.all(Offer, peer_id=world.peer2.id) == [], "nobody is asked to take what may not be called"
    assert world.activity(world.peer1) == "idle"
    contact = world.contact(contact_id)
    assert (contact.state, contact.callback_tries) == ("waiting" if later else "unreached", 0)
    assert (contact.callback_due_at is not None) == later


def test_whoever_said_yes_waits_until_somebody_reopens_the_line(world: World) -> None:
    promises(world)
    contact_id, _ = books(world, later=True)
    promises(world, closed_at=world.now)
    clock.tick(world.now)
    world.available(world.peer1)
    world.pass_time(3 * 24 * 3600, every=3600)
    assert world.contact(contact_id).state == "waiting"
    assert world.all(Offer) == []

    promises(world, closed_at=None)
    world.available(world.peer1)
    clock.tick(world.now)
    assert world.rings_at(world.peer1).contact_id == contact_id
    assert world.contact(contact_id).priority == Priority.CALLBACK
    assert not world.contact(contact_id).callback_postponed


def test_nobody_is_owed_a_call_for_longer_than_a_week_by_a_line_that_stays_closed(world: World) -> None:
    promises(world)
    contact_id, _ = books(world, later=True)
    promises(world, closed_at=world.now)
    world.pass_time((calling_back.KEPT - timedelta(hours=1)).total_seconds(), every=3600)
    assert world.contact(contact_id).state == "waiting"
    world.pass_time(2 * 3600, every=600)
    assert world.contact(contact_id).state == "unreached"
    assert len(words_sent(world)) == 1


def test_a_line_that_is_reopened_early_calls_at_once(world: World) -> None:
    promises(world)
    contact_id, _ = books(world, later=True)
    promises(world, closed_at=world.now, closed_until=world.now + timedelta(days=1))
    world.pass_time(60)
    assert world.contact(contact_id).callback_postponed
    promises(world, closed_at=None, closed_until=None)
    world.available(world.peer1)
    clock.tick(world.now)
    assert world.rings_at(world.peer1).contact_id == contact_id


def test_whoever_calls_before_the_line_opens_takes_the_place_on_the_phone(world: World) -> None:
    promises(world)
    contact_id, _ = books(world, later=True)
    promises(world, closed_at=world.now)
    world.pass_time(60)
    promises(world, closed_at=None)
    assert world.waits()[0] == contact_id
    contact = world.contact(contact_id)
    assert (contact.callback_at, contact.callback_due_at, contact.callback_postponed) == (None, None, False)
    world.available(world.peer1)
    assert world.rings_at(world.peer1).contact_id == contact_id


@pytest.mark.parametrize("when", ["waits", "books"])
def test_nobody_hangs_up_for_a_call_while_nobody_knows_when_the_line_opens(world: World, when: str) -> None:
    """A line that is always open, closed early: it opens when somebody reopens it. On the phone one is served.

    Whoever was asked before that must hear of it before they say yes.
    """
    promises(world)
    contact_id, _ = world.waits()
    world.now += timedelta(seconds=61)
    if when == "books":
        wants(world, contact_id)
        calling_back.note_number(contact_id, "4045550199", world.now)
    promises(world, closed_at=world.now)
    clock.tick(world.now)
    assert not calling_back.ask(world.contact(contact_id), 61, world.now)
    contact = calling_back.book(contact_id, world.now)
    assert (contact.state, contact.callback_at) == ("waiting", None)
    if when == "books":
        assert calling_back.is_booking(contact)
        assert intake.not_booked(contact_id, world.now).state == "waiting"
    intake.queued(contact_id, QUEUE, world.now)
    world.available(world.peer1)
    assert world.rings_at(world.peer1).contact_id == contact_id


def test_whoever_still_waits_when_nobody_is_left_may_be_called_after_the_next_opening(world: World) -> None:
    promises(world, hours=OFFICE)
    contact_id, sid = world.waits()
    world.now += timedelta(seconds=UNTIL_FIVE)
    nobody_on_shift(world)
    assert intake.nobody_left(contact_id, world.now)
    assert world.contact(contact_id).state == "waiting"
    plan = calling_back.plan(contact_id, world.now)
    assert plan.opens is not None
    assert plan.number == CALLER
    assert calling_back.book(contact_id, world.now).callback_at is None, "a yes from before the line has closed is none"
    calling_back.book(contact_id, world.now, later=True)
    hangs_up(world, sid)
    world.pass_time(5)
    contact = world.contact(contact_id)
    assert (contact.state, contact.callback_due_at) == ("waiting", plan.opens)


@pytest.mark.parametrize("reopened", [True, False], ids=["reopened", "closed for a week"])
def test_whoever_still_waits_when_a_line_has_closed_until_further_notice_may_be_called_too(
    world: World, reopened: bool
) -> None:
    contact_id, sid = world.waits()
    promises(world, closed_at=world.now)
    nobody_on_shift(world)
    assert intake.nobody_left(contact_id, world.now)
    plan = calling_back.plan(contact_id, world.now)
    assert (plan.is_open, plan.opens, plan.may_wait) == (False, None, False)
    calling_back.book(contact_id, world.now, later=True)
    hangs_up(world, sid)
    world.pass_time(6 * 24 * 3600, every=6 * 3600)
    assert world.contact(contact_id).state == "waiting"
    if reopened:
        promises(world, closed_at=None)
        with db.transaction() as session:
            session.execute(update(Shift).values(ends_at=None))
        world.available(world.peer1)
        world.pass_time(5)
        assert world.rings_at(world.peer1).contact_id == contact_id
    else:
        world.pass_time(24 * 3600, every=6 * 3600)
        assert world.contact(contact_id).state == "unreached"
        (told,) = words_sent(world)
        assert "closed now" in told


def test_whoever_wants_no_call_then_is_told_that_nobody_is_left(world: World) -> None:
    promises(world, hours=OFFICE)
    contact_id, _ = world.waits()
    world.now += timedelta(seconds=UNTIL_FIVE)
    nobody_on_shift(world)
    intake.nobody_left(contact_id, world.now)
    assert intake.not_booked(contact_id, world.now).state == "missed"
