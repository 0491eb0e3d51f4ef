"""Twilio's webhooks, played for a product with a real account's settings: signed, in the order in which Twilio asks.

What the product would ask of Twilio's REST API is read from its outbox: from here, nobody can be reached there.
"""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from xml.etree import ElementTree as ET

import requests
from twilio.request_validator import RequestValidator

from tests.product import CALLER, GEORGIA, Product, eventually
from warmline.telephony.twiml import OVERRIDES

sids = count(1)


def sid(prefix: str) -> str:
    return f"{prefix}{next(sids):032x}"


class RealAccount(Product):
    """A product whose settings are those of a real account."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # Without the simulator the product asks api.twilio.com: by a proxy that is not there, so nothing leaves us.
        self.environment |= {"TWILIO_API_BASE_URL": "", "HTTPS_PROXY": "http://127.0.0.1:9"}

    def start_simulator(self) -> None:
        """Nobody plays the phone company's REST API."""

    def asked(self, kind: str, call: str) -> dict[str, str]:
        """What the product asked of Twilio last about a call or conference, by its outbox."""

        def found() -> list[dict[str, str]]:
            rows = [row for row in self.rows("outside_request") if row["kind"] == kind and call in row["arguments"]]
            return [json.loads(row["arguments"]) for row in rows]

        return eventually(found, what=f"{kind} was never asked for")[-1]


class Line:
    """One caller, from the first ring on, and the peer's leg; every address is one that the product handed out."""

    def __init__(self, product: RealAccount) -> None:
        self.product = product
        self.caller, self.queue, self.conference = sid("CA"), sid("QU"), sid("CF")
        self.peer = ""
        self._events: Iterator[int] = count(1)

    def posts(self, url: str, **form: str) -> ET.Element:
        """A signed request; the root of the TwiML that answers it."""
        base, token = self.product.url, self.product.environment["TWILIO_AUTH_TOKEN"]
        url = base + url.removeprefix(base).removesuffix(OVERRIDES)  # Twilio takes the overrides off
        signed = {"X-Twilio-Signature": RequestValidator(token).compute_signature(url, form)}
        answer = requests.post(url, data=form, headers=signed, timeout=20)
        assert answer.ok, answer.text
        return ET.fromstring(answer.text)

    def calls(self, url: str, **form: str) -> ET.Element:
        """The caller's own call asks."""
        return self.posts(
            url, **{"CallSid": self.caller, "From": CALLER, "To": GEORGIA, "CallStatus": "in-progress"} | form
        )

    def waits(self) -> None:
        """The caller dials, chooses English, and is in the queue."""
        menu = self.calls("/twilio/voice/incoming", CallStatus="ringing")
        enqueue = self.calls(of(menu, "Gather", "action"), Digits="1")
        self.wait = of(enqueue, "Enqueue", "waitUrl")
        self.still_waits()

    def still_waits(self) -> str:
        """What the caller in the queue hears now."""
        heard = self.calls(self.wait, QueueSid=self.queue, QueueTime="1", QueuePosition="1", CurrentQueueSize="1")
        assert heard.find("Leave") is None
        return " ".join(said.text or "" for said in heard.iter("Say"))

    def queues_again(self, dropped: ET.Element) -> None:
        """The caller whose peer was lost presses 1, and is in the queue again."""
        enqueue = self.calls(of(dropped, "Gather", "action"), Digits="1")
        self.queue = sid("QU")
        self.wait = of(enqueue, "Enqueue", "waitUrl")
        self.still_waits()

    def peer_dials(self, identity: str, **params: str) -> None:
        """The TwiML App is asked about a browser's call, and brings it into the conference, then the caller too."""
        self.peer = sid("CA")
        dial = self.posts("/twilio/voice/client", CallSid=self.peer, From=f"client:{identity}", **params)
        self.callback = of(dial, "Conference", "statusCallback")
        self.happens("participant-join", self.peer)
        move = self.product.asked("move_caller", self.caller)
        assert move["queue_sid"] == self.queue
        self.calls(move["path"])
        self.happens("participant-join", self.caller)

    def happens(self, event: str, call_sid: str, **form: str) -> None:
        """To the conference."""
        self.posts(
            self.callback,
            StatusCallbackEvent=event,
            CallSid=call_sid,
            ConferenceSid=self.conference,
            SequenceNumber=str(next(self._events)),
            **form,
        )

    def peer_is_gone(self) -> None:
        self.happens("participant-leave", self.peer, ReasonParticipantLeft="participant_hung_up")
        self.posts("/twilio/voice/status", CallSid=self.peer, CallStatus="completed")

    def hangs_up(self) -> None:
        """Whatever is left of this call ends."""
        for call in filter(None, (self.peer, self.caller)):
            self.posts("/twilio/voice/status", CallSid=call, CallStatus="completed")


def of(document: ET.Element, verb: str, attribute: str) -> str:
    """An address that a document hands out."""
    (found,) = document.iter(verb)
    return found.attrib[attribute]
