"""A caller hangs up, the place waits on, and when it comes up the caller is called.

The same contact goes on. While `callback_at` is set nobody is on the phone: the contact is offered like any other, and
the peer who has taken it waits in the conference while the caller's phone rings. Whoever takes that call is a caller
like any other from then on, and so is a caller who calls the line themselves meanwhile: the call takes the place.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session

from routing.facts import TIMES
from routing.policy import Policy, StepKind, read
from routing.ranking import Priority
from routing.states import IN_QUEUE, ContactState, LegState, RequestState
from warmline.contacts import dispatch, holding, legs, news, outbox, parting
from warmline.db import reading, transaction
from warmline.models import Caller, Channel, Contact, Leg, Line, RequestKind
from warmline.models.history import advance, begin, record
from warmline.people import callers, lines, roster

KEY = "2"  # in the wait room: to hang up and be called
TELL_AGAIN = timedelta(minutes=2)
CLOSES_SOON = timedelta(hours=2)  # if it does, for a break too, a caller is asked about the time after the next opening
KEPT = timedelta(days=7)  # how long a call is owed, or a place kept, while nobody knows when the line opens
LOOK_AGAIN = timedelta(seconds=10)
COUNTRY, COUNTRY_CODE = "US", "+1"  # of a number that is typed without one; nobody types any other
BOOKABLE = (ContactState.WAITING, ContactState.OFFERED)

# Built once, for every call asks.
_BOOKED = (
    select(Contact.id)
    .where(
        Contact.caller_id == bindparam("caller_id"),
        Contact.line_id == bindparam("line_id"),
        Contact.callback_at.is_not(None),
        Contact.state.in_(IN_QUEUE),
    )
    .order_by(Contact.queued_at)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a caller who books is to be told.

    `number` is None if it must be typed; `opens` is None while we are open, and if nobody knows when we will be.
    `may_wait`: there is a line to go back to for whoever does not book, and somebody who serves it. `is_new`: a full
    line asks on arrival, and nothing is typed yet.
    """

    number: str | None
    is_open: bool
    opens: datetime | None
    may_wait: bool
    is_new: bool
    asks_later: bool


def is_offered(contact: Contact) -> bool:
    """Whether the line of this contact calls anybody back."""
    return contact.channel is Channel.VOICE and _policy(contact).after(StepKind.CALLBACK) is not None


def is_full(session: Session, contact: Contact) -> bool:
    """Whether as many others wait on the phone, or write, as the line has room for; whoever has waited has a place."""
    most = _policy(contact).most_waiting
    if most is None or _has_waited(contact):
        return False
    others = select(func.count()).where(
        Contact.organization_id == contact.organization_id,
        Contact.line_id == contact.line_id,
        Contact.state.in_(BOOKABLE),
        Contact.callback_at.is_(None),
        Contact.id != contact.id,
    )
    return bool((session.scalar(others) or 0) >= most)


# Booking


def ask(contact: Contact, waited: int, now: datetime) -> bool:
    """Whether this wait document, after `waited` seconds in the queue, tells the caller that they may hang up.

    Every two minutes one does; the same request asked again is answered alike.
    """
    if not waited or not contact.steps or contact.state is not ContactState.WAITING:
        return False  # and nobody asks the database, on most lines
    if not _is_time_to_tell(contact, waited):
        return False
    with reading() as session:
        line = session.get_one(Line, contact.line_id)
    after = read(line.policy).after(StepKind.CALLBACK)
    if after is None or contact.queued_at is None or contact.queued_at + after > now:
        return False
    if not lines.is_open(line, now) and lines.opens_next(line, now) is None:
        return False  # whoever still serves them comes sooner
    if contact.callback_told_wait != waited:
        with transaction() as session:
            holding.contact(session, contact.id).callback_told_wait = waited
    return True


