"""How many peers a line needs at each hour of its week, from its own past.

- **offered**: calls that waited in line, without those that were given up within ten seconds: a wrong number, or a
  change of mind, is no work for anybody.
- **handle time**: for how long a call occupies peers, talk and wrap-up together.
- **patience**: the mean time after which somebody who waits leaves, `past.patience()`, of all weeks together.
- **peers**: those on shift for the line, on average; one who is on shift for two lines counts for both.

A line that had no call in the first of the weeks asked for is younger than these, or rested: then only the whole weeks
since its first call are looked at, because the weeks before would make the others look quiet.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import floor
from zoneinfo import ZoneInfo

from routing.cover import judge
from routing.estimates import ENOUGH, HOUR, Figures, Load, Target
from warmline.models import Line
from warmline.reports import past

WEEKS = 8  # back, unless somebody asks for more or fewer
WEEK = timedelta(weeks=1)
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
class Demand:
    """What a line's last whole weeks say of each hour of its week, up to midnight of its own time."""

    since: datetime
    until: datetime
    weeks: int
    calls: int  # short ones too
    left: int  # of those, before anybody answered
    answered: int
    whole: bool  # a whole week has passed since the first call
    patience: float  # seconds; infinite if nobody left
    offered: Mapping[Hour, float]  # calls an hour; an hour without any is not there
    handle: Mapping[Hour, float]  # mean seconds: of hours in which enough were observed
    usual: float | None  # the line's, of all hours; None: nobody was answered

    @property
    def says_enough(self) -> bool:
        """Whether somebody may rely on it: a whole week, and enough calls to know how long one takes."""
        return self.whole and self.answered >= ENOUGH

    def load(self, hour: Hour) -> Load | None:
        """What comes in an hour of the week; None if nobody was ever answered."""
        handle = self.handle.get(hour, self.usual)
        return None if handle is None else Load(self.offered.get(hour, 0.0), handle, self.patience)


@dataclass(frozen=True, slots=True)
class Table:
    demand: Demand
    rows: tuple[Row, ...]


def table(line: Line, weeks: int, target: Target, now: datetime) -> Table:
    """Hours without calls and peers are left out."""
    zone = ZoneInfo(line.time_zone)
    known = demand(line, weeks, now)
    roster = past.rostered(line, known.since, known.until)
    there = _spent(((shift.begins, shift.ends) for shift in roster), zone)
    span = _spent([(known.since, known.until)], zone)
    return Table(
        known,
        tuple(
            _row(hour, known, there[hour] / span[hour], target)
            for hour in sorted(hour for hour in span if hour in known.offered or there[hour])
        ),
    )


def demand(line: Line, weeks: int, now: datetime) -> Demand:
    """What the line's last weeks, so many at most, say."""
    zone = ZoneInfo(line.time_zone)
    today = now.astimezone(zone).date()
    since, until = past.midnight(line, today - timedelta(weeks=weeks)), past.midnight(line, today)
    calls = list(past.calls(line, since, until))
    whole = weeks
    if calls and calls[0].at >= since + WEEK:
        whole = (until - calls[0].at) // WEEK
        weeks = max(1, whole)
        since = past.midnight(line, today - timedelta(weeks=weeks))
        calls = [call for call in calls if call.at >= since]
    offered: Counter[Hour] = Counter()
    answered: Counter[Hour] = Counter()
    handled: defaultdict[Hour, float] = defaultdict(float)
    for call in calls:
        hour = hour_of(call.at, zone)
        offered[hour] += not (call.left and call.waited < SHORT)
        answered[hour] += bool(call.handled)
        handled[hour] += call.handled.total_seconds()
    span = _spent([(since, until)], zone)
    return Demand(
        since,
        until,
        weeks,
        calls=len(calls),
        left=sum(call.left for call in calls),
        answered=answered.total(),
        whole=whole >= 1,
        patience=past.patience(calls),
        offered={hour: number / span[hour] * HOUR for hour, number in offered.items() if number},
        handle={hour: handled[hour] / number for hour, number in answered.items() if number >= ENOUGH},
        usual=sum(handled.values()) / answered.total() if answered.total() else None,
    )


def hour_of(at: datetime, zone: ZoneInfo) -> Hour:
    """The hour of the week that the clocks of a place show."""
    wall = at.astimezone(zone)
    return wall.weekday(), wall.hour


def _row(hour: Hour, known: Demand, peers: float, target: Target) -> Row:
    load = known.load(hour)
    cover = judge(load, floor(peers + 0.5), target)
    return Row(
        *hour,
        known.offered.get(hour, 0.0),
        load.handle if load else None,
        peers,
        cover.needed,
        cover.there,
        cover.one_fewer,
    )


def _spent(spans: Iterable[tuple[datetime, datetime]], zone: ZoneInfo) -> Counter[Hour]:
    """Seconds of these spans that fall into each hour of the week; on the days of two clock changes as they are."""
    seconds: Counter[Hour] = Counter()
    for begins, ends in spans:
        at, end = int(begins.timestamp()), int(ends.timestamp())
        while at < end:
            upto = min(end, (at // QUARTER + 1) * QUARTER)
            seconds[hour_of(datetime.fromtimestamp(at, UTC), zone)] += upto - at
            at = upto
    return seconds
