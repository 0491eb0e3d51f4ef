"""A day of a line, drawn from a seed and played through the real engine: how long it takes, and beside Erlang A."""

import argparse
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from random import Random
from time import perf_counter

from bench.report import figure, heading
from routing.day import Arrival, Figures, Outcome, Rostered, figures, play
from routing.estimates import HOUR, Load, erlang_a

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
WARM_UP = timedelta(hours=2)  # before the day: the line begins empty, and is to be as on any other day
SHARES = [field.name for field in fields(Figures) if field.name != "contacts"]


def drawn(load: Load, hours: float, seed: int) -> list[Arrival]:
    """Arrivals at random, `load.per_hour` an hour, from the warm-up on; patience and handle times are exponential."""
    chance = Random(seed)
    arrivals = []
    at, end = MIDNIGHT - WARM_UP, MIDNIGHT + timedelta(hours=hours)
    while (at := at + timedelta(seconds=chance.expovariate(load.per_hour / HOUR))) < end:
        patience, handle = chance.expovariate(1 / load.patience), chance.expovariate(1 / load.handle)
        arrivals.append(Arrival(at, timedelta(seconds=patience), timedelta(seconds=handle)))
    return arrivals


def staffed(peers: int, hours: float) -> list[Rostered]:
    """So many peers, on shift from the warm-up until everybody has left or been answered."""
    end = MIDNIGHT + timedelta(hours=hours + 24)
    return [Rostered(f"peer-{number:04}", MIDNIGHT - WARM_UP, end) for number in range(peers)]


def simulated(load: Load, peers: int, hours: float, seed: int) -> list[Outcome]:
    """What became of those who came after the warm-up."""
    outcomes = play(drawn(load, hours, seed), staffed(peers, hours))
    return [outcome for outcome in outcomes if outcome.arrival.at >= MIDNIGHT]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-hour", type=float, default=40)
    parser.add_argument("--handle", type=float, default=20, help="minutes")
    parser.add_argument("--patience", type=float, default=5, help="minutes")
    parser.add_argument("--peers", type=int, default=12)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--within", type=float, default=60, help="seconds")
    parser.add_argument("--seed", type=int, default=1)
    wish = parser.parse_args(arguments)
    load = Load(wish.per_hour, 60 * wish.handle, 60 * wish.patience)
    heading(f"A day from seed {wish.seed}: {wish.peers} peers, {load.per_hour:g} calls an hour")
    begun = perf_counter()
    outcomes = simulated(load, wish.peers, wish.hours, wish.seed)
    took = perf_counter() - begun
    figure(f"{wish.hours:g} hours, {len(outcomes)} calls", f"{took:.2f} s", "≤ 60 s", missed=took > 60)
    found, expected = figures(outcomes, wish.within), erlang_a(load, wish.peers, wish.within)
    figure("average wait", f"{found.wait:.0f} s   Erlang A {expected.wait:.0f} s")
    figure("left", f"{found.abandoned:.1%}   Erlang A {expected.abandoned:.1%}")
    in_time = f"{found.answered_in_time:.1%}   Erlang A {expected.answered_in_time:.1%}"
    figure(f"answered within {wish.within:g} s", in_time)


if __name__ == "__main__":
    main()
