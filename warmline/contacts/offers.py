"""An offer's end: accepted, declined, expired, or withdrawn because the peer can take nothing."""

import secrets
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from routing.facts import POLICY
from routing.states import LIVE_ENGAGEMENT, EngagementState, OfferState
from warmline.contacts import connect, dispatch, holding, news
from warmline.db import reading, transaction
from warmline.errors import Conflict
from warmline.models import Channel, Contact, Engagement, Offer, Peer, Presence
from warmline.models.base import new_id
from warmline.models.history import advance, begin


def accept(peer: Peer, offer_id: str, now: datetime) -> Engagement:
    """Take an offer: one conditional UPDATE, one winner.

    Accepting again what this peer has accepted answers the same engagement, so a double click or a retry after a
    lost answer does no harm. Raises NotFound for another peer's offer, Conflict when it is over.
    """
    with transaction() as session:
        contact, offer = holding.offer_of(session, peer, offer_id)
        if offer.state is OfferState.ACCEPTED:
            taken = session.scalar(select(Engagement).where(Engagement.offer_id == offer.id))
            if taken is not None and taken.state in LIVE_ENGAGEMENT:
                return taken
        if offer.deadline <= now or not advance(session, offer, "accepted", now, decided_at=now):
            raise _gone()
        if not advance(session, contact, "accepted", now, why={"offer": offer.id}):
            raise _gone()
        engagement = Engagement(
            id=new_id(),
            organization_id=contact.organization_id,
            contact_id=contact.id,
            peer_id=peer.id,
            offer_id=offer.id,
            channel=contact.channel,
            state=EngagementState.CONNECTING,
            began_at=now,
            connect_by=now + POLICY.connect,
            conference_name=secrets.token_hex(16),
        )
        begin(session, now, engagement)
        if contact.channel is Channel.TEXT:  # nothing to connect: the thread is there
            connect.talk(session, contact, engagement, now)
        news.for_peer(session, peer.id)
        news.for_line(session, contact.line_id)
    return engagement


def decline(peer: Peer, offer_id: str, now: datetime) -> None:
    """Not now: the contact keeps its place and is offered on. Declining again does nothing.

    Raises NotFound for another peer's offer, Conflict for one that this peer has accepted.
    """
    with transaction() as session:
        contact, offer = holding.offer_of(session, peer, offer_id)
        if offer.state is OfferState.ACCEPTED:
            raise Conflict("You have accepted this offer already.", code="offer_accepted")
        _end(session, contact, offer, "declined", "not_now", now)


def expire(offer_id: str, reason: str, now: datetime) -> None:
    """The deadline has passed, or the peer is gone: the contact keeps its place and is offered on."""
    with transaction() as session:
        offer = session.get_one(Offer, offer_id)
        contact = holding.contact(session, offer.contact_id)
        session.refresh(offer)
        _end(session, contact, offer, "expired", reason, now)


def withdraw_from(peer_id: str, reason: str, now: datetime) -> None:
    """The peer can take nothing now: their live offer goes to somebody else."""
    with reading() as session:
        live = session.scalar(select(Offer.id).where(Offer.peer_id == peer_id, Offer.state == OfferState.PENDING))
    if live is not None:
        expire(live, reason, now)


def overdue(now: datetime, limit: int = 200) -> list[tuple[str, str]]:
    """Live offers to end, with the reason: time ran out, or the peer's console has fallen silent."""
    pending = select(Offer.id).where(Offer.state == OfferState.PENDING).limit(limit)
    with reading() as session:
        late = session.scalars(pending.where(Offer.deadline <= now)).all()
        gone = session.scalars(
            pending.join(Presence, Presence.peer_id == Offer.peer_id).where(
                Offer.deadline > now, Presence.seen_at < now - POLICY.presence
            )
        ).all()
    return [(offer_id, "no_answer") for offer_id in late] + [(offer_id, "peer_gone") for offer_id in gone]


def _gone() -> Conflict:
    return Conflict("This offer is over: it was answered, or its time ran out.", code="offer_gone")


def _end(session: Session, contact: Contact, offer: Offer, event: str, reason: str, now: datetime) -> None:
    if advance(session, offer, event, now, why={"reason": reason}, decided_at=now, reason=reason):
        advance(session, contact, "unanswered", now, why={"offer": offer.id, "reason": reason})
        news.for_peer(session, offer.peer_id)
        news.for_line(session, contact.line_id)
        dispatch.after(session, contact.organization_id, now)
