"""A caller hangs up, keeps the place, and is called when it comes up: booked, rung, taken, or not reached."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from routing.ranking import Priority
from tests.contacts.booked import (
    STEP,
    books,
    calls_made,
    hangs_up,
    is_rung,
    lets_ring,
    promises,
    takes,
    wants,
    words_sent,
)
from tests.contacts.world import CALLER, GEORGIA, OTHER_CALLER, QUEUE, World
from tests.share import thorough_unless
from warmline import clock, db
from warmline.contacts import availability, calling_back, connect, intake, offers, parting, texts, wrapup
from warmline.models import Contact, Engagement, Leg, Message, Shift


def test_a_caller_who_hangs_up_is_called_when_the_place_comes_up(world: World) -> None:
    promises(world)
    contact_id, _ = books(world)
    queued_at = world.contact(contact_id).queued_at
    assert world.contact(contact_id).state == "waiting"
    world.available(world.peer1)
    engagement, sid = is_rung(world, world.peer1)
    call = next(asked for asked in world.company.asked if asked[0] == "call")
    base, query = f"/twilio/voice/contacts/{contact_id}", f"?call={engagement.id}"
    assert call == ("call", GEORGIA, CALLER, f"{base}/called{query}", f"{base}/call{query}")
    assert world.contact(contact_id).state == "connecting"

    takes(world, engagement, sid)
    assert world.contact(contact_id).state == "connected"
    assert world.activity(world.peer1) == "talking"
    parting.end(world.peer1, contact_id, world.now)
    wrapup.report(world.peer1, contact_id, "support_given", ["emotional"], "We talked.", False, world.now)
    assert world.contact(contact_id).state == "closed"
    assert world.contact(contact_id).queued_at == queued_at
    assert calls_made(world) == 1
    assert world.events(contact_id) == [
        "began", "queued", "overflow", "callback_wished", "callback_booked", "callback_due", "offered", "accepted",
        "callback_taken", "joined", "ended",
    ]  # fmt: skip


def test_nobody_is_told_of_it_before_the_line_does_it_or_by_a_line_that_does_not(world: World) -> None:
    contact_id, _ = world.waits()
    world.now += timedelta(hours=1)
    assert not calling_back.ask(world.contact(contact_id), 3600, world.now)
    assert not calling_back.wish(contact_id, world.now), "a key that nobody asked for"
    promises(world)
    other_id, _ = world.waits(OTHER_CALLER)
    assert not calling_back.ask(world.contact(other_id), 0, world.now)
    world.now += timedelta(seconds=60)
    clock.tick(world.now)
    assert calling_back.ask(world.contact(other_id), 60, world.now)
    assert calling_back.ask(world.contact(other_id), 60, world.now), "the same request again"
    assert not calling_back.ask(world.contact(other_id), 90, world.now)
    assert calling_back.ask(world.contact(other_id), 180, world.now)


def test_a_caller_who_hangs_up_before_confirming_has_left(world: World) -> None:
    promises(world)
    contact_id, sid = world.waits()
    world.now += timedelta(seconds=61)
    wants(world, contact_id)
    calling_back.note_number(contact_id, "4045550199", world.now)
    hangs_up(world, sid)
    contact = world.contact(contact_id)
    assert (contact.state, contact.callback_number) == ("abandoned", None)


def test_whoever_says_nothing_waits_on_in_the_old_place(world: World) -> None:
    promises(world)
    contact_id, _ = world.waits()
    queued_at = world.contact(contact_id).queued_at
    world.now += timedelta(seconds=61)
    wants(world, contact_id)
    world.available(world.peer1)
    assert world.offer_to(world.peer1) is None, "the phone company holds nobody who books"
    intake.not_booked(contact_id, world.now)
    intake.queued(contact_id, QUEUE, world.now)
    assert world.offer_to(world.peer1) is not None
    assert world.contact(contact_id).queued_at == queued_at


def test_whoever_says_nothing_while_a_peer_is_asked_waits_on(world: World) -> None:
    promises(world)
    contact_id, _ = world.waits()
    world.now += timedelta(seconds=61)
    clock.tick(world.now)
    assert calling_back.ask(world.contact(contact_id), 61, world.now)
    world.available(world.peer1)
    assert calling_back.wish(contact_id, world.now)
    contact = intake.not_booked(contact_id, world.now)
    assert contact.state == "offered"
    assert not calling_back.is_booking(contact), "or the same question would come again and again"


def test_whoever_declines_a_caller_who_books_is_asked_for_the_next_at_once(world: World) -> None:
    promises(world)
    contact_id, _ = world.waits()
    world.now += timedelta(seconds=61)
    behind, _ = world.waits(OTHER_CALLER)
    clock.tick(world.now)
    assert calling_back.ask(world.contact(contact_id), 61, world.now)
    world.available(world.peer1)
    assert calling_back.wish(contact_id, world.now)
    offer = world.rings_at(world.peer1)
    assert offer.contact_id == contact_id
    offers.decline(world.peer1, offer.id, world.now)
    assert world.rings_at(world.peer1).contact_id == behind


def test_nobody_is_called_while_they_still_hear_goodbye(world: World) -> None:
    promises(world)
    world.available(world.peer1)
    contact_id, sid = world.waits()
    offers.decline(world.peer1, world.rings_at(world.peer1).id, world.now)
    world.now += timedelta(seconds=61)
    wants(world, contact_id)
    calling_back.book(contact_id, world.now)
    calling_back.book(contact_id, world.now)  # a request that is repeated
    world.pass_time(5)
    assert world.offer_to(world.peer1) is None
    hangs_up(world, sid)
    world.pass_time(2)
    assert world.offer_to(world.peer1) is not None
    assert world.events(contact_id).count("callback_booked") == 1


def test_the_place_is_kept_among_those_who_wait_on_the_phone(world: World) -> None:
    promises(world)
    first_id, _ = books(world)
    second_id, _ = world.waits(OTHER_CALLER)
    with db.reading() as session:
        assert intake.place(session, world.contact(first_id)) == 1
        assert intake.place(session, world.contact(second_id)) == 2
    world.available(world.peer1)
    assert world.rings_at(world.peer1).contact_id == first_id


def test_nobody_s_place_gets_better_for_a_moment_only(world: World) -> None:
    """Somebody in front books and hangs up; and is then called, or their peer's phone does not come up."""
    promises(world)
    contact_id, sid = world.waits()
    world.now += timedelta(seconds=1)
    behind_id, _ = world.waits(OTHER_CALLER)
    world.now += timedelta(seconds=61)
    wants(world, contact_id)
    places = []

    def looks() -> None:
        with db.reading() as session:
            places.append(intake.place(session, world.contact(behind_id)))

    calling_back.book(contact_id, world.now)
    looks()
    hangs_up(world, sid)
    world.pass_time(2)
    looks()
    world.available(world.peer1)
    engagement = world.accepts(world.peer1)
    looks()
    world.pass_time(20)
    assert world.get(Engagement, engagement.id).state == "failed"
    looks()
    assert places == [2, 2, 2, 2]


