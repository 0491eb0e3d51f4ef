"""What we ask of a phone company, and the three ways in which asking can fail."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class GatewayError(Exception):
    """`answer` is short and safe to store: an HTTP status and a code, never a number or a text."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.answer = answer[:60]


class NotTaken(GatewayError):
    """Certainly not processed (no connection, or 429): it may be sent again."""


class Refused(GatewayError):
    """Processed and refused (another 4xx). `code` is Twilio's error code, or 0."""

    def __init__(self, answer: str, status: int, code: int) -> None:
        super().__init__(answer)
        self.status = status
        self.code = code


class Uncertain(GatewayError):
    """May have been processed (a timeout, a reset, a 5xx): ask before repeating."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Where a call is at this moment, in the phone company's own words."""

    finished: bool
    in_queue: bool = False
    conference_sid: str | None = None  # of the conference that was asked about, if the call is in it


class Gateway(Protocol):
    """Every method may raise NotTaken, Refused or Uncertain. Paths are ours, below the public base URL."""

    def sign_in(self) -> None:
        """Ask for nothing in particular; refused if the company does not know our account and its token."""

    def move_caller(self, queue_sid: str, call_sid: str, path: str) -> None:
        """Take a queue member out of the queue and have it ask `path`; refused if it is no longer queued."""

    def redirect(self, call_sid: str, path: str) -> None:
        """Have a call in progress ask `path` for what to do next."""

    def hang_up(self, call_sid: str) -> None:
        """Complete a call."""

    def call(self, sender: str, recipient: str, path: str, status_path: str, seconds: int) -> str:
        """Ring somebody for so long and return the CallSid; answered, the call asks `path`.

        Asking twice rings twice. What becomes of it is told to `status_path`, first of all its CallSid.
        """

    def calls_made(self, sender: str, recipient: str, since: datetime) -> list[str]:
        """Ask which calls between these two it has taken at `since` or later, over or not; newest first, by CallSid."""

    def end_conference(self, conference_sid: str) -> None:
        """End a conference; its participants go on to the action of their Dial."""

    def send_text(self, sender: str, recipient: str, body: str, message_id: str) -> str:
        """Send one text and return its MessageSid; its status callbacks carry `message_id`."""

    def locate(self, call_sid: str, queue_sid: str | None, conference: str | None) -> Membership:
        """Ask whether a call is finished and, if not, whether it is in that queue or conference (a SID or a name)."""


_gateway: Gateway | None = None


def use(gateway: Gateway | None) -> None:
    """Send every request of this process through `gateway`."""
    global _gateway
    _gateway = gateway


def current() -> Gateway:
    """The gateway of this process; RuntimeError before `use()`."""
    if _gateway is None:
        raise RuntimeError("no gateway: call telephony.gateway.use() first")
    return _gateway
