"""A contact begins: a call arrives, a language is chosen, the caller is queued; or there is nobody to wait for."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import bindparam, func, or_, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased, lazyload

from routing.states import IN_QUEUE, ContactState
from warmline.contacts import allowance, calling_back, dispatch, holding, legs, news, parting
from warmline.db import reading, transaction
from warmline.errors import NotFound
from warmline.models import Channel, Contact, Leg, LegKind, Line, LineNumber
from warmline.models.base import new_id
from warmline.models.history import advance, begin, record
from warmline.people import callers, lines, roster

LANGUAGE_KEYS = {"1": "en", "2": "es"}
STAY_KEY = "3"

# Built once: for what every call and every wait asks, building a statement takes as long as the answer.
_LINE_OF = select(Line).join(LineNumber, LineNumber.line_id == Line.id).where(LineNumber.number == bindparam("number"))
_CONTACT_OF_CALL = (
    select(Contact)
    .join(Leg, Leg.contact_id == Contact.id)
    .where(Leg.call_sid == bindparam("call_sid"), Leg.kind == LegKind.CALLER)
)
_other = aliased(Contact)
# How many wait before a contact.
_ahead = (
    select(func.count())
    .select_from(_other)
    .where(
        _other.organization_id == Contact.organization_id,
        _other.line_id == Contact.line_id,
        _other.state.in_(IN_QUEUE),  # until they talk: a connection that fails makes nobody's place worse
        _other.is_in_line,
        or_(
            _other.priority > Contact.priority,
            (_other.priority == Contact.priority)
            & (tuple_(_other.queued_at, _other.id) < tuple_(Contact.queued_at, Contact.id)),
        ),
    )
    .correlate(Contact)
    .scalar_subquery()
)
_PLACE = select(_ahead).where(Contact.id == bindparam("id"))
_IN_LINE = (
    select(Contact, _ahead, roster.speaks(Contact.line_id, Contact.language, bindparam("now")))
    .where(Contact.id == bindparam("id"))
    .options(lazyload(Contact.line))
)


class Admission(StrEnum):
    """What becomes of a caller who has just arrived or chosen."""

    QUEUE = "queue"
    NOBODY_ON_SHIFT = "nobody_on_shift"
    NOBODY_SPEAKS = "nobody_speaks"
    OUTSIDE_HOURS = "outside_hours"
    QUEUE_FULL = "queue_full"
    ALLOWANCE = "allowance"


class Prospect(StrEnum):
    """What a caller who waits may hope for."""

    WAIT = "wait"  # somebody on shift speaks the language, or the caller has chosen to wait for one
    CHOOSE = "choose"  # nobody does: the caller is asked
    NONE = "none"  # nobody is on shift and the line has closed


def line_of(session: Session, number: str) -> Line | None:
    """The line that has this public number."""
    return session.scalar(_LINE_OF, {"number": number[:20]})


def receive(call_sid: str, caller_number: str, dialled: str, now: datetime) -> Contact | None:
    """A call has come in: its contact, made now or, for a CallSid that we know, found. None: nobody's number.

    Whoever nobody can answer is turned away at once; who still arrives afterwards hears the menu. A retry, even one
    that meets the first try half way, finds the same row: the CallSid is unique.
    """
    for _ in range(2):
        try:
            with transaction() as session:
                contact = contact_of_call(session, call_sid) or _open(session, call_sid, caller_number, dialled, now)
                if contact is not None:
                    _greet(session, contact, now)
                return contact
        except IntegrityError:
            continue  # somebody else inserted the same call, or the same caller, meanwhile: look again
    with reading() as session:
        return contact_of_call(session, call_sid)


def contact_of_call(session: Session, call_sid: str) -> Contact | None:
    """The contact whose caller's leg has this CallSid."""
    return session.scalar(_CONTACT_OF_CALL, {"call_sid": call_sid})


