"""Is a line open, and when does it open next? All in the line's own time zone."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

# Weekday (0 = Monday) to opening spans ("09:00", "17:00") in the line's wall time; "24:00" is the end of the day.
# An empty mapping means open around the clock.
WeeklyHours = Mapping[str, Sequence[Sequence[str]]]


def is_open(hours: WeeklyHours, zone: str, now: datetime) -> bool:
    """Whether `now` (aware) falls into the weekly hours."""
    if not hours:
        return True
    local = now.astimezone(ZoneInfo(zone))
    clock = local.strftime("%H:%M")
    return any(start <= clock < end for start, end in hours.get(str(local.weekday()), ()))


def opens_next(hours: WeeklyHours, zone: str, now: datetime) -> datetime | None:
    """The next opening after `now`, aware, in the line's zone; None if it never opens."""
    local = now.astimezone(ZoneInfo(zone))
    for days in range(8):
        day = local.date() + timedelta(days=days)
        for start, _ in sorted(hours.get(str(day.weekday()), ())):
            hour, minute = (int(part) for part in start.split(":"))
            opening = datetime.combine(day, time(hour, minute), ZoneInfo(zone))
            if opening > local:
                return opening
    return None
