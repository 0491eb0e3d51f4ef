"""The state machines as data: `{(state, event): next state}`, and one `step()`.

A pair that is not in a table is refused, so a late or repeated callback changes nothing. The README prints
these tables for people; a test holds the two together.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar


class ContactState(StrEnum):
    ARRIVING = "arriving"  # greeting, language; not in the queue yet
    WAITING = "waiting"
    OFFERED = "offered"
    CONNECTING = "connecting"  # a peer accepted; the caller still hears the wait audio
    CONNECTED = "connected"
    CLOSED = "closed"
    ABANDONED = "abandoned"  # the caller left, or wanted no more texts, before anybody answered
    AFTER_HOURS = "after_hours"
    MISSED = "missed"  # nobody on shift could have answered, or there was no place for the caller, or no way to them
    UNREACHED = "unreached"  # asked to be called back, and was not reached


class EngagementState(StrEnum):
    CONNECTING = "connecting"
    ACTIVE = "active"
    WRAPPING = "wrapping"
    DONE = "done"
    FAILED = "failed"


class OfferState(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELLED = "cancelled"  # the caller left
    LOST = "lost"  # another peer won


class LegState(StrEnum):
    STARTED = "started"
    JOINED = "joined"  # in the conference
    LEFT = "left"  # out of the conference, still connected to the phone company
    ENDED = "ended"


class MessageState(StrEnum):
    RECEIVED = "received"
    PENDING = "pending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"  # the phone company may or may not have taken it; never sent again blindly


class RequestState(StrEnum):
    """An outgoing request to the phone company."""

    PENDING = "pending"
    SENDING = "sending"  # claimed by a process
    DONE = "done"
    REFUSED = "refused"  # certainly not done, and asking again would not help
    UNKNOWN = "unknown"  # may have been done; of a call to somebody the phone company is asked


class SurveyState(StrEnum):
    """A caller's survey by text, once they have said yes to it."""

    DUE = "due"
    INVITED = "invited"
    ANSWERING = "answering"
    COMPLETED = "completed"  # the last question was asked and answered, or skipped
    LAPSED = "lapsed"  # silence
    STOPPED = "stopped"  # the caller wants no more texts
    WITHDRAWN = "withdrawn"  # never sent: when it was due, there was a reason against it


class PeerStatus(StrEnum):
    """What a peer chose. The system changes it only with a reason that the screen shows."""

    AVAILABLE = "available"
    BREAK = "break"
    MEETING = "meeting"
    TRAINING = "training"
    SUPERVISION = "supervision"
    AWAY = "away"
    OFF = "off"


class Activity(StrEnum):
    """What the system sees a peer do: derived from offers and engagements, never stored."""

    IDLE = "idle"
    OFFERED = "offered"
    CONNECTING = "connecting"
    TALKING = "talking"
    WRAPPING = "wrapping"


C, E, L, M, R = ContactState, EngagementState, LegState, MessageState, RequestState
S = SurveyState

CONTACT: Mapping[tuple[StrEnum, str], StrEnum] = {
    (C.ARRIVING, "queued"): C.WAITING,
    (C.ARRIVING, "closed_hours"): C.AFTER_HOURS,
    (C.ARRIVING, "nobody"): C.MISSED,
    (C.ARRIVING, "caller_left"): C.ABANDONED,
    (C.WAITING, "offered"): C.OFFERED,
    (C.WAITING, "nobody"): C.MISSED,
    (C.WAITING, "caller_left"): C.ABANDONED,
    (C.WAITING, "left_after_talk"): C.CLOSED,
    (C.WAITING, "unreached"): C.UNREACHED,
    (C.OFFERED, "unanswered"): C.WAITING,
    (C.OFFERED, "accepted"): C.CONNECTING,
    (C.OFFERED, "caller_left"): C.ABANDONED,
    (C.OFFERED, "left_after_talk"): C.CLOSED,
    (C.CONNECTING, "joined"): C.CONNECTED,
    (C.CONNECTING, "connect_failed"): C.WAITING,
    (C.CONNECTING, "caller_left"): C.ABANDONED,
    (C.CONNECTING, "left_after_talk"): C.CLOSED,
    (C.CONNECTED, "peer_lost"): C.WAITING,
    (C.CONNECTED, "ended"): C.CLOSED,
    (C.CONNECTED, "left_after_talk"): C.CLOSED,
}

