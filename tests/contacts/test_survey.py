"""The survey after a contact: who is invited, what an incoming text is, and how it ends."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from routing.states import ContactState, SurveyState
from routing.survey import APART, GRACE, SILENCE
from tests.contacts.booked import nobody_on_shift, promises
from tests.contacts.world import CALLER, GEORGIA, HARBOR, OTHER_CALLER, World
from warmline import clock, db
from warmline.contacts import asking, intake, messages, offers, outbox, parting, screens, survey, texts, wrapup
from warmline.models import Caller, Contact, LineNumber, Message, Survey
from warmline.telephony import gateway
from warmline.telephony.gateway import NotTaken

INVITATION = "A few short questions"
FEELING, OTHERWISE, AGAIN, THANKS = "2 of 3", "3 of 3", "Sorry, we did not understand", "Thank you, that was all"


def agrees(world: World, contact_id: str, waited: int = 30) -> bool:
    """The caller hears the question in the wait room and presses 1; False if it is not asked."""
    return survey.ask(world.contact(contact_id), waited, world.now) and survey.agree(contact_id, world.now)


def talked(world: World, number: str = CALLER, *, yes: bool = True) -> str:
    """A call to peer1 that is over; wrap-up has begun."""
    if world.peer(world.peer1).status != "available":
        world.available(world.peer1)
    contact_id, caller_sid = world.waits(number)
    if yes:
        assert agrees(world, contact_id)
    engagement = world.accepts(world.peer1)
    world.comes_up(engagement)
    world.caller_joins(engagement, caller_sid)
    parting.end(world.peer1, contact_id, world.now)
    return contact_id


def logs(world: World, contact_id: str, disposition: str = "support_given", *, text_ok: bool = False) -> None:
    wrapup.report(world.peer1, contact_id, disposition, ["emotional"], "", text_ok, world.now)


def invited(world: World, number: str = CALLER) -> Survey:
    """A caller who was just invited."""
    contact_id = talked(world, number)
    logs(world, contact_id)
    clock.tick(world.now)
    found = of(world, contact_id)
    assert found is not None
    assert found.state == "invited"
    return found


def of(world: World, contact_id: str) -> Survey | None:
    found = world.all(Survey, contact_id=contact_id)
    return found[0] if found else None


def sent(world: World, number: str = CALLER) -> list[str]:
    """What the phone company was asked to send to a number."""
    return [asked[2] for asked in world.company.asked if asked[0] == "text" and asked[1] == number]


def writes(
    world: World, body: str, number: str = CALLER, line: str = GEORGIA, sid: str = "", answered: bool = False
) -> None:
    world.now += timedelta(seconds=5)
    assert texts.receive(sid or world.sid("MM"), number, line, body, answered, world.now)


def threads(world: World) -> list[Contact]:
    return world.all(Contact, channel="text")


def at_once(*acts: Callable[[], Any]) -> None:
    """Do these at the same time; whatever fails is raised."""
    failures: list[BaseException] = []
    ready = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> None:
        ready.wait()
        try:
            act()
        except BaseException as error:
            failures.append(error)

    running = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert failures == []


# The whole survey


def test_a_caller_who_said_yes_is_asked_three_questions_and_thanked(world: World) -> None:
    contact_id = talked(world)
    assert of(world, contact_id) is None, "not before the report"
    logs(world, contact_id)
    clock.tick(world.now)
    assert sent(world)[0].startswith(INVITATION)
    assert "STOP" in sent(world)[0]
    assert "0 to skip" in sent(world)[0]
    assert "supported" in sent(world)[0]
    writes(world, "yes")
    assert sent(world)[-1].startswith(FEELING)
    writes(world, " 4. ")
    assert sent(world)[-1].startswith(OTHERWISE)
    writes(world, "988")
    assert sent(world)[-1].startswith(THANKS)
    found = of(world, contact_id)
    assert found is not None
    assert (found.state, found.felt_supported, found.feeling, found.otherwise) == ("completed", True, 4, "crisis_line")
    assert world.events(found.id) == ["began", "invited", "answered", "answered", "answered", "completed"]
    assert threads(world) == []
    assert len(sent(world)) == 4


def test_the_first_words_give_nobody_away(world: World) -> None:
    """A shared or watched phone shows them on its locked screen."""
    invited(world)
    first = sent(world)[0].lower()
    for word in ("warm", "line", "crisis", "988", "mental", "health", "peer", "georgia", "lantern", "caller", "call"):
        assert word not in first.split("1 of 3")[0]
    assert CALLER not in first


def test_a_spanish_caller_is_asked_in_spanish(world: World) -> None:
    world.available(world.peer2)
    contact_id, caller_sid = world.waits(language="es")
    assert agrees(world, contact_id)
    engagement = world.accepts(world.peer2)
    world.comes_up(engagement)
    world.caller_joins(engagement, caller_sid)
    parting.end(world.peer2, contact_id, world.now)
    wrapup.report(world.peer2, contact_id, "support_given", ["social"], "", False, world.now)
    clock.tick(world.now)
    assert "¿Sintió apoyo?" in sent(world)[0]
    writes(world, "SÍ")
    found = of(world, contact_id)
    assert found is not None
    assert found.felt_supported is True
    assert sent(world)[-1].startswith("2 de 3")


# Only with a yes


def test_the_tick_of_a_logged_report_is_a_yes_too(world: World) -> None:
    contact_id = talked(world, yes=False)
    logs(world, contact_id, text_ok=True)
    clock.tick(world.now)
    assert sent(world)[0].startswith(INVITATION)


def test_without_a_yes_nobody_is_invited(world: World) -> None:
    contact_id = talked(world, yes=False)
    logs(world, contact_id)
    world.now += timedelta(minutes=5)
    clock.tick(world.now)
    assert (of(world, contact_id), sent(world)) == (None, [])


def test_a_tick_in_a_draft_is_no_yes_until_it_is_logged(world: World) -> None:
    contact_id = talked(world, yes=False)
    wrapup.draft(world.peer1, contact_id, "", [], "", True, world.now)
    world.now += timedelta(minutes=5)
    clock.tick(world.now)
    assert of(world, contact_id) is None
    logs(world, contact_id, text_ok=True)
    clock.tick(world.now)
    assert len(sent(world)) == 1


def test_a_tick_that_is_taken_back_before_the_text_is_sent_counts(world: World) -> None:
    contact_id = talked(world, yes=False)
    logs(world, contact_id, text_ok=True)
    logs(world, contact_id, text_ok=False)
    found = of(world, contact_id)
    assert found is not None
    assert found.state == "withdrawn"
    clock.tick(world.now)
    assert sent(world) == []


def test_a_text_conversation_may_be_asked_about_too(world: World) -> None:
    world.available(world.peer1)
    writes(world, "hello, are you there")
    engagement = world.accepts(world.peer1)
    parting.end(world.peer1, engagement.contact_id, world.now)
    logs(world, engagement.contact_id, text_ok=True)
    clock.tick(world.now)
    writes(world, "1")
    found = of(world, engagement.contact_id)
    assert found is not None
    assert found.felt_supported is True
    shown = screens.console(world.peer1.id, world.now, engagement.contact_id)
    assert shown.open is not None
    assert shown.open.texts[0].body == "hello, are you there"
    assert len(shown.open.texts) == 2, "the survey is none of the thread"


def test_the_question_is_asked_once_in_the_wait_room(world: World) -> None:
    contact_id, _ = world.waits()
    assert not survey.ask(world.contact(contact_id), 0, world.now), "not first of all"
    assert survey.ask(world.contact(contact_id), 25, world.now)
    assert survey.ask(world.contact(contact_id), 25, world.now), "the same request again, after a lost answer"
    assert not survey.ask(world.contact(contact_id), 50, world.now)
    assert world.contact(contact_id).survey_ok_at is None, "silence is no yes"
    assert survey.agree(contact_id, world.now)
    first = world.contact(contact_id).survey_ok_at
    world.now += timedelta(seconds=9)
    assert survey.agree(contact_id, world.now)
    assert world.contact(contact_id).survey_ok_at == first
    assert world.events(contact_id).count("survey_asked") == world.events(contact_id).count("survey_agreed") == 1


def test_of_two_wait_requests_at_once_one_asks(world: World) -> None:
    contact_id, _ = world.waits()
    contact, answers = world.contact(contact_id), []
    at_once(*(lambda waited=waited: answers.append(survey.ask(contact, waited, world.now)) for waited in (25, 26, 27)))
    assert sorted(answers) == [False, False, True]


def test_nobody_is_asked_whom_no_text_could_reach(world: World) -> None:
    withheld, first = world.waits("anonymous")
    assert not agrees(world, withheld)
    assert not survey.agree(withheld, world.now), "a key that nobody asked for"
    parting.leg_ended(first, world.now)
    writes(world, "STOP", OTHER_CALLER)
    stopped, second = world.waits(OTHER_CALLER)
    assert not agrees(world, stopped)
    parting.leg_ended(second, world.now)
    invited(world)
    again, _ = world.waits()
    assert not agrees(world, again), "invited lately"


# When


def test_nothing_is_sent_before_wrap_up_is_over_and_two_minutes_more(world: World) -> None:
    contact_id = talked(world)
    world.pass_time(119)
    assert of(world, contact_id) is None
    world.pass_time(5)
    found = of(world, contact_id)
    assert found is not None
    assert found.state == "due"
    world.pass_time(GRACE.total_seconds() - 10)
    assert sent(world) == []
    world.pass_time(15)
    assert len(sent(world)) == 1


def test_a_hand_off_that_is_logged_in_those_two_minutes_is_heeded(world: World) -> None:
    contact_id = talked(world)
    world.pass_time(125)
    logs(world, contact_id, "handed_off")
    found = of(world, contact_id)
    assert found is not None
    assert found.state == "withdrawn"
    world.now += timedelta(minutes=5)
    clock.tick(world.now)
    assert sent(world) == []


def test_a_report_that_is_logged_during_the_talk_makes_it_due_when_the_talk_is_over(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid = world.waits()
    assert agrees(world, contact_id)
    engagement = world.accepts(world.peer1)
    world.comes_up(engagement)
    world.caller_joins(engagement, caller_sid)
    logs(world, contact_id)
    world.pass_time(30)
    assert of(world, contact_id) is None
    parting.leg_ended(caller_sid, world.now)
    clock.tick(world.now)
    assert len(sent(world)) == 1


def test_a_dropped_caller_who_gives_up_waiting_is_invited_after_the_wrap_up_of_before(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid, peer_sid, _ = world.talks(world.peer1)
    parting.leg_ended(peer_sid, world.now)
    logs(world, contact_id, "dropped", text_ok=True)
    world.pass_time(60)
    assert of(world, contact_id) is None, "the caller still waits"
    parting.leg_ended(caller_sid, world.now)
    clock.tick(world.now)
    assert len(sent(world)) == 1


@pytest.mark.parametrize("how", ["the line has closed", "gives up"])
def test_a_dropped_caller_for_whom_nobody_is_left_had_an_answer_and_is_invited(world: World, how: str) -> None:
    world.available(world.peer1)
    contact_id, caller_sid, peer_sid, engagement = world.talks(world.peer1)
    parting.leg_ended(peer_sid, world.now)
    logs(world, contact_id, "dropped", text_ok=True)
    parting.caller_back(contact_id, world.now, engagement.id)
    world.now += timedelta(seconds=5)
    nobody_on_shift(world)
    if how == "gives up":
        intake.give_up(contact_id, world.now)
    else:
        promises(world, {}, closed_at=world.now)
        assert intake.nobody_left(contact_id, world.now)
        assert world.contact(contact_id).state == "waiting", "first asked where to call"
        intake.not_booked(contact_id, world.now)
    contact = world.contact(contact_id)
    assert (contact.state, contact.ended_at) == ("closed", world.now)
    world.now += asking.ASK_AFTER + timedelta(seconds=1)
    clock.tick(world.now)
    assert ("hang up", caller_sid) not in world.company.asked, "the last words are longer than goodbye"
    assert len(sent(world)) == 1


def test_a_caller_who_reached_nobody_is_not_asked_how_it_was(world: World) -> None:
    contact_id, caller_sid = world.waits()
    assert agrees(world, contact_id)
    parting.leg_ended(caller_sid, world.now)
    world.now += timedelta(minutes=5)
    clock.tick(world.now)
    assert (of(world, contact_id), sent(world)) == (None, [])


def test_while_the_caller_is_in_touch_again_the_survey_waits(world: World) -> None:
    contact_id = talked(world)
    _, again = world.waits()
    logs(world, contact_id)
    clock.tick(world.now)
    assert sent(world) == []
    offer = world.offer_to(world.peer1)
    assert offer is not None
    offers.decline(world.peer1, offer.id, world.now)
    parting.leg_ended(again, world.now)
    world.now += timedelta(minutes=16)
    clock.tick(world.now)
    assert len(sent(world)) == 1


def test_after_a_day_of_standing_still_nobody_is_texted_out_of_nowhere(world: World) -> None:
    contact_id = talked(world)
    logs(world, contact_id)
    world.now += timedelta(hours=25)
    clock.tick(world.now)
    found = of(world, contact_id)
    assert found is not None
    assert (found.state, sent(world)) == ("withdrawn", [])


# Never


@pytest.mark.parametrize("disposition", ["handed_off", "boundary", "not_a_conversation"])
def test_never_after(world: World, disposition: str) -> None:
    contact_id = talked(world)
    logs(world, contact_id, disposition, text_ok=True)
    world.now += timedelta(minutes=5)
    clock.tick(world.now)
    assert (of(world, contact_id), sent(world)) == (None, [])


def test_a_withheld_number_is_never_texted_whatever_is_ticked(world: World) -> None:
    contact_id = talked(world, "anonymous", yes=False)
    logs(world, contact_id, text_ok=True)
    clock.tick(world.now)
    assert (of(world, contact_id), [asked for asked in world.company.asked if asked[0] == "text"]) == (None, [])


def test_a_line_that_has_lost_its_number_withdraws_what_was_due(world: World) -> None:
    contact_id = talked(world)
    logs(world, contact_id)
    with db.transaction() as session:
        session.delete(session.get_one(LineNumber, GEORGIA))
    clock.tick(world.now)
    found = of(world, contact_id)
    assert found is not None
    assert found.state == "withdrawn"


def test_a_hand_off_in_a_draft_that_nobody_logged_is_heeded(world: World) -> None:
    contact_id = talked(world)
    wrapup.draft(world.peer1, contact_id, "handed_off", [], "", False, world.now)
    for _ in range(3):
        world.now += timedelta(seconds=125)
        clock.tick(world.now)
    assert (of(world, contact_id), sent(world)) == (None, [])


def test_a_correction_to_hand_off_withdraws_what_was_due(world: World) -> None:
    contact_id = talked(world)
    logs(world, contact_id)
    logs(world, contact_id, "handed_off")
    clock.tick(world.now)
    assert sent(world) == []


def test_a_hand_off_of_the_callers_next_call_is_heeded(world: World) -> None:
    first = talked(world)
    world.pass_time(125)
    second = talked(world, yes=False)
    logs(world, second, "handed_off")
    logs(world, first)
    world.now += timedelta(minutes=30)
    clock.tick(world.now)
    assert sent(world) == []


def test_a_caller_is_invited_once_in_seven_days(world: World) -> None:
    first = invited(world)
    writes(world, "0")
    writes(world, "0")
    writes(world, "0")
    again = talked(world, yes=False)
    logs(world, again, text_ok=True)
    clock.tick(world.now)
    assert of(world, again) is None
    assert first.invited_at is not None
    world.now = first.invited_at + APART
    world.available(world.peer1)
    later = talked(world)
    logs(world, later)
    clock.tick(world.now)
    assert sum(text.startswith(INVITATION) for text in sent(world)) == 2


def test_two_contacts_of_one_caller_that_are_due_together_bring_one_invitation(world: World) -> None:
    first, second = talked(world), ""
    world.pass_time(125)
    second = talked(world)
    logs(world, second)
    logs(world, first)
    due = world.finds(survey.due)
    assert len(due) == 2
    at_once(*(lambda id=id: survey.invite(id, world.now) for id in due))
    assert sorted(found.state for found in world.all(Survey)) == ["invited", "withdrawn"]
    assert len(sent(world)) == 1


def test_two_clocks_send_one_invitation(world: World) -> None:
    contact_id = talked(world)
    logs(world, contact_id)
    (due,) = world.finds(survey.due)
    at_once(*(lambda: survey.invite(due, world.now) for _ in range(4)))
    assert len(sent(world)) == 1
    assert world.events(due).count("invited") == 1


def test_an_invitation_that_was_not_taken_is_sent_again_and_only_then(world: World) -> None:
    contact_id = talked(world)
    logs(world, contact_id)
    world.company.failures = [NotTaken("429 20429")]
    clock.tick(world.now)
    world.pass_time(10)
    assert len(sent(world)) == 2, "asked twice, taken once"
    assert world.company.texts == 1


@pytest.mark.parametrize("same", ["contact_id", "caller_id"])
def test_the_database_itself_refuses_two_of_one_contact_or_under_way_with_one_caller(world: World, same: str) -> None:
    first = invited(world)
    other, _ = world.waits(OTHER_CALLER)
    caller = world.contact(other).caller_id
    kept = {name: getattr(first, name) for name in ("organization_id", "line_id", "due_at", "invited_at")}
    fields = {"contact_id": other, "caller_id": caller, "state": SurveyState.INVITED} | kept
    with pytest.raises(IntegrityError), db.transaction() as session:
        session.add(Survey(**fields | {same: getattr(first, same)}))
    with db.transaction() as session:
        session.add(Survey(**fields))


# What comes back


def test_a_malformed_answer_is_asked_once_more_then_the_question_is_skipped(world: World) -> None:
    found = invited(world)
    writes(world, "kind of")
    assert sent(world)[-1].startswith(AGAIN)
    assert "988" in sent(world)[-1]
    writes(world, "well")
    assert sent(world)[-1].startswith(FEELING)
    writes(world, "9")
    assert sent(world)[-1].startswith(AGAIN), "once a question"
    writes(world, "2")
    now = world.get(Survey, found.id)
    assert (now.felt_supported, now.feeling, now.question) == (None, 2, "otherwise")
    assert threads(world) == []


def test_every_question_may_be_skipped(world: World) -> None:
    found = invited(world)
    for _ in range(3):
        writes(world, "0")
    now = world.get(Survey, found.id)
    assert (now.state, now.felt_supported, now.feeling, now.otherwise) == ("completed", None, None, None)


def test_silence_is_accepted_after_a_day(world: World) -> None:
    found = invited(world)
    writes(world, "1")
    world.now += SILENCE - timedelta(seconds=10)
    clock.tick(world.now)
    assert world.get(Survey, found.id).state == "answering"
    world.now += timedelta(seconds=20)
    clock.tick(world.now)
    now = world.get(Survey, found.id)
    assert (now.state, now.felt_supported) == ("lapsed", True)
    assert len(sent(world)) == 2, "no reminder"
    writes(world, "5")
    assert len(threads(world)) == 1, "whatever comes now is for a person"


def test_after_a_day_an_answer_is_too_late_even_if_the_clock_is_late_as_well(world: World) -> None:
    found = invited(world)
    world.now += SILENCE
    writes(world, "1")
    assert world.get(Survey, found.id).felt_supported is None
    assert len(threads(world)) == 1


def test_yes_is_an_answer_and_not_start(world: World) -> None:
    found = invited(world)
    writes(world, "YES")
    assert world.get(Survey, found.id).felt_supported is True
    assert not any("again" in text for text in sent(world)), "nobody had stopped texts"
    writes(world, "YES")
    assert sent(world)[-1].startswith(AGAIN), "to the second question it is no answer"


def test_yes_without_a_survey_is_start_as_ever(world: World) -> None:
    writes(world, "STOP")
    writes(world, "YES")
    assert "You will get texts from this number again" in sent(world)[-1]


def test_a_sentence_opens_a_thread_and_the_survey_pauses(world: World) -> None:
    found = invited(world)
    world.available(world.peer2)
    writes(world, "I feel worse again, is somebody there?")
    (thread,) = threads(world)
    assert thread.state in ("waiting", "offered")
    assert "A person will answer" in sent(world)[-1]
    writes(world, "1")
    assert world.get(Survey, found.id).felt_supported is None, "what comes into an open thread belongs to it"
    assert [message.body for message in world.all(Message, contact_id=thread.id, direction="in")][1:] == ["1"]


def test_after_a_pause_only_an_answer_is_an_answer(world: World) -> None:
    found = invited(world)
    world.available(world.peer2)
    writes(world, "I feel worse again, is somebody there?")
    (thread,) = threads(world)
    with db.transaction() as session:
        session.get_one(Contact, thread.id).state = ContactState.CLOSED
    writes(world, "thanks")
    assert len(threads(world)) == 2, "no answer: for a person"
    for thread in threads(world):
        with db.transaction() as session:
            session.get_one(Contact, thread.id).state = ContactState.CLOSED
    writes(world, "1")
    assert world.get(Survey, found.id).felt_supported is True
    assert len(threads(world)) == 2


def test_stop_ends_it_and_everything(world: World) -> None:
    found = invited(world)
    writes(world, "1")
    writes(world, "stop")
    assert world.get(Survey, found.id).state == "stopped"
    assert "You will get no more texts" in sent(world)[-1]
    many = len(sent(world))
    writes(world, "4")
    world.pass_time(60)
    assert len(sent(world)) == many, "nothing more, whatever comes"
    assert world.get(Survey, found.id).feeling is None


def test_stop_before_the_invitation_stops_that_too(world: World) -> None:
    contact_id = talked(world)
    logs(world, contact_id)
    writes(world, "STOP")
    found = of(world, contact_id)
    assert found is not None
    assert found.state == "stopped"
    world.pass_time(60)
    assert not any(text.startswith(INVITATION) for text in sent(world))


def test_an_invitation_that_waits_in_the_outbox_when_stop_comes_is_not_sent(world: World) -> None:
    contact_id = talked(world)
    logs(world, contact_id)
    world.company.failures = [NotTaken("429 20429")]
    clock.tick(world.now)
    writes(world, "STOP", answered=True)
    world.pass_time(30)
    assert world.company.texts == 0


def test_stop_and_an_answer_at_once_end_stopped(world: World) -> None:
    found = invited(world)
    at_once(
        lambda: texts.receive("SM-stop", CALLER, GEORGIA, "STOP", True, world.now),
        lambda: texts.receive("SM-answer", CALLER, GEORGIA, "1", False, world.now),
    )
    assert world.get(Survey, found.id).state == "stopped"


def test_stop_and_a_sentence_at_once_are_both_taken(world: World) -> None:
    found = invited(world)
    at_once(
        lambda: texts.receive("SM-stop", CALLER, GEORGIA, "STOP", True, world.now),
        lambda: texts.receive("SM-sentence", CALLER, GEORGIA, "Is somebody there for me?", False, world.now),
    )
    assert world.get(Survey, found.id).state == "stopped"
    assert len(world.all(Message, direction="in")) == 2


def test_stop_and_the_invitation_at_once_end_stopped(world: World) -> None:
    contact_id = talked(world)
    logs(world, contact_id)
    (due,) = world.finds(survey.due)
    at_once(
        lambda: texts.receive("SM-stop", CALLER, GEORGIA, "STOP", True, world.now),
        lambda: survey.invite(due, world.now),
    )
    assert world.get(Survey, due).state in ("stopped", "withdrawn")


def test_no_thanks_ends_the_questions_and_nothing_else(world: World) -> None:
    found = invited(world)
    writes(world, "No thanks")
    assert world.get(Survey, found.id).state == "stopped"
    assert len(sent(world)) == 1
    assert world.all(Caller)[0].texts_stopped_at is None


def test_help_is_answered_as_ever(world: World) -> None:
    found = invited(world)
    writes(world, "HELP")
    assert "Reply STOP to end texts" in sent(world)[-1]
    assert world.get(Survey, found.id).state == "invited"
    writes(world, "1")
    assert world.get(Survey, found.id).felt_supported is True


def test_the_same_text_twice_is_one_answer(world: World) -> None:
    found = invited(world)
    writes(world, "1", sid="SM-1")
    writes(world, "1", sid="SM-1")
    now = world.get(Survey, found.id)
    assert (now.felt_supported, now.feeling, now.question) == (True, None, "feeling")
    assert len(sent(world)) == 2


def test_the_same_text_twice_at_once_is_one_answer(world: World) -> None:
    found = invited(world)
    at_once(*(lambda: texts.receive("SM-1", CALLER, GEORGIA, "1", False, world.now) for _ in range(4)))
    now = world.get(Survey, found.id)
    assert (now.felt_supported, now.feeling) == (True, None)
    assert len(sent(world)) == 2


def test_an_old_answer_that_is_told_again_late_changes_nothing(world: World) -> None:
    found = invited(world)
    writes(world, "1", sid="SM-1")
    writes(world, "4", sid="SM-2")
    writes(world, "1", sid="SM-1")
    now = world.get(Survey, found.id)
    assert (now.feeling, now.otherwise, now.question) == (4, None, "otherwise")


def test_deliveries_of_survey_texts_may_come_in_any_order(world: World) -> None:
    found = invited(world)
    (message,) = world.all(Message, survey_id=found.id)
    sid = message.message_sid
    for status in ("delivered", "sent", "delivered", "failed"):
        messages.delivered(message.id, sid, status, "", world.now)
    assert world.get(Message, message.id).state == "delivered"
    assert world.get(Survey, found.id).state == "invited"


def test_another_caller_and_another_organization_do_not_answer_it(world: World) -> None:
    found = invited(world)
    writes(world, "1", OTHER_CALLER)
    writes(world, "1", CALLER, HARBOR)
    assert world.get(Survey, found.id).state == "invited"
    assert len(threads(world)) == 2


def test_an_answer_survives_a_process_that_dies_before_the_next_question_is_sent(world: World) -> None:
    found = invited(world)
    gateway.use(None)  # nobody sends: as if this process had been killed after the commit
    try:
        writes(world, "1")
    finally:
        gateway.use(world.company)
    world.pass_time(30)
    outbox.recover(found.contact_id, world.now)
    assert world.get(Survey, found.id).question == "feeling"
    assert len([text for text in sent(world) if text.startswith(FEELING)]) <= 1, "never twice"


# Who sees it


def test_no_peer_sees_a_survey(world: World) -> None:
    found = invited(world)
    before = screens.console_state(world.peer1.id, world.now)
    page = screens.console(world.peer1.id, world.now, found.contact_id)
    for body in ("2", "1", "5"):
        writes(world, body)
    assert screens.console_state(world.peer1.id, world.now) == before
    after = screens.console(world.peer1.id, world.now, found.contact_id)
    assert screens.version(after) == screens.version(page)
    assert after.open is not None
    assert after.open.texts == ()


def test_the_board_counts_todays_answers(world: World) -> None:
    assert screens.board(world.lantern, world.now).survey.invited == 0
    for number, (ending, said) in enumerate([("25", "1"), ("26", "no"), ("27", "0"), ("28", "")]):
        caller = f"+140455501{ending}"
        invited(world, caller)
        if said:
            writes(world, said, caller)
        assert screens.board(world.lantern, world.now).survey.invited == number + 1
    today = screens.board(world.lantern, world.now).survey
    assert (today.invited, today.answered, today.felt_supported, today.felt) == (4, 2, 1, 2)
    assert screens.board(world.outsider.organization_id, world.now).survey.invited == 0
    almost_midnight = world.now.replace(hour=4, minute=59) + timedelta(days=1)  # in New York one minute to go
    assert screens.board(world.lantern, almost_midnight).survey.invited == 4
    assert screens.board(world.lantern, almost_midnight + timedelta(minutes=2)).survey.invited == 0


def test_the_boards_are_told_of_each_answer(world: World) -> None:
    invited(world)
    world.pushed.clear()
    writes(world, "1")
    assert {(what, room.partition(":")[0]) for room, what, _ in world.pushed} == {("board", "line")}
