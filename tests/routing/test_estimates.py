"""Waits, losses and peers needed: published values, the chain itself, integrals, and what must hold for any load."""

from collections.abc import Callable
from dataclasses import astuple
from fractions import Fraction
from functools import cache
from math import exp, expm1, factorial, inf, log
from time import perf_counter

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from routing.estimates import (
    EARLY,
    ENOUGH,
    LATE,
    Figures,
    Load,
    Minutes,
    Overloaded,
    Target,
    erlang_a,
    erlang_b,
    erlang_c,
    expected_wait,
    peers_needed,
)

MINUTE = 60
HOUR = 3600

# Small and large, light and overloaded: times in seconds.
LOADS = [
    Load(per_hour=7, handle=23 * MINUTE, patience=10 * MINUTE),
    Load(per_hour=40, handle=20 * MINUTE, patience=5 * MINUTE),
    Load(per_hour=40, handle=20 * MINUTE, patience=3 * HOUR),
    Load(per_hour=40, handle=20 * MINUTE, patience=20),
    Load(per_hour=200, handle=180, patience=120),
    Load(per_hour=0.5, handle=HOUR, patience=30),
    Load(per_hour=600, handle=20 * MINUTE, patience=30 * MINUTE),
]
loads = st.builds(
    Load,
    per_hour=st.floats(0.01, 300),
    handle=st.floats(10, 2 * HOUR),
    patience=st.floats(1, 24 * HOUR),
)
some_peers = st.integers(0, 120)


def close(value: float, to: float = 1e-9):
    return pytest.approx(value, rel=to, abs=1e-12)


# --- Published and independent values


def test_a_hundred_calls_in_half_an_hour_need_fourteen_peers():
    load = Load(per_hour=200, handle=180)
    assert peers_needed(load, Target(share=0.8, within=20)) == 14
    assert erlang_c(load, 14, within=20).answered_in_time == pytest.approx(0.8884, abs=5e-5)
    assert erlang_c(load, 13, within=20).answered_in_time < 0.8


@pytest.mark.parametrize(("peers", "wait"), [(4, 403), (5, 98), (6, 26)])
def test_one_absence_on_a_quiet_line_is_minutes_of_waiting(peers: int, wait: int):
    figures = erlang_c(Load(per_hour=7, handle=23 * MINUTE), peers)
    assert round(figures.wait) == wait
    assert figures.speed_of_answer == figures.wait


def test_fifty_agents_with_impatient_callers():
    # Garnett, Mandelbaum, Reiman (2002), table 1: the same line by Erlang C and by Erlang A.
    load = Load(per_hour=48 * 60, handle=60, patience=120)
    assert erlang_c(load, 50).wait == pytest.approx(20.8, abs=0.05)
    figures = erlang_a(load, 50)
    assert figures.abandoned == pytest.approx(0.031, abs=0.0005)
    assert figures.speed_of_answer == pytest.approx(3.7, abs=0.1)
    assert figures.occupancy == pytest.approx(0.93, abs=0.005)


def test_where_more_work_comes_than_can_be_done_only_erlang_a_has_an_answer():
    load = Load(per_hour=40, handle=20 * MINUTE, patience=5 * MINUTE)
    with pytest.raises(Overloaded, match=r"13\.33 peers' work for 12"):
        erlang_c(load, 12)
    with pytest.raises(Overloaded):
        erlang_c(Load(per_hour=3600, handle=2), 2)
    figures = erlang_a(load, 12)
    assert figures.abandoned == pytest.approx(0.2, abs=0.005)
    assert figures.wait == pytest.approx(60, abs=0.5)
    assert figures.wait == close(figures.abandoned * load.patience)


@pytest.mark.parametrize("peers", [1, 2, 5, 12])
@pytest.mark.parametrize("load", LOADS)
def test_erlang_a_is_its_chain_solved_in_fractions(load: Load, peers: int):
    chain = chain_of(load, peers)
    figures = erlang_a(load, peers)
    assert figures.waiting == close(chain.waiting)
    assert figures.abandoned == close(chain.abandoned)
    assert figures.wait == close(chain.wait)
    assert figures.occupancy == close(chain.busy / peers)


