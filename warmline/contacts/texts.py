"""Text conversations: a text opens or continues a contact, a peer writes back, deliveries are followed."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from routing.states import LIVE_CONTACT, ContactState, EngagementState, MessageState
from warmline.contacts import dispatch, holding, intake, news, outbox, survey
from warmline.db import reading, transaction
from warmline.errors import Conflict, Invalid
from warmline.models import Caller, Channel, Contact, Direction, Line, Message, Peer, RequestKind
from warmline.models.base import new_id
from warmline.models.history import advance, begin, record
from warmline.people import callers, lines, roster
from warmline.telephony import twiml

LONGEST = 1600  # characters: https://www.twilio.com/docs/messaging/api/message-resource#body
# Only as the whole message: "stop", "end" and "help" are ordinary words here.
# https://help.twilio.com/articles/223134027
# The phone company knows no Spanish ones; these are ours alone.
STOP = {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "ALTO", "PARAR", "BASTA", "CANCELAR"}
START = {"START", "UNSTOP"}
AGREED = "YES"  # means START to whoever has said STOP; to anybody else it is an answer
HELP = {"HELP", "INFO"}
# A whole message that chooses the language, or betrays it.
SPEAKS = {
    "ESPAÑOL": "es", "ESPANOL": "es", "SPANISH": "es", "HOLA": "es", "AYUDA": "es",
    "ALTO": "es", "PARAR": "es", "BASTA": "es", "CANCELAR": "es",
    "ENGLISH": "en", "INGLÉS": "en", "INGLES": "en",
}  # fmt: skip
# https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
DELIVERY = {"sent": "sent", "delivered": "delivered", "read": "delivered", "undelivered": "failed", "failed": "failed"}


def receive(message_sid: str, caller_number: str, dialled: str, body: str, answered: bool, now: datetime) -> bool:
    """A text has come in: into the caller's open thread, or a new contact; False if it is nobody's number.

    `answered` says that the phone company has answered a STOP, START or HELP already. A MessageSid that was seen
    before changes nothing.
    """
    for _ in range(3):
        try:
            return _receive(message_sid, caller_number, dialled, body, answered, now)
        except IntegrityError:
            with reading() as session:
                if session.scalar(select(Message.id).where(Message.message_sid == message_sid)):
                    return True
    raise RuntimeError("a text met its double three times")


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
        message = _send(session, contact, _answers_from(session, contact), body, now, peer.id)
        news.for_peer(session, peer.id)
        return message


def send_words(session: Session, contact: Contact, peer: Peer, body: str, now: datetime) -> Message:
    """A text to the caller of a held contact, a call's as well as a thread's, from the line's number."""
    return _send(session, contact, _answers_from(session, contact), body, now, peer.id)


def last_words(session: Session, contact: Contact, key: str, now: datetime) -> None:
    """The line's own last text in a thread that a peer ends; nothing to a caller who wants no texts."""
    _say(session, contact, _answers_from(session, contact), key, now)


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


def _receive(message_sid: str, caller_number: str, dialled: str, body: str, answered: bool, now: datetime) -> bool:
    with transaction() as session:
        line = intake.line_of(session, dialled)
        if line is None:
            return False
        if session.scalar(select(Message.id).where(Message.message_sid == message_sid)):
            return True
        caller = callers.find_or_add(session, line.organization_id, caller_number, now)
        if caller is None:
            return True  # no number, nobody to answer
        contact = _open_thread(session, line, caller)
        word = _word(caller, body)
        if _is_for_survey(session, line, caller, contact, message_sid, dialled, body[:LONGEST], now):
            return True
        new = contact is None
        if contact is None:
            contact = _begin_thread(session, line, caller, _language(line, word) or line.languages[0], now)
        begin(
            session,
            Message(
                id=new_id(),
                organization_id=contact.organization_id,
                contact_id=contact.id,
                direction=Direction.IN,
                state=MessageState.RECEIVED,
                body=body[:LONGEST],
                line_number=dialled,
                message_sid=message_sid,
                at=now,
            ),
            now,
        )
        if word in STOP | START | HELP:
            _keyword(session, contact, caller, dialled, word, answered, now)
            if new:
                advance(session, contact, "nobody", now, why={"reason": "keyword"}, ended_at=now)
        elif new:
            _admit(session, contact, dialled, now)
        else:
            _change_language(session, contact, dialled, word, now)
        engagement = holding.live_engagement(session, contact.id)
        if engagement is not None:
            news.for_peer(session, engagement.peer_id)
        news.for_line(session, contact.line_id)
        return True


def _word(caller: Caller, body: str) -> str:
    """The whole message as a keyword would be written."""
    word = body.strip().upper()
    return "START" if word == AGREED and caller.texts_stopped_at is not None else word


def _open_thread(session: Session, line: Line, caller: Caller) -> Contact | None:
    return session.scalar(
        select(Contact)
        .where(
            Contact.line_id == line.id,
            Contact.caller_id == caller.id,
            Contact.channel == Channel.TEXT,
            Contact.state.in_(LIVE_CONTACT),
        )
        .with_for_update(of=Contact)
    )


