"""A caller is remembered if they asked for it, and forgotten as soon as the latest report says so."""

from datetime import timedelta

import pytest

from tests.contacts.world import CALLER, HARBOR, World
from warmline.contacts import parting, screens, wrapup
from warmline.contacts.remembering import Wish
from warmline.contacts.screens.safety import CallerShown
from warmline.errors import Invalid
from warmline.models import Caller, Peer, Report

BLUE = Wish(remember=True, words="Call me Blue.")


def talked(world: World, peer: Peer, wish: Wish | None, notes: str = "") -> str:
    """A call that is over and logged; its contact."""
    if not world.is_present(peer):
        world.available(peer)
    contact_id, caller_sid, *_ = world.talks(peer)
    parting.leg_ended(caller_sid, world.now)
    wrapup.report(peer, contact_id, "support_given", ["social"], notes, False, world.now, wish)
    world.now += timedelta(minutes=1)
    world.available(peer)
    return contact_id


def caller(world: World, peer: Peer, contact_id: str) -> CallerShown | None:
    shown = screens.console(peer.id, world.now, contact_id).open
    assert shown is not None
    return shown.safety.caller


def test_a_caller_who_asked_is_known_the_next_time(world: World) -> None:
    talked(world, world.peer1, BLUE, "The garden.")
    contact_id, *_ = world.talks(world.peer1)
    known = caller(world, world.peer1, contact_id)
    assert known is not None
    assert (known.remembered, known.words, known.this_year) == (True, "Call me Blue.", 1)
    (earlier,) = known.latest
    assert (earlier.line, earlier.disposition, earlier.reasons) == ("Georgia", "support_given", ("social",))
    assert earlier.notes == "The garden."


def test_a_caller_who_did_not_ask_is_nobody(world: World) -> None:
    talked(world, world.peer1, Wish(remember=False, words="Blue"), "The garden.")
    contact_id, *_ = world.talks(world.peer1)
    assert caller(world, world.peer1, contact_id) == CallerShown(remembered=False, words="", this_year=0, latest=())


def test_of_a_withheld_number_nothing_is_shown(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1, "anonymous")
    wrapup.report(world.peer1, contact_id, "support_given", ["social"], "", False, world.now, BLUE)
    assert caller(world, world.peer1, contact_id) is None
    assert world.all(Caller) == []


def test_notes_are_shown_to_whoever_wrote_them(world: World) -> None:
    talked(world, world.peer1, BLUE, "The garden.")
    world.closes_console(world.peer1)
    world.now += timedelta(minutes=1)
    world.available(world.peer2)
    contact_id, *_ = world.talks(world.peer2)
    known = caller(world, world.peer2, contact_id)
    assert known is not None
    assert [each.notes for each in known.latest] == [""]
    assert known.words == "Call me Blue."


def test_the_latest_report_forgets(world: World) -> None:
    first = talked(world, world.peer1, BLUE)
    talked(world, world.peer1, Wish(remember=False))
    (row,) = world.all(Caller)
    assert (row.remembered_at, row.remember_as) == (None, None)
    assert [report.remember_as for report in world.all(Report)] == [None, None]
    assert world.events(row.id) == ["remembered", "forgotten"]
    wrapup.report(world.peer1, first, "support_given", ["social"], "", False, world.now, BLUE)  # a correction
    assert world.all(Caller)[0].remember_as == "Call me Blue."


def test_a_draft_keeps_the_wish_and_does_nothing_yet(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    wrapup.draft(world.peer1, contact_id, "", [], "", False, world.now, BLUE)
    assert world.all(Caller)[0].remembered_at is None
    shown = screens.console(world.peer1.id, world.now, contact_id).open
    assert shown is not None
    assert (shown.safety.remember, shown.safety.remember_as) == (True, "Call me Blue.")
    wrapup.report(world.peer1, contact_id, "support_given", ["social"], "", False, world.now, BLUE)
    assert world.all(Caller)[0].remember_as == "Call me Blue."
    assert world.all(Report)[0].remember_as is None, "the words stand with the caller alone"


def test_finishing_twice_remembers_once(world: World) -> None:
    contact_id = talked(world, world.peer1, BLUE)
    since = world.all(Caller)[0].remembered_at
    wrapup.report(world.peer1, contact_id, "support_given", ["social"], "", False, world.now, BLUE)
    (row,) = world.all(Caller)
    assert row.remembered_at == since
    assert world.events(row.id) == ["remembered"]


def test_too_many_words_are_refused(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    with pytest.raises(Invalid) as refused:
        wrapup.draft(world.peer1, contact_id, "", [], "", False, world.now, Wish(True, "x" * 201))
    assert refused.value.code == "remember_too_long"


def test_another_organization_knows_nothing_of_it(world: World) -> None:
    talked(world, world.peer1, BLUE)
    world.available(world.outsider)
    contact_id, caller_sid = world.waits(CALLER, dialled=HARBOR)
    engagement = world.accepts(world.outsider)
    world.comes_up(engagement)
    world.caller_joins(engagement, caller_sid)
    known = caller(world, world.outsider, contact_id)
    assert known == CallerShown(remembered=False, words="", this_year=0, latest=())
