"""Text conversations: how many a peer holds, and what goes together with them."""

import threading
from datetime import datetime, timedelta

import pytest

from routing.facts import TIMES
from tests.contacts.world import BEGINNING, CALLER, GEORGIA, HARBOR, ILLINOIS, OTHER_CALLER, QUEUE, World
from warmline import clock, db
from warmline.clock import LONG_AGO
from warmline.contacts import availability, intake, messages, offers, parting, texts, wrapup
from warmline.errors import Conflict
from warmline.models import Contact, Engagement, Event, Line, Message, Offer, OutsideRequest, Peer, Shift
from warmline.telephony import twiml
from warmline.telephony.gateway import NotTaken

THIRD_CALLER = "+14045550125"


def writes(world: World, number: str) -> None:
    """A text comes in."""
    texts.receive(world.sid("SM"), number, GEORGIA, "hello", False, world.now)


def takes_up(world: World, peer: Peer, number: str) -> str:
    """A text comes in and this peer takes it; the contact's id."""
    writes(world, number)
    return world.accepts(peer).contact_id


def test_a_peer_who_writes_with_one_is_offered_a_second_and_no_third(world: World) -> None:
    world.available(world.peer1)
    takes_up(world, world.peer1, CALLER)
    second = takes_up(world, world.peer1, OTHER_CALLER)
    assert world.contact(second).state == "connected"
    writes(world, THIRD_CALLER)
    world.pass_time(30)
    assert world.offer_to(world.peer1) is None


def test_the_next_is_offered_when_a_thread_is_over_and_its_wrap_up_too(world: World) -> None:
    world.available(world.peer1)
    first = takes_up(world, world.peer1, CALLER)
    takes_up(world, world.peer1, OTHER_CALLER)
    writes(world, THIRD_CALLER)
    parting.end(world.peer1, first, world.now)
    world.pass_time(10)
    assert world.offer_to(world.peer1) is None, "nothing rings during wrap-up"
    wrapup.report(world.peer1, first, "support_given", ["social"], "", False, world.now)
    assert world.offer_to(world.peer1) is not None


def test_no_call_is_offered_to_whoever_writes_and_no_text_to_whoever_talks(world: World) -> None:
    world.available(world.peer1)
    takes_up(world, world.peer1, CALLER)
    world.waits(OTHER_CALLER)
    world.pass_time(30)
    assert world.all(Offer, state="pending") == []
    world.available(world.peer2)
    assert world.offer_to(world.peer2) is not None
    world.accepts(world.peer2)
    writes(world, THIRD_CALLER)
    assert world.offer_to(world.peer2) is None
    assert world.offer_to(world.peer1) is not None


def test_a_text_goes_to_whoever_does_nothing_before_whoever_writes(world: World) -> None:
    world.available(world.peer1)
    takes_up(world, world.peer1, CALLER)
    world.available(world.peer2)
    writes(world, OTHER_CALLER)
    assert world.offer_to(world.peer2) is not None
    assert world.offer_to(world.peer1) is None


def test_a_line_may_let_calls_ring_beside_texts_and_texts_only_one_at_a_time(world: World) -> None:
    with db.transaction() as session:
        for line in session.query(Line).filter_by(organization_id=world.lantern):
            line.texts_at_once, line.voice_with_texts = 1, True
    world.available(world.peer1)
    takes_up(world, world.peer1, CALLER)
    writes(world, OTHER_CALLER)
    assert world.offer_to(world.peer1) is None
    world.waits(THIRD_CALLER)
    offer = world.offer_to(world.peer1)
    assert offer is not None
    assert world.get(Contact, offer.contact_id).channel == "voice"


def test_a_second_offer_waits_for_the_answer_to_the_first(world: World) -> None:
    world.available(world.peer1)
    takes_up(world, world.peer1, CALLER)
    writes(world, OTHER_CALLER)
    writes(world, THIRD_CALLER)
    assert len(world.all(Offer, state="pending")) == 1
    assert [row.state for row in world.all(Contact, state="waiting")] == ["waiting"]


