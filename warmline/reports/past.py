"""A line's own past: the calls that waited, and who was on shift. Read a day at a time, so that no reading is long."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from routing.day import Rostered
from routing.states import ContactState
from warmline.db import reading
from warmline.models import Channel, Contact, Engagement, Event, Line, LineNumber, Peer, Shift

AT_ONCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is over and had waited in line. A caller who was dropped and came back is one call."""

    at: datetime  # into the queue
    waited: timedelta  # on the phone: until the first answer, a booked callback, or the end without either
    answered: bool
    left: bool  # the caller did, before anybody answered
    handled: timedelta  # talk and wrap-up, of every peer who took part; none if nobody did
    language: str


def patience(calls: Iterable[Call]) -> float:
    """The mean seconds after which somebody who waits leaves; infinite if nobody did.

    Most are answered before we learn theirs. The maximum likelihood estimate for exponential patience is then the time
    that everybody waited, by the number who left (D. R. Cox, D. Oakes, "Analysis of survival data", 1984).
    """
    waited, left = 0.0, 0
    for call in calls:
        waited += call.waited.total_seconds()
        left += call.left
    return waited / left if left and waited else inf


def line_at(number: str) -> Line | None:
    """The line that a public number (E.164) belongs to."""
    with reading() as session:
        return session.scalar(select(Line).join(LineNumber).where(LineNumber.number == number))


def midnight(line: Line, day: date) -> datetime:
    """The moment at which a day begins in the line's own time, in UTC: days of 23 and 25 hours are what they are."""
    return datetime.combine(day, time(), ZoneInfo(line.time_zone)).astimezone(UTC)


def calls(line: Line, since: datetime, until: datetime) -> Iterator[Call]:
    """The line's calls that arrived from `since` until before `until`, in that order.

    Texts are left out: a peer has several conversations at once, and nobody holds the line.
    """
    begin = since
    while begin < until:
        end = min(begin + AT_ONCE, until)
        yield from _calls(line, begin, end)
        begin = end


def rostered(line: Line, since: datetime, until: datetime) -> list[Rostered]:
    """Who was on shift for the line at some time between; of a peer's shifts that overlap each moment counts once."""
    query = (
        select(Shift.peer_id, Shift.starts_at, Shift.ends_at, Peer.languages, Peer.skills)
        .join(Peer, Peer.id == Shift.peer_id)
        .where(Shift.line_id == line.id, Shift.starts_at < until, Shift.ends_at > since)
        .order_by(Shift.peer_id, Shift.starts_at)
    )
    found: list[Rostered] = []
    with reading() as session:
        rows = session.execute(query).all()
    for peer_id, starts_at, ends_at, languages, skills in rows:
        begins, ends = max(starts_at, since), min(ends_at or until, until)
        if found and found[-1].peer == peer_id:
            begins = max(begins, found[-1].ends)
        if begins < ends:
            found.append(Rostered(peer_id, begins, ends, frozenset(languages), frozenset(skills or ())))
    return found


def names(peer_ids: Collection[str]) -> dict[str, str]:
    """What colleagues call these peers."""
    with reading() as session:
        return {peer.id: peer.name for peer in session.scalars(select(Peer).where(Peer.id.in_(peer_ids)))}


def _calls(line: Line, since: datetime, until: datetime) -> list[Call]:
    those = (
        Contact.organization_id == line.organization_id,
        Contact.line_id == line.id,
        Contact.arrived_at >= since,
        Contact.arrived_at < until,
        Contact.channel == Channel.VOICE,
        Contact.queued_at.is_not(None),
        Contact.ended_at.is_not(None),
    )
    hung_up = (
        select(func.min(Event.at)).where(Event.contact_id == Contact.id, Event.name == "callback_booked")
    ).scalar_subquery()
    waits = (
        Contact.id, Contact.queued_at, Contact.answered_at, Contact.ended_at, Contact.state, Contact.language,
        hung_up.label("hung_up_at"),
    )  # fmt: skip
    parts = select(Engagement.contact_id, Engagement.active_at, Engagement.done_at).join(
        Contact, Contact.id == Engagement.contact_id
    )
    with reading() as session:
        rows: Sequence[Any] = session.execute(
            select(*waits).where(*those).order_by(Contact.arrived_at, Contact.id)
        ).all()
        taken: Sequence[Any] = session.execute(
            parts.where(*those, Engagement.active_at.is_not(None), Engagement.done_at.is_not(None))
        ).all()
    handled: dict[str, timedelta] = {}
    for contact_id, active_at, done_at in taken:
        handled[contact_id] = handled.get(contact_id, timedelta()) + (done_at - active_at)
    return [
        Call(
            at=row.queued_at,
            waited=min(row.hung_up_at or row.ended_at, row.answered_at or row.ended_at) - row.queued_at,
            answered=row.answered_at is not None,
            left=row.state is ContactState.ABANDONED,
            handled=handled.get(row.id, timedelta()),
            language=row.language,
        )
        for row in rows
    ]
