"""How many peers a line needs at each hour of its week, from its own past.

- **offered**: calls that waited in line, without those that were given up within ten seconds: a wrong number, or a
  change of mind, is no work for anybody.
- **handle time**: for how long a call occupies peers, talk and wrap-up together.
- **patience**: the mean time after which somebody who waits leaves, `past.patience()`, of all weeks together.
- **peers**: those on shift for the line, on average; one who is on shift for two lines counts for both.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import floor
from zoneinfo import ZoneInfo

from routing.estimates import ENOUGH, HOUR, Figures, Load, Overloaded, Target, erlang_a, peers_needed
from warmline.models import Line
from warmline.reports import past

SHORT = timedelta(seconds=10)
QUARTER = 900  # seconds: every zone's hours begin with one
Hour = tuple[int, int]  # weekday (0 = Monday) and hour, in the line's own time


@dataclass(frozen=True, slots=True)
class Row:
    """One hour of the week. None: not known, or undefined because nobody ever leaves and there is too much work."""

    weekday: int
    hour: int
    offered: float  # an hour
    handle: float | None  # mean seconds: this hour's own if enough were observed, else the line's
    peers: float  # on shift, on average
    needed: int | None
    there: Figures | None  # with the peers there were, to the nearest whole one
    one_fewer: Figures | None


@dataclass(frozen=True, slots=True)
class Table:
    since: datetime
    until: datetime
    calls: int  # short ones too
    left: int  # of those, before anybody answered
    patience: float  # seconds; infinite if nobody left
    rows: tuple[Row, ...]


def table(line: Line, weeks: int, target: Target, now: datetime) -> Table:
    """The line's last whole weeks, up to midnight of its own time; hours without calls and peers are left out."""
    zone = ZoneInfo(line.time_zone)
    today = now.astimezone(zone).date()
    since, until = past.midnight(line, today - timedelta(weeks=weeks)), past.midnight(line, today)
    offered: Counter[Hour] = Counter()
    answered: Counter[Hour] = Counter()
    handled: defaultdict[Hour, float] = defaultdict(float)
    calls = list(past.calls(line, since, until))
    for call in calls:
        hour = _hour(call.at, zone)
        offered[hour] += not (call.left and call.waited < SHORT)
        answered[hour] += bool(call.handled)
        handled[hour] += call.handled.total_seconds()
    patience = past.patience(calls)
    usual = sum(handled.values()) / answered.total() if answered.total() else None
    there = _spent(((shift.begins, shift.ends) for shift in past.rostered(line, since, until)), zone)
    span = _spent([(since, until)], zone)
    rows = []
    for hour in sorted(hour for hour in span if offered[hour] or there[hour]):
        handle = handled[hour] / answered[hour] if answered[hour] >= ENOUGH else usual
        rows.append(_row(hour, offered[hour] / span[hour] * HOUR, handle, patience, there[hour] / span[hour], target))
    return Table(since, until, len(calls), sum(call.left for call in calls), patience, tuple(rows))


def _row(hour: Hour, offered: float, handle: float | None, patience: float, peers: float, target: Target) -> Row:
    if handle is None:
        return Row(*hour, offered, None, peers, None, None, None)
    load = Load(offered, handle, patience)
    there = floor(peers + 0.5)
    return Row(
        *hour,
        offered,
        handle,
        peers,
        peers_needed(load, target),
        _figures(load, there, target),
        _figures(load, there - 1, target) if there else None,
    )


def _figures(load: Load, peers: int, target: Target) -> Figures | None:
    try:
        return erlang_a(load, peers, target.within)
    except Overloaded:
        return None


def _hour(at: datetime, zone: ZoneInfo) -> Hour:
    wall = at.astimezone(zone)
    return wall.weekday(), wall.hour


def _spent(spans: Iterable[tuple[datetime, datetime]], zone: ZoneInfo) -> Counter[Hour]:
    """Seconds of these spans that fall into each hour of the week; on the days of two clock changes as they are."""
    seconds: Counter[Hour] = Counter()
    for begins, ends in spans:
        at, end = int(begins.timestamp()), int(ends.timestamp())
        while at < end:
            upto = min(end, (at // QUARTER + 1) * QUARTER)
            seconds[_hour(datetime.fromtimestamp(at, UTC), zone)] += upto - at
            at = upto
    return seconds
