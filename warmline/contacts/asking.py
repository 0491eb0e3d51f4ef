"""Asking the phone company where a call is, and settling what we believed otherwise.

This finds what no callback told us: because we were down, because it was lost, or because a request of ours timed out.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from routing.states import IN_QUEUE, ContactState, LegState, RequestState
from warmline.contacts import connect, holding, intake, legs, outbox, parting
from warmline.db import after_commit, reading, transaction
from warmline.models import Contact, Engagement, Leg, LegKind, OutsideRequest, RequestKind
from warmline.models.history import advance
from warmline.telephony import gateway
from warmline.telephony.gateway import GatewayError

ASK_AFTER = timedelta(seconds=10)  # a leg that was not heard of for so long is asked for
LOST_AFTER = timedelta(seconds=40)  # outside queue and conference for so long: called back in
ASKED = timedelta(minutes=2)  # the same, of somebody who is asked whether to wait for their language, up to three times
BOOKING = timedelta(minutes=5)  # and of somebody who types a number to be called at
CLOCKS_APART = timedelta(seconds=30)  # at most, ours and the phone company's; two calls of ours to somebody are further
GIVEN_UP = timedelta(minutes=5)  # by then the clock has given a call up that nobody knows of
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
        # Of a talk the end is a goodbye; whoever was turned away, perhaps after a talk, hears more.
        had_talked = engagement is not None and engagement.wrapping_at == contact.ended_at
        ended_at, patience = contact.ended_at, ASK_AFTER if had_talked else LAST_WORDS
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
            legs.outside_anew(contact, now)


def _is_lost(session: Session, contact: Contact, now: datetime) -> bool:
    """Whether a caller has been outside queue and conference for longer than any of our documents takes."""
    engagement = holding.live_engagement(session, contact.id)
    since = engagement.connect_by if engagement is not None else contact.unqueued_at
    if since is None or since > now - LOST_AFTER:
        return False
    if contact.booking_at is not None:
        return since <= now - BOOKING
    return since <= now - ASKED or intake.prospect(session, contact, now) is not intake.Prospect.CHOOSE


# Calls of ours of whose making we have heard nothing


def unanswered(session: Session, now: datetime, limit: int = 100) -> list[str]:
    """Requests to call somebody, who still waits for it, of which nobody knows whether they were taken."""
    return list(
        session.scalars(
            select(OutsideRequest.id)
            .join(Contact, Contact.id == OutsideRequest.contact_id)
            .where(
                OutsideRequest.kind == RequestKind.CALL_CALLER,
                OutsideRequest.state == RequestState.UNKNOWN,
                OutsideRequest.due_at.between(now - GIVEN_UP, now),  # not all that were ever lost: by the index
                OutsideRequest.claimed_at <= now - outbox.ARRIVED,
                Contact.calling.is_not(None),
            )
            .limit(limit)
        )
    )


def ask_for_call(request_id: str, now: datetime) -> None:
    """Ask whether the phone company has made a call: then it is ours as if the answer had come, else it is made now.

    While nobody can be asked it is tried again, until the clock gives the call up (`calling_back.come_due`).
    """
    with transaction() as session:
        asked = session.scalar(
            update(OutsideRequest)
            .where(
                OutsideRequest.id == request_id,
                OutsideRequest.state == RequestState.UNKNOWN,
                OutsideRequest.due_at <= now,
            )
            .values(due_at=now + ASK_AFTER)
            .returning(OutsideRequest)
        )
        if asked is None or asked.claimed_at is None:
            return
        contact = session.get_one(Contact, asked.contact_id)
        numbers = outbox.parties(session, contact) if contact.calling == asked.arguments["call"] else None
    if numbers is None:
        return  # it was given up meanwhile
    try:
        made = gateway.current().calls_made(*numbers, asked.claimed_at - CLOCKS_APART)
    except GatewayError:
        return  # asked again at the next round
    with transaction() as session:
        contact = holding.contact(session, asked.contact_id)
        request = session.get_one(OutsideRequest, asked.id)
        if request.attempts != asked.attempts:
            return  # sent again while we asked: the answer is about another moment
        others = set(session.scalars(select(Leg.call_sid).where(Leg.call_sid.in_(made), Leg.contact_id != contact.id)))
        ours = [call_sid for call_sid in made if call_sid not in others]
        if not ours:
            _make_again(session, contact, request, now)
        elif _is_called_alone(session, contact, numbers) and advance(session, request, "done", now, answered_at=now):
            outbox.settle_call(session, contact, request.arguments["call"], ours[0], now)


def _make_again(session: Session, contact: Contact, request: OutsideRequest, now: datetime) -> None:
    """A call was certainly not made, and is no try of the caller's: it is made now if its peer still waits for it."""
    if advance(session, request, "not_made", now, due_at=now):
        if holding.live_engagement(session, contact.id) is not None:
            after_commit(session, outbox.deliver, contact.id)
        else:
            legs.unclaim_call(session, contact, now)


def _is_called_alone(session: Session, contact: Contact, numbers: tuple[str, str]) -> bool:
    """Whether nobody else of this line is called at the same number; else only its webhooks tell whose a call is."""
    called = select(Contact).where(
        Contact.line_id == contact.line_id, Contact.calling.is_not(None), Contact.id != contact.id
    )
    return all(outbox.parties(session, other) != numbers for other in session.scalars(called))
