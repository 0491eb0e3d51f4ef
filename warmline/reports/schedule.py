"""The week to come: who is rostered when the line is open, whether that is enough, and what one absence would mean.

What is needed comes from the line's own past (`staffing.demand()`), by the hour of the week; who is there, from its
shifts. Nobody is asked whether they will come.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from routing.cover import Cover, State, judge
from routing.day import Rostered
from routing.estimates import Target
from warmline.models import Line
from warmline.reports import past, staffing

DAYS = 7
TARGET = Target()
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Slot:
    """Time of one day in which the same peers are on shift and the same is to be said of it."""

    begins: datetime
    ends: datetime
    all_day: bool
    names: tuple[str, ...]
    state: State
    calls: tuple[float, float] | None  # an hour, from the quietest of its hours to the busiest; None: not known
    needed: tuple[int, int] | None  # peers, likewise
    busiest: datetime  # when the hour begins, or the slot, of which `cover` speaks
    cover: Cover


@dataclass(frozen=True, slots=True)
class Day:
    date: date
    slots: tuple[Slot, ...]  # none: the line is closed, or closed for the rest of today


@dataclass(frozen=True, slots=True)
class Finding:
    """How long a state lasts in all of the week, and when it begins first."""

    state: State
    lasts: timedelta
    first: datetime
    day: date


@dataclass(frozen=True, slots=True)
class Week:
    demand: staffing.Demand
    target: Target
    days: tuple[Day, ...]
    findings: tuple[Finding, ...]  # what needs somebody's attention, worst first


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch within one hour, in which nobody comes or goes."""

    begins: datetime
    ends: datetime
    peers: frozenset[str]
    calls: float | None
    cover: Cover


def until(line: Line, now: datetime) -> datetime:
    """The midnight with which the week that begins today ends, in the line's own time."""
    return past.midnight(line, now.astimezone(ZoneInfo(line.time_zone)).date() + timedelta(days=DAYS))


def week(line: Line, open_spans: Sequence[Span], now: datetime) -> Week:
    """The seven days that begin today, from now on; `open_spans` is when the line is open then, in order."""
    zone = ZoneInfo(line.time_zone)
    demand = staffing.demand(line, staffing.WEEKS, now)
    roster = past.rostered(line, now, until(line, now))
    names = past.names({shift.peer for shift in roster})
    days: dict[date, list[list[_Piece]]] = {
        now.astimezone(zone).date() + timedelta(days=day): [] for day in range(DAYS)
    }
    for piece in _judged(demand, _stretches(open_spans, roster, zone), zone):
        slots = days[piece.begins.astimezone(zone).date()]
        if slots and _goes_on(slots[-1][-1], piece):
            slots[-1].append(piece)
        else:
            slots.append([piece])
    found = tuple(Day(day, tuple(_slot(pieces, names, zone) for pieces in slots)) for day, slots in days.items())
    return Week(demand, TARGET, found, tuple(_findings(found)))


def _stretches(
    open_spans: Sequence[Span], roster: Sequence[Rostered], zone: ZoneInfo
) -> Iterator[tuple[datetime, datetime, frozenset[str]]]:
    """The time in which the line is open, cut where an hour begins there, and where somebody comes or goes."""
    comes, goes = defaultdict(set), defaultdict(set)
    for shift in roster:
        comes[shift.begins].add(shift.peer)
        goes[shift.ends].add(shift.peer)
    edges = {edge for span in open_spans for edge in span}
    hours = {hour for begins, ends in open_spans for hour in _hours(begins, ends, zone)}
    opens = {begins for begins, _ in open_spans}
    closes = {ends for _, ends in open_spans}
    there: set[str] = set()
    is_open = False
    for at, then in pairwise(sorted(edges | hours | comes.keys() | goes.keys())):
        there = (there - goes.get(at, set())) | comes.get(at, set())
        is_open = at in opens or (is_open and at not in closes)
        if is_open:
            yield at, then, frozenset(there)


def _hours(begins: datetime, ends: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """When an hour begins on the clocks of a place; some are a half or a quarter of an hour from ours."""
    quarter = timedelta(seconds=staffing.QUARTER)
    at = begins.replace(minute=0, second=0, microsecond=0)
    while at < ends:
        if at > begins and at.astimezone(zone).minute == 0:
            yield at
        at += quarter


def _judged(
    demand: staffing.Demand, stretches: Iterator[tuple[datetime, datetime, frozenset[str]]], zone: ZoneInfo
) -> Iterator[_Piece]:
    known: dict[tuple[staffing.Hour, int], Cover] = {}
    for begins, ends, peers in stretches:
        hour = staffing.hour_of(begins, zone)
        load = demand.load(hour) if demand.says_enough else None
        case = hour, len(peers)
        if case not in known:
            known[case] = judge(load, len(peers), TARGET)
        yield _Piece(begins, ends, peers, load.per_hour if load else None, known[case])


def _goes_on(before: _Piece, after: _Piece) -> bool:
    same = before.cover.state is after.cover.state and before.peers == after.peers
    return same and before.ends == after.begins


def _slot(pieces: Sequence[_Piece], names: dict[str, str], zone: ZoneInfo) -> Slot:
    busiest = max(pieces, key=lambda piece: piece.calls or 0)
    calls = [piece.calls for piece in pieces if piece.calls is not None]
    needed = [piece.cover.needed for piece in pieces if piece.cover.needed is not None]
    begins, ends = pieces[0].begins, pieces[-1].ends
    return Slot(
        begins=begins,
        ends=ends,
        all_day={at.astimezone(zone).time() for at in (begins, ends)} == {time()},
        names=tuple(sorted(names[peer] for peer in busiest.peers)),
        state=busiest.cover.state,
        calls=(min(calls), max(calls)) if calls else None,
        needed=(min(needed), max(needed)) if needed else None,
        busiest=busiest.begins,
        cover=busiest.cover,
    )


def _findings(days: Sequence[Day]) -> Iterator[Finding]:
    for state in (State.NOBODY, State.TOO_FEW, State.ONE_ABSENCE, State.NOT_KNOWN):
        those = [(slot, day.date) for day in days for slot in day.slots if slot.state is state]
        if those:
            first, day = those[0]
            yield Finding(state, sum((slot.ends - slot.begins for slot, _ in those), timedelta()), first.begins, day)