def test_a_thread_whose_peer_s_console_is_gone_goes_on_with_somebody_else(world: World) -> None:
    world.available(world.peer1)
    contact_id = takes_up(world, world.peer1, CALLER)
    messages.write(world.peer1, contact_id, "I am here.", world.now)
    world.closes_console(world.peer1)
    world.pass_time(170)
    assert world.contact(contact_id).state == "connected", "a page may be loaded again"
    writes(world, OTHER_CALLER)
    world.pass_time(30)
    assert world.contact(contact_id).state == "waiting"
    world.available(world.peer2)
    offer = world.offer_to(world.peer2)
    assert offer is not None
    assert offer.contact_id == contact_id, "at the front, before whoever came later"
    world.accepts(world.peer2)
    messages.write(world.peer2, contact_id, "I go on with you.", world.now)
    assert world.activity(world.peer1) == "wrapping"
    assert said(world)[-1] == "I go on with you."


def test_a_peer_who_is_back_in_time_keeps_the_thread(world: World) -> None:
    world.available(world.peer1)
    contact_id = takes_up(world, world.peer1, CALLER)
    [engagement] = world.all(Engagement)
    world.now += TIMES.leave + timedelta(seconds=1)
    assert world.finds(availability.left_behind, heard_since=LONG_AGO) == [engagement.id]
    availability.seen(world.peer1, world.now)
    parting.console_gone(engagement.id, world.now)
    assert world.contact(contact_id).state == "connected"


def test_a_call_is_not_lost_because_a_console_is_silent(world: World) -> None:
    world.available(world.peer1)
    contact_id, _, _, engagement = world.talks(world.peer1)
    world.now += TIMES.leave + timedelta(seconds=1)
    assert world.finds(availability.left_behind, heard_since=LONG_AGO) == []
    parting.console_gone(engagement.id, world.now)
    assert world.contact(contact_id).state == "connected"


def test_after_an_outage_no_thread_is_moved_before_consoles_had_time_to_be_heard(world: World) -> None:
    world.available(world.peer1, world.peer2)
    contact_id = takes_up(world, world.peer1, CALLER)
    between, outage = timedelta(seconds=4), timedelta(hours=1)

    class Minutes(threading.Event):
        """The clock runs, stands still for an hour, and runs on; only peer2's console comes back."""

        ticks = 0

        def is_set(self) -> bool:
            return self.ticks > 15 + TIMES.leave / between + 3

        def wait(self, seconds: float | None = None) -> bool:
            self.ticks += 1
            world.now += between if self.ticks != 15 else outage
            availability.seen(world.peer2, world.now)
            if self.ticks < 15:
                availability.seen(world.peer1, world.now)
            if self.ticks < 15 + TIMES.leave / between:
                assert world.contact(contact_id).state == "connected", self.ticks
            return False

    clock.run(Minutes(), lambda: world.now)
    assert world.contact(contact_id).state == "offered", "who is still not back is gone"


# A full line


def has_room_for(world: World, most_waiting: int) -> None:
    with db.transaction() as session:
        for line in session.query(Line).filter_by(organization_id=world.lantern):
            line.policy = {"most_waiting": most_waiting}


def why(world: World, contact: Contact) -> list[tuple[str, str | None]]:
    """What became of a contact, and for which reason."""
    return [(event.name, event.why.get("reason")) for event in world.all(Event, subject_id=contact.id)]


