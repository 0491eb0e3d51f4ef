"""Guards that others hide while all is well, each by itself: an old look is acted upon, somebody else is quicker."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from routing.facts import MakeOffer
from routing.states import Activity, ContactState
from tests.contacts.world import CALLER, GEORGIA, OTHER_CALLER, QUEUE, World
from warmline import db
from warmline.contacts import (
    asking,
    availability,
    connect,
    dispatch,
    holding,
    intake,
    messages,
    offers,
    outbox,
    parting,
    texts,
    wrapup,
)
from warmline.errors import Conflict, NotFound
from warmline.models import Contact, Engagement, Line, Message, Offer, Shift
from warmline.models.base import new_id
from warmline.models.history import advance, advance_all
from warmline.people import roster
from warmline.telephony.gateway import Membership, Uncertain

pytestmark = pytest.mark.both

PATIENCE_SECONDS = 10
A_MOMENT_SECONDS = 0.3  # what is not held off has long happened by then

# On SQLite nobody can be quicker: whoever writes has the one writer's place from the start.
on_postgresql = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)


def overtake(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """The next verb that would hold a contact has looked around already when somebody else does `act`."""
    hold = holding.contact

    def hold_too_late(session: Any, contact_id: str) -> Contact:
        monkeypatch.setattr(holding, "contact", hold)
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(act).result(PATIENCE_SECONDS)
        return hold(session, contact_id)

    monkeypatch.setattr(holding, "contact", hold_too_late)


# Offering, after an old look


def test_nothing_is_offered_to_whoever_has_stepped_away_meanwhile(world: World) -> None:
    contact_id, _ = world.waits()
    assert not dispatch.make([MakeOffer(contact_id, world.peer1.id)], world.now)
    assert world.all(Offer) == []


def test_nothing_is_offered_to_whoever_writes_a_report_meanwhile(world: World) -> None:
    world.available(world.peer1)
    first_id, *_ = world.talks(world.peer1)
    second_id, _ = world.waits(OTHER_CALLER)
    parting.end(world.peer1, first_id, world.now)
    assert not dispatch.make([MakeOffer(second_id, world.peer1.id)], world.now)
    assert world.all(Offer, contact_id=second_id) == []


def test_a_caller_who_has_left_the_queue_meanwhile_is_not_offered(world: World) -> None:
    contact_id, _ = world.waits()
    parting.out_of_queue(contact_id, world.now)
    world.available(world.peer1)
    assert not dispatch.make([MakeOffer(contact_id, world.peer1.id)], world.now)
    assert world.all(Offer) == []


def test_a_writer_who_is_answered_meanwhile_is_not_offered(world: World) -> None:
    world.available(world.peer1)
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    contact_id = world.accepts(world.peer1).contact_id
    world.available(world.peer2)
    assert not dispatch.make([MakeOffer(contact_id, world.peer2.id)], world.now)
    assert world.offer_to(world.peer2) is None


def test_the_index_has_the_last_word_on_offers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    contacts = [world.waits()[0]]
    world.now += timedelta(seconds=1)
    contacts.append(world.waits(OTHER_CALLER)[0])
    world.available(world.peer1)
    monkeypatch.setattr(roster, "activities", lambda session, ids: dict.fromkeys(ids, roster.Doing(Activity.IDLE, 0)))
    assert not dispatch.make([MakeOffer(contacts[1], world.peer1.id)], world.now)
    assert world.contact(contacts[1]).state == "waiting"
    assert [offer.contact_id for offer in world.all(Offer)] == contacts[:1]


def test_a_shift_on_a_foreign_line_opens_no_wall(world: World) -> None:
    with db.transaction() as session:
        for line_id in session.scalars(select(Line.id)):
            session.add(Shift(id=new_id(), peer_id=world.outsider.id, line_id=line_id, starts_at=world.now))
    world.available(world.outsider)
    world.waits()
    for organization_id in (world.lantern, world.outsider.organization_id):
        assert dispatch.run(organization_id, world.now) == 0
    assert world.all(Offer) == []


@on_postgresql
def test_whoever_steps_away_while_an_offer_is_made_does_not_keep_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact_id, _ = world.waits()
    world.available(world.peer1)
    [offer] = world.all(Offer)
    offers.decline(world.peer1, offer.id, world.now)
    steps_away = threading.Thread(target=availability.choose, args=(world.peer1, "break", world.now))
    activities = roster.activities

    def look_and_dawdle(*arguments: Any) -> dict[str, roster.Doing]:
        monkeypatch.undo()
        steps_away.start()
        steps_away.join(A_MOMENT_SECONDS)
        return activities(*arguments)

    monkeypatch.setattr(roster, "activities", look_and_dawdle)
    assert dispatch.make([MakeOffer(contact_id, world.peer1.id)], world.now)
    steps_away.join(PATIENCE_SECONDS)
    assert world.offer_to(world.peer1) is None


# Somebody is quicker


@on_postgresql
def test_the_slower_of_two_clicks_gets_the_same_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.available(world.peer1)
    world.waits()
    [offer] = world.all(Offer)
    overtake(monkeypatch, lambda: offers.accept(world.peer1, offer.id, world.now))
    offers.accept(world.peer1, offer.id, world.now)
    assert len(world.all(Engagement)) == 1


@on_postgresql
def test_a_phone_that_is_overtaken_by_end_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.available(world.peer1)
    contact_id, _ = world.waits()
    engagement = world.accepts(world.peer1)
    overtake(monkeypatch, lambda: parting.end(world.peer1, contact_id, world.now))
    with pytest.raises(Conflict):
        connect.peer_leg(world.peer1.identity, engagement.offer_id, "CA1", world.now)


@on_postgresql
def test_a_phone_that_comes_up_as_its_peer_presses_end_moves_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.available(world.peer1)
    contact_id, _ = world.waits()
    engagement = world.accepts(world.peer1)
    connect.peer_leg(world.peer1.identity, engagement.offer_id, "CA1", world.now)
    overtake(monkeypatch, lambda: parting.end(world.peer1, contact_id, world.now))
    connect.joined(engagement.id, "CA1", "CF1", world.now)
    assert [asked[0] for asked in world.company.asked] == ["hang up"]


@on_postgresql
def test_a_text_that_comes_as_its_thread_is_closed_opens_another(world: World) -> None:
    world.available(world.peer1)
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    contact_id = world.accepts(world.peer1).contact_id
    comes = threading.Thread(target=texts.receive, args=("SM2", CALLER, GEORGIA, "and then", False, world.now))
    with db.transaction() as session:
        assert advance(session, holding.contact(session, contact_id), "ended", world.now, ended_at=world.now)
        comes.start()
        comes.join(A_MOMENT_SECONDS)
    comes.join(PATIENCE_SECONDS)
    [message] = world.all(Message, message_sid="SM2")
    assert message.contact_id != contact_id, "nobody looks into a closed thread"


def test_a_call_that_is_told_twice_at_once_is_found_after_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = world.arrives()
    look, missed = intake.contact_of_call, iter([None])
    monkeypatch.setattr(intake, "contact_of_call", lambda *which: next(missed, first) and look(*which))
    again = intake.receive("CA" + "1".zfill(32), CALLER, GEORGIA, world.now)
    assert again is not None
    assert again.id == first.id


def test_a_caller_who_moves_while_we_ask_is_left_where_they_are(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.available(world.peer1)
    contact_id, caller_sid, peer_sid, engagement = world.talks(world.peer1)
    parting.leg_ended(peer_sid, world.now)
    asked = [*world.company.asked]

    def locate(*_: Any) -> Membership:
        parting.caller_back(contact_id, world.now, engagement.id)
        intake.queued(contact_id, QUEUE, world.now)
        return Membership(finished=False, conference_sid="CF1")

    monkeypatch.setattr(world.company, "locate", locate)
    asking.ask(caller_sid, world.now)
    assert world.company.asked == asked, "nobody is called back in from the queue"


def test_whoever_holds_a_contact_that_they_looked_at_before_sees_it_as_it_is(world: World) -> None:
    contact_id, _ = world.waits()
    seen = world.contact(contact_id)
    with db.transaction() as session:
        holding.contact(session, contact_id).language = "es"
    with db.transaction() as session:
        old = session.merge(seen, load=False)
        assert old.language == "en"
        assert holding.contact(session, contact_id) is old
        assert old.language == "es"


def test_two_clocks_ask_for_a_call_once(world: World) -> None:
    _, call_sid = world.waits()
    world.now += asking.ASK_AFTER
    assert world.finds(asking.unheard) == [call_sid]
    assert [asking.claim(call_sid, world.now) for _ in range(2)] == [True, False]
    assert world.finds(asking.unheard) == []


# Told again, told late, or never


def test_a_callback_that_was_applied_is_not_applied_again(world: World) -> None:
    world.available(world.peer1)
    _, caller_sid, _, engagement = world.talks(world.peer1)
    parting.left(engagement.id, caller_sid, "participant_hung_up", world.now, "CF1:4")
    connect.joined(engagement.id, caller_sid, "CF1", world.now, "CF1:5")
    world.now += timedelta(seconds=1)
    parting.left(engagement.id, caller_sid, "participant_hung_up", world.now, "CF1:4")
    assert world.leg(caller_sid).state == "joined"


def test_a_phone_that_is_found_in_a_conference_that_is_over_is_hung_up(world: World) -> None:
    world.available(world.peer1)
    contact_id, _, peer_sid, engagement = world.talks(world.peer1)
    parting.caller_back(contact_id, world.now, engagement.id)
    connect.joined(engagement.id, peer_sid, "CF1", world.now)
    assert world.company.asked[-1] == ("hang up", peer_sid)


def test_a_peer_whose_phone_failed_has_no_part_in_the_contact(world: World) -> None:
    world.available(world.peer1)
    contact_id, _ = world.waits()
    world.accepts(world.peer1)
    parting.end(world.peer1, contact_id, world.now)
    with pytest.raises(NotFound):
        wrapup.draft(world.peer1, contact_id, "", [], "not mine", False, world.now)


def test_another_organization_cannot_bring_a_phone(world: World) -> None:
    world.available(world.peer1)
    world.waits()
    engagement = world.accepts(world.peer1)
    for stranger in (world.peer2, world.outsider):
        with pytest.raises(NotFound):
            connect.peer_leg(stranger.identity, engagement.offer_id, world.sid(), world.now)


def test_a_request_that_nobody_has_sent_can_be_taken_back_and_another_cannot(world: World) -> None:
    world.available(world.peer1)
    _, caller_sid = world.waits()
    engagement = world.accepts(world.peer1)
    contact = world.contact(engagement.contact_id)
    connect.peer_leg(world.peer1.identity, engagement.offer_id, "CA1", world.now)
    db.bind(db.bound(), spawn=lambda *work: None)  # as if the process died at the commit
    connect.joined(engagement.id, "CA1", "CF1", world.now)
    parting.end(world.peer1, contact.id, world.now)
    outbox.deliver(contact.id)
    assert [asked[0] for asked in world.company.asked] == ["hang up"], "the caller stays where they are"
    assert world.contact(contact.id).queue_sid == QUEUE
    assert caller_sid not in [asked[1] for asked in world.company.asked]


def test_what_does_not_fit_its_state_changes_nothing(world: World) -> None:
    world.available(world.peer1)
    world.waits()
    [offer] = world.all(Offer)
    offers.decline(world.peer1, offer.id, world.now)
    for event in ("declined", "expired", "accepted", "nonsense"):
        with db.transaction() as session:
            assert not advance(session, session.get_one(Offer, offer.id), event, world.now, reason="late")
    assert world.events(offer.id) == ["began", "declined"]
    assert world.get(Offer, offer.id).reason == "not_now"


def test_many_together_are_not_moved_by_what_does_not_fit_their_state(world: World) -> None:
    contact_id, _ = world.waits()
    before = world.events(contact_id)
    with pytest.raises(ValueError, match="nothing is nonsense"), db.transaction() as session:
        advance_all(session, Contact, ContactState.WAITING, "nonsense", world.now, {contact_id: {}})
    assert world.contact(contact_id).state == "waiting"
    assert world.events(contact_id) == before


def test_a_phone_whose_connection_is_given_up_is_hung_up_even_before_it_comes_up(world: World) -> None:
    world.available(world.peer1)
    world.waits()
    engagement = world.accepts(world.peer1)
    connect.peer_leg(world.peer1.identity, engagement.offer_id, "CA1", world.now)
    world.now = engagement.connect_by
    connect.give_up(engagement.id, world.now)
    assert world.company.asked == [("hang up", "CA1")]


def test_a_phone_that_is_up_is_not_blamed_for_a_caller_who_does_not_come(world: World) -> None:
    world.available(world.peer1)
    world.waits()
    engagement = world.accepts(world.peer1)
    world.comes_up(engagement)
    connect.give_up(engagement.id, engagement.connect_by)
    assert world.get(Engagement, engagement.id).state == "connecting"
    assert world.peer(world.peer1).status == "available"


def test_a_phone_that_is_up_is_not_asked_about_at_every_tick(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock waits for that answer, and everybody for the clock: a phone company that hangs would stop it."""
    world.available(world.peer1)
    world.waits()
    world.comes_up(world.accepts(world.peer1))
    located: list[object] = []
    monkeypatch.setattr(asking, "ask", lambda *asked: located.append(asked))
    db.bind(db.bound(), spawn=lambda *work: None)  # what the clock does not wait for
    world.pass_time(60)
    assert located == []


