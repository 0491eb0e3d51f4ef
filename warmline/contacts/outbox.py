"""What we ask of the phone company: a row committed with its cause, sent once, in order per contact.

A request is claimed in the database before it is sent and settled afterwards. If this process dies in between, the
claim grows stale and the clock treats the request like one that timed out: nobody knows whether it was taken, so it is
not sent again, and the phone company is asked where things stand (`asking`). A call that it then says it never made is
sent again.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from routing.states import LegState, MessageState, RequestState
from warmline.contacts import holding, news
from warmline.db import after_commit, reading, transaction
from warmline.models import Contact, Engagement, Leg, LineNumber, Message, OutsideRequest, RequestKind
from warmline.models.base import new_id
from warmline.models.history import advance, begin
from warmline.people import lines
from warmline.telephony import gateway
from warmline.telephony.gateway import NotTaken, Refused, Uncertain

log = logging.getLogger(__name__)

STALE = timedelta(seconds=10)  # longer than the gateway's timeout: the claimant is dead
ARRIVED = timedelta(seconds=20)  # after its claim a call was taken or never will be: a stale claim sends nothing
FIRST_RETRY = timedelta(seconds=1)
LAST_ATTEMPT = 8
OPEN = (RequestState.PENDING, RequestState.SENDING)
RING_SECONDS = 25  # of a call to the caller; voicemail mostly answers later
CALL_LASTS = timedelta(seconds=60)  # such a call, until somebody has taken it
OPTED_OUT = 21610  # https://www.twilio.com/docs/api/errors/21610
# Of a call that is refused for the number that was to be called; any other refusal is of us, and says nothing of whom
# we call: https://www.twilio.com/docs/api/errors
OF_THE_NUMBER = {
    13223, 13224, 13225, 13226, 13227, 21202, 21203, 21211, 21214, 21215, 21216, 21217, 21219,
}  # fmt: skip

_NUMBER_OF = (
    select(LineNumber.number).where(LineNumber.line_id == bindparam("line_id")).order_by(LineNumber.number).limit(1)
)

_clock: Callable[[], datetime] | None = None


def use(clock: Callable[[], datetime]) -> None:
    """Hand in the time: an answer comes seconds after the verb that asked, so that verb's `now` is too old."""
    global _clock
    _clock = clock


def add(session: Session, contact: Contact, kind: RequestKind, key: str, now: datetime, **arguments: str) -> bool:
    """Commit a request together with its cause; False if this very act was claimed before (same `key`).

    The contact must be held: that keeps `sequence` in order.
    """
    if session.scalar(select(OutsideRequest.id).where(OutsideRequest.key == f"{kind}:{key}")):
        return False
    latest = session.scalar(select(func.max(OutsideRequest.sequence)).where(OutsideRequest.contact_id == contact.id))
    request = OutsideRequest(
        id=new_id(),
        organization_id=contact.organization_id,
        contact_id=contact.id,
        sequence=(latest or 0) + 1,
        key=f"{kind}:{key}",
        kind=kind,
        arguments=arguments,
        state=RequestState.PENDING,
        due_at=now,
    )
    begin(session, now, request)
    after_commit(session, deliver, contact.id)
    return True


def add_again(session: Session, contact: Contact, kind: RequestKind, key: str, now: datetime, **arguments: str) -> bool:
    """Commit a request of this key once more, because the calls show that it is still to do.

    False while an earlier one is under way.
    """
    tries = asked(session, contact.id, kind, key)
    if any(state in OPEN for state, _ in tries):
        return False
    return add(session, contact, kind, f"{key}:{len(tries)}" if tries else key, now, **arguments)


def asked(session: Session, contact_id: str, kind: RequestKind, key: str) -> list[tuple[RequestState, int]]:
    """State and number of attempts of each request of a contact with this key."""
    rows = session.execute(
        select(OutsideRequest.state, OutsideRequest.attempts).where(
            OutsideRequest.contact_id == contact_id, OutsideRequest.key.startswith(f"{kind}:{key}")
        )
    )
    return [(state, attempts) for state, attempts in rows]


def refusals(session: Session, contact: Contact) -> list[bool]:
    """Of each call that was refused since this contact was booked, in order, whether it was for the number."""
    answers = session.scalars(
        select(OutsideRequest.answer)
        .where(
            OutsideRequest.contact_id == contact.id,
            OutsideRequest.kind == RequestKind.CALL_CALLER,
            OutsideRequest.state == RequestState.REFUSED,
            OutsideRequest.answered_at >= contact.callback_at,
        )
        .order_by(OutsideRequest.sequence)
    )
    return [any((answer or "").endswith(f" {code}") for code in OF_THE_NUMBER) for answer in answers]