def test_a_full_line_turns_a_new_text_away_kindly_and_keeps_it(world: World) -> None:
    has_room_for(world, 1)
    writes(world, CALLER)
    before = len(said(world))
    texts.receive("SM-late", OTHER_CALLER, GEORGIA, "Is anybody there?", False, world.now)
    assert said(world)[before:] == [twiml.sentence(language, "text_queue_full") for language in ("en", "es")]
    assert all("988" in told for told in said(world)[before:])
    [contact] = world.all(Contact, state="missed")
    assert contact.ended_at == world.now
    assert why(world, contact) == [("began", None), ("nobody", "queue_full")]
    assert [text.body for text in world.all(Message, contact_id=contact.id, direction="in")] == ["Is anybody there?"]
    world.available(world.peer1)
    assert world.rings_at(world.peer1).contact_id != contact.id


def test_whoever_writes_in_spanish_is_told_so_in_spanish(world: World) -> None:
    has_room_for(world, 1)
    writes(world, CALLER)
    texts.receive("SM-late", OTHER_CALLER, GEORGIA, "Hola", False, world.now)
    [told] = said(world)[1:]
    assert told.startswith("Gracias por escribir. Hay tantas personas en espera")
    assert "988" in told


@pytest.mark.parametrize(("first", "second"), [("call", "text"), ("text", "call"), ("text", "text")])
def test_who_waits_by_phone_and_who_waits_in_writing_fill_one_line(world: World, first: str, second: str) -> None:
    has_room_for(world, 1)
    for number, how in ((CALLER, first), (OTHER_CALLER, second)):
        if how == "text":
            writes(world, number)
        else:
            contact, _ = world.arrives(number)
            intake.choose_language(contact.id, "en", world.now)
            intake.queued(contact.id, QUEUE, world.now)
        world.now += timedelta(seconds=1)
    assert [row.state for row in sorted(world.all(Contact), key=lambda row: row.arrived_at)] == ["waiting", "missed"]


def test_a_text_that_a_full_line_has_answered_is_not_answered_again_when_it_is_told_again(world: World) -> None:
    has_room_for(world, 1)
    writes(world, CALLER)
    for _ in range(2):
        texts.receive("SM-late", OTHER_CALLER, GEORGIA, "English", False, world.now)
    assert said(world)[1:] == [twiml.sentence("en", "text_queue_full")]
    assert len(world.all(Contact, state="missed")) == 1


def test_whoever_waits_writes_with_a_peer_or_was_dropped_is_never_turned_away_by_a_full_line(world: World) -> None:
    world.available(world.peer1)
    contact_id = takes_up(world, world.peer1, CALLER)
    has_room_for(world, 1)
    writes(world, OTHER_CALLER)
    texts.receive("SM-waits", OTHER_CALLER, GEORGIA, "one more thing", False, world.now)
    texts.receive("SM-talks", CALLER, GEORGIA, "one more thing", False, world.now)
    world.closes_console(world.peer1)
    world.pass_time(TIMES.leave.total_seconds() + 30)
    assert world.contact(contact_id).state == "waiting", "dropped: one more than the line has room for"
    texts.receive("SM-dropped", CALLER, GEORGIA, "are you there?", False, world.now)
    texts.receive("SM-waits-on", OTHER_CALLER, GEORGIA, "are you there?", False, world.now)
    assert {row.state for row in world.all(Contact)} == {"waiting"}
    assert twiml.sentence("en", "text_queue_full") not in said(world)


def test_a_line_that_was_full_takes_texts_again_once_somebody_is_answered(world: World) -> None:
    has_room_for(world, 1)
    writes(world, CALLER)
    writes(world, OTHER_CALLER)
    world.available(world.peer1)
    world.accepts(world.peer1)
    writes(world, OTHER_CALLER)
    states = [row.state for row in world.all(Contact)]
    assert sorted(states) == ["connected", "missed", "offered"]


def test_a_keyword_is_a_keyword_on_a_full_line_too(world: World) -> None:
    has_room_for(world, 1)
    writes(world, CALLER)
    texts.receive("SM-help", OTHER_CALLER, GEORGIA, "HELP", False, world.now)
    assert said(world)[1:] == [twiml.sentence("en", "text_help")]


# Words that count


