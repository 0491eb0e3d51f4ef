"""Who waits first, and who is asked first."""

from datetime import timedelta
from typing import Any

import pytest

from routing.facts import Peer, Waiting
from routing.policy import Strategy
from routing.ranking import Priority, asked_first, first_in_line
from tests.routing.situations import NOW, contact, peer


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (contact("z", waited=90), contact("a", waited=30)),
        (contact("z", waited=30, priority=Priority.DROPPED), contact("a", waited=90)),
        (contact("z", waited=30, priority=Priority.DROPPED), contact("a", waited=90, priority=Priority.CALLBACK)),
        (contact("z", waited=30, priority=Priority.CALLBACK), contact("a", waited=90)),
        (contact("z", waited=90, priority=Priority.DROPPED), contact("a", waited=30, priority=Priority.DROPPED)),
        (contact("a", waited=60), contact("z", waited=60)),
    ],
    ids=[
        "longest wait",
        "dropped in the middle of a talk before the longest wait",
        "dropped before a callback that is due",
        "a callback that is due before the longest wait",
        "longest wait of one class",
        "same moment: any, but always the same",
    ],
)
def test_first_in_line(first: Waiting, second: Waiting):
    assert first_in_line(first) < first_in_line(second)


def ago(seconds: int) -> dict[str, Any]:
    return {"asked_at": NOW - timedelta(seconds=seconds)}


@pytest.mark.parametrize(
    ("strategy", "first", "second"),
    [
        (Strategy.LONGEST_IDLE, peer("z", idle=90), peer("a", idle=30)),
        (Strategy.FEWEST_TODAY, peer("z", idle=1, today=2), peer("a", idle=90, today=3)),
        (Strategy.FEWEST_TODAY, peer("z", idle=90, today=2), peer("a", idle=30, today=2)),
        (Strategy.ROUND_ROBIN, peer("z", idle=1, **ago(90)), peer("a", idle=90, **ago(30))),
        (Strategy.ROUND_ROBIN, peer("z", idle=1), peer("a", idle=90, **ago(3000))),
        (Strategy.SAME_PEER, peer("z", idle=90), peer("a", idle=30)),
        (Strategy.RING_SEVERAL, peer("z", idle=90), peer("a", idle=30)),
    ],
    ids=[
        "longest idle",
        "fewest contacts today",
        "of equally many, the longest idle",
        "whose turn was longest ago",
        "who had no turn yet",
        "of two whom the caller does not know, the longest idle",
        "of several who ring, the longest idle",
    ],
)
def test_each_strategy_has_its_own_first(strategy: Strategy, first: Peer, second: Peer):
    order = asked_first(strategy, contact())
    assert order(first) < order(second)
    assert asked_first(strategy)(first) < asked_first(strategy)(second)


def test_the_caller_meets_the_same_peer_again_if_that_is_the_line_s_strategy():
    whom, known, free_for_long = contact(same_peer="z"), peer("z", idle=1), peer("a", idle=900)
    same = asked_first(Strategy.SAME_PEER, whom)
    assert same(known) < same(free_for_long)
    other = asked_first(Strategy.LONGEST_IDLE, whom)
    assert other(free_for_long) < other(known)


def test_but_not_if_that_peer_has_just_said_not_now():
    order = asked_first(Strategy.SAME_PEER, contact(same_peer="z", asked=("z",)))
    assert order(peer("a")) < order(peer("z"))


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize(
    ("asked", "first", "second"),
    [
        ((), peer("a", idle=60), peer("z", idle=60)),
        ((), peer("z", idle=1, today=9, **ago(1)), peer("a", idle=90, threads=1)),
        (("z",), peer("a", idle=1, today=9, **ago(1)), peer("z", idle=90)),
        (("z", "a"), peer("z", idle=1, today=9, **ago(1)), peer("a", idle=90)),
        (("a", "a", "z", "b"), peer("z", idle=1, today=9, **ago(1)), peer("a", idle=90)),
        (("z", "z", "a"), peer("z", idle=1, today=9, **ago(1)), peer("a", idle=90)),
    ],
    ids=[
        "same moment: any, but always the same",
        "whoever does nothing before whoever writes",
        "whoever was not asked",
        "not the latest asked",
        "whoever was asked less often",
        "not the latest asked, though the other was asked more often",
    ],
)
def test_under_any_strategy(strategy: Strategy, asked: tuple[str, ...], first: Peer, second: Peer):
    order = asked_first(strategy, contact(asked=asked))
    assert order(first) < order(second)