def has_done(session: Session, contact: Contact, kind: RequestKind, since: datetime) -> bool:
    """Whether a request of this kind is being sent, or was done at `since` or later."""
    done_lately = (OutsideRequest.state == RequestState.DONE) & (OutsideRequest.answered_at >= since)
    return bool(
        session.scalar(
            select(OutsideRequest.id)
            .where(
                OutsideRequest.contact_id == contact.id,
                OutsideRequest.kind == kind,
                OutsideRequest.state.in_(OPEN) | done_lately,
            )
            .limit(1)
        )
    )


def withdraw(session: Session, contact: Contact, now: datetime, *kinds: RequestKind) -> bool:
    """Take back requests of these kinds that nobody has sent yet; True if none was, or may have been, sent."""
    unsent = True
    for request in session.scalars(
        select(OutsideRequest).where(
            OutsideRequest.contact_id == contact.id,
            OutsideRequest.kind.in_(kinds),
            OutsideRequest.state.in_(OPEN),
        )
    ):
        unsent = advance(session, request, "withdrawn", now) and unsent
    return unsent


def adopt(session: Session, contact: Contact, call: str, call_sid: str, now: datetime) -> Leg | None:
    """The caller's leg of the call that we asked for; whoever hears of its SID first makes it.

    None if this contact has no use for the call any more: the caller has called us meanwhile, or it is over.
    """
    known = session.scalar(select(Leg).where(Leg.call_sid == call_sid))
    if known is not None:
        return known if known.contact_id == contact.id else None
    other = holding.caller_leg(session, contact.id)
    if contact.callback_at is None or (other is not None and other.state is not LegState.ENDED):
        return None
    leg = Leg.of_caller(contact, call_sid, now)
    begin(session, now, leg)
    unheard = select(OutsideRequest).where(
        OutsideRequest.key == f"{RequestKind.CALL_CALLER}:{call}",
        OutsideRequest.state.in_((RequestState.SENDING, RequestState.UNKNOWN)),
    )
    for request in session.scalars(unheard):
        advance(session, request, "done", now, answered_at=now)
    if contact.calling is None:  # given up already, and counted as a try; and it rings all the same
        contact.calling, contact.callback_due_at = call, now + CALL_LASTS
        contact.callback_tries = max(0, contact.callback_tries - 1)
    return leg


def parties(session: Session, contact: Contact) -> tuple[str, str] | None:
    """The number from which this contact's caller is called, and theirs; None if there is nobody to call."""
    sender = session.scalar(_NUMBER_OF, {"line_id": contact.line_id})
    own = contact.caller.number if contact.caller else None
    number = contact.callback_number or own
    return (sender, number) if sender is not None and number is not None else None


def deliver(contact_id: str) -> None:
    """Send this contact's due requests one after the other until none is left or one must wait."""
    while (request := _claim(contact_id)) is not None:
        _send(request)


def due(session: Session, now: datetime, limit: int = 100) -> list[str]:
    """Contacts with a request to send, or with a claim whose process died."""
    return list(
        session.scalars(
            select(OutsideRequest.contact_id)
            .where(
                or_(
                    (OutsideRequest.state == RequestState.PENDING) & (OutsideRequest.due_at <= now),
                    (OutsideRequest.state == RequestState.SENDING) & (OutsideRequest.claimed_at <= now - STALE),
                )
            )
            .distinct()
            .limit(limit)
        )
    )


def recover(contact_id: str, now: datetime) -> None:
    """Settle claims whose process died, as if their answer had been lost."""
    with reading() as session:
        stale = list(
            session.scalars(
                select(OutsideRequest).where(
                    OutsideRequest.contact_id == contact_id,
                    OutsideRequest.state == RequestState.SENDING,
                    OutsideRequest.claimed_at <= now - STALE,
                )
            )
        )
    for request in stale:
        _settle_request(request, "lost", Uncertain("claim went stale"))


def _claim(contact_id: str) -> OutsideRequest | None:
    """The contact's next request, claimed; None if there is none, it is not due, or an earlier one is under way."""
    now = _now()
    earlier = aliased(OutsideRequest)
    with transaction() as session:
        request = session.scalar(
            select(OutsideRequest)
            .where(
                OutsideRequest.contact_id == contact_id,
                OutsideRequest.state == RequestState.PENDING,
                OutsideRequest.due_at <= now,
                ~select(earlier.id)
                .where(
                    earlier.contact_id == contact_id,
                    earlier.sequence < OutsideRequest.sequence,
                    earlier.state.in_(OPEN),
                )
                .exists(),
            )
            .order_by(OutsideRequest.sequence)
            .limit(1)
        )
        if request is None:
            return None
        if not advance(session, request, "claimed", now, claimed_at=now, attempts=request.attempts + 1):
            return None
    return request


def _send(request: OutsideRequest) -> None:
    """Ask, with no transaction open; then settle the row."""
    try:
        sid = _perform(request)
    except (NotTaken, Refused, Uncertain) as error:
        _settle_request(request, "", error)
    else:
        _settle_request(request, sid, None)


