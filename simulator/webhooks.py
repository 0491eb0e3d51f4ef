"""Requests out: signed, timed, retried as the URL's fragment says, and spoilt on demand.

Signature            https://www.twilio.com/docs/usage/security#validating-requests
Connection overrides https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
Errors               https://www.twilio.com/docs/api/errors/11200 and .../11205
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import gevent

from simulator.faults import CALLBACK_KINDS, Fault, Faults

URL = re.compile(r"https?://[\w.-]+(:\d{1,5})?([/?#][!-~]*)?", re.ASCII)

BODY_LIMIT = 64 * 1024  # bytes of TwiML; https://www.twilio.com/docs/api/errors/11750

# Twilio does not say how long it waits between two attempts. Without a pause a refused connection would use
# up all retries in a millisecond. Seconds, real ones.
PAUSES = (0.5, 1.0, 2.0, 3.0, 3.0)

HELD_AT_MOST = 10.0  # seconds that a callback waits to be overtaken


@dataclass(frozen=True)
class Overrides:
    """Connection settings of one URL: milliseconds, number of retries, and what is worth a retry."""

    connect: int = 5000
    read: int = 15000
    total: int = 15000
    retries: int = 1
    policy: frozenset[str] = frozenset({"ct"})

    @classmethod
    def of(cls, url: str) -> Overrides:
        """Read `#ct=…&rt=…&tt=…&rc=…&rp=…`; what is missing or malformed keeps Twilio's default."""
        given = dict(parse_qsl(urlsplit(url).fragment))

        def within(key: str, low: int, high: int, default: int) -> int:
            value = given.get(key, "")
            return min(max(int(value), low), high) if value.isdecimal() else default

        return cls(
            connect=within("ct", 100, 10000, cls.connect),
            read=within("rt", 100, 15000, cls.read),
            total=within("tt", 100, 15000, cls.total),
            retries=within("rc", 0, 5, cls.retries),
            policy=frozenset(given["rp"].split(",")) if given.get("rp") else cls.policy,
        )


@dataclass(frozen=True)
class Answer:
    """A 2xx answer."""

    content_type: str
    body: str


@dataclass(frozen=True)
class Failure:
    """No usable answer. `reason` is the retry policy's word for it: ct, rt, 4xx or 5xx."""

    code: int
    reason: str
    message: str


def signature(token: str, url: str, params: Mapping[str, str]) -> str:
    """X-Twilio-Signature: base64(HMAC-SHA1(token, URL + each key and value, sorted by key))."""
    signed = url + "".join(key + params[key] for key in sorted(params))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def path_of(url: str) -> str:
    """Path and query: what a fault's pattern is searched in."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


class Webhooks:
    """Asks the product for documents and tells it what happened."""

    def __init__(self, token: str, faults: Faults, spawn: Callable[..., Any], note: Callable[..., None]) -> None:
        self._token = token
        self._faults = faults
        self._spawn = spawn
        self._note = note
        self._held: list[tuple[Fault, str, str, Mapping[str, str]]] = []

    def ask(self, url: str, method: str, params: Mapping[str, str]) -> Answer | Failure:
        """Fetch a document. A `duplicate` fault asks twice, as a retry after a lost answer does."""
        key = secrets.token_hex(16)
        fault = self._faults.take(("duplicate", "delay"), path_of(url))
        if fault and fault.kind == "delay":
            gevent.sleep(fault.seconds)
        elif fault:
            self._deliver(url, method, params, key)
        return self._deliver(url, method, params, key)

    def tell(self, url: str, method: str, params: Mapping[str, str]) -> None:
        """Send a status callback in the background; its answer is ignored, its failure only noted."""
        if url:
            fault = self._faults.take(CALLBACK_KINDS, path_of(url))
            self._spawn(self._tell, url, method, dict(params), fault)

    def _tell(self, url: str, method: str, params: Mapping[str, str], fault: Fault | None) -> None:
        if fault and fault.kind == "drop":
            return
        if fault and fault.kind == "reorder":
            # goes out right after the next callback of its kind, or at last by itself
            late = (fault, url, method, params)
            self._held.append(late)
            gevent.sleep(HELD_AT_MOST)
            if late not in self._held:
                return
            self._held.remove(late)
        if fault and fault.kind == "delay":
            gevent.sleep(fault.seconds)
        key = secrets.token_hex(16)
        for _ in range(2 if fault and fault.kind == "duplicate" else 1):
            result = self._deliver(url, method, params, key)
            if isinstance(result, Failure):
                self._note(result.code, result.message, url=url, level="warning")
        for late in [late for late in self._held if late[0].pattern.search(path_of(url))]:
            self._held.remove(late)
            self._spawn(self._tell, *late[1:], None)

    def forget(self) -> None:
        self._held.clear()

    def _deliver(self, url: str, method: str, params: Mapping[str, str], key: str) -> Answer | Failure:
        """Try, and try again as far as the URL allows; `key` is the idempotency token of all attempts."""
        if not URL.fullmatch(url):
            return Failure(11100, "", f"{url} is not a URL")
        overrides = Overrides.of(url)
        result: Answer | Failure = Failure(11205, "ct", f"no answer from {url} within {overrides.total} ms")
        with gevent.Timeout(overrides.total / 1000, False):
            for attempt in range(overrides.retries + 1):
                if attempt:
                    gevent.sleep(PAUSES[attempt - 1])
                result = self._attempt(url, method, params, key, overrides)
                if isinstance(result, Answer) or not overrides.policy & {result.reason, "all"}:
                    break
        return result

    def _attempt(
        self, url: str, method: str, params: Mapping[str, str], key: str, overrides: Overrides
    ) -> Answer | Failure:
        """Ask once. GET carries the parameters in its query, which is signed with the URL."""
        scheme, host, path, query, _ = urlsplit(url)
        if method == "GET":
            query, params = "&".join(part for part in (query, urlencode(params)) if part), {}
        bare = urlunsplit((scheme, host, path, query, ""))
        headers = {
            "Accept": "*/*",
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "I-Twilio-Idempotency-Token": key,
            "User-Agent": "TwilioProxy/1.1",
            "X-Twilio-Signature": signature(self._token, bare, params),
        }
        line = (HTTPSConnection if scheme == "https" else HTTPConnection)(host, timeout=overrides.connect / 1000)
        try:
            line.connect()
        except OSError as error:
            return Failure(11205, "ct", f"cannot connect to {host}: {error}")
        try:
            line.sock.settimeout(overrides.read / 1000)
            wanted = urlunsplit(("", "", path or "/", query, ""))
            line.request(method, wanted, urlencode(params).encode() if method != "GET" else None, headers)
            answer = line.getresponse()
            text = answer.read(BODY_LIMIT + 1)
        except (OSError, HTTPException) as error:
            return Failure(11205, "rt", f"no answer from {bare}: {error!r}")
        finally:
            line.close()
        if not 200 <= answer.status < 300:
            return Failure(11200, f"{answer.status // 100}xx", f"{bare} answered {answer.status}")
        if len(text) > BODY_LIMIT:
            return Failure(11750, "", f"{bare} answered more than {BODY_LIMIT} bytes")
        return Answer(answer.headers.get_content_type(), text.decode(errors="replace"))
