"""Twilio's voice hosts, played for the real Voice SDK: its signalling over a real, encrypted WebSocket.

The browser is told that these hosts are on this machine, so the page itself is not touched, and its Content Security
Policy counts. The signalling is not documented. What is said here is what @twilio/voice-sdk 2.18.5 says and
understands, by the classes in its bundle: WSTransport (heartbeats, reconnection), PStream (every message), Device
(`connected`), Call (`answer`, `hangup`, `ringing`, the reconnect token) and EventPublisher (statistics over HTTPS).
"""

import json
import queue
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Self

from simple_websocket import ConnectionClosed, Server
from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

HEARTBEAT_SECONDS = 5  # WSTransport gives a silent socket up after 15
PATIENCE_SECONDS = 15


class Signalling:
    """`hears()` and `says()` are Twilio's side of the conversation."""

    def __init__(self) -> None:
        self.sockets: list[Server] = []  # open now
        self.dialled: list[str] = []  # host of every socket that was ever opened
        self.away = False  # while it is, nobody is let in
        self.token_is_over = False  # the next token is, and stays so
        self._over = ""
        self._heard: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self._server = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet, ssl_context="adhoc"
        )
        self.port = self._server.server_port

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.drops()
        self._server.shutdown()
        self._server.server_close()

    @property
    def resolver_rules(self) -> str:
        """For Chromium's --host-resolver-rules: Twilio is here."""
        return f"MAP *.twilio.com:443 127.0.0.1:{self.port}"

    def hears(self, kind: str, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The payload of the SDK's next message of this kind; others before it are passed over."""
        until = time.monotonic() + seconds
        passed: list[str] = []
        while True:
            try:
                heard, payload = self._heard.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"the SDK never said {kind!r}, but {passed}") from None
            if heard == kind:
                return payload
            passed.append(heard)

    def overheard(self) -> list[str]:
        """The kinds of all that was said since the last hears()."""
        heard = []
        with suppress(queue.Empty):
            while True:
                heard.append(self._heard.get_nowait()[0])
        return heard

    def forgets(self) -> None:
        """What other tests did, and how it was for them."""
        self.overheard()
        self.dialled.clear()
        self.away = self.token_is_over = False

    def says(self, kind: str, **payload: Any) -> None:
        """To whoever is connected."""
        for each in [*self.sockets]:
            _send(each, kind, payload)

    def drops(self) -> None:
        """The line is cut: every socket ends without a word."""
        for each in [*self.sockets]:
            with suppress(OSError):
                each.sock.shutdown(socket.SHUT_RDWR)

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        if request.headers.get("Upgrade") == "websocket" and not self.away:
            self._talk(request)
            raise ConnectionError  # for Werkzeug: there is nothing more to answer
        if self.away:
            return Response(status=503)(environ, start_response)
        return _page(request)(environ, start_response)

    def _talk(self, request: Request) -> None:
        each = Server.accept(request.environ)
        self.dialled.append(request.host)
        self.sockets.append(each)
        try:
            while True:
                text = each.receive(timeout=HEARTBEAT_SECONDS)
                if text is None:
                    each.send("\n")
                elif text != "\n":
                    self._take(each, json.loads(text))
        except ConnectionClosed:
            self.sockets.remove(each)
            self._heard.put(("closed", {}))

    def _take(self, each: Server, message: dict[str, Any]) -> None:
        kind, payload = message["type"], message["payload"]
        assert message["version"] == "1.6"
        if kind == "listen" and (self.token_is_over or payload["token"] == self._over):
            self.token_is_over, self._over = False, payload["token"]
            _send(each, "error", {"error": {"code": 31205, "message": "AccessTokenExpired"}})
        elif kind == "listen":
            # PStream.setToken() also says it for a token that was renewed.
            _send(each, "connected", {"region": "US_EAST_VIRGINIA", "edge": "ashburn", "home": "us1"})
        self._heard.put((kind, payload))


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object, **__: object) -> None:
        """Say nothing."""


def _send(each: Server, kind: str, payload: dict[str, Any]) -> None:
    with suppress(ConnectionClosed):
        each.send(json.dumps({"type": kind, "version": "1.6", "payload": payload}))


def _page(request: Request) -> Response:
    """Statistics are taken, from any page; anything else is an empty page, for the far end to stand on."""
    if request.host.startswith("eventgw."):
        allowed = {f"Access-Control-Allow-{what}": "*" for what in ("Origin", "Methods", "Headers")}
        return Response(status=200, headers=allowed)
    return Response("<!doctype html><title>Far end</title>", mimetype="text/html")
