"""Messages of a contact: what came in is kept, what goes out is sent once, and its delivery is followed."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from routing.states import EngagementState, MessageState
from warmline.contacts import holding, news, outbox
from warmline.db import reading, transaction
from warmline.errors import Conflict, Invalid
from warmline.models import Channel, Contact, Direction, Message, Peer, RequestKind
from warmline.models.base import new_id
from warmline.models.history import advance, begin
from warmline.telephony import twiml

LONGEST = 1600  # characters: https://www.twilio.com/docs/messaging/api/message-resource#body
# https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
DELIVERY = {"sent": "sent", "delivered": "delivered", "read": "delivered", "undelivered": "failed", "failed": "failed"}


def write(peer: Peer, contact_id: str, body: str, now: datetime) -> Message:
    """A peer's text to the caller, sent through the outbox.

    Raises NotFound for a contact that this peer has no part in, Invalid for an empty or too long body, Conflict when
    the thread is over or the caller wants no texts.
    """
    if not body.strip():
        raise Invalid("Write something first.", code="body_empty")
    if len(body) > LONGEST:
        raise Invalid("A text may have {limit} characters at most.", code="body_too_long", limit=LONGEST)
    with transaction() as session:
        contact = holding.own_contact(session, peer, contact_id)
        engagement = holding.latest_engagement(session, contact.id, peer.id)
        if contact.channel is not Channel.TEXT:
            raise Conflict("This contact is a call, not a text thread.", code="not_a_thread")
        if engagement is None or engagement.state is not EngagementState.ACTIVE:
            raise Conflict("This conversation is over.", code="contact_over")
        if contact.caller is None or contact.caller.texts_stopped_at is not None:
            raise Conflict("The caller asked for no more texts, so none can be sent.", code="texts_stopped")
        message = send(session, contact, latest_number(session, contact), body, now, peer_id=peer.id)
        news.for_peer(session, peer.id)
        return message


def last_words(session: Session, contact: Contact, key: str, now: datetime) -> None:
    """The line's own last text in a thread that a peer ends; nothing to a caller who wants no texts."""
    say(session, contact, latest_number(session, contact), key, now)


def delivered(message_id: str, message_sid: str, status: str, error_code: str, now: datetime) -> None:
    """A status callback of an outgoing text; unknown ids and statuses that say nothing new are dropped."""
    event = DELIVERY.get(status)
    with reading() as session:
        message = session.get(Message, message_id)
    if message is None or message.direction is not Direction.OUT or event is None:
        return
    with transaction() as session:
        holding.contact(session, message.contact_id)
        message = session.get_one(Message, message_id)
        if message.message_sid is None:
            message.message_sid = message_sid  # the answer to our request was lost: this adopts the text
        elif message.message_sid != message_sid:
            return
        if advance(session, message, event, now, error_code=error_code[:10] or None):
            engagement = holding.live_engagement(session, message.contact_id)
            if engagement is not None:
                news.for_peer(session, engagement.peer_id)
            elif message.peer_id is not None:
                news.for_peer(session, message.peer_id)


def send(
    session: Session,
    contact: Contact,
    number: str,
    body: str,
    now: datetime,
    *,
    peer_id: str | None = None,
    survey_id: str | None = None,
    **arguments: str,
) -> Message:
    """A text from the line's `number` to the caller, through the outbox."""
    message = keep(session, contact, Direction.OUT, number, body, now, peer_id=peer_id, survey_id=survey_id)
    outbox.add(session, contact, RequestKind.SEND_TEXT, message.id, now, message_id=message.id, **arguments)
    return message


def keep(
    session: Session,
    contact: Contact,
    direction: Direction,
    number: str,
    body: str,
    now: datetime,
    *,
    peer_id: str | None = None,
    survey_id: str | None = None,
    message_sid: str | None = None,
) -> Message:
    """A text's row: received, or still to be sent. `number` is the line's."""
    message = Message(
        id=new_id(),
        organization_id=contact.organization_id,
        contact_id=contact.id,
        peer_id=peer_id,
        survey_id=survey_id,
        direction=direction,
        state=MessageState.RECEIVED if direction is Direction.IN else MessageState.PENDING,
        body=body,
        line_number=number,
        message_sid=message_sid,
        at=now,
    )
    begin(session, now, message)
    return message


def say(session: Session, contact: Contact, number: str, key: str, now: datetime, **values: str) -> None:
    """The line's own words, in the contact's language."""
    speak(session, contact, number, twiml.sentence(contact.language, key, **values), now)


def speak(session: Session, contact: Contact, number: str, body: str, now: datetime, **arguments: str) -> None:
    caller = contact.caller
    if caller is not None and (caller.texts_stopped_at is None or "farewell" in arguments):
        send(session, contact, number, body, now, **arguments)


def latest_number(session: Session, contact: Contact) -> str:
    """The line's number to which the caller wrote last."""
    latest = session.scalar(
        select(Message)
        .where(Message.contact_id == contact.id, Message.direction == Direction.IN)
        .order_by(Message.at.desc())
        .limit(1)
    )
    return latest.line_number if latest else contact.line.numbers[0].number
