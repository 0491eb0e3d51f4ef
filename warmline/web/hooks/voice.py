"""What Twilio asks about a call. Each route reads the form, calls one verb, and answers one TwiML document.

Contract: https://www.twilio.com/docs/voice/twiml#request-parameters
"""

from datetime import datetime
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from routing.ranking import Priority
from routing.states import IN_QUEUE, LIVE_CONTACT, ContactState
from warmline import clock
from warmline.contacts import allowance, calling_back, connect, intake, parting, survey, telling, wishes
from warmline.db import reading
from warmline.errors import Conflict, NotFound
from warmline.models import Contact
from warmline.people import lines
from warmline.telephony import twiml
from warmline.telephony.twilio_gateway import FINISHED
from warmline.web import access
from warmline.web.hooks import answer, field, log_failure, number, sid

LONGEST_WAIT = 1_000_000  # seconds; whatever says more is no QueueTime, and would not fit a column

blueprint = Blueprint("voice", __name__, url_prefix="/twilio/voice")


@blueprint.post("/incoming")
@access.twilio
def incoming() -> Response:
    """A call to one of our numbers."""
    now, call_sid = clock.now(), sid("CallSid")
    if not call_sid:
        return answer(twiml.trouble_end())
    contact = intake.receive(call_sid, field("From"), field("To"), now)
    if contact is None:
        return answer(twiml.unknown_number())
    if contact.state is ContactState.ARRIVING:
        return answer(_language_menu(contact))
    return answer(_next_for(contact))


@blueprint.post("/fallback")
@access.twilio
def fallback() -> Response:
    """Twilio could not get a document from us: pick the call up where the database says that it is."""
    return incoming()


@blueprint.post("/contacts/<contact_id>/language")
@access.twilio
def language(contact_id: str) -> Response:
    """The language menu's key, or its silence."""
    now = clock.now()
    contact, attempt = _contact(contact_id), number("try", 1)
    keys = _keys()
    chosen = intake.LANGUAGE_KEYS.get(keys)
    if contact.state is not ContactState.ARRIVING:
        return answer(_next_for(contact))
    if chosen not in contact.line.languages:
        if keys and attempt < twiml.MENU_TRIES:
            return answer(_language_menu(contact, attempt + 1))
        chosen = contact.line.languages[0]  # silence is no reason to send anybody away
    return answer(_admit(contact, chosen, now))


@blueprint.post("/contacts/<contact_id>/instead")
@access.twilio
def instead(contact_id: str) -> Response:
    """The answer to "nobody speaks it just now": another language, to wait all the same, or the end."""
    now = clock.now()
    contact, attempt = _contact(contact_id), number("try", 1)
    keys = _keys()
    chosen = intake.LANGUAGE_KEYS.get(keys)
    if contact.state not in (ContactState.ARRIVING, ContactState.WAITING) or contact.queue_sid is not None:
        return answer(_next_for(contact))
    if keys == intake.STAY_KEY:
        contact = intake.stay(contact.id, now)
        return answer(_enqueue(contact, now))
    if chosen in contact.line.languages:
        return answer(_admit(contact, chosen, now))
    if keys and attempt < twiml.MENU_TRIES:
        _, spoken = intake.choices(contact.id, now)
        return answer(twiml.instead(contact.id, contact.language, spoken, attempt + 1))
    return answer(_next_for(intake.give_up(contact.id, now)))


@blueprint.post("/contacts/<contact_id>/wish")
@access.twilio
def wish(contact_id: str) -> Response:
    """The key of whom the caller wishes to talk with, or silence, which means anyone."""
    now, attempt, keys = clock.now(), number("try", 1), _keys()
    contact = _contact(contact_id)
    if contact.state is not ContactState.ARRIVING:
        return answer(_next_for(contact))
    contact, had_meaning = wishes.choose(contact.id, keys, now)
    if not had_meaning and attempt < twiml.MENU_TRIES:
        return answer(_wish_or_enqueue(contact, now, attempt + 1))
    return answer(_enqueue(contact, now))