def _begin_thread(session: Session, line: Line, caller: Caller, language: str, now: datetime) -> Contact:
    contact = Contact(
        id=new_id(),
        organization_id=line.organization_id,
        line=line,
        caller=caller,
        channel=Channel.TEXT,
        state=ContactState.ARRIVING,
        language=language,
        arrived_at=now,
    )
    begin(session, contact, now)
    return contact


def _is_for_survey(
    session: Session,
    line: Line,
    caller: Caller,
    thread: Contact | None,
    message_sid: str,
    number: str,
    body: str,
    now: datetime,
) -> bool:
    """Whether the caller's survey took the text. STOP ends the survey, and then goes on as ever."""
    word = body.strip().upper()
    if word in STOP:
        survey.stop(session, caller, now)
        return False
    if thread is not None or word in HELP | START:
        return False
    return survey.take(session, line, caller, message_sid, number, body, now)


def _admit(session: Session, contact: Contact, number: str, now: datetime) -> None:
    """A new thread: acknowledged once and queued, or told that nobody can answer."""
    if not lines.is_open(contact.line, now):
        advance(session, contact, "closed_hours", now, ended_at=now)
        closed = lines.closed_message(contact.line, "text_closed", contact.language, now)
        _speak(session, contact, number, closed, now)
    elif contact.language not in roster.spoken_on_shift(session, contact.line_id, now):
        advance(session, contact, "nobody", now, why={"reason": "nobody_on_shift"}, ended_at=now)
        _say(session, contact, number, "text_nobody", now)
    else:
        advance(session, contact, "queued", now, queued_at=now)
        _speak(session, contact, number, _acknowledgement(session, contact, now), now)
        dispatch.after(session, contact.organization_id, now)


def _acknowledgement(session: Session, contact: Contact, now: datetime) -> str:
    """That the text was received; and, in the other languages that somebody on shift speaks, how to choose them."""
    spoken = roster.spoken_on_shift(session, contact.line_id, now)
    others = [other for other in contact.line.languages if other in spoken and other != contact.language]
    said = [twiml.sentence(contact.language, "text_received")]
    return " ".join(said + [twiml.sentence(other, "text_choose_language") for other in others])


def _language(line: Line, word: str) -> str | None:
    """The language of the line that this whole message chooses."""
    wished = SPEAKS.get(word)
    return wished if wished in line.languages else None


def _change_language(session: Session, contact: Contact, number: str, word: str, now: datetime) -> None:
    """Somebody who waits may choose a language; if nobody on shift speaks it, they are told so and wait on."""
    wished = _language(contact.line, word)
    if wished is None or wished == contact.language or contact.state is not ContactState.WAITING:
        return
    if wished not in roster.spoken_on_shift(session, contact.line_id, now):
        _speak(session, contact, number, twiml.sentence(wished, "text_nobody_speaks"), now)
        return
    contact.language = wished
    record(session, contact, "language", now, new=wished)
    _say(session, contact, number, "text_language", now)
    dispatch.after(session, contact.organization_id, now)


def _keyword(
    session: Session, contact: Contact, caller: Caller, number: str, word: str, answered: bool, now: datetime
) -> None:
    """STOP, START or HELP: what it says is done at once, and answered once unless the phone company has."""
    if word in STOP:
        first = caller.texts_stopped_at is None
        caller.texts_stopped_at = caller.texts_stopped_at or now
        if first and not answered:
            _say(session, contact, number, "text_stopped", now, farewell="yes")
    elif word in START:
        caller.texts_stopped_at = None
        if not answered:
            _say(session, contact, number, "text_started", now)
    elif not answered and caller.texts_stopped_at is None:
        _say(session, contact, number, "text_help", now)


def _say(session: Session, contact: Contact, number: str, key: str, now: datetime, **arguments: str) -> None:
    """The line's own words, in the contact's language."""
    _speak(session, contact, number, twiml.sentence(contact.language, key), now, **arguments)


def _speak(session: Session, contact: Contact, number: str, body: str, now: datetime, **arguments: str) -> None:
    caller = contact.caller
    if caller is not None and (caller.texts_stopped_at is None or "farewell" in arguments):
        _send(session, contact, number, body, now, None, **arguments)


def _send(
    session: Session, contact: Contact, number: str, body: str, now: datetime, peer_id: str | None, **arguments: str
) -> Message:
    message = Message(
        id=new_id(),
        organization_id=contact.organization_id,
        contact_id=contact.id,
        peer_id=peer_id,
        direction=Direction.OUT,
        state=MessageState.PENDING,
        body=body,
        line_number=number,
        at=now,
    )
    begin(session, message, now)
    outbox.add(session, contact, RequestKind.SEND_TEXT, message.id, now, message_id=message.id, **arguments)
    return message


def _answers_from(session: Session, contact: Contact) -> str:
    """The line's number to which the caller wrote last."""
    latest = session.scalar(
        select(Message)
        .where(Message.contact_id == contact.id, Message.direction == Direction.IN)
        .order_by(Message.at.desc())
        .limit(1)
    )
    return latest.line_number if latest else contact.line.numbers[0].number
