"""One call through the house, and the ways in which it ends."""

from collections.abc import Callable

import pytest
from sqlalchemy import update

from tests.contacts.world import CALLER, OTHER_CALLER, QUEUE, World
from warmline import db
from warmline.contacts import asking, calling_back, connect, intake, messages, offers, outbox, parting, texts, wrapup
from warmline.errors import Conflict, Invalid, NotFound
from warmline.models import Caller, Contact, Engagement, Leg, Offer, Report, Shift
from warmline.telephony.gateway import Membership, NotTaken, Refused, Uncertain


def test_a_call_walks_from_ringing_to_logged(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid = world.waits()
    engagement = world.accepts(world.peer1)
    assert world.contact(contact_id).state == "connecting"
    assert world.company.asked == [], "the caller stays in the queue until the peer's leg is up"

    world.comes_up(engagement)
    assert world.company.asked == [("move", caller_sid, QUEUE, f"/twilio/voice/contacts/{contact_id}/join")]
    world.caller_joins(engagement, caller_sid)
    assert world.contact(contact_id).state == "connected"
    assert world.activity(world.peer1) == "talking"

    parting.end(world.peer1, contact_id, world.now)
    assert world.contact(contact_id).state == "closed"
    assert world.activity(world.peer1) == "wrapping"
    assert world.company.asked[-1][0] == "end conference"

    wrapup.report(world.peer1, contact_id, "support_given", ["emotional"], "We talked.", True, world.now)
    assert world.activity(world.peer1) == "idle"
    assert world.events(contact_id) == ["began", "queued", "offered", "accepted", "joined", "ended"]
    assert world.events(engagement.id) == ["began", "joined", "ended", "reported"]


def test_nothing_is_offered_before_the_first_wait_request(world: World) -> None:
    world.available(world.peer1)
    contact, _ = world.arrives()
    intake.choose_language(contact.id, "en", world.now)
    world.pass_time(10)
    assert world.offer_to(world.peer1) is None
    intake.queued(contact.id, QUEUE, world.now)
    assert world.offer_to(world.peer1) is not None


def test_the_longest_idle_peer_is_asked_first(world: World) -> None:
    world.available(world.peer2, world.peer1)
    world.waits()
    assert world.offer_to(world.peer2) is not None
    assert world.offer_to(world.peer1) is None


def test_a_spanish_caller_is_offered_to_whoever_speaks_spanish(world: World) -> None:
    world.available(world.peer1, world.peer2)
    world.waits(language="es")
    assert world.offer_to(world.peer1) is None
    assert world.offer_to(world.peer2) is not None


def test_a_declined_offer_goes_to_another_peer_and_not_back_while_one_is_free(world: World) -> None:
    world.available(world.peer1, world.peer2)
    contact_id, _ = world.waits()
    offer = world.offer_to(world.peer1)
    assert offer is not None
    offers.decline(world.peer1, offer.id, world.now)
    offers.decline(world.peer1, offer.id, world.now)  # a double click
    assert world.offer_to(world.peer1) is None
    assert world.offer_to(world.peer2) is not None
    assert len(world.all(Offer, contact_id=contact_id)) == 2


def test_an_offer_expires_after_twenty_seconds_and_the_place_is_kept(world: World) -> None:
    world.available(world.peer1, world.peer2)
    contact_id, _ = world.waits()
    queued_at = world.contact(contact_id).queued_at
    world.pass_time(19)
    assert world.offer_to(world.peer1) is not None
    world.pass_time(2)
    assert world.offer_to(world.peer1) is None
    assert world.offer_to(world.peer2) is not None
    assert world.contact(contact_id).queued_at == queued_at


def test_the_only_peer_is_asked_again_after_a_breath(world: World) -> None:
    world.available(world.peer1)
    world.waits()
    offer = world.offer_to(world.peer1)
    assert offer is not None
    offers.decline(world.peer1, offer.id, world.now)
    assert world.offer_to(world.peer1) is None
    world.pass_time(6)
    assert world.offer_to(world.peer1) is not None


def test_a_peer_whose_console_falls_silent_is_not_offered_anything(world: World) -> None:
    world.available(world.peer1)
    world.closes_console(world.peer1)
    world.pass_time(23)
    world.waits()
    assert world.offer_to(world.peer1) is None


def test_an_offer_of_a_peer_who_steps_away_goes_on(world: World) -> None:
    from warmline.contacts import availability

    world.available(world.peer1, world.peer2)
    world.waits()
    availability.choose(world.peer1, "break", world.now)
    assert world.offer_to(world.peer1) is None
    assert world.offer_to(world.peer2) is not None


def test_a_leg_that_does_not_come_up_costs_the_caller_nothing(world: World) -> None:
    world.available(world.peer1, world.peer2)
    contact_id, caller_sid = world.waits()
    queued_at = world.contact(contact_id).queued_at
    world.accepts(world.peer1)
    world.pass_time(16)
    assert world.peer(world.peer1).status == "away"
    assert world.peer(world.peer1).status_reason == "leg_not_up"
    assert world.contact(contact_id).queued_at == queued_at
    assert world.offer_to(world.peer2) is not None
    assert ("redirect", caller_sid) not in [asked[:2] for asked in world.company.asked]


def test_a_leg_that_comes_too_late_is_hung_up(world: World) -> None:
    world.available(world.peer1)
    world.waits()
    engagement = world.accepts(world.peer1)
    sid = world.sid()
    connect.peer_leg(world.peer1.identity, engagement.offer_id, sid, world.now)
    world.pass_time(16)
    connect.joined(engagement.id, sid, "CF1", world.now)
    assert ("hang up", sid) in world.company.asked
    assert world.get(Engagement, engagement.id).state == "failed"


def test_a_lost_peer_brings_the_caller_to_the_front(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid, peer_sid, engagement = world.talks(world.peer1)
    other_id, _ = world.waits(OTHER_CALLER)
    parting.leg_ended(peer_sid, world.now)
    parting.left(engagement.id, peer_sid, "participant_hung_up", world.now)
    assert world.contact(contact_id).state == "waiting"
    assert world.company.asked[-1] == ("redirect", caller_sid, f"/twilio/voice/contacts/{contact_id}/dropped")
    assert [asked[0] for asked in world.company.asked].count("redirect") == 1
    world.available(world.peer2)
    offer = world.offer_to(world.peer2)
    assert offer is not None
    assert offer.contact_id == other_id, "the dropped caller is not in the queue yet"
    offers.decline(world.peer2, offer.id, world.now)
    parting.caller_back(contact_id, world.now)
    intake.queued(contact_id, QUEUE, world.now)
    offer = world.offer_to(world.peer2)
    assert offer is not None
    assert offer.contact_id == contact_id
    with db.reading() as session:
        assert intake.place(session, world.contact(contact_id)) == 1
        assert intake.place(session, world.contact(other_id)) == 2


def test_a_second_conversation_after_a_drop_is_a_second_engagement(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid, peer_sid, _ = world.talks(world.peer1)
    parting.leg_ended(peer_sid, world.now)
    parting.caller_back(contact_id, world.now)
    world.available(world.peer2)
    intake.queued(contact_id, QUEUE, world.now)
    second = world.accepts(world.peer2)
    world.comes_up(second)
    world.caller_joins(second, caller_sid)
    assert world.contact(contact_id).state == "connected"
    assert sorted(row.state for row in world.all(Engagement, contact_id=contact_id)) == ["active", "wrapping"]


@pytest.mark.parametrize("step", ["arriving", "waiting", "offered", "connecting", "peer up", "connected", "dropped"])
def test_a_caller_may_leave_at_every_step_and_nobody_is_stuck(world: World, step: str) -> None:
    world.available(world.peer1)
    if step == "arriving":
        contact, sid = world.arrives()
        contact_id = contact.id
    elif step in ("connected", "dropped"):
        contact_id, sid, peer_sid, _ = world.talks(world.peer1)
        if step == "dropped":
            parting.leg_ended(peer_sid, world.now)
    else:
        if step == "waiting":
            world.closes_console(world.peer1)
            world.pass_time(30)
        contact_id, sid = world.waits()
        if step in ("connecting", "peer up"):
            engagement = world.accepts(world.peer1)
            if step == "peer up":
                world.comes_up(engagement)
    parting.leg_ended(sid, world.now)
    parting.leg_ended(sid, world.now)
    state = world.contact(contact_id).state
    assert state == ("closed" if step in ("connected", "dropped") else "abandoned")
    world.pass_time(125)
    assert world.activity(world.peer1) == "idle"
    assert all(row.state in ("done", "failed") for row in world.all(Engagement))
    assert all(row.state != "pending" for row in world.all(Offer))


def test_wrap_up_ends_by_itself_after_two_minutes(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    parting.end(world.peer1, contact_id, world.now)
    world.pass_time(115)
    assert world.activity(world.peer1) == "wrapping"
    world.pass_time(10)
    assert world.activity(world.peer1) == "idle"


def test_a_report_written_during_the_talk_leaves_no_wrap_up(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    wrapup.report(world.peer1, contact_id, "information", ["financial"], "", False, world.now)
    assert world.activity(world.peer1) == "talking"
    parting.end(world.peer1, contact_id, world.now)
    assert world.activity(world.peer1) == "idle"


def test_whoever_had_logged_a_dropped_caller_and_talks_with_them_again_logs_them_again(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid, peer_sid, _ = world.talks(world.peer1)
    parting.leg_ended(peer_sid, world.now)
    wrapup.report(world.peer1, contact_id, "dropped", [], "He was in the garden.", False, world.now)
    assert world.activity(world.peer1) == "idle"
    parting.caller_back(contact_id, world.now)
    intake.queued(contact_id, QUEUE, world.now)
    world.pass_time(6)
    again = world.accepts(world.peer1)
    [report] = world.all(Report)
    assert report.completed_at is not None, "they have not spoken yet"
    world.comes_up(again)
    world.caller_joins(again, caller_sid)
    wrapup.draft(world.peer1, contact_id, "dropped", [], "He was in the garden. It rained.", False, world.now)
    parting.end(world.peer1, contact_id, world.now)
    [report] = world.all(Report)
    assert (report.completed_at, report.notes) == (None, "He was in the garden. It rained.")
    assert world.activity(world.peer1) == "wrapping"
    wrapup.report(world.peer1, contact_id, "support_given", ["social"], report.notes, False, world.now)
    assert world.activity(world.peer1) == "idle"
    assert world.events(report.id) == ["reported", "reopened", "reported"]


def test_a_report_needs_an_outcome_and_a_reason(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    for disposition, reasons in (("", ["social"]), ("nonsense", ["social"]), ("support_given", []), ("dropped", ["x"])):
        with pytest.raises(Invalid):
            wrapup.report(world.peer1, contact_id, disposition, reasons, "", False, world.now)
    with pytest.raises(NotFound):
        wrapup.report(world.peer2, contact_id, "support_given", ["social"], "", False, world.now)
    with pytest.raises(NotFound):
        wrapup.draft(world.outsider, contact_id, "", [], "mine now", False, world.now)
    assert world.all(Report) == []


def test_a_draft_survives_and_never_overwrites_a_finished_report(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    wrapup.draft(world.peer1, contact_id, "", [], "half a thou", False, world.now)
    assert world.all(Report)[0].notes == "half a thou"
    wrapup.report(world.peer1, contact_id, "support_given", ["social"], "a whole thought", False, world.now)
    wrapup.draft(world.peer1, contact_id, "", [], "late autosave", False, world.now)
    assert world.all(Report)[0].notes == "a whole thought"


def test_the_same_call_sid_is_the_same_contact(world: World) -> None:
    first = intake.receive("CA1", CALLER, "+14045550101", world.now)
    again = intake.receive("CA1", CALLER, "+14045550101", world.now)
    assert first is not None
    assert again is not None
    assert first.id == again.id
    assert len(world.all(Contact)) == len(world.all(Leg)) == 1


def test_two_withheld_numbers_are_two_callers_that_nobody_knows(world: World) -> None:
    for sid, number in (("CA1", "anonymous"), ("CA2", "+266696687"), ("CA3", ""), ("CA4", "☎")):
        contact = intake.receive(sid, number, "+14045550101", world.now)
        assert contact is not None
        assert contact.caller_id is None
    assert world.all(Caller) == []


def test_an_accepted_offer_can_be_accepted_again_by_its_peer_only(world: World) -> None:
    world.available(world.peer1)
    world.waits()
    offer = world.offer_to(world.peer1)
    assert offer is not None
    first = offers.accept(world.peer1, offer.id, world.now)
    assert offers.accept(world.peer1, offer.id, world.now).id == first.id
    for stranger in (world.peer2, world.outsider):
        with pytest.raises(NotFound):
            offers.accept(stranger, offer.id, world.now)
    with pytest.raises(Conflict):
        offers.decline(world.peer1, offer.id, world.now)


def test_an_offer_cannot_be_accepted_after_its_deadline_even_before_the_clock_ends_it(world: World) -> None:
    world.available(world.peer1)
    world.waits()
    offer = world.offer_to(world.peer1)
    assert offer is not None
    with pytest.raises(Conflict):
        offers.accept(world.peer1, offer.id, offer.deadline)


def test_one_offer_brings_one_leg(world: World) -> None:
    world.available(world.peer1)
    world.waits()
    engagement = world.accepts(world.peer1)
    connect.peer_leg(world.peer1.identity, engagement.offer_id, "CAa", world.now)
    connect.peer_leg(world.peer1.identity, engagement.offer_id, "CAa", world.now)
    with pytest.raises(Conflict):
        connect.peer_leg(world.peer1.identity, engagement.offer_id, "CAb", world.now)
    with pytest.raises(NotFound):
        connect.peer_leg(world.outsider.identity, engagement.offer_id, "CAc", world.now)


def test_a_refused_move_is_asked_about_and_never_believed(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid = world.waits()
    engagement = world.accepts(world.peer1)
    world.company.failures = [Refused("400 20009", 400, 20009)]
    world.comes_up(engagement)
    assert world.contact(contact_id).state == "connecting"
    world.company.whereabouts[caller_sid] = Membership(finished=False, in_queue=True)
    world.pass_time(2)
    assert [asked[0] for asked in world.company.asked] == ["move", "move"]
    world.caller_joins(engagement, caller_sid)
    assert world.contact(contact_id).state == "connected"


def test_a_request_that_was_not_taken_is_sent_again_and_a_text_that_may_have_been_is_not(world: World) -> None:
    world.company.failures = [NotTaken("429"), None]
    texts.receive("SM1", CALLER, "+14045550101", "hello", False, world.now)
    assert [asked[0] for asked in world.company.asked] == ["text"]
    world.pass_time(5)
    assert [asked[0] for asked in world.company.asked] == ["text", "text"]
    world.available(world.peer1)
    contact_id = world.accepts(world.peer1).contact_id
    world.company.failures = [Uncertain("timeout")]
    message = messages.write(world.peer1, contact_id, "I am here.", world.now)
    world.pass_time(60)
    assert len(world.company.asked) == 3
    assert world.get(type(message), message.id).state == "unconfirmed"


def test_an_end_that_may_not_have_been_taken_is_asked_about_and_never_blindly_repeated(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid, peer_sid, _ = world.talks(world.peer1)
    world.company.asked.clear()
    world.company.failures = [Uncertain("timeout")]
    parting.end(world.peer1, contact_id, world.now)
    world.pass_time(14)
    assert [asked[0] for asked in world.company.asked] == ["end conference"]
    world.pass_time(45)  # both calls still go on
    assert set(world.company.asked[1:]) == {("hang up", caller_sid), ("hang up", peer_sid)}
    for sid in (caller_sid, peer_sid):
        world.company.whereabouts[sid] = Membership(finished=True)
    world.pass_time(20)
    assert {world.leg(sid).state for sid in (caller_sid, peer_sid)} == {"ended"}


def test_a_claim_whose_process_died_is_settled(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid = world.waits()
    engagement = world.accepts(world.peer1)
    with world.we_die_asking():
        world.comes_up(engagement)
    assert world.requests("move_caller")[0].state == "sending"
    world.company.whereabouts[caller_sid] = Membership(finished=False, in_queue=True)
    world.pass_time(14)
    world.caller_joins(engagement, caller_sid)
    assert world.contact(contact_id).state == "connected"


def test_whatever_no_callback_told_us_is_asked_for(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid, _, engagement = world.talks(world.peer1)
    world.company.whereabouts[caller_sid] = Membership(finished=True)
    world.pass_time(20)
    assert world.contact(contact_id).state == "closed"
    assert world.get(Engagement, engagement.id).state == "wrapping"


def in_a_menu(world: World) -> tuple[str, Callable[[], int]]:
    """A caller who is told that nobody speaks their language any more; and how often they were called back in."""
    contact_id, caller_sid = world.waits(language="es")
    with db.transaction() as session:
        session.execute(update(Shift).where(Shift.peer_id == world.peer2.id).values(ends_at=world.now))
    assert intake.nobody_left(contact_id, world.now)
    back = ("redirect", caller_sid, f"/twilio/voice/contacts/{contact_id}/dropped")
    return contact_id, lambda: world.company.asked.count(back)


def test_whoever_is_in_a_menu_is_not_lost_while_they_may_hear_it_three_times(world: World) -> None:
    contact_id, times_called_in = in_a_menu(world)
    world.pass_time(asking.ASKED.total_seconds() - 10, every=10)
    assert times_called_in() == 0
    world.pass_time(20, every=10)
    assert times_called_in() == 1
    parting.caller_back(contact_id, world.now)
    world.pass_time(asking.ASKED.total_seconds() - 20, every=10)
    assert times_called_in() == 1, "and may hear it out then"


@pytest.mark.parametrize("chooses", ["to stay", "another language", "not to book"])
def test_whoever_has_chosen_after_listening_for_long_is_not_lost_on_the_way(world: World, chooses: str) -> None:
    contact_id, times_called_in = in_a_menu(world)
    if chooses == "not to book":
        intake.stay(contact_id, world.now)
        with db.transaction() as session:
            calling_back.begin_booking(session, session.get_one(Contact, contact_id), world.now)
    world.pass_time(asking.ASKED.total_seconds() - 10, every=10)
    if chooses == "to stay":
        intake.stay(contact_id, world.now)
    elif chooses == "another language":
        intake.choose_language(contact_id, "en", world.now)
    else:
        intake.not_booked(contact_id, world.now)
    world.pass_time(asking.LOST_AFTER.total_seconds() - 10, every=10)
    assert times_called_in() == 0
    world.pass_time(20, every=10)
    assert times_called_in() == 1, "and lost if the queue never has them"


def test_the_outbox_keeps_the_order_of_one_contact(world: World) -> None:
    texts.receive("SM1", CALLER, "+14045550101", "hello", False, world.now)
    world.available(world.peer1)
    contact_id = world.accepts(world.peer1).contact_id
    world.company.asked.clear()
    world.company.failures = [NotTaken("connection refused")]
    for words in ("one", "two", "three"):
        messages.write(world.peer1, contact_id, words, world.now)
    world.pass_time(10)
    assert [asked[2] for asked in world.company.asked] == ["one", "one", "two", "three"]
    assert world.finds(outbox.due) == []