@pytest.mark.parametrize("within", [0, 20, 5 * MINUTE])
@pytest.mark.parametrize("peers", [1, 2, 5, 12])
@pytest.mark.parametrize("load", LOADS)
def test_service_level_and_speed_of_answer_are_integrals_over_the_offered_wait(load: Load, peers: int, within: float):
    chain = chain_of(load, peers)
    figures = erlang_a(load, peers, within)
    answered_after = integral(lambda seconds: chain.offered(seconds) * exp(-seconds / load.patience), 0, within)
    assert figures.answered_in_time == close(1 - chain.waiting + answered_after, 1e-6)
    longest = 30 * load.patience
    waited = integral(lambda seconds: seconds * chain.offered(seconds) * exp(-seconds / load.patience), 0, longest)
    assert figures.speed_of_answer == close(waited / (1 - chain.abandoned), 1e-6)


def test_erlang_b_is_its_closed_form():
    for erlangs, peers in [(0.1, 1), (2.7, 4), (10, 14), (30, 12)]:
        terms = [erlangs**number / factorial(number) for number in range(peers + 1)]
        assert erlang_b(erlangs, peers) == close(terms[-1] / sum(terms))


class Chain:
    """The line as a birth-death chain: states up to one that is never reached, in exact arithmetic."""

    def __init__(self, load: Load, peers: int) -> None:
        arrival = Fraction(load.per_hour) / HOUR
        served, leaving = 1 / Fraction(load.handle), 1 / Fraction(load.patience)
        weights = [Fraction(1)]
        total = weights[0]
        while len(weights) <= peers or weights[-1] > total / 10**25:
            number = len(weights)
            going = min(number, peers) * served + max(0, number - peers) * leaving
            weights.append(weights[-1] * arrival / going)
            total += weights[-1]
        queue = sum(weight * (number - peers) for number, weight in enumerate(weights) if number > peers) / total
        self.load, self.peers = load, peers
        self.likely = [float(weight / total) for weight in weights]
        self.waiting = float(sum(weights[peers:]) / total)
        self.wait = float(queue / arrival)  # Little
        self.abandoned = float(queue * leaving / arrival)
        self.busy = float(sum(weight * min(number, peers) for number, weight in enumerate(weights)) / total)

    def offered(self, seconds: float) -> float:
        """The density of the wait of somebody who would never leave (Baccelli and Hebuterne, 1981)."""
        arrival = self.load.per_hour / HOUR
        came = arrival * self.load.patience * -expm1(-seconds / self.load.patience)
        return self.likely[self.peers - 1] * arrival * exp(came - self.peers / self.load.handle * seconds)


@cache
def chain_of(load: Load, peers: int) -> Chain:
    return Chain(load, peers)


def integral(function: Callable[[float], float], low: float, high: float, parts: int = 20_000) -> float:
    """Simpson's rule."""
    step = (high - low) / parts
    inner = sum((4 if number % 2 else 2) * function(low + number * step) for number in range(1, parts))
    return step / 3 * (function(low) + inner + function(high))


# --- What holds whatever the load


@given(loads, some_peers, st.floats(0, HOUR))
@example(Load(1e-9, 1, 1), 1, 0.0)
@example(Load(300, 2 * HOUR, 24 * HOUR), 1, HOUR)
def test_shares_are_shares_and_what_comes_is_served_or_lost(load: Load, peers: int, within: float):
    figures = erlang_a(load, peers, within)
    for share in (figures.waiting, figures.answered_in_time, figures.abandoned, figures.occupancy):
        assert 0 <= share <= 1
    assert peers * figures.occupancy + load.erlangs * figures.abandoned == close(load.erlangs)
    assert figures.abandoned <= figures.waiting
    assert figures.answered_in_time <= 1 - figures.abandoned + 1e-12
    if figures.speed_of_answer is not None:
        leaves = figures.wait - figures.speed_of_answer * (1 - figures.abandoned)
        assert leaves >= -1e-9 * figures.wait, "nobody who left waited less than no time"


@given(loads, some_peers, st.floats(0, HOUR))
def test_one_peer_more_never_makes_it_worse(load: Load, peers: int, within: float):
    fewer, more = erlang_a(load, peers, within), erlang_a(load, peers + 1, within)
    grain = 1 + 1e-12
    assert more.waiting <= fewer.waiting * grain
    assert more.abandoned <= fewer.abandoned * grain
    assert more.wait <= fewer.wait * grain
    assert more.answered_in_time >= fewer.answered_in_time - 1e-12


