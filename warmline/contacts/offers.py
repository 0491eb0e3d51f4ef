"""An offer's end: accepted, declined, expired, or withdrawn because the peer can take nothing."""

import secrets
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from routing.facts import TIMES, Ringing
from routing.states import LIVE_ENGAGEMENT, EngagementState, OfferState
from warmline.contacts import connect, dispatch, holding, news
from warmline.db import reading, transaction
from warmline.errors import Conflict
from warmline.models import Channel, Contact, Engagement, Offer, Peer, Presence
from warmline.models.base import new_id
from warmline.models.history import advance, begin
from warmline.people import roster

NO_ANSWER = "no_answer"
MISSED = 2  # offers in a row without an answer: the peer is away


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
        for other in holding.live_offers(session, contact.id):
            advance(session, other, "lost", now, why={"offer": offer.id}, decided_at=now, reason="taken")
            news.for_peer(session, other.peer_id)
            dispatch.after(session, contact.organization_id, now, peer_id=other.peer_id)
        engagement = Engagement(
            id=new_id(),
            organization_id=contact.organization_id,
            contact_id=contact.id,
            peer_id=peer.id,
            offer_id=offer.id,
            channel=contact.channel,
            state=EngagementState.CONNECTING,
            began_at=now,
            connect_by=now + TIMES.connect,
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
    """The deadline has passed, or the peer is gone: the contact keeps its place and is offered on.

    Whoever misses two in a row is set to Away: somebody who is not there costs each caller a ring's time.
    """
    with transaction() as session:
        offer = session.get_one(Offer, offer_id)
        contact = holding.contact(session, offer.contact_id)
        session.refresh(offer)
        if _end(session, contact, offer, "expired", reason, now) and reason == NO_ANSWER:
            peer = holding.peer(session, offer.peer_id)
            latest = session.execute(_LATEST, {"peer_id": peer.id, "since": peer.status_at}).all()
            if len(latest) == MISSED and all(row.reason == NO_ANSWER for row in latest):
                roster.send_away(session, peer, "missed", now)
                news.for_organization(session, contact.organization_id)


def withdraw_from(peer_id: str, reason: str, now: datetime) -> None:
    """The peer can take nothing now: their live offer goes to somebody else."""
    with reading() as session:
        live = session.scalar(select(Offer.id).where(Offer.peer_id == peer_id, Offer.state == OfferState.PENDING))
    if live is not None:
        expire(live, reason, now)


def ringing(session: Session, now: datetime, limit: int = 200) -> list[Ringing]:
    """Live offers that may have to end: their time is over, or the peer's console has fallen silent."""
    pending = (
        select(Offer.id, Offer.deadline, Presence.seen_at)
        .outerjoin(Presence, Presence.peer_id == Offer.peer_id)
        .where(Offer.state == OfferState.PENDING)
        .limit(limit)
    )
    late = session.execute(pending.where(Offer.deadline <= now).order_by(Offer.deadline)).all()
    silent = session.execute(
        pending.where(Offer.deadline > now, Presence.seen_at < now - TIMES.presence).order_by(Offer.deadline)
    ).all()
    return [Ringing(row.id, row.deadline, row.seen_at) for row in (*late, *silent)]


def _gone() -> Conflict:
    return Conflict("This offer is over: it was answered, or its time ran out.", code="offer_gone")


def _end(session: Session, contact: Contact, offer: Offer, event: str, reason: str, now: datetime) -> bool:
    """The peer does not take it; False if the offer was over already. With the last live offer the contact waits on."""
    if not advance(session, offer, event, now, why={"reason": reason}, decided_at=now, reason=reason):
        return False
    if not holding.live_offers(session, contact.id):
        advance(session, contact, "unanswered", now, why={"offer": offer.id, "reason": reason})
    news.for_peer(session, offer.peer_id)
    news.for_line(session, contact.line_id)
    dispatch.after(session, contact.organization_id, now, contact_id=contact.id)  # also to the next beside the others
    dispatch.after(session, contact.organization_id, now, peer_id=offer.peer_id)
    return True


# What became of a peer's latest offers since they chose their status.
_LATEST = (
    select(Offer.reason)
    .where(Offer.peer_id == bindparam("peer_id"), Offer.made_at >= bindparam("since"))
    .order_by(Offer.made_at.desc(), Offer.id)
    .limit(MISSED)
)
