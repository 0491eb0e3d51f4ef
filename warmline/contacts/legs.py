"""What is asked of the phone company about a contact's legs, committed with its cause."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from routing.states import LegState, RequestState
from warmline.contacts import holding, outbox
from warmline.models import Contact, Engagement, Leg, Peer, RequestKind


def claim_move(
    session: Session, contact: Contact, engagement: Engagement, now: datetime, *, again: bool = False
) -> None:
    """Commit the claim of the caller's one move for this engagement; the outbox then asks for it."""
    leg = holding.caller_leg(session, contact.id)
    if leg is not None and contact.queue_sid is not None:
        path = f"/twilio/voice/contacts/{contact.id}/join"
        where = {"queue_sid": contact.queue_sid, "call_sid": leg.call_sid, "path": path}
        _put(again)(session, contact, RequestKind.MOVE_CALLER, engagement.id, now, **where)


def claim_call(session: Session, contact: Contact, engagement: Engagement, now: datetime) -> None:
    """Commit the claim of the one call to the caller for this engagement; the outbox then asks for it."""
    contact.calling, contact.callback_due_at = engagement.id, now + outbox.CALL_LASTS
    engagement.connect_by = now + outbox.CALL_LASTS
    outbox.add(session, contact, RequestKind.CALL_CALLER, engagement.id, now, call=engagement.id)


def unclaim_call(session: Session, contact: Contact, now: datetime) -> bool:
    """Take back a call that certainly nobody has made yet; False if there is none, or the phone may ring."""
    if contact.calling is None:
        return False
    states = {state for state, _ in outbox.asked(session, contact.id, RequestKind.CALL_CALLER, contact.calling)}
    if states != {RequestState.PENDING} or not outbox.withdraw(session, contact, now, RequestKind.CALL_CALLER):
        return False
    contact.calling = contact.callback_due_at = None
    return True


def move_again(session: Session, contact: Contact, now: datetime) -> None:
    """The caller is in the queue while the peer waits in the conference: claim another move, if none is under way."""
    engagement = holding.live_engagement(session, contact.id)
    if engagement is not None and is_up(session, engagement):
        claim_move(session, contact, engagement, now, again=True)


def is_up(session: Session, engagement: Engagement) -> bool:
    """Whether the peer's leg is in the conference."""
    return any(leg.state is LegState.JOINED for leg in holding.live_legs(session, engagement.id))


def recall(session: Session, contact: Contact, key: str, now: datetime, *, again: bool = False) -> None:
    """Commit that the caller is called back from an empty conference, once per `key`."""
    leg = holding.caller_leg(session, contact.id)
    if leg is not None and leg.state is not LegState.ENDED:
        where = {"call_sid": leg.call_sid, "path": f"/twilio/voice/contacts/{contact.id}/dropped"}
        _put(again)(session, contact, RequestKind.RECALL_CALLER, key, now, **where)


def recall_from(session: Session, contact: Contact, engagement: Engagement, now: datetime) -> None:
    """Call the caller back in if they were sent into the conference; else their join is refused by itself."""
    leg = holding.caller_leg(session, contact.id)
    if contact.queue_sid is None or (leg is not None and leg.state is LegState.JOINED):
        recall(session, contact, engagement.id, now)


def was_moved(session: Session, engagement: Engagement) -> bool:
    """Whether the caller's move for this engagement was, or may have been, asked for."""
    moves = outbox.asked(session, engagement.contact_id, RequestKind.MOVE_CALLER, engagement.id)
    return any(attempts > 0 for _, attempts in moves)


def end_conference(
    session: Session, contact: Contact, engagement: Engagement, now: datetime, *, again: bool = False
) -> None:
    """Commit that the conference is ended for both: the caller goes on to our goodbye."""
    if engagement.conference_sid is not None:
        room = engagement.conference_sid
        _put(again)(session, contact, RequestKind.END_CONFERENCE, engagement.id, now, conference_sid=room)


def hang_up(session: Session, contact: Contact, leg: Leg, now: datetime, *, again: bool = False) -> None:
    """Commit that a leg is ended."""
    _put(again)(session, contact, RequestKind.HANG_UP, leg.id, now, call_sid=leg.call_sid)


def out_of_queue(contact: Contact, now: datetime) -> None:
    """The phone company's queue does not hold the caller: no offer until it does again."""
    if contact.unqueued_at is None:
        contact.unqueued_at = now
    contact.queue_sid = None


def outside_anew(contact: Contact, now: datetime) -> None:
    """Who is outside the queue has chosen, or is called back in: not lost for having listened until now."""
    if contact.unqueued_at is not None:
        contact.unqueued_at = now


def free(session: Session, peer_id: str, now: datetime) -> None:
    """The peer is idle from now on."""
    session.get_one(Peer, peer_id).idle_since = now


def _put(again: bool) -> Callable[..., bool]:
    """Once and never more, or once more because the calls show that it did not happen."""
    return outbox.add_again if again else outbox.add