@blueprint.post("/contacts/<contact_id>/wait")
@access.twilio
def wait(contact_id: str) -> Response:
    """The wait document: asked for when the caller enters the queue, and again each time it ends.

    With `survey` in the address it follows a key that was pressed when the document before asked for a yes; with
    `callback` one of somebody who was told that they may hang up.
    """
    now, queue_sid, asks, tells = clock.now(), sid("QueueSid"), False, False
    waited = min(int(field("QueueTime")), LONGEST_WAIT) if field("QueueTime").isdecimal() else 0
    with reading() as session:
        contact, place, prospect = intake.in_line(session, contact_id[:32], now)
    if contact.state not in LIVE_CONTACT or _wishes_callback(contact.id, now):
        return answer(twiml.leave())
    if prospect is not intake.Prospect.WAIT and intake.nobody_left(contact.id, now):
        return answer(twiml.leave())
    if queue_sid and contact.queue_sid != queue_sid:
        contact = intake.queued(contact.id, queue_sid, now)
        with reading() as session:
            place = intake.place(session, contact)
    elif not request.args.get("survey"):
        tells = calling_back.ask(contact, waited, now)
        asks = not tells and survey.ask(contact, waited, now)
    agreed = bool(request.args.get("survey")) and field("Digits") == "1" and survey.agree(contact.id, now)
    connecting = contact.state is ContactState.CONNECTING
    told = telling.tell(contact, place, waited, now) if not connecting and not agreed else None
    return answer(
        twiml.wait(
            contact.language,
            waited,
            place=told.place if told else None,
            minutes=(told.minutes.low, told.minutes.high) if told and told.minutes else None,
            connecting=connecting,
            survey=f"/twilio/voice/contacts/{contact.id}/wait?survey=1" if asks else None,
            thanks=agreed,
            callback=f"/twilio/voice/contacts/{contact.id}/wait?callback=1" if tells else None,
            lifted=wishes.tell(contact, waited, now),
        )
    )


@blueprint.post("/contacts/<contact_id>/left")
@access.twilio
def left(contact_id: str) -> Response:
    """The action of Enqueue: https://www.twilio.com/docs/voice/twiml/enqueue#action-parameters"""
    now, result = clock.now(), field("QueueResult")
    contact = _contact(contact_id)
    if result == "hangup" or field("CallStatus") in FINISHED:
        parting.leg_ended(field("CallSid"), now)
        return answer(twiml.nothing())
    if result in ("redirected", "bridged", "bridging-in-process", "redirected-from-bridged"):
        return answer(twiml.nothing())
    if contact.state in LIVE_CONTACT and result != "leave":  # queue-full, system-error, error
        contact = parting.out_of_queue(contact.id, now)
        return answer(twiml.requeue_after_trouble(contact.id, contact.line_id, contact.language))
    return answer(_next_for(contact))


@blueprint.post("/contacts/<contact_id>/join")
@access.twilio
def join(contact_id: str) -> Response:
    """The caller was moved out of the queue: into the conference, if the peer is still there."""
    contact = _contact(contact_id)
    engagement = connect.caller_may_join(contact.id, clock.now())
    if engagement is not None:
        return answer(twiml.caller_into(contact.id, engagement.id, engagement.conference_name))
    return answer(_next_for(_contact(contact_id)))


@blueprint.post("/contacts/<contact_id>/after")
@access.twilio
def after(contact_id: str) -> Response:
    """The action of the caller's Dial: the conference is over for the caller."""
    return _back(contact_id)


@blueprint.post("/contacts/<contact_id>/dropped")
@access.twilio
def dropped(contact_id: str) -> Response:
    """A caller whose peer was lost was called back in, or has pressed the key that we asked for."""
    if request.args.get("pressed"):
        contact = _contact(contact_id)
        if contact.state in LIVE_CONTACT:
            return answer(_enqueue(contact, clock.now()))
    return _back(contact_id)


@blueprint.post("/contacts/<contact_id>/book")
@access.twilio
def book(contact_id: str) -> Response:
    """A key, digits or silence of somebody who books a callback. Silence is no: back to the queue, in the old place."""
    now, contact = clock.now(), _contact(contact_id)
    if not calling_back.is_booking(contact):
        return answer(_next_for(contact))
    step, keys, attempt = request.args.get("step"), _keys(), number("try", 1)
    again = bool(keys) and attempt < twiml.MENU_TRIES
    match step, keys:
        case "number", _ if keys and calling_back.note_number(contact.id, keys, now):
            return answer(_booking(contact, now))
        case "number", _ if again:
            return answer(_type_number(contact, now, attempt + 1))
        case "confirm", "1":
            if calling_back.plan(contact.id, now).asks_later:
                return answer(twiml.ask_later(contact.id, contact.language))
            return answer(_next_for(calling_back.book(contact.id, now, later=bool(request.args.get("later")))))
        case "confirm", "2":
            return answer(_type_number(contact, now))
        case "confirm", _ if again:
            return answer(_booking(contact, now, attempt + 1))
        case "later", _:
            return answer(_next_for(calling_back.book(contact.id, now, later=keys == "1")))
    stays = bool(request.args.get("stay"))
    return answer(_next_for(intake.not_booked(contact.id, now, told_to_stay=stays)))


