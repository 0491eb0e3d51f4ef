"""A peer keeps a boundary: one kind sentence, the end, and a report that says so."""

from datetime import timedelta

import pytest

from tests.contacts.test_races import at_once, times
from tests.contacts.world import CALLER, GEORGIA, World
from warmline.contacts import asking, boundary, parting, texts, wrapup
from warmline.errors import Conflict, NotFound
from warmline.models import Engagement, Message, Report
from warmline.telephony import twiml
from warmline.telephony.gateway import Membership

SENTENCE = "The line is here for you another time"


def thread(world: World) -> str:
    world.available(world.peer1)
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    return world.accepts(world.peer1).contact_id


def test_a_call_ends_with_a_boundary_and_its_report_says_so(world: World) -> None:
    world.available(world.peer1)
    contact_id, _, _, engagement = world.talks(world.peer1)
    for _ in range(2):
        boundary.end(world.peer1, contact_id, world.now)
    contact = world.contact(contact_id)
    assert (contact.state, contact.ended_how) == ("closed", "boundary")
    assert world.get(Engagement, engagement.id).reason == "boundary"
    assert [asked[0] for asked in world.company.asked].count("end conference") == 1
    (report,) = world.all(Report)
    assert (report.disposition, report.completed_at) == ("boundary", None)
    assert world.activity(world.peer1) == "wrapping"


def test_an_ordinary_end_says_goodbye(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    parting.end(world.peer1, contact_id, world.now)
    boundary.end(world.peer1, contact_id, world.now)
    assert world.contact(contact_id).ended_how is None
    assert world.all(Report) == []


def test_of_many_presses_of_both_buttons_one_ends_it(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    at_once(
        *times(2, boundary.end, world.peer1, contact_id, world.now),
        *times(2, parting.end, world.peer1, contact_id, world.now),
    )
    assert world.events(contact_id).count("ended") == 1
    assert len(world.requests("end_conference")) == 1
    kept = world.contact(contact_id).ended_how == "boundary"
    assert len(world.all(Report)) == (1 if kept else 0)


def test_a_thread_ends_with_one_last_text(world: World) -> None:
    contact_id = thread(world)
    before = world.company.texts
    for _ in range(2):
        boundary.end(world.peer1, contact_id, world.now)
    assert world.company.texts == before + 1
    assert SENTENCE in world.company.asked[-1][2]
    assert "988" in world.company.asked[-1][2]
    assert world.contact(contact_id).state == "closed"


def test_a_caller_who_wants_no_texts_gets_none(world: World) -> None:
    contact_id = thread(world)
    texts.receive("SM2", CALLER, GEORGIA, "STOP", True, world.now)
    before = len(world.all(Message))
    boundary.end(world.peer1, contact_id, world.now)
    assert len(world.all(Message)) == before
    assert world.contact(contact_id).state == "closed"


def test_what_the_peer_has_written_stays(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    wrapup.draft(world.peer1, contact_id, "limit_reached", ["social"], "The garden.", False, world.now)
    boundary.end(world.peer1, contact_id, world.now)
    (report,) = world.all(Report)
    assert (report.disposition, report.notes) == ("limit_reached", "The garden.")


def test_a_report_that_is_finished_stays_finished(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    wrapup.report(world.peer1, contact_id, "support_given", ["social"], "", False, world.now)
    boundary.end(world.peer1, contact_id, world.now)
    assert world.all(Report)[0].disposition == "support_given"
    assert world.activity(world.peer1) == "idle"


def test_nobody_is_connected_yet(world: World) -> None:
    world.available(world.peer1)
    contact_id, _ = world.waits()
    world.accepts(world.peer1)
    with pytest.raises(Conflict) as refused:
        boundary.end(world.peer1, contact_id, world.now)
    assert refused.value.code == "not_connected"
    assert world.contact(contact_id).state == "connecting"


def test_a_caller_who_hears_the_sentence_is_not_hung_up_on(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid, _, _ = world.talks(world.peer1)
    boundary.end(world.peer1, contact_id, world.now)
    world.company.whereabouts[caller_sid] = Membership(finished=False)
    world.now += asking.ASK_AFTER + timedelta(seconds=5)
    asking.ask(caller_sid, world.now)
    assert world.company.asked[-1][0] == "end conference"
    world.now += asking.LAST_WORDS
    asking.ask(caller_sid, world.now)
    assert world.company.asked[-1] == ("hang up", caller_sid)


def test_a_contact_of_somebody_else_is_not_there(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    for stranger in (world.peer2, world.outsider):
        with pytest.raises(NotFound):
            boundary.end(stranger, contact_id, world.now)
    assert world.contact(contact_id).state == "connected"


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_sentence_names_988_in_every_language(world: World, language: str) -> None:
    assert "988" in twiml.sentence(language, boundary.WORDS)
