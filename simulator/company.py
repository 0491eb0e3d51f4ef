"""The phone company's state: who owns which number, which calls, queues, conferences and texts there are.

All of it is in memory and touched by one process of greenlets: between two waits nothing else runs, so no
locks are needed. A restart forgets everything, as a carrier that loses its calls would.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import gevent
from gevent.pool import Group

from simulator.faults import Faults
from simulator.settings import Settings
from simulator.webhooks import Webhooks

if TYPE_CHECKING:
    from simulator.call import Call
    from simulator.conferences import Conference
    from simulator.messages import Message
    from simulator.queues import Queue

log = logging.getLogger("simulator")

REMEMBERED = 2000  # log entries of each kind; older ones are forgotten

WITHHELD = "+266696687"  # "ANONYMOUS" on a keypad: what From often is when a caller withholds the number


def rfc2822(moment: datetime) -> str:
    """The way Twilio's 2010-04-01 API writes a time."""
    return format_datetime(moment.astimezone(UTC))


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Line:
    """What is configured for one number (or for the TwiML App): where its calls and texts are answered."""

    number: str
    label: str
    voice_url: str
    voice_fallback_url: str
    status_callback: str
    sms_url: str


class Company:
    """Everything that exists at this moment."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.faults = Faults()
        self.work = Group()
        self.webhooks = Webhooks(settings.auth_token, self.faults, self.spawn, self.note)
        self.lines = {number: self._line(number, label, "incoming") for number, label in settings.numbers.items()}
        self.app = self._line("", "TwiML App", "client")
        self.listeners: set[Callable[[dict[str, Any]], None]] = set()
        self.pages: Counter[str] = Counter()  # how many event streams each page of telephones has open
        self._forget()

    def _forget(self) -> None:
        self.calls: dict[str, Call] = {}
        self.queues: dict[str, Queue] = {}
        self.conferences: dict[str, Conference] = {}
        self.messages: dict[str, Message] = {}
        self.opted_out: set[tuple[str, str]] = set()
        self.errors: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self.requests: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self.faults.clear()
        self.webhooks.forget()

    def _line(self, number: str, label: str, voice: str) -> Line:
        base = self.settings.base_url
        fragment = f"#{self.settings.overrides}" if self.settings.overrides else ""
        return Line(
            number=number,
            label=label,
            voice_url=f"{base}/twilio/voice/{voice}{fragment}",
            voice_fallback_url=f"{base}/twilio/voice/fallback{fragment}",
            status_callback=f"{base}/twilio/voice/status{fragment}",
            sms_url=f"{base}/twilio/sms/incoming{fragment}",
        )

    def reset(self) -> None:
        """Drop every call and everything on its way, without telling anybody, and forget it all."""
        for call in self.calls.values():
            call.drop()
        self.work.kill(block=True, timeout=2)
        self._forget()

    def spawn(self, work: Callable[..., Any], *arguments: Any) -> gevent.Greenlet:
        """Run `work` beside everything else; reset() ends it."""
        return self.work.spawn(work, *arguments)

    def sleep(self, seconds: float) -> None:
        """Let `seconds` of the telephone world go by."""
        gevent.sleep(seconds / self.settings.speed)

    def elapsed(self, since: float) -> int:
        """Whole seconds of the telephone world since `since` (a time.monotonic())."""
        return int((time.monotonic() - since) * self.settings.speed)

    def new_sid(self, prefix: str) -> str:
        return prefix + secrets.token_hex(16)

    def note(self, code: int | str, message: str, *, level: str = "error", **facts: Any) -> None:
        """Keep what Twilio's debugger would show: an error, a warning, or something not built here."""
        entry = {"at": now().isoformat(), "code": code, "level": level, "message": message, **facts}
        self.errors.append(entry)
        log.warning("%s %s", code, message)
        self.tell("", {"noted": entry})

    def tell(self, number: str, event: dict[str, Any]) -> None:
        """Let the page know what a telephone hears or receives."""
        for listener in list(self.listeners):
            listener({"number": number, **event})