NOT_CALLED = {
    "seven digits": "5550100",
    "premium rate": "9005550100",
    "an exchange of premium rate": "9765550100",
    "a number that follows a person": "5005550100",
    "no area": "4115550100",
    "abroad": "011442079460958",
}


def test_another_number_is_called_where_one_was_typed_and_nonsense_is_none(world: World) -> None:
    promises(world)
    contact_id, _ = books(world, number="anonymous", typed="4045550199")
    for typed in ("", "12", "0000000000000", "****", *NOT_CALLED.values()):
        assert not calling_back.note_number(contact_id, typed, world.now), typed
    world.available(world.peer1)
    _, sid = is_rung(world, world.peer1)
    assert [asked[2] for asked in world.company.asked if asked[0] == "call"] == ["+14045550199"]
    takes(world, world.all(Engagement)[0], sid)
    assert world.contact(contact_id).callback_number is None, "kept no longer than it is needed"


@pytest.mark.parametrize("typed", ["4045550199", "14045550199", "8005550100", "7875550100", "4165550100"])
def test_an_ordinary_number_can_be_called(world: World, typed: str) -> None:
    promises(world)
    contact_id, _ = world.waits()
    world.now += timedelta(seconds=61)
    wants(world, contact_id)
    assert calling_back.note_number(contact_id, typed, world.now)
    assert world.contact(contact_id).callback_number == "+1" + typed[-10:]


