"""Asking the phone company where a call is, and settling what we believed otherwise.

This finds what no callback told us: because we were down, because it was lost, or because a request of ours timed out.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from routing.states import IN_QUEUE, ContactState, LegState
from warmline.contacts import connect, holding, legs, outbox, parting
from warmline.db import reading, transaction
from warmline.models import Contact, Engagement, Leg, LegKind, RequestKind
from warmline.telephony import gateway
from warmline.telephony.gateway import GatewayError

ASK_AFTER = timedelta(seconds=10)  # a leg that was not heard of for so long is asked for
LOST_AFTER = timedelta(seconds=40)  # outside queue and conference for so long: called back in
BOOKING = timedelta(minutes=5)  # the same, of somebody who types a number to be called at
LAST_WORDS = timedelta(seconds=60)  # the longest sentence that turns somebody away


def doubt_everything() -> None:
    """After a start nothing is known for certain: every live leg is asked for at the next ticks."""
    with transaction() as session:
        session.execute(
            update(Leg).where(Leg.state != LegState.ENDED).values(checked_at=datetime.fromtimestamp(0, UTC))
        )


def unheard(session: Session, now: datetime, limit: int = 100) -> list[str]:
    """CallSids of legs not heard of lately, the longest silent first."""
    query = select(Leg.call_sid).where(Leg.state != LegState.ENDED, Leg.checked_at <= now - ASK_AFTER)
    return list(session.scalars(query.order_by(Leg.checked_at).limit(limit)))


def claim(call_sid: str, now: datetime) -> bool:
    """Whether this clock is to ask for a call: then no other one does within ASK_AFTER."""
    with transaction() as session:
        claimed = session.scalar(
            update(Leg)
            .where(Leg.call_sid == call_sid, Leg.state != LegState.ENDED, Leg.checked_at <= now - ASK_AFTER)
            .values(checked_at=now)
            .returning(Leg.id)
        )
        return claimed is not None


def ask(call_sid: str, now: datetime) -> None:
    """Ask the phone company where a call is, and settle what we believed otherwise.

    This finds what no callback told us: because we were down, because it was lost, or because a request of ours
    timed out.
    """
    with reading() as session:
        leg = session.scalar(select(Leg).where(Leg.call_sid == call_sid))
        if leg is None or leg.state is LegState.ENDED:
            return
        contact = session.get_one(Contact, leg.contact_id)
        if leg.engagement_id is not None:
            engagement = session.get(Engagement, leg.engagement_id)
        else:
            engagement = holding.latest_engagement(session, contact.id)
    room = (engagement.conference_sid or engagement.conference_name) if engagement is not None else None
    try:
        found = gateway.current().locate(call_sid, contact.queue_sid, room)
    except GatewayError:
        return  # asked again at the next round
    if found.finished:
        parting.leg_ended(call_sid, now)
    elif _is_over(leg, contact, engagement, now):
        _end_again(leg, engagement if found.conference_sid is not None else None, now)
    elif engagement is not None and found.conference_sid is not None and _has_just_joined(leg, contact):
        connect.joined(engagement.id, call_sid, found.conference_sid, now)
    elif leg.kind is LegKind.CALLER:
        _settle_caller(contact, found, now)


def _is_over(leg: Leg, contact: Contact, engagement: Engagement | None, now: datetime) -> bool:
    """Whether a leg's part has been over for longer than a call takes to end by itself."""
    if leg.kind is LegKind.CALLER:
        ended_at, patience = contact.ended_at, LAST_WORDS if contact.answered_at is None else ASK_AFTER
    else:
        ended_at = (engagement.wrapping_at or engagement.done_at) if engagement is not None else None
        patience = ASK_AFTER
    # A request to end it may have been lost, with the answer or with us: what the calls show counts.
    return ended_at is not None and ended_at <= now - patience


def _end_again(leg: Leg, conference: Engagement | None, now: datetime) -> None:
    """End a call that goes on although its part is over: by its conference, if it is in one, so as to hear goodbye.

    A caller who was let out of the conference just now is hearing it.
    """
    with transaction() as session:
        contact = holding.contact(session, leg.contact_id)
        if conference is not None:
            legs.end_conference(session, contact, conference, now, again=True)
        elif not outbox.has_done(session, contact, RequestKind.END_CONFERENCE, now - _goodbye(leg, contact)):
            legs.hang_up(session, contact, leg, now, again=True)


def _goodbye(leg: Leg, contact: Contact) -> timedelta:
    """How long a call may go on after its conference: a peer's boundary is said in more words than goodbye."""
    return LAST_WORDS if leg.kind is LegKind.CALLER and contact.ended_how is not None else ASK_AFTER


def _has_just_joined(leg: Leg, contact: Contact) -> bool:
    """Whether a leg that is found in the conference is news: the callback that says so was lost."""
    return leg.state is not LegState.JOINED or (leg.kind is LegKind.CALLER and contact.state is ContactState.CONNECTING)


def _settle_caller(believed: Contact, found: gateway.Membership, now: datetime) -> None:
    """A caller's call goes on: what brings it to where it should be?"""
    with transaction() as session:
        contact = holding.contact(session, believed.id)
        if (contact.state, contact.queue_sid) != (believed.state, believed.queue_sid):
            return  # it moved while we asked: the answer may be about another moment
        if contact.callback_at is not None:
            return  # a call that ends by itself: goodbye after a booking, or one that nobody has taken yet
        if found.in_queue:
            legs.move_again(session, contact, now)
        elif contact.state in IN_QUEUE and (found.conference_sid is not None or _is_lost(session, contact, now)):
            engagement = holding.live_engagement(session, contact.id)
            if engagement is not None:
                parting.release(session, contact, engagement, "caller_not_moved", now)
            legs.recall(session, contact, contact.id, now, again=True)


def _is_lost(session: Session, contact: Contact, now: datetime) -> bool:
    """Whether a caller has been outside queue and conference for longer than any of our documents takes."""
    engagement = holding.live_engagement(session, contact.id)
    since = engagement.connect_by if engagement is not None else contact.unqueued_at
    return since is not None and since <= now - (BOOKING if contact.booking_at is not None else LOST_AFTER)