@pytest.mark.parametrize("answer", ["yes", "Yes.", "I want to stop", "help me"])
def test_an_answer_in_a_conversation_is_no_keyword(world: World, answer: str) -> None:
    world.available(world.peer1)
    takes_up(world, world.peer1, CALLER)
    before = len(said(world))
    texts.receive(world.sid("SM"), CALLER, GEORGIA, answer, False, world.now)
    assert len(said(world)) == before


def test_yes_begins_a_conversation_and_means_start_only_after_stop(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "Yes", False, world.now)
    assert [row.state for row in world.all(Contact)] == ["waiting"]
    texts.receive("SM2", CALLER, GEORGIA, "STOP", False, world.now)
    texts.receive("SM3", CALLER, GEORGIA, "Yes", False, world.now)
    assert said(world)[-1] == twiml.sentence("en", "text_started")


def test_a_confirmation_of_stop_that_was_delayed_is_not_sent_after_start(world: World) -> None:
    world.company.failures = [NotTaken("429 20429")]
    texts.receive("SM1", CALLER, GEORGIA, "STOP", False, world.now)
    world.now += timedelta(milliseconds=500)
    texts.receive("SM2", CALLER, GEORGIA, "START", False, world.now)
    texts.receive("SM3", CALLER, GEORGIA, "STOP", False, world.now)
    before = said(world)
    world.pass_time(60)
    assert {request.state for request in world.all(OutsideRequest)} == {"done", "refused"}
    assert said(world) == before, "the second STOP is confirmed, and the first is not confirmed once more"
    assert said(world)[1:] == [twiml.sentence("en", "text_started"), twiml.sentence("en", "text_stopped")]


# STOP


