"""The softphone's side of the company: it dials out with an access token, over HTTP.

https://www.twilio.com/docs/iam/access-tokens and https://www.twilio.com/docs/voice/sdks/javascript
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import gevent
import jwt
from flask import Blueprint, Response, current_app, jsonify, request, send_from_directory
from gevent.queue import Empty, Queue

from simulator.call import Call, Target
from simulator.company import Company
from simulator.interpreter import start
from simulator.telephones import describe, hang_up
from simulator.web import asked, company, texts_in

softphone = Blueprint("softphone", __name__)

BEAT = 1.0  # seconds between signs of life on the event stream; a vanished browser is noticed by the next one
GRACE = 5.0  # seconds a softphone may be without its event stream before the call is taken to be lost
PATIENCE = 20.0  # seconds that a softphone waits for the product's first document


class BadToken(ValueError):
    """The access token does not entitle its bearer to call; the message says why."""


def identity_of(here: Company, token: str) -> str:
    """Check an access token as Twilio does; return the identity that it names or raise BadToken."""
    settings = here.settings
    try:
        claims = jwt.decode(
            token,
            settings.api_key_secret,
            algorithms=["HS256"],
            issuer=settings.api_key_sid,
            options={"require": ["exp", "iss", "sub"], "verify_sub": False, "verify_aud": False},
        )
    except jwt.PyJWTError as error:
        raise BadToken(f"AccessTokenInvalid (20101): {error}") from None
    if claims["sub"] != settings.account_sid:
        raise BadToken("AccessTokenInvalid (20101): the token is for another account")
    grants = claims.get("grants", {})
    application = grants.get("voice", {}).get("outgoing", {}).get("application_sid")
    if application != settings.twiml_app_sid:
        raise BadToken("AccessTokenInvalid (20101): no outgoing grant for this TwiML application")
    if not grants.get("identity"):
        raise BadToken("AccessTokenInvalid (20101): the token names no identity")
    return str(grants["identity"])


def connect(here: Company, identity: str, params: Mapping[str, str]) -> Call:
    """Start the call that Device.connect({params}) starts: the TwiML App's voice URL is asked."""
    own = {"ApplicationSid": here.settings.twiml_app_sid}  # and Call.facts(): params cannot overrule them
    call = Call(here, here.app, from_=f"client:{identity}", to="", params={**params, **own})
    start(call, Target(here.app.voice_url))
    return call


class Streams:
    """The event streams of browser softphones: who holds which call, by a secret that only it has."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.open: Counter[str] = Counter()
        self.turns: Counter[str] = Counter()  # how often a call's stream was opened or closed

    def admit(self, call: Call) -> str:
        """A secret for the browser; if it never opens its stream, the call is lost."""
        self.secrets[call.sid] = key = secrets.token_urlsafe(16)
        self._watch(call)
        return key

    def of(self, here: Company, sid: str, key: str) -> Call | None:
        known = self.secrets.get(sid, "\0")
        return here.calls.get(sid) if secrets.compare_digest(known.encode(), key.encode()) else None

    def _watch(self, call: Call) -> None:
        """If the stream is closed now and stays so, the call is over."""
        gevent.spawn_later(GRACE, self._lost, call, self.turns[call.sid])

    def _lost(self, call: Call, turn: int) -> None:
        if not self.open[call.sid] and self.turns[call.sid] == turn:
            hang_up(call)

    def events(self, call: Call) -> Iterator[str]:
        """Server-sent events until the call ends or the browser is gone."""
        events: Queue[dict[str, Any]] = Queue()
        self.open[call.sid] += 1
        self.turns[call.sid] += 1
        call.listeners.add(events.put)
        try:
            yield f"retry: 500\nevent: call\ndata: {json.dumps(describe(call) | {'heard': []})}\n\n"
            while True:
                try:
                    yield f"event: call\ndata: {json.dumps(events.get(timeout=BEAT))}\n\n"
                except Empty:
                    yield ": still here\n\n"
                if call.ended_at and events.empty():
                    yield "event: end\ndata: {}\n\n"
                    return
        finally:
            call.listeners.discard(events.put)
            self.open[call.sid] -= 1
            self.turns[call.sid] += 1
            self._watch(call)


def _streams() -> Streams:
    found: Streams = current_app.extensions["softphones"]
    return found


@softphone.after_request
def _share(response: Response) -> Response:
    """The product's pages, under either of its names, may load and call this."""
    origin = request.headers.get("Origin", "")
    if origin in company().settings.origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Headers"] = "Content-Type"
    response.headers["Vary"] = "Origin"
    return response


@softphone.get("/softphone.js")
def module() -> Response:
    response = send_from_directory("static", "softphone.js", mimetype="text/javascript")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@softphone.route("/softphone/connect", methods=["POST", "OPTIONS"])
def connect_softphone() -> tuple[Response, int] | Response:
    """Begin a call; answers when the product's first document was fetched, or says why there is no call."""
    if request.method == "OPTIONS":
        return Response(status=204)
    wish = asked()
    try:
        identity = identity_of(company(), str(wish.get("token", "")))
    except BadToken as error:
        return jsonify(error=str(error)), 401
    call = connect(company(), identity, texts_in(wish, "params"))
    with gevent.Timeout(PATIENCE, False):
        while not call.answered_at and not call.over:
            gevent.sleep(0.02)
    if not call.answered_at:
        hang_up(call)
        return jsonify(error="the call was refused", sid=call.sid), 409
    return jsonify(sid=call.sid, key=_streams().admit(call)), 201


@softphone.get("/softphone/calls/<sid>/events")
def events(sid: str) -> Response | tuple[Response, int]:
    call = _streams().of(company(), sid, request.args.get("key", ""))
    if call is None or call.over:
        return jsonify(error="no such call"), 404
    return Response(_streams().events(call), mimetype="text/event-stream", headers={"Cache-Control": "no-store"})


@softphone.route("/softphone/calls/<sid>/<act>", methods=["POST", "OPTIONS"])
def act(sid: str, act: str) -> Response | tuple[Response, int]:
    """hangup, digits (body: {"digits"}) or mute (body: {"muted"}); text/plain bodies too, for sendBeacon."""
    if request.method == "OPTIONS":
        return Response(status=204)
    call = _streams().of(company(), sid, request.args.get("key", ""))
    if call is None:
        return jsonify(error="no such call"), 404
    wish = request.get_json(force=True, silent=True)
    wish = wish if isinstance(wish, dict) else {}
    if act == "hangup":
        hang_up(call)
    elif act == "digits":
        call.press(str(wish.get("digits", "")))
    elif act == "mute":
        call.show({"muted": bool(wish.get("muted"))})
    else:
        return jsonify(error="no such act"), 404
    return Response(status=204)
