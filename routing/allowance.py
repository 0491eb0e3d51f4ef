"""How much of today a caller has left on a line. It is kind: nothing that goes on is cut, nobody dropped is refused.

Most callers never meet it. A few isolated people call so often that a line would have no time for anybody else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from routing.policy import Policy

MENTIONED = 10  # minutes that are left, or fewer: both sides are told
A_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Talk:
    """A peer's part in a contact; `ended_at` is None while it goes on."""

    contact: str
    began_at: datetime
    ended_at: datetime | None = None
    dropped: bool = False  # the peer was lost
    exempt: bool = False  # by relay or with an interpreter, say: it does not count


@dataclass(frozen=True, slots=True)
class Left:
    """What of today is left for a caller. None: however much."""

    minutes: int | None = None
    contacts: int | None = None

    @property
    def is_over(self) -> bool:
        """Nothing is left: the caller is told when to come again."""
        return 0 in (self.minutes, self.contacts)

    @property
    def few_minutes(self) -> int | None:
        """The minutes that are left, if they are so few that both sides are told."""
        return self.minutes if self.minutes is not None and self.minutes <= MENTIONED else None


NO_LIMIT = Left()


def has_limit(policy: Policy) -> bool:
    """Whether the line limits anybody at all."""
    return policy.minutes_a_day is not None or policy.contacts_a_day is not None


def day(zone: str, now: datetime) -> tuple[datetime, datetime]:
    """When the day began that it is `now` (aware) in this zone, and when it ends."""
    place = ZoneInfo(zone)
    today = now.astimezone(place).date()
    begins, ends = (datetime.combine(date, time(), place) for date in (today, today + timedelta(days=1)))
    return begins, ends


def left(policy: Policy, talks: Sequence[Talk], since: datetime, now: datetime) -> Left:
    """What is left after these talks, of which only the part after `since`, the line's midnight, counts."""
    counting = [talk for talk in talks if not talk.exempt]
    talked = sum(((talk.ended_at or now) - max(talk.began_at, since) for talk in counting), timedelta())
    contacts = len({talk.contact for talk in counting if talk.began_at >= since})
    minutes_a_day, contacts_a_day = policy.minutes_a_day, policy.contacts_a_day
    return Left(
        minutes=None if minutes_a_day is None else max(0, -((talked - minutes_a_day * A_MINUTE) // A_MINUTE)),
        contacts=None if contacts_a_day is None else max(0, contacts_a_day - contacts),
    )


def on_arrival(policy: Policy, talks: Sequence[Talk], since: datetime, now: datetime) -> Left:
    """The same for somebody who comes anew: no limit if their latest talk was cut off, for that was our doing."""
    latest = max(talks, key=lambda talk: talk.began_at, default=None)
    return NO_LIMIT if latest is not None and latest.dropped else left(policy, talks, since, now)