def test_whoever_wants_no_texts_waits_no_longer(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    texts.receive("SM2", CALLER, GEORGIA, "STOP", False, world.now)
    [contact] = world.all(Contact)
    assert (contact.state, contact.ended_at) == ("abandoned", world.now)
    assert why(world, contact)[-1] == ("caller_left", "texts_stopped")
    assert said(world)[1:] == [twiml.sentence("en", "text_stopped")]
    world.available(world.peer1)
    world.pass_time(30)
    assert world.all(Offer) == [], "nobody is asked to write to somebody whom no text reaches"


def test_an_offer_that_rings_is_withdrawn_and_its_peer_is_free_for_the_next(world: World) -> None:
    world.available(world.peer1)
    writes(world, CALLER)
    offer = world.rings_at(world.peer1)
    writes(world, OTHER_CALLER)
    texts.receive("SM-stop", CALLER, GEORGIA, "Basta", False, world.now)
    withdrawn = world.get(Offer, offer.id)
    assert (withdrawn.state, withdrawn.reason) == ("cancelled", "texts_stopped")
    assert world.contact(offer.contact_id).state == "abandoned"
    assert world.contact(world.rings_at(world.peer1).contact_id).caller_id != world.contact(offer.contact_id).caller_id
    with pytest.raises(Conflict):
        offers.accept(world.peer1, offer.id, world.now)


def test_stop_told_again_changes_nothing(world: World) -> None:
    writes(world, CALLER)
    for _ in range(2):
        texts.receive("SM-stop", CALLER, GEORGIA, "STOP", False, world.now)
    [contact] = world.all(Contact)
    assert [name for name, _ in why(world, contact)] == ["began", "queued", "caller_left"]
    assert len(said(world)) == 2


def test_what_is_written_between_stop_and_start_is_kept_and_rings_nowhere(world: World) -> None:
    world.available(world.peer1)
    for number, body in enumerate(["STOP", "is anybody there?"]):
        texts.receive(f"SM{number}", CALLER, GEORGIA, body, False, world.now)
    [text] = world.all(Message, message_sid="SM1")
    assert text.body == "is anybody there?"
    assert why(world, world.contact(text.contact_id)) == [("began", None), ("nobody", "texts_stopped")]
    assert world.contact(text.contact_id).state == "missed"
    assert world.all(Offer) == []


def test_after_start_the_next_text_begins_anew(world: World) -> None:
    for number, body in enumerate(["hello", "STOP", "START", "hello again"]):
        texts.receive(f"SM{number}", CALLER, GEORGIA, body, False, world.now)
        world.now += timedelta(seconds=1)
    states = [row.state for row in sorted(world.all(Contact), key=lambda row: row.arrived_at)]
    assert states == ["abandoned", "missed", "waiting"]
    assert said(world)[-1].startswith("Thanks for writing.")


def test_a_conversation_goes_on_after_stop_until_its_peer_ends_it(world: World) -> None:
    world.available(world.peer1)
    contact_id = takes_up(world, world.peer1, CALLER)
    texts.receive("SM-stop", CALLER, GEORGIA, "STOP", False, world.now)
    assert world.contact(contact_id).state == "connected"
    texts.receive("SM-more", CALLER, GEORGIA, "thank you", False, world.now)
    assert world.contact(contact_id).state == "connected"
    parting.end(world.peer1, contact_id, world.now)
    assert world.contact(contact_id).state == "closed"


def test_whoever_wants_no_texts_and_loses_their_peer_is_offered_to_nobody_else(world: World) -> None:
    world.available(world.peer1)
    contact_id = takes_up(world, world.peer1, CALLER)
    texts.receive("SM-stop", CALLER, GEORGIA, "STOP", False, world.now)
    world.closes_console(world.peer1)
    world.available(world.peer2)
    world.pass_time(TIMES.leave.total_seconds() + 30)
    assert world.contact(contact_id).state == "closed"
    assert world.offer_to(world.peer2) is None
    assert world.activity(world.peer1) == "wrapping"


def test_who_was_dropped_and_then_wants_no_texts_was_answered_all_the_same(world: World) -> None:
    world.available(world.peer1)
    contact_id = takes_up(world, world.peer1, CALLER)
    world.closes_console(world.peer1)
    world.pass_time(TIMES.leave.total_seconds() + 30)
    assert world.contact(contact_id).state == "waiting"
    texts.receive("SM-stop", CALLER, GEORGIA, "STOP", False, world.now)
    assert world.contact(contact_id).state == "closed"


@pytest.mark.parametrize("how", ["LATER", "the line has closed"])
def test_who_was_dropped_and_finds_nobody_any_more_was_answered_all_the_same(world: World, how: str) -> None:
    world.available(world.peer1)
    contact_id = takes_up(world, world.peer1, CALLER)
    world.closes_console(world.peer1)
    world.pass_time(TIMES.leave.total_seconds() + 30)
    goes_off_shift(world, world.peer1, world.peer2)
    if how == "the line has closed":
        the_line_closes(world)
        world.pass_time(8 * 24 * 3600, every=12 * 3600)
    else:
        world.pass_time(2)
        texts.receive("SM-later", CALLER, GEORGIA, "LATER", False, world.now)
    assert world.contact(contact_id).state == "closed"


def test_stop_to_one_line_ends_the_wait_for_another_of_the_organization_and_of_no_other(world: World) -> None:
    world.opens_line("Illinois", ILLINOIS)
    for number in (GEORGIA, ILLINOIS, HARBOR):
        texts.receive(world.sid("SM"), CALLER, number, "hello", False, world.now)
    assert {row.state for row in world.all(Contact)} == {"waiting"}
    texts.receive("SM-stop", CALLER, ILLINOIS, "STOP", False, world.now)
    assert [row.state for row in world.all(Contact, organization_id=world.lantern)] == ["abandoned"] * 2
    assert [row.state for row in world.all(Contact, organization_id=world.outsider.organization_id)] == ["waiting"]


def test_a_call_waits_on_when_its_caller_wants_no_texts(world: World) -> None:
    contact_id, _ = world.waits(CALLER)
    writes(world, CALLER)
    texts.receive("SM-stop", CALLER, GEORGIA, "STOP", False, world.now)
    assert world.contact(contact_id).state == "waiting"


# Language


def said(world: World) -> list[str]:
    """What the line has texted so far."""
    return [asked[2] for asked in world.company.asked if asked[0] == "text"]


def test_a_thread_may_be_in_spanish_from_its_first_word(world: World) -> None:
    world.available(world.peer1, world.peer2)
    texts.receive("SM1", CALLER, GEORGIA, "Hola", False, world.now)
    assert world.offer_to(world.peer2) is not None, "who speaks it"
    assert world.offer_to(world.peer1) is None
    assert said(world)[0].startswith("Gracias por escribir")


def test_the_acknowledgement_says_how_to_choose_another_language_once(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    texts.receive("SM2", CALLER, GEORGIA, "anybody?", False, world.now)
    assert len(said(world)) == 1
    assert said(world)[0].endswith("Para español, responda ESPAÑOL.")


def test_whoever_waits_may_choose_another_language(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    for number, word in enumerate(["español", "ESPANOL"], start=2):
        texts.receive(f"SM{number}", CALLER, GEORGIA, word, False, world.now)
    [contact] = world.all(Contact)
    assert (contact.state, contact.language) == ("waiting", "es")
    assert said(world)[1:] == ["Seguimos en español."], "said once"
    world.available(world.peer1, world.peer2)
    assert world.offer_to(world.peer2) is not None


def goes_off_shift(world: World, *peers: Peer) -> None:
    with db.transaction() as session:
        for shift in session.query(Shift).filter(Shift.peer_id.in_([peer.id for peer in peers])):
            shift.ends_at = world.now


def comes_on_shift(world: World, peer: Peer) -> None:
    with db.transaction() as session:
        for shift in session.query(Shift).filter_by(peer_id=peer.id):
            shift.ends_at = None


def the_line_closes(world: World, until: datetime | None = None) -> None:
    with db.transaction() as session:
        for line in session.query(Line).filter_by(organization_id=world.lantern):
            line.closed_at, line.closed_until = world.now, until
            line.closed_words = {"en": "We are few.", "es": "Somos pocos."}


def test_whoever_writes_in_a_language_that_nobody_on_shift_speaks_is_told_their_choices_and_waits(world: World) -> None:
    goes_off_shift(world, world.peer2)
    world.available(world.peer1)
    texts.receive("SM1", CALLER, GEORGIA, "Hola", False, world.now)
    [told] = said(world)
    assert "nadie que hable español" in told
    assert "For English, reply ENGLISH." in told
    assert "LUEGO" in told
    assert "988" in told
    [contact] = world.all(Contact)
    assert (contact.state, contact.language) == ("waiting", "es")
    world.pass_time(60)
    texts.receive("SM2", CALLER, GEORGIA, "¿Hay alguien?", False, world.now)
    assert said(world) == [told], "once"
    assert world.offer_to(world.peer1) is None
    comes_on_shift(world, world.peer2)
    world.available(world.peer2)
    assert world.offer_to(world.peer2) is not None


def test_who_was_told_so_may_take_another_language(world: World) -> None:
    goes_off_shift(world, world.peer2)
    world.available(world.peer1)
    texts.receive("SM1", CALLER, GEORGIA, "Hola", False, world.now)
    texts.receive("SM2", CALLER, GEORGIA, "English", False, world.now)
    assert said(world)[1:] == ["We go on in English."]
    assert world.offer_to(world.peer1) is not None


def test_who_was_told_so_may_rather_write_another_time(world: World) -> None:
    goes_off_shift(world, world.peer2)
    texts.receive("SM1", CALLER, GEORGIA, "Hola", False, world.now)
    texts.receive("SM2", CALLER, GEORGIA, "luego", False, world.now)
    assert said(world)[1:] == [twiml.sentence("es", "text_nobody")]
    assert [row.state for row in world.all(Contact)] == ["missed"]


def test_later_is_an_ordinary_word_to_whoever_can_be_answered(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    texts.receive("SM2", CALLER, GEORGIA, "Later", False, world.now)
    assert [row.state for row in world.all(Contact)] == ["waiting"]
    assert len(said(world)) == 1


def test_a_language_that_nobody_speaks_is_a_choice_all_the_same(world: World) -> None:
    goes_off_shift(world, world.peer2)
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    assert "ESPAÑOL" not in said(world)[0]
    texts.receive("SM2", CALLER, GEORGIA, "Español", False, world.now)
    assert "nadie que hable español" in said(world)[1]
    assert "ENGLISH" in said(world)[1]
    assert [(row.state, row.language) for row in world.all(Contact)] == [("waiting", "es")]


def test_who_waits_is_told_once_when_the_last_who_speaks_the_language_leaves(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "Hola", False, world.now)
    texts.receive("SM2", OTHER_CALLER, GEORGIA, "hello", False, world.now)
    world.pass_time(30)
    assert len(said(world)) == 2
    goes_off_shift(world, world.peer2)
    world.pass_time(30)
    [told] = said(world)[2:]
    assert told.startswith("En este momento no hay nadie que hable español. For English, reply ENGLISH.")
    assert {row.state for row in world.all(Contact)} == {"waiting"}


def test_who_waits_is_told_when_nobody_at_all_is_left_and_offered_no_language(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    goes_off_shift(world, world.peer1, world.peer2)
    world.pass_time(30)
    assert said(world)[1:] == [twiml.sentence("en", "text_nobody_here")]
    comes_on_shift(world, world.peer1)
    world.available(world.peer1)
    assert world.offer_to(world.peer1) is not None, "who waits is answered by whoever comes"


def test_a_place_is_kept_for_a_week_while_nobody_knows_when_the_line_opens(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    the_line_closes(world)
    world.pass_time(30)
    assert len(said(world)) == 1, "who waits already is served"
    goes_off_shift(world, world.peer1, world.peer2)
    world.pass_time(30)
    [told] = said(world)[1:]
    assert told.startswith("Georgia: we are closed just now. We are few.")
    assert told.endswith(twiml.sentence("en", "text_keeps_place"))
    world.pass_time(6 * 24 * 3600, every=6 * 3600)
    assert [row.state for row in world.all(Contact)] == ["waiting"]
    assert len(said(world)) == 2
    world.pass_time(24 * 3600, every=6 * 3600)
    assert [row.state for row in world.all(Contact)] == ["missed"]
    assert said(world)[2].startswith("Georgia: we are closed just now.")
    assert "keep your place" not in said(world)[2]


def test_whoever_has_waited_long_for_a_language_is_kept_for_a_week_after_the_line_closes_too(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    goes_off_shift(world, world.peer1, world.peer2)
    world.pass_time(8 * 24 * 3600, every=12 * 3600)
    the_line_closes(world)
    world.pass_time(6 * 24 * 3600, every=12 * 3600)
    assert [row.state for row in world.all(Contact)] == ["waiting"]
    assert said(world)[-1].endswith(twiml.sentence("en", "text_keeps_place"))


def test_whoever_waits_when_everybody_has_left_a_closed_line_keeps_their_place_until_it_opens(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    the_line_closes(world, until=world.now + timedelta(hours=15))
    world.pass_time(30)
    assert len(said(world)) == 1, "who waits already is served"
    goes_off_shift(world, world.peer1, world.peer2)
    world.pass_time(3600, every=60)
    [told] = said(world)[1:]
    assert told.startswith("Georgia: we are closed just now. We are few. It opens again on Saturday at 4 AM.")
    assert "988" in told
    assert told.endswith(twiml.sentence("en", "text_keeps_place"))
    texts.receive("SM2", CALLER, GEORGIA, "good night", False, world.now)
    [contact] = world.all(Contact)
    assert (contact.state, contact.queued_at) == ("waiting", BEGINNING)
    texts.nobody_left(contact.id, world.now)
    assert len(said(world)) == 2, "once"

    world.pass_time(15 * 3600, every=600)
    comes_on_shift(world, world.peer1)
    world.available(world.peer1)
    assert world.accepts(world.peer1).contact_id == contact.id
    assert len(said(world)) == 2


def test_whoever_keeps_their_place_is_told_anew_at_the_next_closing(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    goes_off_shift(world, world.peer1, world.peer2)
    for hours in (2, 15):
        the_line_closes(world, until=world.now + timedelta(hours=hours))
        world.pass_time(3 * 3600, every=600)
    assert len(said(world)) == 3
    assert [row.state for row in world.all(Contact)] == ["waiting"]


@pytest.mark.parametrize("how", ["the line opens later", "nobody knows when"])
def test_a_place_is_kept_at_least_until_the_opening_that_was_told(world: World, how: str) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    goes_off_shift(world, world.peer1, world.peer2)
    the_line_closes(world, until=world.now + timedelta(hours=2))
    world.pass_time(60)
    the_line_closes(world, until=world.now + timedelta(hours=4) if how == "the line opens later" else None)
    world.pass_time(3600, every=600)
    assert [row.state for row in world.all(Contact)] == ["waiting"]
    assert len(said(world)) == 2
    world.pass_time(3600, every=600)
    assert [row.state for row in world.all(Contact)] == ["waiting"]
    assert len(said(world)) == 3


@pytest.mark.parametrize(("word", "state"), [("LATER", "missed"), ("STOP", "abandoned")])
def test_whoever_keeps_their_place_need_not_wait(world: World, word: str, state: str) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    goes_off_shift(world, world.peer1, world.peer2)
    the_line_closes(world, until=world.now + timedelta(hours=2))
    world.pass_time(10)
    texts.receive("SM2", CALLER, GEORGIA, word, False, world.now)
    assert [row.state for row in world.all(Contact)] == [state]


def test_whoever_keeps_their_place_may_take_another_language_and_is_told_so_in_it(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    goes_off_shift(world, world.peer1, world.peer2)
    the_line_closes(world, until=world.now + timedelta(hours=2))
    world.pass_time(10)
    texts.receive("SM2", CALLER, GEORGIA, "español", False, world.now)
    assert said(world)[-1].endswith(twiml.sentence("es", "text_keeps_place"))


def test_who_was_told_to_wait_is_told_too_when_the_line_has_closed(world: World) -> None:
    goes_off_shift(world, world.peer2)
    texts.receive("SM1", CALLER, GEORGIA, "Hola", False, world.now)
    the_line_closes(world, until=world.now + timedelta(hours=2))
    world.pass_time(10)
    assert len(said(world)) == 1, "English is still to be had"
    goes_off_shift(world, world.peer1)
    world.pass_time(10)
    assert "Somos pocos." in said(world)[1]
    assert said(world)[1].endswith(twiml.sentence("es", "text_keeps_place"))
    assert [row.state for row in world.all(Contact)] == ["waiting"]


@pytest.mark.parametrize(("word", "told"), [("hello", ["en", "es"]), ("Hola", ["es"]), ("English", ["en"])])
def test_whose_language_nobody_knows_is_turned_away_in_each(world: World, word: str, told: list[str]) -> None:
    goes_off_shift(world, world.peer1, world.peer2)
    texts.receive("SM1", CALLER, GEORGIA, word, False, world.now)
    assert said(world) == [twiml.sentence(language, "text_nobody") for language in told]


def test_a_spanish_word_stops_texts_and_is_confirmed_in_spanish(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "Basta", False, world.now)
    assert said(world) == [twiml.sentence("es", "text_stopped")]
    texts.receive("SM2", CALLER, GEORGIA, "hola", False, world.now)
    assert len(said(world)) == 1
