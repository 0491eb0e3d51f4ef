"""What is asked of the phone company about a contact's legs, committed with its cause."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from routing.states import LegState
from warmline.contacts import holding, outbox
from warmline.models import Contact, Engagement, Leg, OutsideRequest, Peer, RequestKind


def claim_move(session: Session, contact: Contact, engagement: Engagement, now: datetime, attempt: int = 0) -> None:
    """Commit the claim of the caller's one move for this engagement; the outbox then asks for it."""
    leg = holding.caller_leg(session, contact.id)
    if leg is None or contact.queue_sid is None:
        return
    outbox.add(
        session,
        contact,
        RequestKind.MOVE_CALLER,
        f"{engagement.id}:{attempt}",
        now,
        queue_sid=contact.queue_sid,
        call_sid=leg.call_sid,
        path=f"/twilio/voice/contacts/{contact.id}/join",
    )


def move_again(session: Session, contact: Contact, now: datetime) -> None:
    """The caller is in the queue while the peer waits in the conference: claim another move, if none is under way."""
    engagement = holding.live_engagement(session, contact.id)
    if engagement is None or not is_up(session, engagement):
        return
    tries = session.scalars(select(OutsideRequest.state).where(_moves_of(engagement))).all()
    if not any(state in outbox.OPEN for state in tries):
        claim_move(session, contact, engagement, now, attempt=len(tries))


def is_up(session: Session, engagement: Engagement) -> bool:
    """Whether the peer's leg is in the conference."""
    return any(leg.state is LegState.JOINED for leg in holding.live_legs(session, engagement.id))


def recall(session: Session, contact: Contact, key: str, now: datetime) -> None:
    """Commit that the caller is called back from an empty conference, once per `key`."""
    leg = holding.caller_leg(session, contact.id)
    if leg is not None and leg.state is not LegState.ENDED:
        outbox.add(
            session,
            contact,
            RequestKind.RECALL_CALLER,
            key,
            now,
            call_sid=leg.call_sid,
            path=f"/twilio/voice/contacts/{contact.id}/dropped",
        )


def recall_from(session: Session, contact: Contact, engagement: Engagement, now: datetime) -> None:
    """Call the caller back in if they are known to be in the conference; else their join is refused by itself."""
    leg = holding.caller_leg(session, contact.id)
    if leg is not None and leg.state is LegState.JOINED:
        recall(session, contact, engagement.id, now)


def was_moved(session: Session, engagement: Engagement) -> bool:
    """Whether the caller's move for this engagement was, or may have been, asked for."""
    asked = select(OutsideRequest.id).where(_moves_of(engagement), OutsideRequest.attempts > 0)
    return session.scalar(asked.limit(1)) is not None


def hang_up(session: Session, contact: Contact, leg: Leg, now: datetime) -> None:
    """Commit that a leg is ended, once."""
    outbox.add(session, contact, RequestKind.HANG_UP, leg.id, now, call_sid=leg.call_sid)


def hang_up_again(session: Session, contact: Contact, leg: Leg, now: datetime) -> None:
    """A call goes on although its part is over: commit another request to end it, unless one is under way."""
    tries = session.scalars(
        select(OutsideRequest.state).where(
            OutsideRequest.contact_id == contact.id,
            OutsideRequest.key.startswith(f"{RequestKind.HANG_UP}:{leg.id}"),
        )
    ).all()
    if not any(state in outbox.OPEN for state in tries):
        outbox.add(session, contact, RequestKind.HANG_UP, f"{leg.id}:{len(tries)}", now, call_sid=leg.call_sid)


def out_of_queue(contact: Contact, now: datetime) -> None:
    """The phone company's queue does not hold the caller: no offer until it does again."""
    if contact.unqueued_at is None:
        contact.unqueued_at = now
    contact.queue_sid = None


def free(session: Session, peer_id: str, now: datetime) -> None:
    """The peer is idle from now on."""
    session.get_one(Peer, peer_id).idle_since = now


def _moves_of(engagement: Engagement) -> ColumnElement[bool]:
    return and_(
        OutsideRequest.contact_id == engagement.contact_id,
        OutsideRequest.key.startswith(f"{RequestKind.MOVE_CALLER}:{engagement.id}:"),
    )