@given(loads, st.integers(1, 120), st.floats(0, HOUR))
@example(Load(per_hour=300, handle=14, patience=1), 3, 0.003)  # likelihoods of e^-10^13 are compared
def test_ever_longer_patience_is_erlang_c(load: Load, peers: int, within: float):
    assume(load.erlangs < 0.9 * peers)
    patient = Load(load.per_hour, load.handle, 1e12)
    expected = erlang_c(load, peers, within)
    for value, limit in zip(astuple(erlang_a(patient, peers, within)), astuple(expected), strict=True):
        assert value == pytest.approx(limit, rel=1e-5, abs=1e-6)
    assert erlang_a(Load(load.per_hour, load.handle), peers, within) == expected


@given(loads, st.integers(1, 120))
def test_ever_shorter_patience_is_erlang_b(load: Load, peers: int):
    hasty = Load(load.per_hour, load.handle, 1e-9)
    assert erlang_a(hasty, peers).abandoned == pytest.approx(erlang_b(load.erlangs, peers), rel=1e-6, abs=1e-12)


@given(loads, some_peers)
def test_in_no_time_only_those_are_answered_who_find_somebody_free(load: Load, peers: int):
    figures = erlang_a(load, peers, within=0)
    assert figures.answered_in_time == close(1 - figures.waiting, 1e-7)
    assert erlang_a(load, peers, within=1e9).answered_in_time == close(1 - figures.abandoned)


@given(loads, st.floats(0, 0.99), st.floats(0, HOUR), st.none() | st.floats(0.001, 1))
def test_the_peers_needed_are_enough_and_one_fewer_is_not(load: Load, share: float, within: float, lost: float | None):
    def met(peers: int) -> bool:
        figures = erlang_a(load, peers, within)
        return figures.answered_in_time >= share and (lost is None or figures.abandoned <= lost)

    needed = peers_needed(load, Target(share, within, lost))
    assert met(needed)
    assert needed == 0 or not met(needed - 1)


def test_without_patience_known_more_peers_are_needed_than_there_is_work():
    assert peers_needed(Load(per_hour=40, handle=20 * MINUTE), Target(share=0)) == 14
    assert peers_needed(Load(per_hour=0, handle=20 * MINUTE), Target()) == 0


@pytest.mark.parametrize(
    ("load", "peers"),
    [
        (Load(per_hour=1e5, handle=HOUR, patience=1e6), 100_000),
        (Load(per_hour=1e5, handle=HOUR, patience=1e6), 90_000),
        (Load(per_hour=1e6, handle=HOUR, patience=1e-6), 3),
        (Load(per_hour=1e-9, handle=1, patience=1e12), 5000),
        (Load(per_hour=36, handle=20 * MINUTE, patience=1e9), 12),
        (Load(per_hour=40, handle=20 * MINUTE, patience=1e9), 12),
    ],
)
def test_no_size_is_too_large_or_too_small(load: Load, peers: int):
    begun = perf_counter()
    figures = erlang_a(load, peers)
    assert perf_counter() - begun < 5
    assert all(value is not None and 0 <= value < inf for value in astuple(figures))
    assert peers * figures.occupancy + load.erlangs * figures.abandoned == close(load.erlangs)
    if load.erlangs > 1.05 * peers and load.patience > load.handle:
        assert figures.abandoned == close(1 - peers / load.erlangs, 1e-6), "who is lost is what nobody can serve"


def test_without_peers_everybody_leaves():
    load = LOADS[0]
    assert erlang_a(load, 0) == Figures(1, 0, close(load.patience), None, close(1), 0)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Load, {"per_hour": -1, "handle": 60}),
        (Load, {"per_hour": 1, "handle": 0}),
        (Load, {"per_hour": 1, "handle": 60, "patience": 0}),
        (Load, {"per_hour": 1, "handle": float("nan")}),
        (Target, {"share": 1}),
        (Target, {"within": -1}),
        (Target, {"abandoned": 0}),
    ],
)
def test_what_is_no_load_and_no_target_is_refused(kind: type, fields: dict[str, float]):
    with pytest.raises(ValueError, match="not a"):
        kind(**fields)


# --- What a caller is told


