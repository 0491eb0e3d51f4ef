"""A real simulator process, a tiny product that it talks to, and twilio-python pointed at it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import requests
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.telephony.openapi import Wire

ROOT = Path(__file__).parents[2]
SPEED = 20  # seconds of the telephone world in one of ours
PATIENCE_SECONDS = 20  # on a busy machine

ACCOUNT = "AC" + "1" * 32
TOKEN = "t" * 32
KEY, KEY_SECRET = "SK" + "2" * 32, "s" * 32
TWIML_APP = "AP" + "3" * 32
GEORGIA, ILLINOIS = "+14045550101", "+13125550102"
CALLER, OTHER = "+14045550123", "+13125550142"

Reply = str | tuple[int, str, str]
Answering = Reply | Callable[[dict[str, str]], Any]


def twiml(inside: str) -> str:
    return f"<?xml version='1.0' encoding='UTF-8'?><Response>{inside}</Response>"


@dataclass
class Hook:
    """A webhook as the product got it."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]
    signed: bool
    at: float = field(default_factory=time.monotonic)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *address: Any) -> None:
        super().__init__(*address)
        self.under_way: set[Any] = set()  # from when the connection is taken until it is answered

    def process_request(self, request: Any, client_address: Any) -> None:
        self.under_way.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        super().process_request_thread(request, client_address)
        self.under_way.discard(request)


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None: ...


class Product:
    """Answers webhooks by path, remembers them, and can be stopped and started on the same port."""

    def __init__(self) -> None:
        self.hooks: list[Hook] = []
        self.replies: dict[str, Answering] = {}
        self.port = 0
        self.start()

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _Quiet)
        self._server.set_app(self._serve)
        self.port = self._server.server_port
        self.base_url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forgets(self) -> None:
        """Everything so far, and what has been sent but is not yet read: connections are taken in their order."""
        with requests.Session() as http:
            http.trust_env = False
            http.get(self.base_url, timeout=PATIENCE_SECONDS)
        eventually(lambda: not self._server.under_way, "a webhook is never answered")
        self.hooks.clear()
        self.replies.clear()

    def _serve(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
        query = environ.get("QUERY_STRING", "")
        path = environ["PATH_INFO"] + (f"?{query}" if query else "")
        form = dict(parse_qsl(body, keep_blank_values=True))
        headers = {
            key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")
        }
        sent = headers.get("x-twilio-signature", "")
        signed = RequestValidator(TOKEN).validate(self.base_url + path, form, sent)
        params = form | dict(parse_qsl(query, keep_blank_values=True))
        self.hooks.append(Hook(path, params, headers, signed))
        reply = self.replies.get(environ["PATH_INFO"], twiml(""))
        said: Reply = reply(params) if callable(reply) else reply
        status, kind, text = (200, "text/xml", said) if isinstance(said, str) else said
        start_response(f"{status} OK", [("Content-Type", kind)])
        return [text.encode()]

    def to(self, path: str, **params: str) -> list[Hook]:
        """The webhooks that came to `path` (a query is ignored) with these parameters."""
        return [
            hook
            for hook in list(self.hooks)
            if hook.path.split("?")[0] == path and all(hook.params.get(key) == value for key, value in params.items())
        ]

    def wait_for(self, path: str, count: int = 1, **params: str) -> Hook:
        """The `count`-th such webhook, as soon as it has come."""
        eventually(lambda: len(self.to(path, **params)) >= count, f"no webhook {path} {params}")
        return self.to(path, **params)[count - 1]


def eventually(
    condition: Callable[[], Any], message: str = "it did not happen", seconds: float = PATIENCE_SECONDS
) -> Any:
    """Ask again and again until the answer is true; return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, message
        time.sleep(0.01)
    return found


class Simulator:
    """The script interface, as a test uses it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.trust_env = False

    def ask(self, method: str, path: str, /, **json: Any) -> Any:
        answer = self.http.request(method, f"{self.url}{path}", json=json if method == "POST" else None, timeout=20)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def dial(self, to: str = GEORGIA, from_: str = CALLER) -> str:
        return str(self.ask("POST", "/script/calls", **{"from": from_, "to": to})["sid"])

    def press(self, sid: str, digits: str) -> None:
        self.ask("POST", f"/script/calls/{sid}/keys", digits=digits)

    def hang_up(self, sid: str) -> None:
        self.ask("POST", f"/script/calls/{sid}/hangup")

    def softphone(self, identity: str, **params: str) -> str:
        return str(self.ask("POST", "/script/softphone", identity=identity, params=params)["sid"])

    def call(self, sid: str) -> dict[str, Any]:
        return dict(self.ask("GET", f"/script/calls/{sid}"))

    def heard(self, sid: str) -> list[str]:
        return [entry["text"] for entry in self.call(sid)["heard"]]

    def hears(self, sid: str, text: str) -> None:
        eventually(lambda: text in self.heard(sid), f"never heard: {text}")

    def reaches(self, sid: str, where: str) -> dict[str, Any]:
        eventually(lambda: self.call(sid)["where"] == where, f"never in {where}: {self.call(sid)}")
        return self.call(sid)

    def errors(self) -> list[dict[str, Any]]:
        return list(self.ask("GET", "/script/errors")["errors"])

    def error_codes(self) -> list[Any]:
        return [error["code"] for error in self.errors()]

    def fault(self, **fault: Any) -> None:
        self.ask("POST", "/script/faults", **fault)


class _Local(TwilioHttpClient):  # type: ignore[misc]  # has no types
    """twilio-python as it is, but api.twilio.com is the simulator."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(**options)
        self.url = url

    def request(self, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        assert url.startswith("https://api.twilio.com")
        return super().request(method, url.replace("https://api.twilio.com", self.url), *arguments, **options)


def client_for(url: str, user: str = ACCOUNT, password: str = TOKEN, timeout: float = 10) -> Client:
    """twilio-python as somebody's client of the simulator; every exchange is held to Twilio's description."""
    return Client(user, password, ACCOUNT, http_client=Wire(_Local(url, timeout=timeout)))


def start_simulator(base_url: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
    """Start `python -m simulator` on a free port; return the process and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SIMULATOR_PORT": "0",
            "SIMULATOR_SPEED": str(SPEED),
            "SIMULATOR_NUMBERS": f"{GEORGIA}=Georgia,{ILLINOIS}=Illinois",
            "PUBLIC_BASE_URL": base_url,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_API_KEY_SID": KEY,
            "TWILIO_API_KEY_SECRET": KEY_SECRET,
            "TWILIO_TWIML_APP_SID": TWIML_APP,
            **environment,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    line = process.stdout.readline()
    assert "http://" in line, line
    return process, line.split(" at ")[1].split("/ ")[0]