@pytest.mark.parametrize("number", ["anonymous", "+15550100", "+19005550100"])
def test_whoever_cannot_be_called_where_they_call_from_must_type_a_number(world: World, number: str) -> None:
    promises(world)
    contact_id, _ = world.waits(number)
    world.now += timedelta(seconds=61)
    wants(world, contact_id)
    assert calling_back.plan(contact_id, world.now).number is None
    assert calling_back.book(contact_id, world.now).callback_at is None


def test_a_call_that_is_not_taken_frees_the_peer_at_once_and_is_made_twice_more(world: World) -> None:
    promises(world)
    contact_id, _ = books(world)
    world.available(world.peer1)
    for pause in (5, 15):
        _, sid = is_rung(world, world.peer1)
        lets_ring(world, sid)
        assert world.activity(world.peer1) == "idle", "no wrap-up"
        assert world.contact(contact_id).state == "waiting"
        world.pass_time(pause * 60 - 10)
        assert world.offer_to(world.peer1) is None
        world.pass_time(15)
    _, sid = is_rung(world, world.peer1)
    lets_ring(world, sid)
    contact = world.contact(contact_id)
    assert (contact.state, contact.callback_tries, contact.callback_at) == ("unreached", 3, None)
    assert calls_made(world) == 3
    assert len(words_sent(world)) == 1
    assert not any(word in words_sent(world)[0].lower() for word in ("warm", "peer", "988", "crisis", "georgia"))
    assert {row.reason for row in world.all(Engagement)} == {"caller_unanswered"}
    world.pass_time(60)
    assert world.offer_to(world.peer1) is None


def test_whoever_books_again_is_called_as_often_again(world: World) -> None:
    """Two calls were not taken and the third was; then the peer let go, and the caller waited, and booked anew."""
    promises(world)
    contact_id, _ = books(world)
    world.available(world.peer1)
    for pause in (5, 15):
        _, sid = is_rung(world, world.peer1)
        lets_ring(world, sid)
        world.pass_time(pause * 60 + 5)
    engagement, sid = is_rung(world, world.peer1)
    assert calling_back.heard(contact_id, engagement.id, sid, world.now) is not None
    calling_back.take(contact_id, sid, world.now)
    parting.end(world.peer1, contact_id, world.now)
    intake.queued(contact_id, QUEUE, world.now)
    wants(world, contact_id)
    calling_back.book(contact_id, world.now)
    hangs_up(world, sid)
    world.pass_time(6)
    _, sid = is_rung(world, world.peer1)
    lets_ring(world, sid)
    contact = world.contact(contact_id)
    assert (contact.state, contact.callback_tries) == ("waiting", 1)


def test_whoever_was_not_reached_is_served_before_the_others_when_it_is_due_again(world: World) -> None:
    promises(world)
    contact_id, _ = books(world)
    world.available(world.peer1)
    _, sid = is_rung(world, world.peer1)
    lets_ring(world, sid)
    world.now -= timedelta(minutes=10)
    other_id, _ = world.waits(OTHER_CALLER)
    world.now += timedelta(minutes=10)
    offers.decline(world.peer1, world.rings_at(world.peer1).id, world.now)
    with db.reading() as session:
        assert intake.place(session, world.contact(other_id)) == 1, "who is called later is not in front now"
    world.pass_time(5 * 60 + 5)
    with db.reading() as session:
        assert intake.place(session, world.contact(contact_id)) == 1
        assert intake.place(session, world.contact(other_id)) == 2


