"""Is a line open, and when does it open next? All in the line's own time zone."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

# Weekday ("0" = Monday) to opening spans ("09:00", "17:00") in the line's wall time. "24:00" is the end of the day; a
# span that ends no later than it starts ends on the next day: ("22:00", "02:00") goes over midnight and ("00:00",
# "00:00") is a whole day. An empty mapping means open around the clock.
WeeklyHours = Mapping[str, Sequence[Sequence[str]]]

DAY = 24 * 60  # minutes
# Spring may swallow the only span of a week, so a fortnight is looked at.
AHEAD_DAYS = 14


def is_open(hours: WeeklyHours, zone: str, now: datetime) -> bool:
    """Whether `now` (aware) falls into the weekly hours."""
    return not hours or any(opens <= now < closes for opens, closes in _spans(hours, ZoneInfo(zone), now, 0))


def opens_next(hours: WeeklyHours, zone: str, now: datetime) -> datetime | None:
    """When a line that is closed at `now` (aware) opens, aware, in the line's zone; None if it never does.

    Of a line that is open, it is the start of its next span.
    """
    place = ZoneInfo(zone)
    starts = [opens for opens, _ in _spans(hours, place, now, AHEAD_DAYS) if opens > now]
    return min(starts).astimezone(place) if starts else None


def _spans(hours: WeeklyHours, zone: ZoneInfo, now: datetime, ahead: int) -> Iterator[tuple[datetime, datetime]]:
    """Opening spans as instants in UTC, from yesterday's, which may last until today, to those in `ahead` days.

    Instants, because on the two days of the year on which clocks change a wall time names two moments, or none. A
    span begins at the first of the two and ends at the second; what is swallowed of a span is not opened later.
    """
    today = now.astimezone(zone).date()
    for day in (today + timedelta(days=number) for number in range(-1, ahead + 1)):
        for start, end in hours.get(str(day.weekday()), ()):
            first, last = _minutes(start), _minutes(end)
            opens = _instant(day, first, zone, fold=0)
            closes = _instant(day, last if last > first else last + DAY, zone, fold=1)
            if opens < closes:
                yield opens, closes


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