def test_it_is_not_known_without_peers_or_enough_contacts_to_learn_from():
    assert expected_wait(1, peers=0, free=0, handle=1200, observed=100) is None
    assert expected_wait(1, peers=3, free=0, handle=None, observed=0) is None
    assert expected_wait(1, peers=3, free=0, handle=1200, observed=ENOUGH - 1) is None
    assert expected_wait(1, peers=3, free=0, handle=1200, observed=ENOUGH) is not None


def test_whoever_a_free_peer_is_there_for_is_asked_about_at_once():
    assert expected_wait(2, peers=3, free=2, handle=1200, observed=50) == Minutes(0, 1)
    behind = expected_wait(3, peers=3, free=2, handle=1200, observed=50)
    assert behind == expected_wait(1, peers=3, free=0, handle=1200, observed=50)
    # More are free than can serve this caller: the others are of no help.
    assert expected_wait(4, peers=3, free=9, handle=1200, observed=50) == behind


def test_the_first_in_line_waits_an_exponential_time():
    # Its quantiles are -ln(1 - p) times the mean, here ten minutes: 2.88 and 23.03.
    assert expected_wait(1, peers=2, free=0, handle=20 * MINUTE, observed=50) == Minutes(2, 24)
    assert [round(-10 * log(1 - share), 2) for share in (EARLY, LATE)] == [2.88, 23.03]


def test_the_third_in_line_waits_an_erlang_time():
    # Half of chi-square with six degrees of freedom: its quantiles are 3.4546 and 10.6446 in every table.
    assert expected_wait(3, peers=2, free=0, handle=20 * MINUTE, observed=50) == Minutes(17, 54)
    assert (int(3.4546 / 2 * 10), int(10.6446 / 2 * 10) + 1) == (17, 54)


def test_a_place_far_back_in_line_is_no_difficulty():
    # By then the law of large numbers holds: 3000 contacts, ten peers, 23 minutes each, half a percent either way.
    told = tell(3000, peers=10, free=0, handle=23 * MINUTE, patience=inf)
    assert told.low == pytest.approx(6900, rel=0.02)
    assert told.high == pytest.approx(6900, rel=0.03)
    assert tell(3000, peers=10, free=0, handle=23 * MINUTE, patience=600).high < 100


places = {
    "place": st.integers(1, 40),
    "peers": st.integers(1, 20),
    "free": st.integers(0, 20),
    "handle": st.floats(1, 2 * HOUR),
    "patience": st.floats(10, 24 * HOUR),
}


@given(**places)
def test_who_stands_further_back_or_before_fewer_peers_is_never_told_less(place, peers, free, handle, patience):
    told = tell(place, peers, free, handle, patience)
    assert 0 <= told.low < told.high
    for worse in (
        tell(place + 1, peers, free, handle, patience),
        tell(place, peers, free, handle, 10 * patience),
        tell(place, peers, free, handle, inf),
        tell(place, peers, min(free, peers) - 1, handle, patience) if free else told,
        tell(place, peers - 1, min(free, peers - 1), handle, patience) if peers > 1 else told,
    ):
        assert worse.low >= told.low
        assert worse.high >= told.high


def tell(place: int, peers: int, free: int, handle: float, patience: float) -> Minutes:
    told = expected_wait(place, peers, free, handle, ENOUGH, patience)
    assert told
    return told


@given(st.integers(1, 6), st.integers(1, 6), st.floats(60, HOUR), st.floats(30, HOUR))
def test_the_interval_holds_the_share_of_waits_that_it_claims(steps: int, peers: int, handle: float, patience: float):
    # The wait is a sum of exponential times with different rates: its distribution by partial fractions.
    rates = [peers / handle + number / patience for number in range(steps)]

    def longer(seconds: float) -> float:
        total = 0.0
        for rate in rates:
            factor = 1.0
            for other in rates:
                factor *= other / (other - rate) if other != rate else 1.0
            total += factor * exp(-rate * seconds)
        return total

    assume(patience < 20 * handle / peers)  # else the rates are too much alike for partial fractions
    told = tell(steps, peers, 0, handle, patience)
    assert longer(told.low * MINUTE) >= 1 - EARLY - 1e-5
    assert longer((told.low + 1) * MINUTE) <= 1 - EARLY + 1e-5
    assert longer(told.high * MINUTE) <= 1 - LATE + 1e-5
    assert told.high == 1 or longer((told.high - 1) * MINUTE) >= 1 - LATE - 1e-5