@blueprint.post("/contacts/<contact_id>/called")
@access.twilio
def called(contact_id: str) -> Response:
    """Somebody picks up whom we call, or has pressed the key that takes the call."""
    now, call_sid, call = clock.now(), sid("CallSid"), request.args.get("call", "")[:32]
    if field("CallStatus") in FINISHED:
        return _called_out(contact_id, call, call_sid, now)
    contact = calling_back.heard(_contact(contact_id).id, call, call_sid, now) if call_sid else None
    if contact is None:
        return answer(twiml.say_and_hang_up(_contact(contact_id).language, "called_over"))
    if _keys() == "1":
        contact = calling_back.take(contact.id, call_sid, now)
    if contact.callback_at is not None:
        attempt = number("try", 1)
        if _keys() and attempt >= twiml.MENU_TRIES:
            return answer(twiml.hang_up())
        return answer(twiml.called(contact.id, call, contact.language, attempt + 1 if _keys() else attempt))
    engagement = connect.caller_may_join(contact.id, now)
    if engagement is not None:
        return answer(twiml.caller_into(contact.id, engagement.id, engagement.conference_name))
    return answer(_next_for(_contact(contact_id)))


@blueprint.post("/contacts/<contact_id>/call")
@access.twilio
def call(contact_id: str) -> Response:
    """How a call goes that we make: https://www.twilio.com/docs/voice/api/call-resource#statuscallbackevent"""
    now, call_sid, of = clock.now(), sid("CallSid"), request.args.get("call", "")[:32]
    if field("CallStatus") in FINISHED:
        return _called_out(contact_id, of, call_sid, now)
    if call_sid:
        calling_back.heard(_contact(contact_id).id, of, call_sid, now)
    return answer(twiml.nothing())


@blueprint.post("/client")
@access.twilio
def client() -> Response:
    """The TwiML App: a peer's browser calls in for the offer that it accepted."""
    identity, call_sid = field("From").removeprefix("client:"), sid("CallSid")
    if not call_sid:
        return answer(twiml.say_and_hang_up("en", "peer_refused"))
    try:
        engagement = connect.peer_leg(identity, field("offer"), call_sid, clock.now())
    except (NotFound, Conflict):
        return answer(twiml.say_and_hang_up("en", "peer_refused"))
    return answer(twiml.peer_into(engagement.id, engagement.conference_name))


@blueprint.post("/engagements/<engagement_id>/conference")
@access.twilio
def conference(engagement_id: str) -> Response:
    """https://www.twilio.com/docs/voice/api/conference-resource#conference-events"""
    now, happened = clock.now(), field("StatusCallbackEvent")
    call_sid, conference_sid = sid("CallSid"), sid("ConferenceSid")
    if not call_sid or not conference_sid:
        return answer(twiml.nothing())
    key = f"{conference_sid}:{field('SequenceNumber')}:{happened}:{call_sid}"
    if happened == "participant-join":
        connect.joined(engagement_id, call_sid, conference_sid, now, key)
    elif happened == "participant-leave":
        parting.left(engagement_id, call_sid, field("ReasonParticipantLeft"), now, key)
    return answer(twiml.nothing())


@blueprint.post("/engagements/<engagement_id>/ended")
@access.twilio
def ended(engagement_id: str) -> Response:
    """The action of the peer's Dial: the conference is over for the peer, and so is the call."""
    return answer(twiml.hang_up())


@blueprint.post("/quiet")
@access.twilio
def quiet() -> Response:
    """What the first in a conference hears until the second comes."""
    return answer(twiml.quiet())


