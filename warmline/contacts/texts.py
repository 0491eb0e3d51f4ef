"""A text comes in: it opens or continues a contact, or is a keyword; and what the line says while nobody has it."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import literal_column, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from routing.facts import Alone
from routing.states import IN_QUEUE, LIVE_CONTACT, ContactState
from warmline.contacts import alike, allowance, calling_back, dispatch, holding, intake, messages, news, parting, survey
from warmline.db import reading, transaction
from warmline.models import Caller, Channel, Contact, Direction, Line, Message
from warmline.models.base import new_id
from warmline.models.history import advance, begin, record
from warmline.people import callers, lines, roster
from warmline.telephony import twiml

_KINDS = alike.kinds((Contact.line_id, Contact.language, Contact.channel), Contact.state == ContactState.WAITING)

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
LATER = {"LATER", "LUEGO"}  # of somebody who was told that nobody is there: they do not wait


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


def alone(session: Session, now: datetime, limit: int = 100) -> list[Alone]:
    """Text contacts in line whose language nobody on shift speaks, and who have not been told so."""
    found: list[Alone] = []
    for line_id, language, channel in session.execute(_KINDS).all():
        if channel is not Channel.TEXT:
            continue
        line = session.get_one(Line, line_id)
        spoken = roster.spoken_on_shift(session, line, now)
        if language not in spoken:
            is_over = not spoken and not lines.is_open(line, now)
            untold = or_(Contact.kept_until.is_(None), Contact.kept_until <= now)
            theirs = select(Contact).where(
                Contact.state == ContactState.WAITING,
                Contact.line_id == line_id,
                Contact.language == language,
                Contact.channel == literal_column("'text'"),  # or SQLite does not use the index of texts
                untold if is_over else Contact.stays_at.is_(None),
            )
            found += (
                Alone(contact.id, hopeless=is_over and _kept_until(contact, now) is None)
                for contact in session.scalars(theirs.limit(limit - len(found)))
            )
    return found


def nobody_left(contact_id: str, now: datetime) -> None:
    """The last peer who could have answered a waiting text went off shift: the caller is told so, once.

    When the line has closed as well, they keep their place until it opens; if nobody knows when that is, for a week.
    """
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        number = messages.latest_number(session, contact)
        spoken = roster.spoken_on_shift(session, contact.line, now)
        if contact.state is not ContactState.WAITING or contact.language in spoken:
            return
        _tell(session, contact, number, spoken, now)
        news.for_line(session, contact.line_id)


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
        body, word = body[: messages.LONGEST], _word(caller, body)
        threads = _open_threads(session, caller)
        contact = next((thread for thread in threads if thread.line_id == line.id), None)
        if _is_for_survey(session, line, caller, contact, message_sid, dialled, body, now):
            return True
        if contact is None:
            contact = _begin_thread(session, line, caller, _language(line, word) or line.languages[0], now)
        messages.keep(session, contact, Direction.IN, dialled, body, now, message_sid=message_sid)
        if word in STOP | START | HELP:
            _keyword(session, contact, threads, caller, dialled, word, answered, now)
        elif contact.state is ContactState.ARRIVING:
            _admit(session, contact, dialled, _language(line, word), now)
        elif contact.state is ContactState.WAITING:
            _choose(session, contact, dialled, word, now)
        engagement = holding.live_engagement(session, contact.id)
        if engagement is not None:
            news.for_peer(session, engagement.peer_id)
        news.for_line(session, contact.line_id)
        return True


def _word(caller: Caller, body: str) -> str:
    """The whole message as a keyword would be written."""
    word = body.strip().upper()
    return "START" if word == AGREED and caller.texts_stopped_at is not None else word


def _open_threads(session: Session, caller: Caller) -> Sequence[Contact]:
    """The caller's open threads, one a line at most, held; in one order, so that no two texts wait for each other."""
    return session.scalars(
        select(Contact)
        .where(
            Contact.caller_id == caller.id,
            Contact.channel == Channel.TEXT,
            Contact.state.in_(LIVE_CONTACT),
        )
        .order_by(Contact.id)
        .with_for_update(of=Contact)
    ).all()


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
    begin(session, now, contact)
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


def _admit(session: Session, contact: Contact, number: str, chosen: str | None, now: datetime) -> None:
    """A new thread: acknowledged once and queued; or turned away, in each language unless one was `chosen`."""
    if contact.caller is not None and contact.caller.texts_stopped_at is not None:  # no answer would reach them
        advance(session, contact, "nobody", now, why={"reason": parting.TEXTS_STOPPED}, ended_at=now)
        return
    spoken = roster.spoken_on_shift(session, contact.line, now)
    languages = [chosen] if chosen else contact.line.languages
    if not spoken or not lines.is_open(contact.line, now):
        _turn_away(session, contact, number, languages, now)
        return
    left = allowance.on_arrival(session, contact, now)
    if left.is_over:
        _refuse(session, contact, number, languages, intake.Admission.ALLOWANCE, now)
        return
    # Also of a language that nobody speaks just now: whoever stays for it waits in the same line.
    if calling_back.is_full(session, contact):
        _refuse(session, contact, number, languages, intake.Admission.QUEUE_FULL, now)
        return
    advance(session, contact, "queued", now, queued_at=now)
    told = allowance.told(contact.language, left)
    if contact.language in spoken:
        messages.speak(session, contact, number, _acknowledgement(contact, spoken, told), now)
        dispatch.after(session, contact.organization_id, now, contact_id=contact.id)
    else:
        _tell_alone(session, contact, number, spoken, now, told)


