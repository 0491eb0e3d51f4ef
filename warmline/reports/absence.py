"""A day of a line's own past, played again with one peer fewer: what one absence would have meant.

What the past does not tell is drawn: how long somebody who was answered would have waited (beyond what they did, for
exponential patience does not age), and how long a talk would have taken that never came about (as long as one of the
others). So the day is played often, and every roster gets the same draws: what differs is the absence alone.

Peers accept at once here, and everybody on shift is there, so the waits are shorter than they were.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import inf
from random import Random
from statistics import fmean

from routing import policy
from routing.day import Arrival, Figures, figures, play
from warmline.models import Line
from warmline.reports import past

TIMES = 20
LEARNED = timedelta(weeks=8)  # before the day's end: what patience is taken from
AFTER = timedelta(hours=3)  # those still in line at midnight are answered by whoever is on shift then


@dataclass(frozen=True, slots=True)
class Replay:
    """A day as it was, with everybody, and without each who was on shift; `without` is by name, worst first."""

    patience: float  # seconds; infinite if nobody left
    as_it_was: Figures
    everybody: Figures
    without: tuple[tuple[str, Figures], ...]


def replay(line: Line, day: date, within: float, seed: int = 1) -> Replay | None:
    """None: nobody was answered on that day. `within` is the target's, in seconds."""
    since, until = past.midnight(line, day), past.midnight(line, day + timedelta(days=1))
    calls = list(past.calls(line, since, until))
    handled = [call.handled for call in calls if call.handled]
    if not handled:
        return None
    patience = past.patience(past.calls(line, until - LEARNED, until))
    draws = [_drawn(calls, patience, handled, seed + number) for number in range(TIMES)]
    roster = past.rostered(line, since, until + AFTER)
    rules = policy.read(line.policy)

    def played(without: str | None) -> Figures:
        there = [shift for shift in roster if shift.peer != without]
        return _mean([figures(play(arrivals, there, rules), within) for arrivals in draws])

    names = past.names({shift.peer for shift in roster if shift.begins < until})
    found = [(name, played(peer)) for peer, name in names.items()]
    return Replay(
        patience=patience,
        as_it_was=_as_it_was(calls, within),
        everybody=played(None),
        without=tuple(sorted(found, key=lambda each: (-each[1].wait, each[0]))),
    )


def _drawn(calls: Sequence[past.Call], patience: float, handled: Sequence[timedelta], seed: int) -> list[Arrival]:
    # Nothing is secret here, and the same seed is to play the same day.
    chance = Random(seed)  # nosec B311
    arrivals = []
    for call in calls:
        more = timedelta(seconds=chance.expovariate(1 / patience)) if patience < inf else None
        instead = chance.choice(handled)
        would_wait = call.waited if call.left else more and call.waited + more
        arrivals.append(Arrival(call.at, would_wait, call.handled or instead, call.language))
    return arrivals


def _as_it_was(calls: Sequence[past.Call], within: float) -> Figures:
    return Figures(
        contacts=len(calls),
        wait=fmean(call.waited.total_seconds() for call in calls),
        abandoned=fmean(not call.answered for call in calls),
        answered_in_time=fmean(call.answered and call.waited.total_seconds() <= within for call in calls),
    )


def _mean(days: Sequence[Figures]) -> Figures:
    return Figures(
        contacts=days[0].contacts,
        wait=fmean(day.wait for day in days),
        abandoned=fmean(day.abandoned for day in days),
        answered_in_time=fmean(day.answered_in_time for day in days),
    )
