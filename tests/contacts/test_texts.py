"""Text conversations: how many a peer holds, and what goes together with them."""

import threading
from datetime import timedelta

import pytest

from routing.facts import TIMES
from tests.contacts.world import CALLER, GEORGIA, OTHER_CALLER, World
from warmline import clock, db
from warmline.clock import LONG_AGO
from warmline.contacts import availability, messages, parting, texts, wrapup
from warmline.models import Contact, Engagement, Line, Offer, OutsideRequest, Peer, Shift
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
    outage = timedelta(hours=1)

    class Minutes(threading.Event):
        """The clock runs, stands still for an hour, and runs on; only peer2's console comes back."""

        ticks = 0

        def is_set(self) -> bool:
            return self.ticks > 250

        def wait(self, seconds: float | None = None) -> bool:
            self.ticks += 1
            world.now += timedelta(seconds=1) if self.ticks != 60 else outage
            availability.seen(world.peer2, world.now)
            if self.ticks <= 60:
                availability.seen(world.peer1, world.now)
            if self.ticks < 60 + TIMES.leave.total_seconds():
                assert world.contact(contact_id).state == "connected", self.ticks
            return False

    clock.run(Minutes(), lambda: world.now)
    assert world.contact(contact_id).state == "offered", "who is still not back is gone"


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


def the_line_closes(world: World) -> None:
    with db.transaction() as session:
        for line in session.query(Line).filter_by(organization_id=world.lantern):
            line.closed_at, line.closed_words = world.now, {"en": "We are few.", "es": "Somos pocos."}


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


def test_nobody_waits_for_a_closed_line_that_everybody_has_left(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    the_line_closes(world)
    world.pass_time(30)
    assert len(said(world)) == 1, "who waits already is served"
    goes_off_shift(world, world.peer1, world.peer2)
    world.pass_time(30)
    [told] = said(world)[1:]
    assert told.startswith("Georgia: we are closed just now. We are few.")
    assert [row.state for row in world.all(Contact)] == ["missed"]


def test_who_was_told_to_wait_is_told_too_when_the_line_has_closed(world: World) -> None:
    goes_off_shift(world, world.peer2)
    texts.receive("SM1", CALLER, GEORGIA, "Hola", False, world.now)
    the_line_closes(world)
    world.pass_time(10)
    assert len(said(world)) == 1, "English is still to be had"
    goes_off_shift(world, world.peer1)
    world.pass_time(10)
    assert "Somos pocos." in said(world)[1]
    assert [row.state for row in world.all(Contact)] == ["missed"]


def test_whoever_wants_no_texts_is_told_nothing_and_waits_on(world: World) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    texts.receive("SM2", CALLER, GEORGIA, "STOP", False, world.now)
    before = said(world)
    goes_off_shift(world, world.peer1, world.peer2)
    world.pass_time(10)
    assert said(world) == before
    assert world.finds(texts.alone) == [], "not looked at again"


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
