"""Twilio by twilio-python: the only client, for the real company and for the simulator alike."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.rest import Client
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from warmline.telephony.gateway import GatewayError, Membership, NotTaken, Refused, Uncertain
from warmline.telephony.twiml import OVERRIDES

TIMEOUT_SECONDS = 6
TWILIO_API = "api.twilio.com"
LATEST_CALLS = 20  # between two numbers: more than a minute can bring
NOT_FOUND = 20404  # https://www.twilio.com/docs/api/errors/20404
# https://www.twilio.com/docs/voice/api/call-resource#call-status-values
FINISHED = {"completed", "busy", "failed", "no-answer", "canceled"}

Answer = TypeVar("Answer")


class ReplacedHost(TwilioHttpClient):
    """Sends what is meant for api.twilio.com to another base URL, and refuses every other host."""

    def __init__(self, base_url: str) -> None:
        super().__init__(timeout=TIMEOUT_SECONDS)
        self.base_url = base_url.rstrip("/")

    def request(self, method: str, url: str, *arguments: Any, **options: Any) -> Response:
        """As TwilioHttpClient.request; TwilioException for a host that is not replaced."""
        parts = urlsplit(url)
        if parts.hostname != TWILIO_API:
            raise TwilioException(f"{parts.hostname} is not reachable while TWILIO_API_BASE_URL is set")
        target = self.base_url + parts.path + (f"?{parts.query}" if parts.query else "")
        return super().request(method, target, *arguments, **options)


class TwilioGateway:
    """`telephony.gateway.Gateway` over Twilio's REST API (2010-04-01)."""

    def __init__(
        self, account_sid: str, auth_token: str, public_base_url: str, api_base_url: str | None = None
    ) -> None:
        http = ReplacedHost(api_base_url) if api_base_url else TwilioHttpClient(timeout=TIMEOUT_SECONDS)
        self.client = Client(account_sid, auth_token, http_client=http)
        self.public_base_url = public_base_url

    def sign_in(self) -> None:
        """https://www.twilio.com/docs/voice/api/queue-resource#read-multiple-queue-resources"""
        _ask(lambda: self.client.queues.list(limit=1))

    def move_caller(self, queue_sid: str, call_sid: str, path: str) -> None:
        """https://www.twilio.com/docs/voice/api/member-resource#update-a-member-resource"""
        _ask(lambda: self.client.queues(queue_sid).members(call_sid).update(url=self._url(path), method="POST"))

    def redirect(self, call_sid: str, path: str) -> None:
        """https://www.twilio.com/docs/voice/api/call-resource#update-a-call-resource"""
        _ask(lambda: self.client.calls(call_sid).update(url=self._url(path), method="POST"))

    def hang_up(self, call_sid: str) -> None:
        """https://www.twilio.com/docs/voice/api/call-resource#update-a-call-resource"""
        _ask(lambda: self.client.calls(call_sid).update(status="completed"))

    def call(self, sender: str, recipient: str, path: str, status_path: str, seconds: int) -> str:
        """https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource"""
        call = _ask(
            lambda: self.client.calls.create(
                to=recipient,
                from_=sender,
                url=self._url(path),
                method="POST",
                status_callback=self._url(status_path),
                status_callback_method="POST",
                status_callback_event=["initiated", "completed"],
                timeout=seconds,
            )
        )
        return str(call.sid)

    def calls_made(self, sender: str, recipient: str, since: datetime) -> list[str]:
        """https://www.twilio.com/docs/voice/api/call-resource#read-multiple-call-resources

        Not by StartTime: a call that still waits for its turn to be dialled has none, and it filters by days.
        """
        calls = _ask(lambda: self.client.calls.list(to=recipient, from_=sender, limit=LATEST_CALLS))
        return [str(call.sid) for call in calls if call.date_created is None or call.date_created >= since]

    def end_conference(self, conference_sid: str) -> None:
        """https://www.twilio.com/docs/voice/api/conference-resource#update-a-conference-resource"""
        _ask(lambda: self.client.conferences(conference_sid).update(status="completed"))

    def send_text(self, sender: str, recipient: str, body: str, message_id: str) -> str:
        """https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource"""
        callback = f"{self.public_base_url}/twilio/sms/status?message={message_id}"
        message = _ask(
            lambda: self.client.messages.create(to=recipient, from_=sender, body=body, status_callback=callback)
        )
        return str(message.sid)

    def locate(self, call_sid: str, queue_sid: str | None, conference: str | None) -> Membership:
        """Fetch the call; only if it goes on, look for it in the queue and among the conference's participants."""
        call = _found(lambda: self.client.calls(call_sid).fetch())
        if call is None or call.status in FINISHED:
            return Membership(finished=True)
        in_queue = queue_sid is not None and self._is_queued(queue_sid, call_sid)
        return Membership(False, in_queue, self._conference_with(conference, call_sid) if conference else None)

    def _is_queued(self, queue_sid: str, call_sid: str) -> bool:
        return _found(lambda: self.client.queues(queue_sid).members(call_sid).fetch()) is not None

    def _conference_with(self, conference: str, call_sid: str) -> str | None:
        sid = conference
        if not sid.startswith("CF"):  # the callback that would have told us the SID was lost: find it by its name
            rooms = _ask(lambda: self.client.conferences.list(friendly_name=conference, status="in-progress", limit=1))
            if not rooms:
                return None
            sid = str(rooms[0].sid)
        return sid if _found(lambda: self.client.conferences(sid).participants(call_sid).fetch()) is not None else None

    def _url(self, path: str) -> str:
        return f"{self.public_base_url}{path}{OVERRIDES}"


def softphone_token(
    account_sid: str, key_sid: str, key_secret: str, application_sid: str, identity: str, ttl: int
) -> str:
    """An access token with which a browser may call our TwiML App, and be called by nobody.

    `ttl` is in seconds. Source: https://www.twilio.com/docs/iam/access-tokens
    """
    token = AccessToken(account_sid, key_sid, key_secret, identity=identity, ttl=ttl)
    token.add_grant(VoiceGrant(outgoing_application_sid=application_sid, incoming_allow=False))
    return str(token.to_jwt())


def _ask(request: Callable[[], Answer]) -> Answer:
    try:
        return request()
    except TwilioRestException as error:
        raise _failure(error.status, error.code or 0) from error
    except TwilioException as error:
        # Of a list that cannot be had, twilio-python says only which answer came.
        if not isinstance(error.args[-1], Response):
            raise
        raise _failure(error.args[-1].status_code, 0) from error
    except requests.RequestException as error:
        name = type(error).__name__
        if _never_connected(error):
            raise NotTaken(name) from error
        raise Uncertain(name) from error


def _failure(status: int, code: int) -> GatewayError:
    answer = f"{status} {code or ''}".strip()
    if status == 429:  # https://www.twilio.com/docs/api/errors/20429: not processed
        return NotTaken(answer)
    return Uncertain(answer) if status >= 500 else Refused(answer, status, code)


def _found(request: Callable[[], Answer]) -> Answer | None:
    try:
        return _ask(request)
    except Refused as error:
        if error.status == 404 and error.code == NOT_FOUND:
            return None
        raise  # a proxy's own 404, for one, says nothing about a call


def _never_connected(error: requests.RequestException) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)