def _turn_away(session: Session, contact: Contact, number: str, languages: Sequence[str], now: datetime) -> None:
    """Nobody can answer: over, kindly, with the next opening if the line is closed."""
    if lines.is_open(contact.line, now):
        told = [twiml.sentence(language, "text_nobody") for language in languages]
        reason = "nobody_on_shift"
    else:
        told = [lines.closed_message(contact.line, "text_closed", language, now) for language in languages]
        reason = "outside_hours"
    arriving_late = contact.state is ContactState.ARRIVING and reason == "outside_hours"
    parting.turn_away(session, contact, "closed_hours" if arriving_late else "nobody", reason, now)
    for words in told:
        messages.speak(session, contact, number, words, now)


def _refuse(
    session: Session,
    contact: Contact,
    number: str,
    languages: Sequence[str],
    why: intake.Admission,
    now: datetime,
) -> None:
    """No place is left for this caller: over, kindly, with when to write again; in each of these languages."""
    advance(session, contact, "nobody", now, why={"reason": why}, ended_at=now)
    for language in languages:
        if why is intake.Admission.ALLOWANCE:
            words = twiml.sentence(language, "text_allowance", again=allowance.again(contact, language))
        else:
            words = twiml.sentence(language, "text_queue_full")
        messages.speak(session, contact, number, words, now)


def _acknowledgement(contact: Contact, spoken: Collection[str], told: str) -> str:
    """That the text was received; and, in the other languages that somebody on shift speaks, how to choose them."""
    sentences = (twiml.sentence(contact.language, "text_received"), told, _others(contact, spoken))
    return " ".join(sentence for sentence in sentences if sentence)


def _others(contact: Contact, spoken: Collection[str]) -> str:
    others = [other for other in contact.line.languages if other in spoken and other != contact.language]
    return " ".join(twiml.sentence(other, "text_choose_language") for other in others)


def _tell(session: Session, contact: Contact, number: str, spoken: Collection[str], now: datetime) -> None:
    """Nobody on shift speaks the language of somebody who waits: told so, once; and once at each closing."""
    if not spoken and not lines.is_open(contact.line, now):
        _keep_place(session, contact, number, now)
    elif contact.stays_at is None:
        _tell_alone(session, contact, number, spoken, now)


def _keep_place(session: Session, contact: Contact, number: str, now: datetime) -> None:
    """The line has closed with nobody left: who waits reads when it opens, and waits on; over once that is too long."""
    if contact.kept_until is not None and now < contact.kept_until:
        return
    until = _kept_until(contact, now)
    if until is None:
        _turn_away(session, contact, number, [contact.language], now)
        return
    contact.kept_until, contact.stays_at = until, contact.stays_at or now
    record(session, contact, "kept", now)
    closed = lines.closed_message(contact.line, "text_closed", contact.language, now)
    messages.speak(session, contact, number, f"{closed} {twiml.sentence(contact.language, 'text_keeps_place')}", now)


def _kept_until(contact: Contact, now: datetime) -> datetime | None:
    """The line's next opening; where nobody knows it, a week after it closed, or after they were told to wait if that
    was later. None once that is over.
    """
    told = contact.stays_at or now
    week = max(told, contact.line.closed_at or told) + calling_back.KEPT
    return lines.opens_next(contact.line, now) or (week if now < week else None)


def _tell_alone(
    session: Session, contact: Contact, number: str, spoken: Collection[str], now: datetime, told: str = ""
) -> None:
    """Nobody on shift speaks the caller's language: told once; another language, to wait, or to write again later."""
    contact.stays_at = now
    record(session, contact, "stays", now)
    key = "text_nobody_speaks" if spoken else "text_nobody_here"
    messages.say(session, contact, number, key, now, others=f"{_others(contact, spoken)} {told}")


def _language(line: Line, word: str) -> str | None:
    """The language of the line that this whole message chooses."""
    wished = SPEAKS.get(word)
    return wished if wished in line.languages else None


def _choose(session: Session, contact: Contact, number: str, word: str, now: datetime) -> None:
    """Somebody who waits may choose a language; and, once told that nobody speaks it, not to wait."""
    wished = _language(contact.line, word)
    if word in LATER and contact.stays_at is not None:
        _turn_away(session, contact, number, [contact.language], now)
    elif wished is not None and wished != contact.language:
        contact.language, contact.stays_at, contact.kept_until = wished, None, None
        record(session, contact, "language", now, new=wished)
        spoken = roster.spoken_on_shift(session, contact.line, now)
        if wished in spoken:
            messages.say(session, contact, number, "text_language", now)
            dispatch.after(session, contact.organization_id, now, contact_id=contact.id)
        else:
            _tell(session, contact, number, spoken, now)


def _keyword(
    session: Session,
    contact: Contact,
    threads: Collection[Contact],
    caller: Caller,
    number: str,
    word: str,
    answered: bool,
    now: datetime,
) -> None:
    """STOP, START or HELP: what it says is done at once, and answered once unless the phone company has."""
    if word in STOP:
        first = caller.texts_stopped_at is None
        caller.texts_stopped_at = caller.texts_stopped_at or now
        if first and not answered:
            words = twiml.sentence(contact.language, "text_stopped")
            messages.speak(session, contact, number, words, now, farewell=caller.texts_stopped_at.isoformat())
        # From any number of ours: no peer could answer them, so they wait no longer, and nobody is asked.
        for thread in threads:
            if thread.state in IN_QUEUE:
                parting.caller_left(session, thread, now, parting.TEXTS_STOPPED)
    elif word in START:
        caller.texts_stopped_at = None
        if not answered:
            messages.say(session, contact, number, "text_started", now)
    elif not answered and caller.texts_stopped_at is None:
        messages.say(session, contact, number, "text_help", now)
    if contact.state is ContactState.ARRIVING:
        advance(session, contact, "nobody", now, why={"reason": "keyword"}, ended_at=now)
