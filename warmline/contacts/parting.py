"""How a connection ends: by the console's End, by a leg that is gone, by a caller who left, or before it was made."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from routing.facts import TIMES
from routing.ranking import Priority
from routing.states import ContactState, EngagementState
from warmline.contacts import dispatch, holding, legs, messages, news, outbox, survey, wrapup
from warmline.db import transaction
from warmline.errors import NotFound
from warmline.models import Channel, Contact, Engagement, Leg, LegKind, Peer, Presence, RequestKind
from warmline.models.history import advance, record
from warmline.people import lines
from warmline.telephony import twiml

# Reasons of a participant-leave that are not the leaving of that participant: the conference itself ended.
# https://www.twilio.com/docs/voice/api/conference-resource#conference-events
CONFERENCE_ENDED = {"conference_ended_via_api", "moderator_ended_conference"}

TEXTS_STOPPED = "texts_stopped"  # why somebody who writes is no longer waited for: nothing that we write reaches them

# Between a call back that was not taken and the next one; after the last of them a text.
PAUSES = (timedelta(minutes=5), timedelta(minutes=15))


def end(peer: Peer, contact_id: str, now: datetime) -> None:
    """The console's End. Of a conversation it is the end; of a connection still being made, the contact is offered on.

    Ending again does nothing. Raises NotFound for a contact that is not this peer's.
    """
    with transaction() as session:
        contact = holding.own_contact(session, peer, contact_id)
        engagement = holding.latest_engagement(session, contact.id, peer.id)
        if engagement is None:
            raise NotFound
        if engagement.state is EngagementState.CONNECTING:
            release(session, contact, engagement, "peer_released", now)
        elif engagement.state is EngagementState.ACTIVE and advance(session, contact, "ended", now, ended_at=now):
            wrapup.begin(session, engagement, "peer_ended", now)
            legs.end_conference(session, contact, engagement, now)
            news.for_line(session, contact.line_id)


def left(engagement_id: str, call_sid: str, reason: str, now: datetime, key: str | None = None) -> None:
    """A leg is out of the conference. The caller's own leaving is settled by what their call does next."""
    with transaction() as session:
        held = holding.engagement(session, engagement_id, key, now)
        if held is None:
            return
        contact, engagement = held
        leg = session.scalar(select(Leg).where(Leg.call_sid == call_sid, Leg.contact_id == contact.id))
        if leg is None:
            return
        advance(session, leg, "left", now, why={"reason": reason[:40]})
        if leg.engagement_id == engagement.id and reason not in CONFERENCE_ENDED:
            peer_lost(session, contact, engagement, now)


def leg_ended(call_sid: str, now: datetime) -> None:
    """A call is over, whoever says so: a callback, the action of a Dial or Enqueue, or the company when asked."""
    with transaction() as session:
        held = holding.contact_of_leg(session, call_sid)
        if held is None:
            return
        contact, leg = held
        first = advance(session, leg, "ended", now, ended_at=now)
        if leg.kind is LegKind.CALLER:
            if contact.callback_at is not None:  # hung up, as was agreed; or a call that was not taken
                if first and contact.calling is not None:
                    not_reached(session, contact, now)
            elif first or _is_latest(session, contact, leg):
                caller_left(session, contact, now)
        elif leg.engagement_id is not None:
            peer_lost(session, contact, session.get_one(Engagement, leg.engagement_id), now)


def console_gone(engagement_id: str, now: datetime) -> None:
    """A peer's console has been silent for too long: whoever writes with them goes on with somebody else, at the front.

    Unless they want no more texts: nobody else could answer them. A call needs no such rule: its phone would be lost.
    """
    with transaction() as session:
        held = holding.engagement(session, engagement_id, None, now)
        if held is None:
            return
        contact, engagement = held
        presence = session.get(Presence, engagement.peer_id)
        if presence is None or presence.seen_at >= now - TIMES.leave:
            return  # back meanwhile
        if engagement.state is not EngagementState.ACTIVE or contact.channel is not Channel.TEXT:
            return
        if contact.caller is not None and contact.caller.texts_stopped_at is not None:
            caller_left(session, contact, now, TEXTS_STOPPED)
        else:
            lose(session, contact, engagement, "peer_gone", now)
            dispatch.after(session, contact.organization_id, now, contact_id=contact.id)