@blueprint.post("/status")
@access.twilio
def status() -> Response:
    """Call status, repeated and in any order: only the end of a call tells us anything.

    https://www.twilio.com/docs/voice/api/call-resource#statuscallbackevent
    """
    if field("CallStatus") in FINISHED:
        parting.leg_ended(field("CallSid"), clock.now())
    return answer(twiml.nothing())


@blueprint.errorhandler(NotFound)
def unknown(error: NotFound) -> Response:
    """Signed, but about nothing that we know: a safe document."""
    return answer(twiml.unknown_number())


@blueprint.errorhandler(HTTPException)
def refused(error: HTTPException) -> HTTPException:
    """Not signed, too large, not a POST: refused as it is, with nothing stored."""
    return error


@blueprint.errorhandler(Exception)
def trouble(error: Exception) -> Response:
    """Our own failure, a database that is down above all: never a 500, never silence, never a caller sent away."""
    log_failure(error)
    if request.path.endswith("/wait"):
        return answer(twiml.wait_blind())
    if request.path.endswith(("/status", "/conference", "/call")):
        return answer(twiml.nothing(), 503)  # no caller listens to this answer; Twilio may ask again
    if request.path.endswith("/called"):
        return answer(twiml.called_in_trouble(quote(request.path) + _queries(), number("trouble", 1)))
    if request.path.endswith("/client"):
        return answer(twiml.say_and_hang_up("en", "peer_refused"))
    return answer(twiml.trouble(quote(request.path) + _queries(), number("trouble", 1)))


def _queries() -> str:
    """The address is asked again without a form: the key that was pressed goes along."""
    again = {**request.args, **({"keys": field("Digits")[:1]} if field("Digits") else {})}
    again.pop("trouble", None)
    return f"?{urlencode(again)}" if again else ""


def _back(contact_id: str) -> Response:
    now = clock.now()
    if field("CallStatus") in FINISHED:
        parting.leg_ended(field("CallSid"), now)
        return answer(twiml.nothing())
    contact = parting.caller_back(_contact(contact_id).id, now, request.args.get("engagement", ""))
    is_in_line = contact.state in LIVE_CONTACT and contact.state is not ContactState.CONNECTED
    # Whoever is asked something is asked it again: nothing has happened to their connection.
    if is_in_line and contact.booking_at is None and intake.choices(contact.id, now)[0] is intake.Prospect.WAIT:
        if contact.priority >= Priority.DROPPED:
            return answer(twiml.dropped(contact.id, contact.line_id, contact.language))
        return answer(_enqueue(contact, now, "not_connected"))
    return answer(_next_for(contact))


def _called_out(contact_id: str, call: str, call_sid: str, now: datetime) -> Response:
    """A call that we made is over."""
    calling_back.heard(_contact(contact_id).id, call, call_sid, now, finished=True)
    parting.leg_ended(call_sid, now)
    return answer(twiml.nothing())


def _wishes_callback(contact_id: str, now: datetime) -> bool:
    """Whether this wait request brings the key of somebody who wants to hang up and be called."""
    pressed = bool(request.args.get("callback")) and field("Digits") == calling_back.KEY
    return pressed and calling_back.wish(contact_id, now)


def _booking(contact: Contact, now: datetime, attempt: int = 1) -> str:
    """What a caller hears who books: the number that we would call, or that they may type one.

    Whoever is asked on arrival hears before that, once, what is left of today, if it is little.
    """
    plan, language, reasons = calling_back.plan(contact.id, now), contact.language, []
    if not plan.is_open:
        words = twiml.reopening(language, plan.opens, now) or twiml.sentence(language, "reopens_unknown")
        which = "callback_closing" if plan.may_wait else "callback_closed"
        reasons.append(twiml.sentence(language, which, reopening=words))
    elif not plan.may_wait:
        reasons.append(twiml.sentence(language, "callback_full"))
    if plan.is_new and attempt == 1:
        reasons.append(allowance.in_advance(contact, now))
    reason = " ".join(filter(None, reasons))
    if plan.number is None:
        return twiml.ask_number(contact.id, language, reason, attempt, may_wait=plan.may_wait)
    return twiml.read_back(
        contact.id, language, plan.number, reason, attempt, may_wait=plan.may_wait, later=not plan.is_open
    )


def _type_number(contact: Contact, now: datetime, attempt: int = 1) -> str:
    may_wait = calling_back.plan(contact.id, now).may_wait
    return twiml.ask_number(contact.id, contact.language, attempt=attempt, may_wait=may_wait)


