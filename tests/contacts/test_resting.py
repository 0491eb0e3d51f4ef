"""A peer who marked a contact as heavy rests afterwards: nothing rings until the time is over, or they are ready."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from tests.contacts.world import OTHER_CALLER, World
from warmline import db
from warmline.contacts import parting, resting, screens, wrapup
from warmline.contacts.wrapup import Afterwards
from warmline.models import Event, Line, Peer

HEAVY = Afterwards(heavy=True)
TEN_MINUTES = timedelta(minutes=10)  # of a line that has chosen nothing


def talked(world: World, peer: Peer) -> str:
    """A call that is over, and still to be logged."""
    world.available(peer)
    contact_id, caller_sid, *_ = world.talks(peer)
    parting.leg_ended(caller_sid, world.now)
    return contact_id


def logs(world: World, peer: Peer, contact_id: str, afterwards: Afterwards | None = HEAVY) -> None:
    wrapup.report(peer, contact_id, "support_given", ["social"], "", False, world.now, None, afterwards)


def drafts(world: World, peer: Peer, contact_id: str, afterwards: Afterwards = HEAVY) -> None:
    wrapup.draft(peer, contact_id, "", [], "", False, world.now, None, afterwards)


def rests_until(world: World, peer: Peer) -> datetime | None:
    return world.peer(peer).rests_until


def times(world: World, name: str) -> int:
    return len(world.all(Event, name=name))


def test_after_a_heavy_contact_nothing_rings_until_the_time_is_over(world: World) -> None:
    contact_id = talked(world, world.peer1)
    logs(world, world.peer1, contact_id)
    assert rests_until(world, world.peer1) == world.now + TEN_MINUTES
    world.waits(OTHER_CALLER)
    world.pass_time(590)
    assert world.offer_to(world.peer1) is None
    world.pass_time(10)
    assert world.offer_to(world.peer1) is not None
    (event,) = world.all(Event, name="rests")
    assert event.contact_id == contact_id


def test_the_line_says_how_long(world: World) -> None:
    with db.transaction() as session:
        session.execute(update(Line).values(policy={"recovery": 90}))
    logs(world, world.peer1, talked(world, world.peer1))
    assert rests_until(world, world.peer1) == world.now + timedelta(seconds=90)


def test_a_line_may_give_no_time(world: World) -> None:
    with db.transaction() as session:
        session.execute(update(Line).values(policy={"recovery": 0}))
    logs(world, world.peer1, talked(world, world.peer1))
    assert rests_until(world, world.peer1) is None
    assert times(world, "rests") == 0


@pytest.mark.parametrize("afterwards", [None, Afterwards()])
def test_without_the_mark_nobody_rests(world: World, afterwards: Afterwards | None) -> None:
    logs(world, world.peer1, talked(world, world.peer1), afterwards)
    assert rests_until(world, world.peer1) is None


def test_a_draft_keeps_the_mark_and_the_rest_begins_when_wrap_up_time_is_over(world: World) -> None:
    contact_id = talked(world, world.peer1)
    drafts(world, world.peer1, contact_id)
    shown = screens.console(world.peer1.id, world.now, contact_id).open
    assert shown is not None
    assert shown.report.heavy
    assert rests_until(world, world.peer1) is None
    world.pass_time(120)
    assert rests_until(world, world.peer1) == world.now + TEN_MINUTES
    world.pass_time(60)
    logs(world, world.peer1, contact_id)
    assert times(world, "rests") == 1, "what was begun does not begin again"


def test_a_mark_that_comes_after_wrap_up_gives_the_time_from_then_on(world: World) -> None:
    contact_id = talked(world, world.peer1)
    world.pass_time(130)
    drafts(world, world.peer1, contact_id)
    assert rests_until(world, world.peer1) == world.now + TEN_MINUTES
    world.pass_time(30)
    logs(world, world.peer1, contact_id)
    assert times(world, "rests") == 1


def test_a_report_written_during_the_talk_gives_the_time_from_its_end_on(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    logs(world, world.peer1, contact_id)
    assert rests_until(world, world.peer1) is None
    world.pass_time(60)
    parting.end(world.peer1, contact_id, world.now)
    assert rests_until(world, world.peer1) == world.now + TEN_MINUTES


@pytest.mark.parametrize("was_ready", [True, False])
def test_a_correction_does_not_begin_the_rest_again(world: World, was_ready: bool) -> None:
    contact_id = talked(world, world.peer1)
    logs(world, world.peer1, contact_id)
    until = rests_until(world, world.peer1)
    if was_ready:
        resting.end(world.peer1, world.now)
        until = None
    world.pass_time(60)
    for afterwards in (HEAVY, Afterwards(), HEAVY):
        logs(world, world.peer1, contact_id, afterwards)
    assert rests_until(world, world.peer1) == until
    assert times(world, "rests") == 1


def test_the_peer_is_ready_sooner_and_asked_at_once(world: World) -> None:
    logs(world, world.peer1, talked(world, world.peer1))
    world.waits(OTHER_CALLER)
    world.pass_time(60)
    for _ in range(2):
        resting.end(world.peer1, world.now)
    assert rests_until(world, world.peer1) is None
    assert world.offer_to(world.peer1) is not None
    assert world.events(world.peer1.id).count("ready") == 1


def test_who_does_not_rest_cannot_be_readier(world: World) -> None:
    world.available(world.peer1)
    resting.end(world.peer1, world.now)
    assert "ready" not in world.events(world.peer1.id)


def test_console_and_board_say_it_and_stop_when_the_time_is_over(world: World) -> None:
    logs(world, world.peer1, talked(world, world.peer1))
    until = world.now + TEN_MINUTES
    resting_state = screens.console_state(world.peer1.id, world.now)
    assert resting_state["rests_until"] == until.isoformat()
    shown = screens.console(world.peer1.id, world.now).rest
    assert shown is not None
    assert (shown.until, shown.zone) == (until, "America/New_York")
    row = next(row for row in screens.board(world.lantern, world.now).peers if row.name == "peer1")
    assert row.rests_until == until
    over = screens.console_state(world.peer1.id, until)
    assert over["rests_until"] is None
    assert over["version"] != resting_state["version"], "the page is fetched anew"
    assert screens.console(world.peer1.id, until).rest is None
    rows = screens.board_state(world.lantern, until)["peers"]
    assert {row["rests_until"] for row in rows} == {None}


def test_the_consoles_and_boards_are_told_of_both(world: World) -> None:
    contact_id = talked(world, world.peer1)
    for deed in (lambda: logs(world, world.peer1, contact_id), lambda: resting.end(world.peer1, world.now)):
        world.pushed.clear()
        deed()
        assert {what for _, what, _ in world.pushed} == {"console", "board"}