def test_stop_is_respected_when_nobody_was_reached(world: World) -> None:
    promises(world)
    contact_id, _ = books(world)
    texts.receive("SM1", CALLER, GEORGIA, "STOP", True, world.now)
    with db.transaction() as session:
        parting.unreached(session, session.get_one(Contact, contact_id), "caller_unanswered", world.now)
    assert words_sent(world) == []


def test_a_peer_who_lets_go_while_it_rings_does_not_cut_the_caller_off(world: World) -> None:
    promises(world)
    contact_id, _ = books(world)
    world.available(world.peer1)
    engagement, sid = is_rung(world, world.peer1)
    parting.end(world.peer1, contact_id, world.now)
    assert ("hang up", sid) not in world.company.asked
    world.pass_time(6)
    assert world.offer_to(world.peer1) is None, "nobody else is asked while it rings"
    assert calling_back.heard(contact_id, engagement.id, sid, world.now) is not None
    calling_back.take(contact_id, sid, world.now)
    assert connect.caller_may_join(contact_id, world.now) is None
    intake.queued(contact_id, QUEUE, world.now)
    second = world.accepts(world.peer1)
    world.comes_up(second)
    world.caller_joins(second, sid)
    assert world.contact(contact_id).state == "connected"
    assert calls_made(world) == 1


def test_nobody_s_place_gets_better_while_it_rings_and_worse_when_the_peer_lets_go(world: World) -> None:
    promises(world)
    contact_id, _ = books(world)
    behind, _ = world.waits(OTHER_CALLER)
    world.available(world.peer1)

    def place() -> int:
        with db.reading() as session:
            return intake.place(session, world.contact(behind))

    _, sid = is_rung(world, world.peer1)
    assert place() == 2
    parting.end(world.peer1, contact_id, world.now)
    assert place() == 2
    lets_ring(world, sid)
    world.pass_time(2)
    assert place() == 1, "called again later"


def test_a_peer_who_drops_after_the_call_was_taken_leaves_a_caller_at_the_front(world: World) -> None:
    promises(world)
    contact_id, _ = books(world)
    world.available(world.peer1)
    engagement, sid = is_rung(world, world.peer1)
    takes(world, engagement, sid)
    peer_leg = next(leg for leg in world.all(Leg, kind="peer"))
    parting.leg_ended(peer_leg.call_sid, world.now)
    assert ("redirect", sid, f"/twilio/voice/contacts/{contact_id}/dropped") in world.company.asked
    assert world.contact(contact_id).state == "waiting"
    assert world.contact(contact_id).priority == 10
    parting.caller_back(contact_id, world.now, engagement.id)
    intake.queued(contact_id, QUEUE, world.now)
    hangs_up(world, sid)
    assert world.contact(contact_id).state == "closed", "on the phone, and left: no callback any more"


def test_whoever_was_dropped_stays_at_the_front_though_they_hang_up_and_are_called(world: World) -> None:
    promises(world)
    world.available(world.peer1)
    contact_id, caller_sid, peer_sid, engagement = world.talks(world.peer1)
    parting.leg_ended(peer_sid, world.now)
    parting.caller_back(contact_id, world.now, engagement.id)
    intake.queued(contact_id, QUEUE, world.now)
    availability.choose(world.peer1, "off", world.now)
    world.now += timedelta(seconds=61)
    wants(world, contact_id)
    calling_back.book(contact_id, world.now)
    hangs_up(world, caller_sid)
    world.pass_time(2)
    world.available(world.peer2)
    _, sid = is_rung(world, world.peer2)
    lets_ring(world, sid)
    world.pass_time(5 * 60 + 5)
    assert world.contact(contact_id).priority == Priority.DROPPED, "when it is due again"
    engagement, sid = is_rung(world, world.peer2)
    takes(world, engagement, sid)
    assert world.contact(contact_id).priority == Priority.DROPPED


