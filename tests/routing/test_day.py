"""A simulated day: event by event, as ciw plays the same one, and in the long run as Erlang A says."""

from dataclasses import fields
from datetime import timedelta

import pytest

from bench import day as bench
from bench.day import MIDNIGHT, drawn, staffed
from routing.day import Arrival, Figures, Outcome, Rostered, figures, play
from routing.estimates import Load, erlang_a
from routing.policy import Policy, Step, StepKind, Strategy
from tests.routing.replications import Day, Interval, by_ciw, by_engine, interval, the_same_by_ciw

LOAD = Load(per_hour=40, handle=20 * 60, patience=5 * 60)
PEERS = 12
WITHIN = 60
HOURS = 24
REPLICATIONS = 90  # as many as it takes for the mean wait to be known to a twentieth
FIGURES = [field.name for field in fields(Day)]


def intervals(days: list[Day]) -> dict[str, Interval]:
    return {figure: interval(getattr(day, figure) for day in days) for figure in FIGURES}


def expected(peers: int) -> dict[str, float]:
    by_erlang_a = erlang_a(LOAD, peers, WITHIN)
    return {figure: getattr(by_erlang_a, figure) for figure in FIGURES}


def test_erlang_a_is_what_an_independent_simulation_finds():
    found = intervals([by_ciw(LOAD, PEERS, WITHIN, HOURS, seed) for seed in range(REPLICATIONS)])
    for figure, value in expected(PEERS).items():
        assert found[figure].precision <= 0.05
        assert value in found[figure], figure


def test_the_engine_does_in_the_long_run_what_erlang_a_says():
    found = intervals([by_engine(LOAD, PEERS, WITHIN, HOURS, seed) for seed in range(REPLICATIONS)])
    for figure, value in expected(PEERS).items():
        assert found[figure].precision <= 0.05
        assert value in found[figure], figure
        for other in (PEERS - 1, PEERS + 1):
            assert expected(other)[figure] not in found[figure], "one peer off would be noticed"


@pytest.mark.parametrize("strategy", [Strategy.LONGEST_IDLE, Strategy.FEWEST_TODAY, Strategy.RING_SEVERAL])
def test_caller_by_caller_the_engine_does_what_ciw_does_on_the_same_day(strategy: Strategy):
    arrivals = drawn(LOAD, HOURS, seed=1)
    ours = play(arrivals, staffed(PEERS, HOURS), Policy(strategy=strategy))
    theirs = the_same_by_ciw(arrivals, PEERS)
    assert len(ours) == len(theirs) > 900
    for outcome, (waited, answered) in zip(ours, theirs, strict=True):
        assert outcome.waited.total_seconds() == pytest.approx(waited, abs=0.01)
        assert (outcome.peer is not None) == answered


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def arrival(at: float, patience: float | None = None, handle: float = 10, language: str = "en") -> Arrival:
    return Arrival(MIDNIGHT + minutes(at), None if patience is None else minutes(patience), minutes(handle), language)


def shift(peer: str, begins: float, ends: float, languages: str = "en") -> Rostered:
    return Rostered(peer, MIDNIGHT + minutes(begins), MIDNIGHT + minutes(ends), frozenset(languages.split()))


def told(outcomes: list[Outcome]) -> list[tuple[float, str | None]]:
    return [(outcome.waited / minutes(1), outcome.peer) for outcome in outcomes]


def test_callers_are_answered_in_order_and_whoever_loses_patience_is_not():
    day = play([arrival(0), arrival(1), arrival(2, patience=5), arrival(3)], [shift("robin", 0, 60)])
    assert told(day) == [(0, "robin"), (9, "robin"), (5, None), (17, "robin")]


def test_who_is_answered_in_the_last_moment_does_not_leave():
    assert told(play([arrival(0), arrival(0, patience=10)], [shift("robin", 0, 60)])) == [(0, "robin"), (10, "robin")]


def test_a_talk_outlasts_the_shift_and_then_nobody_else_is_taken():
    day = play([arrival(55), arrival(56, patience=30)], [shift("robin", 0, 60)])
    assert told(day) == [(0, "robin"), (30, None)]


def test_whoever_waits_is_answered_when_a_shift_begins():
    assert told(play([arrival(50), arrival(51)], [shift("robin", 60, 120)])) == [(10, "robin"), (19, "robin")]


def test_two_shifts_of_one_peer_may_touch():
    day = play([arrival(55), arrival(58), arrival(70)], [shift("robin", 0, 60), shift("robin", 60, 120)])
    assert told(day) == [(0, "robin"), (7, "robin"), (5, "robin")]


def test_of_two_shifts_that_overlap_the_later_counts():
    roster = [shift("robin", 0, 60), shift("robin", 30, 120)]
    assert told(play([arrival(70)], roster)) == [(0, "robin")]


def test_however_many_wait_for_another_language_a_peer_finds_whom_they_can_serve():
    others = [arrival(0, patience=30, language="es") for _ in range(200)]
    assert told(play([*others, arrival(1)], [shift("robin", 10, 60)]))[-1] == (9, "robin")


def test_without_anybody_a_patient_caller_waits_to_the_end():
    assert told(play([arrival(0), arrival(30, patience=10)], [])) == [(40, None), (10, None)]


def test_a_language_is_waited_for():
    roster = [shift("robin", 0, 60), shift("marisol", 0, 60, "en es")]
    day = play([arrival(0), arrival(1), arrival(2, language="es"), arrival(3)], roster)
    assert told(day)[:2] == [(0, "marisol"), (0, "robin")]
    assert told(day)[2:] == [(8, "marisol"), (8, "robin")]


def test_steps_of_the_line_come_due():
    # Nobody has the line's skill until it is widened.
    policy = Policy(skills=frozenset({"veteran"}), steps=(Step(minutes(2), StepKind.WIDEN),))
    assert told(play([arrival(0)], [shift("robin", 0, 60)], policy)) == [(2, "robin")]


@pytest.mark.parametrize(("strategy", "asked"), [(Strategy.LONGEST_IDLE, "robin"), (Strategy.FEWEST_TODAY, "marisol")])
def test_the_line_asks_first_whom_its_policy_says(strategy: Strategy, asked: str):
    # Robin has had a call, and has been idle since minute 10; Marisol has had none, and comes at minute 20.
    roster = [shift("robin", 0, 60), shift("marisol", 20, 60)]
    assert told(play([arrival(0), arrival(30)], roster, Policy(strategy=strategy))) == [(0, "robin"), (0, asked)]


def test_who_has_just_talked_is_asked_last():
    roster = [shift("robin", 0, 60), shift("marisol", 1, 60)]
    assert told(play([arrival(0), arrival(15)], roster)) == [(0, "robin"), (0, "marisol")]


def test_figures_of_a_day():
    day = play([arrival(0), arrival(1), arrival(2, patience=5), arrival(3)], [shift("robin", 0, 60)])
    assert figures(day, within=9 * 60) == Figures(contacts=4, wait=31 / 4 * 60, abandoned=0.25, answered_in_time=0.5)


def test_the_bench_prints_a_day_beside_erlang_a(capsys: pytest.CaptureFixture[str]):
    bench.main(["--hours", "2", "--seed", "7"])
    said = capsys.readouterr().out
    assert "2 hours" in said
    assert "average wait" in said
    assert "Erlang A 60 s" in said
    assert "MISSED" not in said