def wish(contact_id: str, now: datetime) -> bool:
    """The caller pressed the key: out of the queue, to be asked for a number. False if it cannot be now."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if contact.state not in BOOKABLE or contact.callback_at is not None or contact.callback_told_wait is None:
            return False
        begin_booking(session, contact, now)
        return True


def begin_booking(session: Session, contact: Contact, now: datetime) -> None:
    """From now on whatever the call asks for is about the callback."""
    if contact.booking_at is not None:
        return
    legs.out_of_queue(contact, now)
    contact.booking_at = now
    record(session, contact, "callback_wished", now)
    news.for_line(session, contact.line_id)


def plan(contact_id: str, now: datetime) -> Plan:
    """What the next document of a booking says."""
    with reading() as session:
        contact = session.get_one(Contact, contact_id)
        is_open = lines.is_open(contact.line, now)
        is_served = is_open or bool(roster.spoken_on_shift(session, contact.line, now))
        return Plan(
            number=contact.callback_number or _own_number(contact),
            is_open=is_open,
            opens=None if is_open else lines.opens_next(contact.line, now),
            may_wait=is_served and not is_full(session, contact),
            is_new=not _has_waited(contact) and contact.callback_number is None,
            asks_later=is_open and _closes_soon(contact.line, now),
        )


def is_booking(contact: Contact) -> bool:
    """Whether this caller is being asked where to call them: what their call asks for next is about that."""
    return contact.booking_at is not None and contact.state in BOOKABLE


def note_number(contact_id: str, typed: str, now: datetime) -> bool:
    """The number that the caller typed, to be read back; False if nobody can be called there."""
    number = callers.callable_at(typed, COUNTRY)
    if number is None or not number.startswith(COUNTRY_CODE):
        return False
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if contact.booking_at is not None:
            contact.callback_number = number
        return True


def book(contact_id: str, now: datetime, *, later: bool = False) -> Contact:
    """The caller has confirmed: the place waits on without them. Confirming again changes nothing.

    `later`: they may be called after the line has closed and opened again. Whoever has not said so, and finds it closed
    now, has not booked: they are to hear of that first.
    """
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if contact.booking_at is None or contact.state not in BOOKABLE:
            return contact
        if contact.callback_number is None and _own_number(contact) is None:
            return contact
        is_open = lines.is_open(contact.line, now)
        if not is_open and not later:
            return contact
        parting.stop_asking(session, contact, "callback_booked", now)
        contact.callback_at, contact.booking_at, contact.callback_tries = now, None, 0
        contact.queue_sid = contact.unqueued_at = None
        contact.callback_later, contact.callback_postponed = later, not is_open
        contact.callback_due_at = now if is_open else _opens_by(contact, now)  # and not before the phone is free
        record(session, contact, "callback_booked", now, why={"later": later})
        news.for_line(session, contact.line_id)
        return contact


# Calling


def overdue(session: Session, now: datetime, limit: int = 200) -> list[str]:
    """Contacts to be called of whom something must be settled: one comes due, a call has lasted too long, we close."""
    found: list[str] = []
    booked, due = Contact.callback_at.is_not(None), Contact.callback_due_at
    for line in session.scalars(select(Line).where(exists().where(Contact.line_id == Line.id, booked))).all():
        if lines.is_open(line, now):  # whoever is in line has no such time, and is not looked at
            settled = and_(due.is_not(None), or_(due <= now, Contact.callback_postponed))
        else:
            settled = or_(due <= now, and_(Contact.calling.is_(None), or_(due.is_(None), ~Contact.callback_later)))
        theirs = select(Contact.id).where(booked, Contact.line_id == line.id, settled)
        found += session.scalars(theirs.order_by(due).limit(limit - len(found)))
    return found


def come_due(contact_id: str, now: datetime) -> None:
    """What `overdue` has found, looked at again."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if contact.callback_at is None or contact.state not in IN_QUEUE:
            return
        is_due = contact.callback_due_at is not None and contact.callback_due_at <= now
        if contact.calling is not None:
            if is_due:
                _give_up_call(session, contact, now)
        elif contact.state is ContactState.CONNECTING:
            return  # the peer's phone comes up; whether we may still call is asked then
        elif not lines.is_open(contact.line, now):
            _close(session, contact, now)
        elif (is_due or contact.callback_postponed) and not _is_on_phone(session, contact):
            if contact.callback_tries or contact.callback_postponed:  # not one that is due as soon as it is booked
                contact.priority = max(contact.priority, Priority.CALLBACK)
            contact.callback_due_at, contact.callback_postponed = None, False
            record(session, contact, "callback_due", now)
            news.for_line(session, contact.line_id)
            dispatch.after(session, contact.organization_id, now, contact_id=contact.id)


def heard(contact_id: str, call: str, call_sid: str, now: datetime, *, finished: bool = False) -> Contact | None:
    """The phone company tells of a call of ours that it makes or has made; None if nobody waits for it any more."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if finished and contact.calling != call:
            return None  # settled already
        leg = outbox.adopt(session, contact, call, call_sid, now)
        return contact if leg is not None and leg.state is not LegState.ENDED else None


def take(contact_id: str, call_sid: str, now: datetime) -> Contact:
    """The caller has pressed the key: from now on they are on the phone like any other. Again, it changes nothing."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        leg = holding.caller_leg(session, contact.id)
        if contact.callback_at is None or leg is None or leg.call_sid != call_sid or leg.state is LegState.ENDED:
            return contact
        _is_here(session, contact, "callback_taken", now)
        contact.priority = max(contact.priority, Priority.CALLBACK)
        return contact


def booked(session: Session, line: Line, caller: Caller | None) -> Contact | None:
    """The contact, held, in which we have promised this caller a call."""
    if caller is None:
        return None
    found = session.scalar(_BOOKED, {"caller_id": caller.id, "line_id": line.id})
    contact = holding.contact(session, found) if found is not None else None
    if contact is None or contact.callback_at is None or contact.state not in IN_QUEUE:
        return None
    return contact