def greet(contact_id: str, now: datetime) -> Contact:
    """A caller who asks what to do next: still arriving, and may hear the menu; or turned away."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        _greet(session, contact, now)
        return contact


def choose_language(contact_id: str, language: str, now: datetime) -> tuple[Contact, Admission, list[str]]:
    """The caller wants to speak `language`: into the queue, unless nobody on shift speaks it.

    Also the choice of a caller who waited when the last peer who spoke the other language left. Returns the contact,
    what becomes of the caller, and the line's languages that somebody on shift does speak.
    """
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if contact.state is ContactState.WAITING and contact.queue_sid is not None:
            return contact, Admission.QUEUE, []  # asked twice: the caller waits already
        if contact.state not in (ContactState.ARRIVING, ContactState.WAITING):
            return contact, Admission.QUEUE, []
        if contact.language != language:
            legs.outside_anew(contact, now)
        contact.language = language  # also of whoever is turned away: a repeated request is answered in it
        spoken = _spoken(session, contact, now)
        if not spoken and contact.state is ContactState.ARRIVING:
            _turn_away(session, contact, "nobody", Admission.NOBODY_ON_SHIFT, now)
            return contact, Admission.NOBODY_ON_SHIFT, spoken
        if contact.state is ContactState.ARRIVING and allowance.on_arrival(session, contact, now).is_over:
            _turn_away_with(session, contact, Admission.ALLOWANCE, now)
            return contact, Admission.ALLOWANCE, spoken
        # Also of a language that nobody speaks just now: whoever stays for it waits in the same queue.
        if contact.state is ContactState.ARRIVING and calling_back.is_full(session, contact):
            return contact, _turn_back(session, contact, now), spoken
        return contact, Admission.QUEUE if language in spoken else Admission.NOBODY_SPEAKS, spoken


def stay(contact_id: str, now: datetime) -> Contact:
    """Nobody on shift speaks the caller's language, and the caller waits until somebody does."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if contact.stays_at is None and contact.state in (ContactState.ARRIVING, ContactState.WAITING):
            contact.stays_at = now
            legs.outside_anew(contact, now)
            record(session, contact, "stays", now)
        return contact


def give_up(contact_id: str, now: datetime) -> Contact:
    """Nobody speaks the caller's language, and the caller wants neither another nor to wait: over, kindly."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if contact.state is ContactState.ARRIVING or prospect(session, contact, now) is not Prospect.WAIT:
            _turn_away(session, contact, "nobody", Admission.NOBODY_SPEAKS, now)
        return contact


def queued(contact_id: str, queue_sid: str, now: datetime) -> Contact:
    """The first request for wait audio: only now does the phone company hold the caller, who may be offered now.

    Also a caller who comes back to the queue after a drop or a failed connection: the place is the old one.
    """
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if contact.state is ContactState.ARRIVING:
            advance(session, contact, "queued", now, queued_at=now, queue_sid=queue_sid, unqueued_at=None)
        elif contact.state in IN_QUEUE and contact.queue_sid != queue_sid and contact.callback_at is None:
            contact.queue_sid, contact.unqueued_at, contact.booking_at = queue_sid, None, None
            if contact.state is ContactState.CONNECTING:  # the queue had lost the caller while the peer came up
                legs.move_again(session, contact, now)
        else:
            return contact
        news.for_line(session, contact.line_id)
        dispatch.after(session, contact.organization_id, now, contact_id=contact.id)
        return contact


def prospect(session: Session, contact: Contact, now: datetime) -> Prospect:
    """What a caller in line may hope for."""
    if contact.state is not ContactState.WAITING:
        return Prospect.WAIT
    spoken = roster.spoken_on_shift(session, contact.line, now)
    if contact.language in spoken:
        return Prospect.WAIT
    if not spoken and not lines.is_open(contact.line, now):
        return Prospect.NONE  # nobody is asked to wait where nobody will come
    return Prospect.CHOOSE if contact.stays_at is None else Prospect.WAIT


def choices(contact_id: str, now: datetime) -> tuple[Prospect, list[str]]:
    """What a caller outside the queue may hope for, and the line's languages that somebody on shift speaks."""
    with reading() as session:
        contact = session.get_one(Contact, contact_id)
        return prospect(session, contact, now), _spoken(session, contact, now)


