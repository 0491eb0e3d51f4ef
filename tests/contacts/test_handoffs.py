"""To whom a caller was handed over is recorded, and asked for until it is."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from tests.contacts.test_races import at_once, times
from tests.contacts.world import World
from warmline import db
from warmline.contacts import handoffs, parting, screens, wrapup
from warmline.contacts.handoffs import Said
from warmline.errors import Invalid, NotFound
from warmline.models import Handoff

TO_988 = Said(given_to="988", words="", agreed="yes", warmth="warm", outcome="connected", notes="They stay on it.")


def test_a_hand_off_is_recorded_during_the_contact_and_corrected_after_it(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    kept = handoffs.keep(world.peer1, contact_id, TO_988, world.now)
    handoffs.keep(world.peer1, contact_id, TO_988, world.now)  # a double click
    assert world.events(kept.id) == ["recorded"]
    parting.end(world.peer1, contact_id, world.now)
    wrapup.report(world.peer1, contact_id, "handed_off", ["emotional"], "", False, world.now)
    handoffs.keep(world.peer1, contact_id, replace(TO_988, outcome="declined"), world.now)
    (row,) = world.all(Handoff)
    assert (row.given_to, row.agreed, row.warmth, row.outcome) == ("988", "yes", "warm", "declined")
    assert world.events(kept.id) == ["recorded", "recorded"]


def test_a_report_of_a_hand_off_is_taken_without_its_record(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    wrapup.report(world.peer1, contact_id, "handed_off", ["emotional"], "", False, world.now)
    shown = screens.console(world.peer1.id, world.now, contact_id).open
    assert shown is not None
    assert shown.report.disposition == "handed_off"
    assert shown.safety.handoff is None
    handoffs.keep(world.peer1, contact_id, TO_988, world.now)
    shown = screens.console(world.peer1.id, world.now, contact_id).open
    assert shown is not None
    assert shown.safety.handoff is not None
    assert shown.safety.handoff.given_to == "988"


def test_two_tabs_at_once_make_one_record(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    found = at_once(*times(4, handoffs.keep, world.peer1, contact_id, TO_988, world.now))
    assert len({kept.id for kept in found}) == 1
    assert len(world.all(Handoff)) == 1


def test_somebody_else_has_a_name(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    with pytest.raises(Invalid) as refused:
        handoffs.keep(world.peer1, contact_id, replace(TO_988, given_to="other", words=" "), world.now)
    assert refused.value.code == "handoff_missing"
    handoffs.keep(world.peer1, contact_id, replace(TO_988, given_to="other", words="Her sister"), world.now)
    assert world.all(Handoff)[0].words == "Her sister"
    handoffs.keep(world.peer1, contact_id, replace(TO_988, words="Her sister"), world.now)
    assert world.all(Handoff)[0].words == "", "988 needs no other name"


@pytest.mark.parametrize("field", ["given_to", "agreed", "warmth", "outcome"])
def test_what_is_missing_or_unknown_is_refused(world: World, field: str) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    for value, code in (("", "handoff_missing"), ("perhaps", "handoff_unknown")):
        with pytest.raises(Invalid) as refused:
            handoffs.keep(world.peer1, contact_id, replace(TO_988, **{field: value}), world.now)
        assert refused.value.code == code
    assert world.all(Handoff) == []


def test_too_much_is_refused(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    with pytest.raises(Invalid):
        handoffs.keep(world.peer1, contact_id, replace(TO_988, notes="x" * 5001), world.now)
    with pytest.raises(Invalid):
        handoffs.keep(world.peer1, contact_id, replace(TO_988, given_to="other", words="x" * 201), world.now)


def test_a_contact_of_somebody_else_is_not_there(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    for stranger in (world.peer2, world.outsider):
        with pytest.raises(NotFound):
            handoffs.keep(stranger, contact_id, TO_988, world.now)
    assert world.all(Handoff) == []


def test_the_notes_are_stored_encrypted(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    handoffs.keep(world.peer1, contact_id, TO_988, world.now)
    with db.reading() as session:
        (stored,) = session.execute(text("SELECT notes FROM handoff")).scalars()
    assert "stay" not in stored
