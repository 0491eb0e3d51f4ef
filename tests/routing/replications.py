"""Days of a line, played again and again: what they say of its figures, and how sure of it one may be."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean, stdev
from typing import Any

import ciw

from bench.day import MIDNIGHT, WARM_UP, simulated
from routing.day import Arrival, figures
from routing.estimates import HOUR, Load

COOL_DOWN = 3 * HOUR  # after the day: ciw tells of a contact when it is over


@dataclass(frozen=True, slots=True)
class Day:
    """What became of those who came on one day: a mean in seconds, and shares."""

    wait: float
    abandoned: float
    answered_in_time: float


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a mean lies, with 99% certainty."""

    mean: float
    half: float

    def __contains__(self, value: float) -> bool:
        return abs(value - self.mean) <= self.half

    @property
    def precision(self) -> float:
        return self.half / self.mean


def interval(values: Iterable[float]) -> Interval:
    """Student's interval of the mean; its quantile by the first terms of Cornish and Fisher."""
    sample = list(values)
    normal = NormalDist().inv_cdf(0.995)
    quantile = normal + (normal**3 + normal) / (4 * (len(sample) - 1))
    return Interval(fmean(sample), quantile * stdev(sample) / sqrt(len(sample)))


def by_ciw(load: Load, peers: int, within: float, hours: float, seed: int) -> Day:
    """A day as ciw plays it: Poisson arrivals, exponential times, and whoever waits too long leaves."""
    ciw.seed(seed)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(load.per_hour / HOUR)],
        service_distributions=[ciw.dists.Exponential(1 / load.handle)],
        reneging_time_distributions=[ciw.dists.Exponential(1 / load.patience)],
        number_of_servers=[peers],
    )
    simulation = ciw.Simulation(network)
    begin = WARM_UP.total_seconds()
    end = begin + hours * HOUR
    simulation.simulate_until_max_time(end + COOL_DOWN)
    came = [record for record in simulation.get_all_records() if begin <= record.arrival_date < end]
    return Day(
        wait=fmean(record.waiting_time for record in came),
        abandoned=fmean(record.record_type == "renege" for record in came),
        answered_in_time=fmean(record.record_type == "service" and record.waiting_time <= within for record in came),
    )


def by_engine(load: Load, peers: int, within: float, hours: float, seed: int) -> Day:
    """A day as our own engine decides it."""
    found = figures(simulated(load, peers, hours, seed), within)
    return Day(found.wait, found.abandoned, found.answered_in_time)


class _Own(ciw.dists.Distribution):  # type: ignore[misc]  # ciw ships no type hints
    """Not drawn: each individual brings their own time."""

    def __init__(self, seconds: Sequence[float]) -> None:
        self.seconds = seconds

    def sample(self, t: float | None = None, ind: Any = None) -> float:
        return self.seconds[ind.id_number - 1]


def the_same_by_ciw(arrivals: Sequence[Arrival], peers: int) -> list[tuple[float, bool]]:
    """What becomes of these arrivals in ciw: how many seconds each waited, and whether they were answered."""
    begin = MIDNIGHT - WARM_UP
    times = [(arrival.at - begin).total_seconds() for arrival in arrivals]
    between = [later - earlier for earlier, later in zip([0.0, *times], times, strict=False)]
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([*between, 10.0**9])],
        service_distributions=[_Own([arrival.handle.total_seconds() for arrival in arrivals])],
        reneging_time_distributions=[
            _Own([arrival.patience.total_seconds() for arrival in arrivals if arrival.patience])
        ],
        number_of_servers=[peers],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(times[-1] + 24 * HOUR)
    records = sorted(simulation.get_all_records(), key=lambda record: record.id_number)
    return [(record.waiting_time, record.record_type == "service") for record in records]
