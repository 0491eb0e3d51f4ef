"""From Accept to talking, and every way in which a connection is lost.

The peer's leg comes first; while it comes up the caller stays in the queue. When it is in the conference the move of
the caller is claimed, as a row of the outbox with a key of its own, and only then asked for. Whatever fails before
that has cost the caller nothing; whatever fails after it brings the caller back to the front of the queue.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from routing.states import ContactState, EngagementState, LegState
from warmline.contacts import holding, legs, news, parting, wrapup
from warmline.db import reading, transaction
from warmline.errors import Conflict, NotFound
from warmline.models import Contact, Engagement, Leg, LegKind, Peer
from warmline.models.base import new_id
from warmline.models.history import advance, begin
from warmline.people import lines, roster


def peer_leg(identity: str, offer_id: str, call_sid: str, now: datetime) -> Engagement:
    """A browser calls in for an offer that its peer accepted: the one leg of that engagement.

    Raises NotFound for anybody else's offer, Conflict when it is not waiting for a leg or has one already (a second
    tab). The same CallSid again is the same leg.
    """
    try:
        with transaction() as session:
            engagement = session.scalar(select(Engagement).where(Engagement.offer_id == offer_id))
            if engagement is None:
                raise NotFound
            contact = holding.contact(session, engagement.contact_id)
            session.refresh(engagement)
            if session.get_one(Peer, engagement.peer_id).identity != identity:
                raise NotFound
            known = session.scalar(select(Leg).where(Leg.call_sid == call_sid))
            if known is not None and known.engagement_id == engagement.id and known.state is not LegState.ENDED:
                return engagement
            if known is not None or engagement.state is not EngagementState.CONNECTING:
                raise Conflict("This offer is not waiting for a phone.")
            leg = Leg(
                id=new_id(),
                organization_id=contact.organization_id,
                contact_id=contact.id,
                engagement_id=engagement.id,
                kind=LegKind.PEER,
                call_sid=call_sid,
                state=LegState.STARTED,
                began_at=now,
                checked_at=now,
            )
            begin(session, now, leg)
            return engagement
    except IntegrityError as error:
        raise Conflict("This offer has a phone already.") from error


def joined(engagement_id: str, call_sid: str, conference_sid: str, now: datetime, key: str | None = None) -> None:
    """A leg is in the engagement's conference: the peer's starts the caller's move, the caller's completes it."""
    with transaction() as session:
        held = holding.engagement(session, engagement_id, key, now)
        if held is None:
            return
        contact, engagement = held
        leg = session.scalar(select(Leg).where(Leg.call_sid == call_sid, Leg.contact_id == contact.id))
        if leg is None or leg.state is LegState.ENDED:
            return
        if leg.kind is LegKind.PEER and leg.engagement_id != engagement.id:
            return
        if engagement.conference_sid is None:
            engagement.conference_sid = conference_sid
        advance(session, leg, "joined", now)
        leg.checked_at = now
        if leg.kind is LegKind.PEER:
            if engagement.state is EngagementState.CONNECTING:
                _fetch(session, contact, engagement, now)
            elif engagement.state is not EngagementState.ACTIVE:
                legs.hang_up(session, contact, leg, now)  # too late: somebody else, or nobody, is waiting for it
        elif engagement.state is EngagementState.CONNECTING:
            talk(session, contact, engagement, now)
        elif engagement.state is not EngagementState.ACTIVE and contact.state is ContactState.WAITING:
            legs.recall(session, contact, engagement.id, now)  # alone in the conference of a peer who is gone
        news.for_peer(session, engagement.peer_id)
        news.for_line(session, contact.line_id)


def _fetch(session: Session, contact: Contact, engagement: Engagement, now: datetime) -> None:
    """The peer is there: the caller is moved out of the queue, or called."""
    if contact.callback_at is None:
        legs.claim_move(session, contact, engagement, now)
    elif contact.calling is None:
        if lines.is_open(contact.line, now):
            legs.claim_call(session, contact, engagement, now)
        else:
            contact.callback_due_at = now  # nobody else is asked until the clock has looked at it
            parting.release(session, contact, engagement, "outside_hours", now)


def caller_may_join(contact_id: str, now: datetime) -> Engagement | None:
    """The caller has been moved out of the queue: the conference to go to, or None: back to the queue."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        engagement = holding.live_engagement(session, contact.id)
        waits = engagement is not None and legs.is_up(session, engagement)
        if contact.queue_sid is not None and contact.state in (ContactState.CONNECTING, ContactState.WAITING):
            legs.out_of_queue(contact, now)
        return engagement if waits else None


def talk(session: Session, contact: Contact, engagement: Engagement, now: datetime) -> None:
    """Both are in the conference, or in the thread."""
    if advance(
        session,
        contact,
        "joined",
        now,
        answered_at=contact.answered_at or now,
        queue_sid=None,
        unqueued_at=None,
    ):
        advance(session, engagement, "joined", now, active_at=now)
        wrapup.reopen(session, engagement, now)
        news.for_peer(session, engagement.peer_id)
        news.for_line(session, contact.line_id)


def give_up(engagement_id: str, now: datetime) -> None:
    """The peer's leg is not up in time: the contact waits on, and the peer is away, with the reason shown.

    Where the leg is up and the caller has not come, the phone company is asked instead: it is not the peer's fault.
    """
    with transaction() as session:
        held = holding.engagement(session, engagement_id, None, now)
        if held is None:
            return
        contact, engagement = held
        if engagement.state is not EngagementState.CONNECTING or engagement.connect_by > now:
            return
        if legs.is_up(session, engagement):
            return
        peer = holding.peer(session, engagement.peer_id)
        roster.send_away(session, peer, "leg_not_up", now)
        parting.release(session, contact, engagement, "leg_not_up", now)
        news.for_organization(session, contact.organization_id)


def overdue(session: Session, now: datetime, limit: int = 200) -> list[str]:
    """Engagements whose peer's leg should be up by now."""
    query = select(Engagement.id).where(Engagement.state == EngagementState.CONNECTING, Engagement.connect_by <= now)
    return list(session.scalars(query.limit(limit)))


def on_the_way(engagement_id: str) -> list[str]:
    """CallSids of an engagement's legs of which it is not known that they are up."""
    with reading() as session:
        live = holding.live_legs(session, engagement_id)
        return [leg.call_sid for leg in live if leg.state is not LegState.JOINED]