def test_whoever_has_taken_our_call_is_before_the_others_should_the_peer_be_gone(world: World) -> None:
    promises(world)
    books(world)
    world.available(world.peer1)
    engagement, sid = is_rung(world, world.peer1)
    assert calling_back.heard(engagement.contact_id, engagement.id, sid, world.now) is not None
    assert calling_back.take(engagement.contact_id, sid, world.now).priority == Priority.CALLBACK


def test_the_end_of_the_first_call_told_again_later_ends_nothing(world: World) -> None:
    promises(world)
    contact_id, first = books(world)
    world.available(world.peer1)
    engagement, sid = is_rung(world, world.peer1)
    parting.leg_ended(first, world.now)
    assert world.contact(contact_id).state == "connecting"
    takes(world, engagement, sid)
    parting.leg_ended(first, world.now)
    assert world.contact(contact_id).state == "connected"


# A caller who calls meanwhile


def test_whoever_calls_the_line_meanwhile_has_their_place(world: World) -> None:
    promises(world)
    contact_id, _ = books(world)
    contact, sid = world.arrives()
    again, _ = world.arrives(OTHER_CALLER)
    assert contact.id == contact_id
    assert again.id != contact_id
    intake.queued(contact_id, QUEUE, world.now)
    world.available(world.peer1)
    assert world.rings_at(world.peer1).contact_id == contact_id
    engagement = world.accepts(world.peer1)
    world.comes_up(engagement)
    world.caller_joins(engagement, sid)
    assert world.contact(contact_id).state == "connected"
    assert calls_made(world) == 0


def test_whoever_calls_while_we_call_them_talks_to_the_peer_who_waits(world: World) -> None:
    promises(world)
    contact_id, _ = books(world)
    world.available(world.peer1)
    engagement, ours = is_rung(world, world.peer1)
    contact, sid = world.arrives()
    assert contact.id == contact_id
    assert ("hang up", ours) in world.company.asked
    assert calling_back.heard(contact_id, engagement.id, ours, world.now) is None, "no use for that call any more"
    intake.queued(contact_id, QUEUE, world.now)
    world.caller_joins(engagement, sid)
    lets_ring(world, ours)
    assert world.contact(contact_id).state == "connected"
    assert world.contact(contact_id).callback_tries == 0


# A full queue


def test_a_full_queue_offers_a_callback_or_turns_away_kindly(world: World) -> None:
    promises(world, {"most_waiting": 1, **STEP})
    world.waits()
    contact, _ = world.arrives(OTHER_CALLER)
    contact, admission, _ = intake.choose_language(contact.id, "en", world.now)
    assert (contact.state, admission) == ("waiting", intake.Admission.QUEUE)
    assert not calling_back.plan(contact.id, world.now).may_wait
    refused = intake.not_booked(contact.id, world.now)
    assert (refused.state, refused.ended_how) == ("missed", "queue_full")

    promises(world, {"most_waiting": 1})
    contact, _ = world.arrives("+14045550125")
    contact, admission, _ = intake.choose_language(contact.id, "en", world.now)
    assert (contact.state, admission, contact.ended_how) == ("missed", intake.Admission.QUEUE_FULL, "queue_full")


def test_whoever_is_to_be_called_takes_no_room_from_those_on_the_phone(world: World) -> None:
    promises(world, {"most_waiting": 1, **STEP})
    books(world)
    contact, _ = world.arrives(OTHER_CALLER)
    contact, admission, _ = intake.choose_language(contact.id, "en", world.now)
    assert (contact.state, admission) == ("arriving", intake.Admission.QUEUE)