def take_place(session: Session, contact: Contact, call_sid: str, now: datetime) -> Contact:
    """Somebody calls whom we have promised a call: this call goes on with their contact, in its place.

    A call that we make to them is ended: two contacts never race for one person.
    """
    before = holding.caller_leg(session, contact.id)
    if before is not None and before.state is not LegState.ENDED:
        legs.hang_up(session, contact, before, now)
        advance(session, before, "ended", now, ended_at=now)
    legs.unclaim_call(session, contact, now)
    _is_here(session, contact, "callback_called_in", now)
    begin(session, now, Leg.of_caller(contact, call_sid, now))
    return contact


def _is_here(session: Session, contact: Contact, event: str, now: datetime) -> None:
    contact.callback_at = contact.callback_due_at = contact.calling = contact.callback_number = None
    contact.callback_postponed = False
    contact.queue_sid, contact.unqueued_at = None, now
    engagement = holding.live_engagement(session, contact.id)
    if engagement is not None:
        engagement.connect_by = now + TIMES.connect
        news.for_peer(session, engagement.peer_id)
    record(session, contact, event, now)
    news.for_line(session, contact.line_id)


def _give_up_call(session: Session, contact: Contact, now: datetime) -> None:
    """A call has lasted longer than ringing and a sentence do, or nobody has told us how it ended."""
    leg = holding.caller_leg(session, contact.id)
    states = {state for state, _ in outbox.asked(session, contact.id, RequestKind.CALL_CALLER, str(contact.calling))}
    if (leg is not None and leg.state is not LegState.ENDED) or RequestState.SENDING in states:
        contact.callback_due_at = now + LOOK_AGAIN  # the phone company is asked about it meanwhile
    elif legs.unclaim_call(session, contact, now):  # it was never made: no try
        _not_made(session, contact, "call_not_made", now + parting.PAUSES[0], now)
    elif states == {RequestState.REFUSED} and (refusals := outbox.refusals(session, contact))[-1:] != [True]:
        _refused(session, contact, refusals.count(False), now)
    else:
        parting.not_reached(session, contact, now)


def _refused(session: Session, contact: Contact, times: int, now: datetime) -> None:
    """No phone has rung, and it is not the number's fault: no try. Asked again after a pause, each twice the last.

    A caller is not owed a call for longer than a week by a line that may not make it.
    """
    contact.calling = None
    if not lines.is_open(contact.line, now):
        _not_made(session, contact, "outside_hours", now, now)
        return
    pause = parting.PAUSES[0] * 2 ** (times - 1)
    _not_made(session, contact, "call_not_made", now + pause, now)
    if pause > KEPT:
        parting.unreached(session, contact, "call_not_made", now)


def _not_made(session: Session, contact: Contact, reason: str, due_at: datetime, now: datetime) -> None:
    """The peer who waits for a call that was not made is free; the contact is looked at again at `due_at`."""
    contact.callback_due_at = due_at
    session.flush()
    engagement = holding.live_engagement(session, contact.id)
    if engagement is not None:
        parting.release(session, contact, engagement, reason, now)


def _close(session: Session, contact: Contact, now: datetime) -> None:
    """The line is closed: called after the next opening, if the caller has agreed to that, or no more.

    If it opens when a supervisor says so, the call is owed for a week.
    """
    until = _opens_by(contact, now)
    if contact.callback_later and until > now:
        if contact.callback_due_at is None or contact.callback_due_at < until:
            parting.stop_asking(session, contact, "outside_hours", now)
            contact.callback_due_at, contact.callback_postponed = until, True
            record(session, contact, "callback_postponed", now)
            news.for_line(session, contact.line_id)
    else:
        parting.stop_asking(session, contact, "outside_hours", now)
        parting.unreached(session, contact, "outside_hours", now)


def _is_on_phone(session: Session, contact: Contact) -> bool:
    leg = holding.caller_leg(session, contact.id)
    return leg is not None and leg.state is not LegState.ENDED


def _is_time_to_tell(contact: Contact, waited: int) -> bool:
    told = contact.callback_told_wait
    # Whoever is back in the queue begins to wait anew there.
    return told is None or waited <= told or waited - told >= TELL_AGAIN.total_seconds()


def _opens_by(contact: Contact, now: datetime) -> datetime:
    """When the closed line opens; if that is up to a supervisor, the end of the week for which a call is owed."""
    return lines.opens_next(contact.line, now) or (contact.callback_at or now) + KEPT


def _closes_soon(line: Line, now: datetime) -> bool:
    return lines.open_between(line, now, now + CLOSES_SOON) != [(now, now + CLOSES_SOON)]


def _own_number(contact: Contact) -> str | None:
    """The number from which they call, if we can call them there; else they are asked to type one."""
    return callers.callable_at(contact.caller.number) if contact.caller is not None else None


def _has_waited(contact: Contact) -> bool:
    return contact.queued_at != contact.booking_at  # on a full line a caller is asked on arrival


def _policy(contact: Contact) -> Policy:
    return read(contact.line.policy)