def _perform(request: OutsideRequest) -> str:
    company, arguments = gateway.current(), request.arguments
    match request.kind:
        case RequestKind.MOVE_CALLER:
            company.move_caller(arguments["queue_sid"], arguments["call_sid"], arguments["path"])
        case RequestKind.RECALL_CALLER:
            company.redirect(arguments["call_sid"], arguments["path"])
        case RequestKind.END_CONFERENCE:
            company.end_conference(arguments["conference_sid"])
        case RequestKind.HANG_UP:
            company.hang_up(arguments["call_sid"])
        case RequestKind.SEND_TEXT:
            with reading() as session:
                message = session.get_one(Message, arguments["message_id"])
                contact = session.get_one(Contact, message.contact_id)
                number = contact.caller.number if contact.caller else None
                stopped = contact.caller.texts_stopped_at if contact.caller else None
            if number is None or (stopped and "farewell" not in arguments):
                raise Refused("not sent: the caller asked for no texts", 0, OPTED_OUT)
            if "farewell" in arguments and arguments["farewell"] != (stopped and stopped.isoformat()):
                raise Refused("not sent: the caller has asked for texts again since", 0, 0)
            return company.send_text(message.line_number, number, message.body, message.id)
        case RequestKind.CALL_CALLER:
            return _call(request)
    return ""


def _call(request: OutsideRequest) -> str:
    call = request.arguments["call"]
    with reading() as session:
        contact = session.get_one(Contact, request.contact_id)
        numbers = parties(session, contact)
        is_open = lines.is_open(contact.line, _now())
    if numbers is None or contact.calling != call:
        raise Refused("not called: nobody waits for it", 0, 0)
    if not is_open:  # it was when this was asked for; a request that failed goes out again much later
        raise Refused("not called: the line has closed", 0, 0)
    if request.claimed_at is None or request.claimed_at <= _now() - STALE:
        raise Uncertain("not called: claimed too long ago")  # somebody else may have been asked to do it
    base = f"/twilio/voice/contacts/{contact.id}"
    return gateway.current().call(*numbers, f"{base}/called?call={call}", f"{base}/call?call={call}", RING_SECONDS)


def _settle_request(request: OutsideRequest, sid: str, error: gateway.GatewayError | None) -> None:
    """Write down how a request ended, and what follows from it."""
    now = _now()
    with transaction() as session:
        contact = holding.contact(session, request.contact_id)
        request = session.get_one(OutsideRequest, request.id)
        if isinstance(error, NotTaken) and request.attempts < LAST_ATTEMPT:
            pause = FIRST_RETRY * 2 ** (request.attempts - 1)
            advance(session, request, "retry", now, due_at=now + pause, answer=error.answer)
            return
        event = "done" if error is None else "unknown" if isinstance(error, Uncertain) else "refused"
        if not advance(session, request, event, now, answered_at=now, answer=error.answer if error else None):
            return
        if request.kind == RequestKind.SEND_TEXT:
            _settle_text(session, contact, request, sid, error, now)
        elif request.kind == RequestKind.CALL_CALLER and not isinstance(error, Uncertain):
            settle_call(session, contact, request.arguments["call"], sid, now)
        elif error is not None:
            # A refusal, or a lost answer, means "ask", never "gone" and never "again": the clock asks at its next
            # tick where the calls are, and what is then still to do is a request of its own.
            session.execute(
                update(Leg)
                .where(Leg.contact_id == contact.id, Leg.state != LegState.ENDED)
                .values(checked_at=now - timedelta(days=1))
            )


def _settle_text(
    session: Session,
    contact: Contact,
    request: OutsideRequest,
    sid: str,
    error: gateway.GatewayError | None,
    now: datetime,
) -> None:
    message = session.get_one(Message, request.arguments["message_id"])
    if error is None:
        if message.message_sid is None:
            message.message_sid = sid
        if message.state in (MessageState.PENDING, MessageState.UNCONFIRMED):
            advance(session, message, "sent", now)
    elif isinstance(error, Uncertain):
        advance(session, message, "unconfirmed", now)
    else:
        code = error.code if isinstance(error, Refused) else 0
        advance(session, message, "failed", now, error_code=str(code or ""))
        if code == OPTED_OUT and contact.caller is not None and contact.caller.texts_stopped_at is None:
            contact.caller.texts_stopped_at = now
    engagement: Engagement | None = holding.live_engagement(session, contact.id)
    if engagement is not None:
        news.for_peer(session, engagement.peer_id)
    elif message.peer_id is not None:
        news.for_peer(session, message.peer_id)


def settle_call(session: Session, contact: Contact, call: str, sid: str, now: datetime) -> None:
    """What follows from the answer to a request to call: the SID of the call, or none if it was refused."""
    if not sid:  # refused: over before it began, as the clock sees at its next tick
        if contact.calling == call:
            contact.callback_due_at = now
    elif adopt(session, contact, call, sid, now) is None:
        add(session, contact, RequestKind.HANG_UP, sid, now, call_sid=sid)


def _now() -> datetime:
    if _clock is None:
        raise RuntimeError("no clock: call outbox.use() first")
    return _clock()