def caller_back(contact_id: str, now: datetime, engagement_id: str = "") -> Contact:
    """The caller is back from the conference of that engagement: whoever was talking there has lost the other.

    A recall that is still to be sent has become needless. A caller who talks in another conference stays there: this
    was said of an earlier one, and comes late.
    """
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        engagement = holding.live_engagement(session, contact.id)
        if contact.state is ContactState.CONNECTED and engagement is not None:
            if engagement.id != engagement_id:
                return contact
            lose(session, contact, engagement, "peer_lost", now)
        outbox.withdraw(session, contact, now, RequestKind.RECALL_CALLER)
        leg = holding.caller_leg(session, contact.id)
        if leg is not None:
            advance(session, leg, "left", now)
        if contact.state is ContactState.WAITING:
            legs.out_of_queue(contact, now)
        return contact


def out_of_queue(contact_id: str, now: datetime) -> Contact:
    """The queue did not keep the caller (full, or in trouble): no offer until it does."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        legs.out_of_queue(contact, now)
        return contact


def release(session: Session, contact: Contact, engagement: Engagement, reason: str, now: datetime) -> None:
    """A connection that is not made: the contact, held by the caller of this, waits on in its place."""
    if not advance(session, engagement, "failed", now, why={"reason": reason}, done_at=now, reason=reason):
        return
    advance(session, contact, "connect_failed", now, why={"engagement": engagement.id, "reason": reason})
    legs.unclaim_call(session, contact, now)
    for leg in holding.live_legs(session, engagement.id):
        legs.hang_up(session, contact, leg, now)
    if not outbox.withdraw(session, contact, now, RequestKind.MOVE_CALLER) or legs.was_moved(session, engagement):
        # The caller is on the way into a conference without a peer, or there already.
        legs.recall_from(session, contact, engagement, now)
        legs.out_of_queue(contact, now)
    legs.free(session, engagement.peer_id, now)
    news.for_peer(session, engagement.peer_id)
    news.for_line(session, contact.line_id)
    dispatch.after(session, contact.organization_id, now, contact_id=contact.id)
    dispatch.after(session, contact.organization_id, now, peer_id=engagement.peer_id)


def not_reached(session: Session, contact: Contact, now: datetime) -> None:
    """A call back to the caller, held by the caller of this, was not taken: once more later, or no more.

    The peer is free at once. Whoever is being asked instead of a peer who went away meanwhile is asked no more.
    """
    contact.calling = None
    contact.callback_tries += 1
    last = contact.callback_tries > len(PAUSES)
    contact.callback_due_at = now if last else now + PAUSES[contact.callback_tries - 1]
    session.flush()
    record(session, contact, "callback_unanswered", now)
    stop_asking(session, contact, "caller_unanswered", now)
    engagement = holding.live_engagement(session, contact.id)
    if engagement is not None:
        release(session, contact, engagement, "caller_unanswered", now)
    if last:
        unreached(session, contact, "caller_unanswered", now)


def unreached(session: Session, contact: Contact, reason: str, now: datetime) -> None:
    """The caller, who waits to be called, will not be: told so by a text that says nothing to anybody else."""
    over: dict[str, Any] = dict.fromkeys(("callback_at", "callback_due_at", "callback_number"))
    over |= {"callback_postponed": False, "ended_at": now}
    typed = contact.callback_number is not None
    event = "left_after_talk" if contact.answered_at is not None else "unreached"
    if not advance(session, contact, event, now, why={"reason": reason}, **over):
        return
    if contact.line.numbers and not typed:
        key = "text_unreached_closed" if reason == "outside_hours" else "text_unreached"
        words = twiml.reopening(contact.language, lines.opens_next(contact.line, now), now)
        messages.say(session, contact, contact.line.numbers[0].number, key, now, reopening=words)
    survey.schedule(session, contact, now)
    news.for_line(session, contact.line_id)


def turn_away(session: Session, contact: Contact, event: str, reason: str, now: datetime, **changes: Any) -> None:
    """Nobody can answer the caller, or not any more: over. Whoever talked before has been answered all the same."""
    event = "left_after_talk" if contact.answered_at is not None else event
    if advance(session, contact, event, now, why={"reason": reason}, ended_at=now, **changes):
        survey.schedule(session, contact, now)


def stop_asking(session: Session, contact: Contact, reason: str, now: datetime) -> None:
    """Whoever is asked to take this contact need not answer any more; it waits on."""
    asked = holding.live_offers(session, contact.id)
    for offer in asked:
        advance(session, offer, "cancelled", now, why={"reason": reason}, decided_at=now, reason=reason)
        news.for_peer(session, offer.peer_id)
        dispatch.after(session, contact.organization_id, now, peer_id=offer.peer_id)
    if asked:
        advance(session, contact, "unanswered", now, why={"reason": reason})


def _is_latest(session: Session, contact: Contact, leg: Leg) -> bool:
    """Whether this leg of the caller's is not one from before a callback, whose end is told again."""
    latest = holding.caller_leg(session, contact.id)
    return latest is None or latest.id == leg.id


