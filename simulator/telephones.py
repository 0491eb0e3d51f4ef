"""What somebody with a telephone can do: dial a line, pick up, press keys, hang up, send a text.

The page and the script interface are two ways to the same five acts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.call import Call, HungUp, Target
from simulator.company import WITHHELD, Company
from simulator.interpreter import start
from simulator.messages import Message, receive
from simulator.settings import E164

# https://www.twilio.com/docs/voice/twiml (From) and https://help.twilio.com/articles/223179988
WITHHELD_SPELLINGS = {
    "anonymous", "unknown", "restricted", "unavailable",
    WITHHELD, "+7378742833", "+2562533", "+8656696", "+86282452253",
}  # fmt: skip


class NotPossible(ValueError):
    """The telephone cannot do that; the message says why."""


def dial(company: Company, from_: str, to: str, page: str = "") -> Call:
    """Call a line. An empty `from_` withholds the number; `page` is the one on which the telephone stands."""
    from_ = from_ or WITHHELD
    if not E164.fullmatch(from_) and from_ not in WITHHELD_SPELLINGS:
        raise NotPossible(f"{from_} is not a telephone number")
    line = company.lines.get(to)
    if line is None:
        raise NotPossible(f"{to} is not in service")
    call = Call(company, line, from_=from_, to=to)
    call.page = page
    call.show({"state": "arriving", "status": call.status})
    start(call, Target(line.voice_url))
    return call


def answer(call: Call, page: str = "") -> None:
    """Pick up a call that comes in; `page` is the one on which the telephone stands."""
    call.page = page
    call.picked_up = True
    call.wake()


def hang_up(call: Call) -> None:
    """Put the receiver down."""
    if not call.over:
        call.interrupt(HungUp())


def text(company: Company, from_: str, to: str, body: str, extra: Mapping[str, str] | None = None) -> Message:
    """Send a text to a line."""
    if not E164.fullmatch(from_) or from_ in WITHHELD_SPELLINGS:
        raise NotPossible(f"{from_ or 'a withheld number'} cannot send texts")
    if to not in company.lines:
        raise NotPossible(f"{to} is not in service")
    if not body:
        raise NotPossible("the text is empty")
    return receive(company, from_, to, body, extra)


def describe(call: Call) -> dict[str, Any]:
    """A call as the page and the script interface see it."""
    conference = call.company.conferences.get(call.conference_sid or "")
    queue = call.company.queues.get(call.queue_sid or "")
    return {
        "sid": call.sid,
        "from": call.from_,
        "to": call.to,
        "direction": call.direction,
        "status": call.facing,
        "where": call.where,
        "heard": list(call.heard),
        "queue": {"sid": queue.sid, "name": queue.name} if queue else None,
        "conference": {"sid": conference.sid, "name": conference.name, "status": conference.status}
        if conference
        else None,
    }


def describe_text(message: Message) -> dict[str, Any]:
    """A text likewise."""
    return {
        "sid": message.sid,
        "from": message.from_,
        "to": message.to,
        "body": message.body,
        "direction": message.direction,
        "status": message.status,
        "at": message.created.isoformat(),
    }
