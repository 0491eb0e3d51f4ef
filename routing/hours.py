"""Is a line open, and when does it open next? All in the line's own time zone."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

Spans = Sequence[Sequence[str]]
# Weekday ("0" = Monday) to opening spans ("09:00", "17:00") in the line's wall time. "24:00" is the end of the day; a
# span that ends no later than it starts ends on the next day: ("22:00", "02:00") goes over midnight and ("00:00",
# "00:00") is a whole day. An empty mapping means open around the clock.
WeeklyHours = Mapping[str, Spans]
# Date ("2026-12-25") to the spans that begin on it instead of its weekday's; no spans: closed. What began the evening
# before and goes over midnight is the evening's, and ends as it would.
Holidays = Mapping[str, Spans]

DAY = 24 * 60  # minutes
# Spring may swallow the only span of a week, so a fortnight is looked at; each holiday may swallow another.
AHEAD_DAYS = 14
WHOLE_DAY = ("00:00", "24:00")
CLOCK = re.compile(r"(\d{1,2})(?::?([0-5]\d))?\s*([ap])\.?m\.?|(\d{1,2}):([0-5]\d)", re.IGNORECASE)


def is_open(hours: WeeklyHours, zone: str, now: datetime, holidays: Holidays | None = None) -> bool:
    """Whether `now` (aware) falls into the weekly hours, or into those of a holiday."""
    if not hours and not holidays:
        return True
    place = ZoneInfo(zone)
    today = now.astimezone(place).date()
    days = (today - timedelta(days=1), today)
    return any(opens <= now < closes for opens, closes in _spans(hours, holidays or {}, place, days))


def opens_next(hours: WeeklyHours, zone: str, now: datetime, holidays: Holidays | None = None) -> datetime | None:
    """When a line that is closed at `now` (aware) opens, aware, in the line's zone; None if it never does.

    Of a line that is open, it is the next opening after it has closed; None if it never closes.
    """
    place, holidays = ZoneInfo(zone), holidays or {}
    open_until = now
    for opens, closes in _spans(hours, holidays, place, _days(now.astimezone(place).date(), holidays)):
        if opens > open_until:
            return opens.astimezone(place)
        open_until = max(open_until, closes)
    return None


def open_between(
    hours: WeeklyHours, zone: str, since: datetime, until: datetime, holidays: Holidays | None = None
) -> list[tuple[datetime, datetime]]:
    """When a line is open from `since` to `until` (aware): instants in UTC, in order, what touches as one."""
    place = ZoneInfo(zone)
    first, last = since.astimezone(place).date() - timedelta(days=1), until.astimezone(place).date()
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    found: list[tuple[datetime, datetime]] = []
    for opens, closes in _spans(hours, holidays or {}, place, days):
        begins, ends = max(opens, since), min(closes, until)
        if found and begins <= found[-1][1]:
            begins, ends = found[-1][0], max(found[-1][1], ends)
            found.pop()
        if begins < ends:
            found.append((begins, ends))
    return found


def read_clock(written: str) -> str | None:
    """A time of day as people write it ("9:00", "5 PM", "24:00") in the form of the hours; None if it is none."""
    found = CLOCK.fullmatch(written.strip())
    if found is None:
        return None
    hour, minute = int(found[1] or found[4]), int(found[2] or found[5] or 0)
    if found[3]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[3].lower() == "p" else 0)
    return f"{hour:02}:{minute:02}" if hour * 60 + minute <= DAY else None


def overlapping(spans: Spans) -> bool:
    """Whether two spans that begin on the same day are open at the same time."""
    minutes = sorted(_lasting(*span) for span in spans)
    return any(later[0] < earlier[1] for earlier, later in pairwise(minutes))


def running_over(hours: WeeklyHours) -> list[str]:
    """The weekdays whose last span goes over midnight and into a span of the next day."""
    found = []
    for day in range(7):
        over = max((_lasting(*span)[1] for span in hours.get(str(day), ())), default=0) - DAY
        first = min((_lasting(*span)[0] for span in hours.get(str((day + 1) % 7), ())), default=DAY)
        if over > first:
            found.append(str(day))
    return found


def _days(today: date, holidays: Holidays) -> list[date]:
    """The days of which one must open if any ever does: from yesterday, whose spans may last until today."""
    dates = {date.fromisoformat(day) for day in holidays}
    to_come = {day for day in dates if day >= today - timedelta(days=1)}
    ahead = AHEAD_DAYS + 7 * len(to_come)
    return sorted(to_come | {today + timedelta(days=number) for number in range(-1, ahead + 1)})


def _spans(
    hours: WeeklyHours, holidays: Holidays, zone: ZoneInfo, days: Sequence[date]
) -> Iterator[tuple[datetime, datetime]]:
    """Opening spans of these days as instants in UTC, in the order in which they open.

    Instants, because on the two days of the year on which clocks change a wall time names two moments, or none. A
    span begins at the first of the two and ends at the second; what is swallowed of a span is not opened later.
    """
    for day in days:
        weekly = hours.get(str(day.weekday()), ()) if hours else (WHOLE_DAY,)
        spans = []
        for start, end in holidays.get(day.isoformat(), weekly):
            first, last = _lasting(start, end)
            opens, closes = _instant(day, first, zone, fold=0), _instant(day, last, zone, fold=1)
            if opens < closes:
                spans.append((opens, closes))
        yield from sorted(spans)


def _lasting(start: str, end: str) -> tuple[int, int]:
    """A span in minutes since the midnight that begins its day."""
    first, last = _minutes(start), _minutes(end)
    return first, last if last > first else last + DAY


def _minutes(clock: str) -> int:
    """Minutes since midnight of "09:30"."""
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


def _instant(day: date, minutes: int, zone: ZoneInfo, fold: int) -> datetime:
    """The moment in UTC when the clocks show `minutes` after the midnight that begins `day`.

    Of two such moments `fold` chooses (PEP 495); if there is none, it is the one at which the clocks skip it.
    """
    wall = datetime.combine(day, time()) + timedelta(minutes=minutes)
    while True:
        moment = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == wall:
            return moment
        wall += timedelta(minutes=1)
