"""Text messages: out by REST, in from a telephone, answered by TwiML, stopped by STOP.

https://www.twilio.com/docs/messaging/api/message-resource and https://www.twilio.com/docs/messaging/twiml
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from simulator import twiml
from simulator.company import Company, now
from simulator.settings import E164
from simulator.twiml import Document, Place, TwimlError
from simulator.webhooks import Failure

LONGEST = 1600  # characters; https://www.twilio.com/docs/api/errors/21617

# https://help.twilio.com/articles/223134027-Twilio-support-for-opt-out-keywords-SMS-STOP-filtering-
STOP = {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"}
START = {"START", "YES", "UNSTOP"}
STOPPED = "You have successfully been unsubscribed. Reply START to resubscribe."
STARTED = "You have successfully been re-subscribed. Reply HELP for help. Reply STOP to unsubscribe."

GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_TWICE = set("^{}\\[~]|€\f")

MOST_REDIRECTS = 10


def segments(body: str) -> int:
    """How many parts a text is sent in: GSM-7 160/153, UCS-2 70/67."""
    if set(body) <= GSM | GSM_TWICE:
        length, whole, part = len(body) + sum(letter in GSM_TWICE for letter in body), 160, 153
    else:
        length, whole, part = len(body.encode("utf-16-be")) // 2, 70, 67
    return 1 if length <= whole else -(-length // part)


@dataclass
class Message:
    """One text, in or out."""

    company: Company
    from_: str
    to: str
    body: str
    direction: str
    status: str
    callback: str = ""
    error_code: int | None = None
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)
    sent: datetime | None = None

    def __post_init__(self) -> None:
        self.sid = self.company.new_sid("SM")
        self.company.messages[self.sid] = self

    def facts(self) -> dict[str, str]:
        return {
            "MessageSid": self.sid,
            "SmsSid": self.sid,
            "AccountSid": self.company.settings.account_sid,
            "From": self.from_,
            "To": self.to,
            "ApiVersion": "2010-04-01",
        }

    def become(self, status: str) -> None:
        """Go one status further, and say so."""
        self.status, self.updated = status, now()
        if status == "sent":
            self.sent = self.updated
        params = self.facts() | {"MessageStatus": status, "SmsStatus": status}
        if self.error_code:
            params["ErrorCode"] = str(self.error_code)
        self.company.webhooks.tell(self.callback, "POST", params)


def send(
    company: Company, from_: str, to: str, body: str, callback: str = "", direction: str = "outbound-api"
) -> Message:
    """Accept a text from a line to a telephone and deliver it a moment later."""
    message = Message(company, from_, to, body, direction, "queued", callback)
    company.spawn(_deliver, company, message)
    return message


def _deliver(company: Company, message: Message) -> None:
    message.become("queued")
    company.sleep(0.2)
    fault = company.faults.take(("undelivered",), message.to)
    message.become("sent")
    company.sleep(0.5)
    if fault:
        message.error_code = int(fault.status)
        message.become("undelivered")
    else:
        message.become("delivered")
        _show(company, message.to, message)


def _show(company: Company, number: str, message: Message) -> None:
    company.tell(number, {"text": message.body, "from": message.from_, "to": message.to, "message": message.sid})


def receive(company: Company, from_: str, to: str, body: str, extra: Mapping[str, str] | None = None) -> Message:
    """A telephone texts a line. `extra` adds parameters, such as OptOutType, to what the line is told."""
    message = Message(company, from_, to, body, "inbound", "received")
    _show(company, from_, message)
    word = body.strip().upper()
    if word in STOP:
        company.opted_out.add((to, from_))
        _from_the_company(company, to, from_, STOPPED)
    elif word in START and (to, from_) in company.opted_out:
        company.opted_out.discard((to, from_))
        _from_the_company(company, to, from_, STARTED)
    company.spawn(_hand_over, company, message, dict(extra or {}))
    return message


def _from_the_company(company: Company, line: str, number: str, body: str) -> None:
    """Twilio's own answer to STOP and START: no status callback, and opting out does not hold it back."""
    _show(company, number, Message(company, line, number, body, "outbound-reply", "delivered"))


def _hand_over(company: Company, message: Message, extra: Mapping[str, str]) -> None:
    """Tell the line of a text, and do what its TwiML says."""
    params = message.facts() | {
        "SmsMessageSid": message.sid,
        "SmsStatus": "received",
        "Body": message.body,
        "NumMedia": "0",
        "NumSegments": str(segments(message.body)),
        **extra,
    }
    url = company.lines[message.to].sms_url
    for _ in range(MOST_REDIRECTS):
        answer = company.webhooks.ask(url, "POST", params)
        if isinstance(answer, Failure):
            company.note(answer.code, answer.message, url=url)
            return
        if not answer.body.strip():
            return
        try:
            document = twiml.read(url, answer, Place.TEXT)
        except TwimlError as error:
            company.note(error.code, str(error), url=url)
            return
        for code, warning in document.warnings:
            company.note(code, warning, level="warning", url=url)
        following = _obey(company, message, document)
        if not following:
            return
        url = following
    company.note(11215, "too many redirects", url=url)


def _obey(company: Company, message: Message, document: Document) -> str:
    """Send what a document says, up to a redirect, whose URL is returned."""
    for verb in document.verbs:
        if verb.name == "Redirect":
            return document.resolve(verb.text)
        words = [verb.text, *(child.text for child in verb.children)]
        from_, to = verb.get("from", message.to), verb.get("to", message.from_)
        body = "\n".join(words).strip()
        callback = verb.get("statusCallback")
        if problem := refusal(company, {"From": from_, "To": to, "Body": body}):
            company.note(*problem, url=document.url)
        else:
            send(company, from_, to, body, document.resolve(callback) if callback else "", "outbound-reply")
    return ""


def refusal(company: Company, params: Mapping[str, str]) -> tuple[int, str] | None:
    """Why Twilio would not take this text: its error code and a sentence; None if it would."""
    from_, to, body = params.get("From", ""), params.get("To", ""), params.get("Body", "")
    if not to:
        return 21604, "A 'To' phone number is required."
    if not from_:
        return 21603, "A 'From' phone number is required."
    if not body:
        return 21602, "Message body is required."
    if not E164.fullmatch(to):
        return 21211, f"Invalid 'To' Phone Number: {to}"
    if not E164.fullmatch(from_):
        return 21212, f"Invalid From Number (caller ID): {from_}"
    if from_ not in company.lines:
        return (
            21606,
            f"The 'From' phone number {from_} is not a valid, message-capable number of this account",
        )
    if len(body) > LONGEST:
        return 21617, "The concatenated message body exceeds the 1600 character limit"
    if (from_, to) in company.opted_out:
        return 21610, "Attempt to send to unsubscribed recipient"
    return None