ENGAGEMENT: Mapping[tuple[StrEnum, str], StrEnum] = {
    (E.CONNECTING, "joined"): E.ACTIVE,
    (E.CONNECTING, "failed"): E.FAILED,
    (E.ACTIVE, "ended"): E.WRAPPING,
    (E.WRAPPING, "reported"): E.DONE,
    (E.WRAPPING, "wrap_expired"): E.DONE,
}

OFFER: Mapping[tuple[StrEnum, str], StrEnum] = {
    (OfferState.PENDING, "accepted"): OfferState.ACCEPTED,
    (OfferState.PENDING, "declined"): OfferState.DECLINED,
    (OfferState.PENDING, "expired"): OfferState.EXPIRED,
    (OfferState.PENDING, "cancelled"): OfferState.CANCELLED,
    (OfferState.PENDING, "lost"): OfferState.LOST,
}

LEG: Mapping[tuple[StrEnum, str], StrEnum] = {
    (L.STARTED, "joined"): L.JOINED,
    (L.STARTED, "ended"): L.ENDED,
    (L.JOINED, "left"): L.LEFT,
    (L.JOINED, "ended"): L.ENDED,
    (L.LEFT, "joined"): L.JOINED,  # a caller whose peer was lost is answered by the next one
    (L.LEFT, "ended"): L.ENDED,
}

MESSAGE: Mapping[tuple[StrEnum, str], StrEnum] = {
    (M.PENDING, "sent"): M.SENT,
    (M.PENDING, "delivered"): M.DELIVERED,
    (M.PENDING, "failed"): M.FAILED,
    (M.PENDING, "unconfirmed"): M.UNCONFIRMED,
    (M.SENT, "delivered"): M.DELIVERED,
    (M.SENT, "failed"): M.FAILED,
    (M.UNCONFIRMED, "sent"): M.SENT,
    (M.UNCONFIRMED, "delivered"): M.DELIVERED,
    (M.UNCONFIRMED, "failed"): M.FAILED,
}

REQUEST: Mapping[tuple[StrEnum, str], StrEnum] = {
    (R.PENDING, "claimed"): R.SENDING,
    (R.PENDING, "withdrawn"): R.REFUSED,  # what caused it is over
    (R.SENDING, "done"): R.DONE,
    (R.SENDING, "refused"): R.REFUSED,
    (R.SENDING, "retry"): R.PENDING,  # certainly not taken
    (R.SENDING, "unknown"): R.UNKNOWN,
    (R.UNKNOWN, "done"): R.DONE,  # an answer that was late, or was found by asking
    (R.UNKNOWN, "not_made"): R.PENDING,  # a call, as the phone company says
}

SURVEY: Mapping[tuple[StrEnum, str], StrEnum] = {
    (S.DUE, "invited"): S.INVITED,
    (S.DUE, "withdrawn"): S.WITHDRAWN,
    (S.DUE, "stopped"): S.STOPPED,
    (S.INVITED, "answered"): S.ANSWERING,
    (S.INVITED, "lapsed"): S.LAPSED,
    (S.INVITED, "stopped"): S.STOPPED,
    (S.ANSWERING, "answered"): S.ANSWERING,
    (S.ANSWERING, "completed"): S.COMPLETED,
    (S.ANSWERING, "lapsed"): S.LAPSED,
    (S.ANSWERING, "stopped"): S.STOPPED,
}

LIVE_CONTACT = (C.ARRIVING, C.WAITING, C.OFFERED, C.CONNECTING, C.CONNECTED)
IN_QUEUE = (C.WAITING, C.OFFERED, C.CONNECTING)
LIVE_ENGAGEMENT = (E.CONNECTING, E.ACTIVE)
UNDER_WAY = (S.INVITED, S.ANSWERING)

State = TypeVar("State", bound=StrEnum)


def step(table: Mapping[tuple[StrEnum, str], StrEnum], state: State, event: str) -> State | None:
    """The state after `event`, or None where the table has no such pair: the event is then refused."""
    return table.get((state, event))  # type: ignore[return-value]  # a table maps an enum to itself


def activity(*, offered: bool, engagements: frozenset[EngagementState]) -> Activity:
    """What a peer is seen to do, from a live offer and the states of the peer's engagements."""
    if E.ACTIVE in engagements:
        return Activity.TALKING
    if E.CONNECTING in engagements:
        return Activity.CONNECTING
    if E.WRAPPING in engagements:
        return Activity.WRAPPING
    return Activity.OFFERED if offered else Activity.IDLE
