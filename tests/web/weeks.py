"""Weeks of a line's past, as a test writes them down at once: calls that are over."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from routing.states import ContactState, EngagementState, OfferState
from tests.web.walk import GEORGIA
from warmline import db
from warmline.models import Base, Channel, Contact, Engagement, Line, LineNumber, Offer, Peer, Shift
from warmline.models.base import new_id

PLACE = ZoneInfo("America/New_York")


def line(number: str = GEORGIA) -> Line:
    with db.reading() as session:
        return session.get_one(Line, session.get_one(LineNumber, number).line_id)


def local(written: str) -> datetime:
    """A moment as the clock on Georgia's wall says it, "2026-11-17 10:30"."""
    return datetime.fromisoformat(written).replace(tzinfo=PLACE)


def past(
    peer: Peer,
    until: str,
    weeks: int,
    an_hour: dict[int, int],
    handled: float = 20,
    days: tuple[int, ...] = tuple(range(7)),
) -> None:
    """For so many weeks before a midnight, on these weekdays, so many calls in these hours of each day.

    Each is answered at once and takes `handled` minutes; in every hour one more gives up after five.
    """
    last = date.fromisoformat(until)
    rows: list[Base] = []
    here = line().id
    for back in range(7 * weeks, 0, -1):
        day = last - timedelta(days=back)
        if day.weekday() in days:
            for hour, number in an_hour.items():
                begins = datetime(day.year, day.month, day.day, hour, tzinfo=PLACE)
                for one in range(number - 1):
                    rows += _answered(peer, here, begins + timedelta(minutes=one), timedelta(minutes=handled))
                rows += _gave_up(peer, here, begins + timedelta(minutes=59))
    with db.transaction() as session:
        for kind in (Contact, Offer, Engagement):
            session.add_all(row for row in rows if isinstance(row, kind))
            session.flush()


def on_shift(peer: Peer, begins: str, ends: str) -> None:
    with db.transaction() as session:
        session.add(
            Shift(id=new_id(), peer_id=peer.id, line_id=line().id, starts_at=local(begins), ends_at=local(ends))
        )


def _answered(peer: Peer, line_id: str, at: datetime, handled: timedelta) -> Iterator[Base]:
    contact = _contact(peer, line_id, at, ContactState.CLOSED, at + handled, answered_at=at)
    offer = Offer(
        id=new_id(), organization_id=peer.organization_id, contact_id=contact.id, peer_id=peer.id,
        state=OfferState.ACCEPTED, made_at=at, deadline=at, decided_at=at,
    )  # fmt: skip
    yield contact
    yield offer
    yield Engagement(
        id=new_id(), organization_id=peer.organization_id, contact_id=contact.id, peer_id=peer.id, offer_id=offer.id,
        channel=Channel.VOICE, state=EngagementState.DONE, began_at=at, connect_by=at, active_at=at,
        wrapping_at=at + handled, wrap_by=at + handled, done_at=at + handled, conference_name=new_id(),
    )  # fmt: skip


def _gave_up(peer: Peer, line_id: str, at: datetime) -> Iterator[Base]:
    yield _contact(peer, line_id, at, ContactState.ABANDONED, at + timedelta(minutes=5))


def _contact(peer: Peer, line_id: str, at: datetime, state: ContactState, over: datetime, **more: datetime) -> Contact:
    return Contact(
        id=new_id(), organization_id=peer.organization_id, line_id=line_id, channel=Channel.VOICE, state=state,
        language="en", arrived_at=at, queued_at=at, ended_at=over, **more,
    )  # fmt: skip