def peer_lost(session: Session, contact: Contact, engagement: Engagement, now: datetime) -> None:
    """The peer's leg is gone, and not by End."""
    if engagement.state is EngagementState.CONNECTING:
        release(session, contact, engagement, "peer_lost", now)
    elif engagement.state is EngagementState.ACTIVE and contact.channel is Channel.VOICE:
        lose(session, contact, engagement, "peer_lost", now)
        legs.recall(session, contact, engagement.id, now)


def lose(session: Session, contact: Contact, engagement: Engagement, reason: str, now: datetime) -> None:
    """The caller is at the front of the line again; the peer wraps up."""
    if advance(session, contact, "peer_lost", now, why={"engagement": engagement.id}, priority=Priority.DROPPED):
        if contact.channel is Channel.VOICE:
            legs.out_of_queue(contact, now)
        wrapup.begin(session, engagement, reason, now)
        news.for_line(session, contact.line_id)


def caller_left(session: Session, contact: Contact, now: datetime, reason: str = "caller_left") -> None:
    """The caller is gone, or for this `reason` as good as gone, and with them whatever was being done for them."""
    had_arrived_only = contact.state is ContactState.ARRIVING
    event = "left_after_talk" if contact.answered_at is not None else "caller_left"
    over: dict[str, Any] = {"ended_at": now, "queue_sid": None, "unqueued_at": None, "callback_number": None}
    if not advance(session, contact, event, now, why={"reason": reason}, **over):
        return
    news.for_line(session, contact.line_id)
    if had_arrived_only:
        return  # nobody was asked yet, by us or by the phone company
    for offer in holding.live_offers(session, contact.id):
        advance(session, offer, "cancelled", now, why={"reason": reason}, decided_at=now, reason=reason)
        news.for_peer(session, offer.peer_id)
        dispatch.after(session, contact.organization_id, now, peer_id=offer.peer_id)
    engagement = holding.live_engagement(session, contact.id)
    if engagement is not None:
        for leg in holding.live_legs(session, engagement.id):
            legs.hang_up(session, contact, leg, now)
        if engagement.state is EngagementState.CONNECTING:
            advance(session, engagement, "failed", now, done_at=now, reason=reason)
            legs.free(session, engagement.peer_id, now)
            dispatch.after(session, contact.organization_id, now, peer_id=engagement.peer_id)
        else:
            wrapup.begin(session, engagement, reason, now)
        news.for_peer(session, engagement.peer_id)
    outbox.withdraw(session, contact, now, RequestKind.MOVE_CALLER, RequestKind.RECALL_CALLER)
    survey.schedule(session, contact, now)