def nobody_left(contact_id: str, now: datetime) -> bool:
    """The last peer who could have answered went off shift: out of the queue, to be told so. False if it is not so."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        hope = prospect(session, contact, now)
        if hope is not Prospect.WAIT and _may_come_back(session, contact, now):
            calling_back.begin_booking(session, contact, now)
            return True
        match hope:
            case Prospect.NONE:
                _turn_away(session, contact, "nobody", Admission.NOBODY_ON_SHIFT, now)
            case Prospect.CHOOSE:
                legs.out_of_queue(contact, now)
                news.for_line(session, contact.line_id)
            case Prospect.WAIT:
                return contact.state is ContactState.MISSED
        return True


def not_booked(contact_id: str, now: datetime, *, told_to_stay: bool = False) -> Contact:
    """A caller who was asked does not book a callback: back to the queue, unless there is none to go back to.

    Whoever was told to stay for it, while there was one, is asked once more.
    """
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if not calling_back.is_booking(contact):
            return contact
        is_full, nobody_is_left = calling_back.is_full(session, contact), _may_come_back(session, contact, now)
        if told_to_stay and (is_full or nobody_is_left):
            return contact
        contact.booking_at = contact.callback_number = None
        legs.outside_anew(contact, now)
        session.flush()
        if nobody_is_left:
            _turn_away(session, contact, "nobody", Admission.NOBODY_ON_SHIFT, now)
        elif is_full:
            _turn_away_with(session, contact, Admission.QUEUE_FULL, now)
        return contact


def in_line(session: Session, contact_id: str, now: datetime) -> tuple[Contact, int, Prospect]:
    """A contact, its place, and what its caller may hope for; NotFound for an unknown id."""
    row = session.execute(_IN_LINE, {"id": contact_id, "now": now}).one_or_none()
    if row is None:
        raise NotFound
    contact, ahead, is_spoken = row
    return contact, ahead + 1, Prospect.WAIT if is_spoken else prospect(session, contact, now)


def place(session: Session, contact: Contact) -> int:
    """The contact's place in its line, from 1: higher priority first, then the longest wait."""
    ahead: int = session.scalars(_PLACE, {"id": contact.id}).one()
    return ahead + 1


def _open(session: Session, call_sid: str, caller_number: str, dialled: str, now: datetime) -> Contact | None:
    line = line_of(session, dialled)
    if line is None:
        return None
    caller = callers.find_or_add(session, line.organization_id, caller_number, now)
    booked = calling_back.booked(session, line, caller)
    if booked is not None and lines.is_open(line, now) and roster.spoken_on_shift(session, line, now):
        return calling_back.take_place(session, booked, call_sid, now)
    contact = Contact(
        id=new_id(),
        organization_id=line.organization_id,
        line=line,
        caller=caller,
        channel=Channel.VOICE,
        state=ContactState.ARRIVING,
        language=line.languages[0],
        arrived_at=now,
    )
    begin(session, now, contact, Leg.of_caller(contact, call_sid, now))
    return contact


def _greet(session: Session, contact: Contact, now: datetime) -> None:
    """Turn an arriving caller away whom nobody can answer."""
    if contact.state is not ContactState.ARRIVING:
        return
    if not lines.is_open(contact.line, now):
        _turn_away(session, contact, "closed_hours", Admission.OUTSIDE_HOURS, now)
    elif not roster.spoken_on_shift(session, contact.line, now):
        _turn_away(session, contact, "nobody", Admission.NOBODY_ON_SHIFT, now)


def _spoken(session: Session, contact: Contact, now: datetime) -> list[str]:
    """The line's languages that somebody on shift speaks, in the order of the menu."""
    spoken = roster.spoken_on_shift(session, contact.line, now)
    return [language for language in contact.line.languages if language in spoken]


def _turn_back(session: Session, contact: Contact, now: datetime) -> Admission:
    """So many wait that no more are taken: a place for whoever is called back, if the line does that."""
    if not calling_back.is_offered(contact):
        _turn_away_with(session, contact, Admission.QUEUE_FULL, now)
        return Admission.QUEUE_FULL
    advance(session, contact, "queued", now, queued_at=now)
    calling_back.begin_booking(session, contact, now)
    return Admission.QUEUE


def _turn_away_with(session: Session, contact: Contact, why: Admission, now: datetime) -> None:
    """Turned away with words of its own, which a repeated request brings again."""
    contact.ended_how = why.value
    session.flush()
    _turn_away(session, contact, "nobody", why, now)


def _may_come_back(session: Session, contact: Contact, now: datetime) -> bool:
    """The line has closed and nobody is left who could answer: then whoever still waits can be called later.

    Also on a line that calls nobody back otherwise: whoever was let in is served, or offered that.
    """
    return not lines.is_open(contact.line, now) and not roster.spoken_on_shift(session, contact.line, now)


def _turn_away(session: Session, contact: Contact, event: str, why: Admission, now: datetime) -> None:
    news.for_line(session, contact.line_id)
    # The last words of a talk are goodbye.
    words = {"ended_how": why.value} if contact.answered_at is not None else {}
    parting.turn_away(session, contact, event, why, now, queue_sid=None, **words)
