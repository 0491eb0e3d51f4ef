"""A peer and a caller who are not to be connected again: said in the report, done when it is finished, taken back."""

import pytest

from tests.contacts.world import CALLER, OTHER_CALLER, World
from warmline.contacts import parting, screens, wrapup
from warmline.contacts.wrapup import Afterwards
from warmline.errors import Invalid
from warmline.models import Apart, Event, Peer, Report

NOTHING = Afterwards()
I_ASK = Afterwards(apart="peer")
THEY_ASK = Afterwards(apart="caller")


def talked(world: World, peer: Peer, number: str = CALLER) -> str:
    """A call that is over, and still to be logged."""
    if not world.is_present(peer):
        world.available(peer)
    contact_id, caller_sid, *_ = world.talks(peer, number)
    parting.leg_ended(caller_sid, world.now)
    return contact_id


def logs(world: World, peer: Peer, contact_id: str, afterwards: Afterwards | None) -> None:
    wrapup.report(peer, contact_id, "support_given", ["social"], "", False, world.now, None, afterwards)


def apart(world: World) -> list[tuple[str, str]]:
    return [(row.peer_id, row.asked_by) for row in world.all(Apart)]


def happened(world: World, contact_id: str) -> list[str]:
    return [event.name for event in world.all(Event, contact_id=contact_id, subject="report")]


@pytest.mark.parametrize(("afterwards", "asked_by"), [(I_ASK, "peer"), (THEY_ASK, "caller")])
def test_who_is_kept_apart_is_not_offered_to_each_other(world: World, afterwards: Afterwards, asked_by: str) -> None:
    contact_id = talked(world, world.peer1)
    logs(world, world.peer1, contact_id, afterwards)
    assert apart(world) == [(world.peer1.id, asked_by)]
    world.waits(CALLER)
    world.pass_time(30)
    assert world.offer_to(world.peer1) is None
    world.available(world.peer2)
    assert world.offer_to(world.peer2) is not None
    world.waits(OTHER_CALLER)
    assert world.offer_to(world.peer1) is not None, "everybody else is"


def test_finishing_twice_is_one_row_and_one_event(world: World) -> None:
    contact_id = talked(world, world.peer1)
    for _ in range(2):
        logs(world, world.peer1, contact_id, I_ASK)
    assert len(apart(world)) == 1
    assert happened(world, contact_id) == ["apart", "reported", "reported"]
    (event,) = world.all(Event, name="apart")
    assert (event.new, event.why) == ("peer", {"reason": "peer_asked"})


def test_a_draft_keeps_it_and_does_nothing_yet(world: World) -> None:
    contact_id = talked(world, world.peer1)
    wrapup.draft(world.peer1, contact_id, "", [], "", False, world.now, None, THEY_ASK)
    shown = screens.console(world.peer1.id, world.now, contact_id).open
    assert shown is not None
    assert shown.report.apart == "caller"
    assert apart(world) == []


def test_a_correction_takes_it_back(world: World) -> None:
    contact_id = talked(world, world.peer1)
    logs(world, world.peer1, contact_id, I_ASK)
    logs(world, world.peer1, contact_id, NOTHING)
    assert apart(world) == []
    assert happened(world, contact_id) == ["apart", "reported", "apart_no_more", "reported"]
    world.waits(CALLER)
    assert world.offer_to(world.peer1) is not None


def test_a_correction_says_who_asked(world: World) -> None:
    contact_id = talked(world, world.peer1)
    logs(world, world.peer1, contact_id, I_ASK)
    logs(world, world.peer1, contact_id, THEY_ASK)
    assert apart(world) == [(world.peer1.id, "caller")]


def test_a_report_of_another_contact_takes_nothing_back(world: World) -> None:
    """Yesterday's report is corrected for its notes: it said nothing of this, and still does not."""
    first = talked(world, world.peer1)
    logs(world, world.peer1, first, NOTHING)
    second = talked(world, world.peer1)
    logs(world, world.peer1, second, I_ASK)
    logs(world, world.peer1, first, NOTHING)
    assert apart(world) == [(world.peer1.id, "peer")]
    logs(world, world.peer1, second, NOTHING)
    assert apart(world) == []


def test_a_form_that_does_not_ask_leaves_it_as_it_is(world: World) -> None:
    contact_id = talked(world, world.peer1)
    logs(world, world.peer1, contact_id, I_ASK)
    logs(world, world.peer1, contact_id, None)
    assert apart(world) == [(world.peer1.id, "peer")]


def test_a_withheld_number_cannot_be_kept_apart(world: World) -> None:
    contact_id = talked(world, world.peer1, "anonymous")
    logs(world, world.peer1, contact_id, I_ASK)
    assert apart(world) == []
    assert [report.apart for report in world.all(Report)] == [None]


def test_it_is_between_these_two_alone(world: World) -> None:
    contact_id = talked(world, world.peer1)
    logs(world, world.peer1, contact_id, I_ASK)
    world.closes_console(world.peer1)
    world.pass_time(40)
    second = talked(world, world.peer2)
    logs(world, world.peer2, second, NOTHING)
    assert apart(world) == [(world.peer1.id, "peer")]


def test_an_unknown_answer_is_refused_and_nothing_is_kept(world: World) -> None:
    contact_id = talked(world, world.peer1)
    with pytest.raises(Invalid) as refusal:
        logs(world, world.peer1, contact_id, Afterwards(apart="supervisor"))
    assert refusal.value.code == "apart_unknown"
    assert world.all(Report) == []
