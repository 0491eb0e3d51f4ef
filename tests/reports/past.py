"""A line's past, as a test writes it down: calls that are over, and shifts. Times are the line's own."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete

from routing.states import ContactState, EngagementState, OfferState
from tests.contacts.world import GEORGIA, HARBOR, World
from warmline import db
from warmline.models import Channel, Contact, Engagement, Line, Offer, Peer, Shift
from warmline.models.base import new_id
from warmline.models.history import record
from warmline.reports.past import line_at

NEW_YORK = ZoneInfo("America/New_York")


def local(written: str, fold: int = 0) -> datetime:
    """A moment as the clock on Georgia's wall says it, "2026-11-17 10:30"."""
    return datetime.fromisoformat(written).replace(tzinfo=NEW_YORK, fold=fold)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


class Past:
    """Nobody is on shift and nothing has happened, until a test says otherwise. It is Friday 20 November, 13:00."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = world.now
        self.robin, self.marisol = world.peer1, world.peer2
        self.line, self.harbor = self._line(GEORGIA), self._line(HARBOR)
        self.sister = Line(
            id=new_id(), organization_id=self.line.organization_id, name="Sister", time_zone="America/New_York",
            languages=["en"], hours={},
        )  # fmt: skip
        with db.transaction() as session:
            session.execute(delete(Shift))
            session.add(self.sister)

    def _line(self, number: str) -> Line:
        line = line_at(number)
        assert line
        return line

    def shift(self, peer: Peer, begins: str, ends: str | None, line: Line | None = None) -> None:
        with db.transaction() as session:
            session.add(
                Shift(
                    id=new_id(), peer_id=peer.id, line_id=(line or self.line).id, starts_at=local(begins),
                    ends_at=local(ends) if ends else None,
                )
            )  # fmt: skip

    def answered(self, at: datetime | str, waited: float, handled: float, peer: Peer | None = None) -> str:
        """A call that waited and was answered, both in minutes."""
        return self._call(at, waited, ContactState.CLOSED, handled=handled, peer=peer)

    def left(self, at: datetime | str, waited: float, **facts: Any) -> str:
        """A call that was given up."""
        return self._call(at, waited, ContactState.ABANDONED, **facts)

    def missed(self, at: datetime | str, waited: float) -> str:
        """A call that ended because nobody on shift could answer."""
        return self._call(at, waited, ContactState.MISSED)

    def booked(self, contact_id: str, at: str) -> None:
        """The caller hung up then, to be called."""
        with db.transaction() as session:
            record(session, session.get_one(Contact, contact_id), "callback_booked", local(at))

    def engaged(self, contact_id: str, peer: Peer, begins: datetime, handled: float) -> None:
        """A peer's part in a contact: talk, and two minutes of wrap-up, together `handled` minutes."""
        over = begins + minutes(handled)
        offer = Offer(
            id=new_id(), organization_id=peer.organization_id, contact_id=contact_id, peer_id=peer.id,
            state=OfferState.ACCEPTED, made_at=begins, deadline=begins, decided_at=begins,
        )  # fmt: skip
        part = Engagement(
            id=new_id(), organization_id=peer.organization_id, contact_id=contact_id, peer_id=peer.id,
            offer_id=offer.id, channel=Channel.VOICE, state=EngagementState.DONE, began_at=begins, connect_by=begins,
            active_at=begins, wrapping_at=over - minutes(2), wrap_by=over, done_at=over, conference_name=new_id(),
        )  # fmt: skip
        with db.transaction() as session:
            session.add(offer)
            session.flush()
            session.add(part)

    def _call(
        self,
        at: datetime | str,
        waited: float,
        state: ContactState,
        *,
        handled: float = 0,
        peer: Peer | None = None,
        line: Line | None = None,
        channel: Channel = Channel.VOICE,
    ) -> str:
        came = local(at) if isinstance(at, str) else at
        line = line or self.line
        first_answer = came + minutes(waited)
        contact = Contact(
            id=new_id(), organization_id=line.organization_id, line_id=line.id, channel=channel, state=state,
            language="en", arrived_at=came, queued_at=came, answered_at=first_answer if handled else None,
            ended_at=first_answer + minutes(handled),
        )  # fmt: skip
        with db.transaction() as session:
            session.add(contact)
        if handled:
            self.engaged(contact.id, peer or self.robin, first_answer, handled)
        return contact.id