def test_a_phone_is_not_given_up_before_its_time(world: World) -> None:
    world.available(world.peer1)
    world.waits()
    engagement = world.accepts(world.peer1)
    connect.give_up(engagement.id, engagement.connect_by - timedelta(seconds=1))
    assert world.get(Engagement, engagement.id).state == "connecting"


def test_a_caller_who_is_found_in_the_queue_is_moved_once_at_a_time(world: World) -> None:
    world.available(world.peer1)
    _, call_sid = world.waits()
    engagement = world.accepts(world.peer1)
    connect.peer_leg(world.peer1.identity, engagement.offer_id, "CA1", world.now)
    db.bind(db.bound(), spawn=lambda *work: None)  # the request is committed, and not sent yet
    connect.joined(engagement.id, "CA1", "CF1", world.now)
    asking.ask(call_sid, world.now)
    assert len(world.requests("move_caller")) == 1


def test_a_caller_who_hears_our_goodbye_after_a_lost_end_is_not_hung_up_on(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid, peer_sid, engagement = world.talks(world.peer1)
    world.company.failures = [Uncertain("ReadTimeout")]
    parting.end(world.peer1, contact_id, world.now)
    room = world.get(Engagement, engagement.id).conference_sid
    world.now += asking.ASK_AFTER
    world.company.whereabouts[peer_sid] = Membership(finished=False, conference_sid=room)
    asking.ask(peer_sid, world.now)
    world.company.whereabouts[caller_sid] = Membership(finished=False)  # let out just now
    asking.ask(caller_sid, world.now)
    assert world.company.asked[-1] == ("end conference", room)
    world.now += asking.ASK_AFTER + timedelta(seconds=1)
    asking.ask(caller_sid, world.now)
    assert world.company.asked[-1] == ("hang up", caller_sid)


def test_the_end_of_an_earlier_conference_separates_nobody(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid, peer_sid, first = world.talks(world.peer1)
    parting.leg_ended(peer_sid, world.now)
    parting.caller_back(contact_id, world.now, first.id)
    world.available(world.peer2)
    intake.queued(contact_id, QUEUE, world.now)
    second = world.accepts(world.peer2)
    world.comes_up(second)
    world.caller_joins(second, caller_sid)
    parting.caller_back(contact_id, world.now, first.id)
    assert world.contact(contact_id).state == "connected"


# Texts


def thread(world: World) -> str:
    """A conversation by text with peer1; the contact's id."""
    world.available(world.peer1)
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    return world.accepts(world.peer1).contact_id


def test_nobody_writes_to_whoever_said_stop(world: World) -> None:
    contact_id = thread(world)
    texts.receive("SM2", CALLER, GEORGIA, " stop ", False, world.now)
    asked = [*world.company.asked]
    with pytest.raises(Conflict):
        messages.write(world.peer1, contact_id, "Are you there?", world.now)
    assert world.company.asked == asked


def test_a_text_that_still_waits_when_stop_comes_is_not_sent(world: World) -> None:
    contact_id = thread(world)
    db.bind(db.bound(), spawn=lambda *work: None)  # the request is committed, and not sent yet
    message = messages.write(world.peer1, contact_id, "Are you there?", world.now)
    texts.receive("SM2", CALLER, GEORGIA, "STOP", True, world.now)
    asked = [*world.company.asked]
    outbox.deliver(contact_id)
    assert world.company.asked == asked
    assert world.get(Message, message.id).state == "failed"


def test_the_delivery_of_another_text_is_not_that_of_this_one(world: World) -> None:
    contact_id = thread(world)
    message = messages.write(world.peer1, contact_id, "I am here.", world.now)
    messages.delivered(message.id, "SM-another", "delivered", "", world.now)
    assert world.get(Message, message.id).state == "sent"