def _of_callback(contact: Contact, now: datetime) -> str | None:
    """The document of somebody who books a callback, or has booked one and may hang up."""
    if contact.state in IN_QUEUE and contact.callback_at is not None:
        return twiml.say_and_hang_up(contact.language, "callback_booked")
    if calling_back.is_booking(contact):
        return _booking(contact, now)
    return None


def _next_for(contact: Contact) -> str:
    """The document for a call that asks what to do next, from nothing but the state of its contact."""
    now = clock.now()
    if (words := _of_callback(contact, now)) is not None:
        return words
    if contact.state is ContactState.ARRIVING:
        contact = intake.greet(contact.id, now)
        if contact.state is ContactState.ARRIVING:
            return _language_menu(contact)
    if contact.state is ContactState.CONNECTED:
        # Asked twice, or late: whoever talks goes on talking. A caller who really is outside comes in again.
        engagement = connect.caller_may_join(contact.id, now)
        if engagement is not None:
            return twiml.caller_into(contact.id, engagement.id, engagement.conference_name)
    if contact.state is ContactState.WAITING:
        prospect, spoken = intake.choices(contact.id, now)
        if prospect is intake.Prospect.CHOOSE:
            return twiml.instead(contact.id, contact.language, spoken)
        if prospect is intake.Prospect.NONE and intake.nobody_left(contact.id, now):
            return _next_for(_contact(contact.id))
    if contact.state in LIVE_CONTACT:
        return _enqueue(contact, now)
    return _last_words(contact, now)


def _last_words(contact: Contact, now: datetime) -> str:
    """What a caller hears whose contact is over."""
    line, language = contact.line, contact.language
    if contact.state is ContactState.AFTER_HOURS:
        # Turned away before a language could be chosen, so in each that the line has.
        told = dict.fromkeys((language, *line.languages))
        return twiml.speak_and_hang_up({each: lines.closed_message(line, "outside_hours", each, now) for each in told})
    if contact.state is ContactState.MISSED:
        if contact.ended_how == intake.Admission.ALLOWANCE:
            return twiml.say_and_hang_up(language, "allowance", again=allowance.again(contact, language))
        _, spoken = intake.choices(contact.id, now)
        usual = "nobody_speaks" if spoken else "nobody_on_shift"
        return twiml.say_and_hang_up(language, contact.ended_how or usual)
    if contact.state is ContactState.ABANDONED:  # a call that we thought was over
        return twiml.say_and_hang_up(language, "trouble_end")
    return twiml.say_and_hang_up(language, contact.ended_how or "goodbye")


def _language_menu(contact: Contact, attempt: int = 1) -> str:
    line = contact.line
    return twiml.language_menu(contact.id, line.name, line.languages, attempt, own=lines.greetings(line))


def _admit(contact: Contact, language: str, now: datetime) -> str:
    contact, admission, spoken = intake.choose_language(contact.id, language, now)
    match admission:
        case intake.Admission.QUEUE:
            return _next_for(contact) if contact.state is not ContactState.ARRIVING else _wish_or_enqueue(contact, now)
        case intake.Admission.NOBODY_SPEAKS:
            return twiml.instead(contact.id, language, spoken)
        case _:
            return _last_words(contact, clock.now())


def _wish_or_enqueue(contact: Contact, now: datetime, attempt: int = 1) -> str:
    """Into the queue, after the menu of wishes if there is anything to choose."""
    wanted = wishes.menu(contact, now)
    return twiml.wish_menu(contact.id, contact.language, wanted, attempt) if wanted else _enqueue(contact, now)


def _enqueue(contact: Contact, now: datetime, why: str = "") -> str:
    """Into the queue; who arrives hears before that what is left of today, if it is little; who comes back, `why`."""
    told = allowance.in_advance(contact, now) if contact.state is ContactState.ARRIVING else ""
    told = twiml.sentence(contact.language, why) if why else told
    return twiml.enqueue(contact.id, contact.line_id, contact.language, told)


def _keys() -> str:
    return field("Digits") or request.args.get("keys", "")


def _contact(contact_id: str) -> Contact:
    with reading() as session:
        contact = session.get(Contact, contact_id[:32])
    if contact is None:
        raise NotFound
    return contact