def test_a_full_queue_is_full_for_a_language_that_nobody_speaks_just_now(world: World) -> None:
    promises(world, {"most_waiting": 1})
    with db.transaction() as session:
        session.execute(update(Shift).where(Shift.peer_id == world.peer2.id).values(ends_at=world.now))
    world.waits()
    contact, _ = world.arrives(OTHER_CALLER)
    contact, admission, _ = intake.choose_language(contact.id, "es", world.now)
    assert (contact.state, admission) == ("missed", intake.Admission.QUEUE_FULL)


def test_whoever_has_waited_is_not_turned_away_by_a_full_queue_for_having_asked_about_a_callback(world: World) -> None:
    """Somebody who was dropped makes one more than the line has room for."""
    promises(world, {"most_waiting": 2, **STEP})
    world.available(world.peer1)
    *_, peer_sid, _ = world.talks(world.peer1, "+14045550125")
    contact_id, _ = world.waits()
    world.waits(OTHER_CALLER)
    parting.leg_ended(peer_sid, world.now)
    world.now += timedelta(seconds=61)
    wants(world, contact_id)
    assert calling_back.plan(contact_id, world.now).may_wait
    assert intake.not_booked(contact_id, world.now).state == "waiting"


# Kills


STEPS = 33  # from the wish to the talk; nobody dies at the one after the last, so that a further one is noticed
DEATHS = [
    pytest.param(engine, number, after, marks=thorough_unless((number + after) % 2 == 0))
    for engine, numbers in {"sqlite": range(STEPS + 1), "postgresql": (*range(0, STEPS, 8), STEPS)}.items()
    for number in numbers
    for after in (False, True)
]


@pytest.mark.parametrize(("engine", "number", "after"), DEATHS, indirect=["engine"])
def test_a_process_that_dies_anywhere_loses_no_caller_and_rings_nobody_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int, after: bool
) -> None:
    """Every step of booking and calling is told again after a death at its commit, as the phone company does.

    On SQLite each, on PostgreSQL a few.
    """
    promises(world)
    world.available(world.peer1)
    contact_id, first = world.waits()
    offers.decline(world.peer1, world.rings_at(world.peer1).id, world.now)
    world.now += timedelta(seconds=61)
    commit, left = Session.commit, [number]

    def dies(session: Session) -> None:
        if not db._writing.get():
            return commit(session)
        left[0] -= 1
        if left[0] == -1 and not after:
            raise KeyboardInterrupt
        commit(session)
        if left[0] == -1:
            raise KeyboardInterrupt
        return None

    monkeypatch.setattr(Session, "commit", dies)

    def surely(act: Any, *arguments: Any) -> Any:
        try:
            return act(*arguments)
        except KeyboardInterrupt:
            return act(*arguments)

    surely(clock.tick, world.now)
    surely(calling_back.ask, world.contact(contact_id), 61, world.now)
    surely(calling_back.wish, contact_id, world.now)
    surely(calling_back.book, contact_id, world.now)
    surely(hangs_up, world, first)
    surely(world.pass_time, 8)
    surely(world.pass_time, 2)
    engagement = surely(offers.accept, world.peer1, world.rings_at(world.peer1).id, world.now)
    leg = world.sid()
    identity = world.peer1.identity
    surely(connect.peer_leg, identity, engagement.offer_id, leg, world.now)
    surely(connect.joined, engagement.id, leg, "CF1", world.now)
    surely(world.pass_time, 25)  # died with the request claimed: the phone company is asked whether it went out
    assert calls_made(world) == 1
    sid = f"CA8{1:031d}"
    assert surely(calling_back.heard, contact_id, engagement.id, sid, world.now) is not None
    surely(calling_back.take, contact_id, sid, world.now)
    assert surely(connect.caller_may_join, contact_id, world.now) is not None
    surely(connect.joined, engagement.id, sid, "CF1", world.now)
    assert world.contact(contact_id).state == "connected"
    assert len(world.all(Contact)) == 1
    assert calls_made(world) == 1
    assert world.all(Message) == []
    assert (left[0] < 0) == (number < STEPS), "STEPS is no longer how many there are"
