"""One call: what it is, what it hears, and the single place where it waits.

A call's greenlet runs TwiML and only ever waits in `Call.wait`. Whoever wants something of it (the caller who
hangs up, a REST request that moves it) leaves an Interrupt there; the waiting greenlet raises it. Work that
must not be torn in the middle, such as a webhook on its way, runs in a greenlet of its own.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gevent.event import Event

from simulator.company import Company, Line, now, rfc2822

HEARD = 500  # entries of a call's transcript that are kept

FINISHED = {"completed", "busy", "failed", "no-answer", "canceled"}


@dataclass(frozen=True)
class Target:
    """The next document: a URL to ask, or TwiML given outright. None of both ends the call."""

    url: str = ""
    method: str = "POST"
    params: Mapping[str, str] = field(default_factory=dict)
    twiml: str | None = None


class Interrupt(Exception):
    """Something outside ends what the call is doing."""


class HungUp(Interrupt):
    """The call is over: its owner hung up, or it was completed by REST."""

    def __init__(self, by_rest: bool = False) -> None:
        super().__init__()
        self.by_rest = by_rest


class Redirected(Interrupt):
    """REST sent the call elsewhere."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.target = target


class Cut(Exception):
    """What `Call.until` waited for has happened: stop speaking."""


class Call:
    """A connection between a telephone (or softphone) and the company."""

    def __init__(
        self,
        company: Company,
        line: Line,
        *,
        from_: str,
        to: str,
        direction: str = "inbound",
        params: Mapping[str, str] | None = None,
    ) -> None:
        self.company = company
        self.line = line
        self.sid = company.new_sid("CA")
        self.from_, self.to, self.direction = from_, to, direction
        self.params = dict(params or {})
        self.page = ""  # of telephones, on which it was dialled or answered
        self.events = frozenset({"completed"})  # of its progress that the product is told
        self.status = "ringing"
        self.where = "arriving"
        self.created = now()
        self.answered_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.gone = False
        self.picked_up = False
        self.heard: deque[dict[str, Any]] = deque(maxlen=HEARD)
        self.keys: deque[str] = deque(maxlen=100)
        self.queue_sid: str | None = None
        self.conference_sid: str | None = None
        self.listeners: set[Callable[[dict[str, Any]], None]] = set()
        self._clock = time.monotonic()
        self._talked: int | None = None
        self._interrupt: Interrupt | None = None
        self._cut: Callable[[], bool] | None = None
        self._wake = Event()
        self._sequence = 0
        company.calls[self.sid] = self

    # --- waiting ---

    def wait(self, seconds: float | None = None, until: Callable[[], bool] = lambda: False) -> bool:
        """Wait until `until()` (True) or for `seconds` of the telephone world (False; None: for ever).

        Raises the pending Interrupt, or Cut if the condition of an enclosing `until` has come about.
        """
        deadline = None if seconds is None else time.monotonic() + seconds / self.company.settings.speed
        while True:
            if self._interrupt:
                interrupt, self._interrupt = self._interrupt, None
                self.gone = isinstance(interrupt, HungUp)
                raise interrupt
            if until():
                return True
            if self._cut and self._cut():
                raise Cut
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            self._wake.clear()
            self._wake.wait(left)

    @contextmanager
    def until(self, condition: Callable[[], bool]) -> Iterator[None]:
        """Inside, every wait raises Cut as soon as `condition()` holds."""
        outer, self._cut = self._cut, condition
        try:
            yield
        finally:
            self._cut = outer

    def wake(self) -> None:
        """Something that a wait may look at has changed."""
        self._wake.set()

    def interrupt(self, interrupt: Interrupt) -> None:
        """Leave word for the call's greenlet. A hang-up is never overtaken by a redirect."""
        if not isinstance(self._interrupt, HungUp):
            self._interrupt = interrupt
        self.wake()

    def press(self, digits: str) -> None:
        """The owner presses keys."""
        self.keys.extend(digit for digit in digits if digit in "0123456789*#")
        self.wake()

    # --- what can be seen of it ---

    @property
    def over(self) -> bool:
        """Nobody is there any more, though the last requests may still be on their way."""
        return self.gone or self.status in FINISHED or isinstance(self._interrupt, HungUp)

    @property
    def duration(self) -> int | None:
        """Whole seconds from answer to end; None while it lasts."""
        return self._talked

    @property
    def facing(self) -> str:
        """The status as the product sees it: a call that hung up is completed before all is cleared away."""
        return "completed" if self.gone and self.answered_at else self.status

    def facts(self) -> dict[str, str]:
        """The parameters of every voice request: https://www.twilio.com/docs/voice/twiml#request-parameters"""
        return {
            **self.params,
            "CallSid": self.sid,
            "AccountSid": self.company.settings.account_sid,
            "From": self.from_,
            "To": self.to,
            "Caller": self.from_,
            "Called": self.to,
            "CallStatus": self.facing,
            "Direction": self.direction,
            "ApiVersion": "2010-04-01",
        }

    def hear(self, verb: str, text: str = "", **facts: Any) -> None:
        """Add to the transcript, and tell whoever listens."""
        self.show({"verb": verb, "text": text, **facts}, keep=True)

    def show(self, event: dict[str, Any], keep: bool = False) -> None:
        """Tell the page and the softphone what is going on; `keep` writes it into the transcript too."""
        event = {"call": self.sid, "at": now().isoformat(), **event}
        if keep:
            self.heard.append(event)
        for listener in list(self.listeners):
            listener(event)
        self.company.tell(self.to if self.direction == "outbound-api" else self.from_, event)

    def move(self, where: str) -> None:
        """Say where the caller is now: arriving, menu, queue, conference, ended."""
        self.where = where
        self.show({"state": where, "status": self.status})

    # --- beginning and end ---

    def answer(self) -> None:
        """The first verb that needs a line picks it up."""
        if self.status == "ringing":
            self.status = "in-progress"
            self.answered_at = now()
            self._clock = time.monotonic()
            self.move("menu")
            self.report("answered")

    def finish(self, status: str = "completed") -> None:
        """The call is over: once, and the product is told."""
        if self.ended_at:
            return
        self._talked = self.company.elapsed(self._clock) if self.answered_at else 0
        self.status = status
        self.ended_at = now()
        self.keys.clear()
        self.move("ended")
        self.report("completed")

    def drop(self) -> None:
        """Over at once, and nobody is told: the company forgets everything."""
        self.gone, self.status, self.ended_at = True, "completed", now()

    def report(self, event: str) -> None:
        """The status callback: of a number at the end, of a call that was asked for as it was asked for.

        https://www.twilio.com/docs/voice/api/call-resource#statuscallbackevent
        """
        if event not in self.events:
            return
        params = self.facts() | {
            "CallDuration": str(self._talked or 0),
            "Duration": str(-(-(self._talked or 0) // 60)),  # billed minutes, begun ones count
            "SequenceNumber": str(self._sequence),
            "Timestamp": rfc2822(now()),
            "CallbackSource": "call-progress-events",
        }
        self._sequence += 1
        self.company.webhooks.tell(self.line.status_callback, "POST", params)
