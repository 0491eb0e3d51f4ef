"""What the clock asks once a second: it reads whoever something is due for, however many wait."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from routing.policy import Policy, Step, StepKind
from tests.contacts.test_dispatch import worked
from tests.contacts.world import CALLER, GEORGIA, OTHER_CALLER, World
from warmline import clock, db
from warmline.contacts import dispatch
from warmline.models import Contact, Line, Peer
from warmline.models.base import new_id

MANY = 300
LONG_AGO = timedelta(minutes=5)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "who",
    [
        {"queue_sid": "QU" + "0" * 32},
        {"queue_sid": "QU" + "0" * 32, "wish": "veteran", "wish_required": True},
        {"channel": "text"},
        {"channel": "text", "language": "fr", "stays_at": LONG_AGO},
        {"callback_at": LONG_AGO},
    ],
    ids=["calls", "wishes", "texts", "texts that were told", "callbacks"],
)
def test_however_many_wait_for_whom_nothing_is_due_it_costs_nothing(world: World, who: dict[str, Any]) -> None:
    """By an index, and without statistics. All of them have taken the line's first step, and none the second."""
    with db.transaction() as session:
        session.get_one(Peer, world.peer1.id).skills = ["veteran"]
        line = session.scalars(select(Line).where(Line.numbers.any(number=GEORGIA))).one()
        steps = Step(timedelta(minutes=1), StepKind.SEVERAL), Step(timedelta(minutes=20), StepKind.CALLBACK)
        line.policy = Policy(wishes=("veteran",), wish_for=None, steps=steps).kept()
    then = world.now - LONG_AGO
    row = {
        "organization_id": world.lantern, "line_id": line.id, "channel": "voice", "state": "waiting", "language": "en",
        "arrived_at": then, "queued_at": then, "steps": 1,
        **{name: then if value is LONG_AGO else value for name, value in who.items()},
    }  # fmt: skip

    def ticks(count: int) -> int:
        with db.transaction() as session:
            session.execute(insert(Contact), [{"id": new_id(), **row} for _ in range(count)])
        clock._due(world.now, world.now, world.now)
        with worked() as steps:
            assert clock._due(world.now, world.now, world.now) == []
        return steps[0]

    few = ticks(2)
    assert ticks(MANY) <= few + 5


def test_whoever_has_taken_a_step_hides_nobody_who_has_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "AT_A_TIME", 1)
    with db.transaction() as session:
        line = session.scalars(select(Line).where(Line.numbers.any(number=GEORGIA))).one()
        line.policy = Policy(steps=(Step(timedelta(minutes=1), StepKind.SEVERAL),)).kept()
    waiting = []
    for number in (CALLER, OTHER_CALLER):
        waiting.append(world.waits(number)[0])
        world.now += timedelta(minutes=1)
        clock.tick(world.now)
    assert [world.contact(contact_id).steps for contact_id in waiting] == [1, 1]


def test_a_step_is_due_for_whoever_has_taken_those_before_it(world: World) -> None:
    with db.transaction() as session:
        line = session.scalars(select(Line).where(Line.numbers.any(number=GEORGIA))).one()
        steps = Step(timedelta(minutes=1), StepKind.SEVERAL), Step(timedelta(minutes=2), StepKind.CALLBACK)
        line.policy = Policy(steps=steps).kept()
    contact_id, _ = world.waits()
    for after, taken in ((59, 0), (60, 1), (119, 1), (120, 2), (500, 2)):
        with db.transaction() as session:
            session.execute(update(Contact).values(queued_at=world.now - timedelta(seconds=after)))
        clock.tick(world.now)
        assert world.contact(contact_id).steps == taken
