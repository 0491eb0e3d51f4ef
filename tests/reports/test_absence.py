"""A day of a line's past, played again with one peer fewer."""

from datetime import date
from math import inf

import pytest

from tests.reports.past import Past, local, minutes
from warmline.reports.absence import Replay, replay

pytestmark = pytest.mark.both

DAY = date(2026, 11, 17)


def played(past: Past) -> Replay:
    found = replay(past.line, DAY, within=20)
    assert found
    return found


def test_of_a_day_on_which_nobody_was_answered_nothing_is_known(past: Past) -> None:
    past.left("2026-11-17 10:00", waited=3)
    past.answered("2026-11-18 10:00", waited=3, handled=20)
    assert replay(past.line, DAY, within=20) is None


def test_without_one_of_two_the_second_caller_waits_for_the_first(past: Past) -> None:
    past.shift(past.robin, "2026-11-17 09:00", "2026-11-17 17:00")
    past.shift(past.marisol, "2026-11-17 09:00", "2026-11-17 17:00")
    past.answered("2026-11-17 10:00", waited=0.5, handled=20)
    past.answered("2026-11-17 10:05", waited=0.25, handled=10, peer=past.marisol)
    found = played(past)
    assert found.patience == inf
    assert (found.as_it_was.wait, found.as_it_was.answered_in_time) == (22.5, 0.5)
    assert (found.everybody.wait, found.everybody.answered_in_time) == (0, 1)
    assert [name for name, _ in found.without] == ["peer1", "peer2"]
    for _, figures in found.without:
        assert (figures.wait, figures.abandoned, figures.answered_in_time) == (15 / 2 * 60, 0, 0.5)


def test_without_the_only_peer_everybody_leaves_when_their_patience_ends(past: Past) -> None:
    past.shift(past.robin, "2026-11-17 09:00", "2026-11-17 17:00")
    past.answered("2026-11-17 10:00", waited=1, handled=20)
    past.left("2026-11-17 10:05", waited=4)
    found = played(past)
    assert found.patience == 5 * 60
    [(name, figures)] = found.without
    assert (name, figures.abandoned) == ("peer1", 1)
    # One has 4 minutes; the other has waited one already and has 5 to come, on average of twenty draws.
    assert 2 * figures.wait - 4 * 60 == pytest.approx(6 * 60, rel=0.5)


def test_whoever_left_leaves_when_they_did(past: Past) -> None:
    past.left("2026-11-17 10:05", waited=4)
    past.answered("2026-11-17 10:20", waited=0, handled=20)
    past.shift(past.robin, "2026-11-17 10:10", "2026-11-17 17:00")
    assert (played(past).everybody.abandoned, played(past).everybody.wait) == (0.5, 2 * 60)


def test_patience_is_learned_from_the_weeks_before(past: Past) -> None:
    past.left("2026-09-20 10:00", waited=30)  # too long ago
    past.left("2026-11-01 10:00", waited=3)
    past.left("2026-11-18 10:00", waited=30)  # the day after
    past.answered("2026-11-17 10:00", waited=1, handled=20)
    assert played(past).patience == 4 * 60


def test_whoever_was_missed_most_stands_first(past: Past) -> None:
    past.shift(past.robin, "2026-11-17 12:00", "2026-11-17 13:00")
    past.shift(past.marisol, "2026-11-17 09:00", "2026-11-17 17:00")
    for number in range(20):
        past.answered(local("2026-11-17 09:00") + minutes(20 * number), waited=0, handled=15, peer=past.marisol)
    found = played(past)
    assert [name for name, _ in found.without] == ["peer2", "peer1"]
    assert found.without[0][1].wait > found.without[1][1].wait


def test_the_same_seed_plays_the_same_day(past: Past) -> None:
    past.shift(past.robin, "2026-11-17 09:00", "2026-11-17 17:00")
    for number in range(20):
        past.answered(local("2026-11-17 10:00") + minutes(number), waited=1, handled=15)
        past.left(local("2026-11-17 10:00") + minutes(number), waited=2)
    assert played(past) == played(past)
    assert played(past) != replay(past.line, DAY, within=20, seed=1000)


def test_who_comes_on_shift_after_midnight_is_no_absence_of_that_day(past: Past) -> None:
    past.shift(past.robin, "2026-11-17 20:00", "2026-11-18 00:00")
    past.shift(past.marisol, "2026-11-18 00:00", "2026-11-18 04:00")
    past.answered("2026-11-17 23:50", waited=0, handled=30)
    past.answered("2026-11-17 23:55", waited=0, handled=10)
    found = played(past)
    assert [name for name, _ in found.without] == ["peer1"]
    assert found.everybody.wait == 5 / 2 * 60, "the second is answered at midnight"
