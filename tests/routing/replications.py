"""Days of a line, played again and again: what they say of its figures, and how sure of it one may be."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean, stdev

import ciw

from routing.estimates import HOUR, Load

WARM_UP = 4 * HOUR  # before the day: the line begins empty, and is to be as on any other day
COOL_DOWN = 8 * HOUR  # after it: ciw tells of a contact when it is over


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


def difference(ours: Iterable[float], theirs: Iterable[float]) -> Interval:
    """Where the difference of two means lies that come from days of their own (Welch)."""
    one, other = interval(ours), interval(theirs)
    return Interval(one.mean - other.mean, sqrt(one.half**2 + other.half**2))


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
    end = WARM_UP + hours * HOUR
    simulation.simulate_until_max_time(end + COOL_DOWN)
    came = [record for record in simulation.get_all_records() if WARM_UP <= record.arrival_date < end]
    return Day(
        wait=fmean(record.waiting_time for record in came),
        abandoned=fmean(record.record_type == "renege" for record in came),
        answered_in_time=fmean(record.record_type == "service" and record.waiting_time <= within for record in came),
    )
