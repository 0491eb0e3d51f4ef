"""Asking a web process: as fast as it answers, or so many times a second whether it answers or not.

Requests are made and signed before the clock runs, and travel over plain sockets: a client library would take as long
as the server that is measured.
"""

import socket
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from twilio.request_validator import RequestValidator

from bench.product import SECRETS

AT_ONCE = 4  # requests under way in a closed loop
MOST_AT_ONCE = 50  # in an open one
ANSWER_SECONDS = 10
STALE_SECONDS = 1  # gunicorn closes a connection that is silent for two

_validator = RequestValidator(SECRETS["TWILIO_AUTH_TOKEN"])


class Failed(Exception):
    """A request was not answered with 200."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, as bytes."""

    host: str
    port: int
    sent: bytes


def ask(base: str, path: str, form: Mapping[str, str], headers: Mapping[str, str], method: str = "POST") -> Ask:
    """A request, with a form if it is a POST."""
    where = urlsplit(base)
    body = urlencode(form)
    lines = {
        "Host": where.netloc,
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": str(len(body)),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    assert where.hostname
    assert where.port
    return Ask(where.hostname, where.port, f"{method} {path} HTTP/1.1\r\n{head}\r\n{body}".encode())


def signed(base: str, path: str, form: dict[str, str]) -> Ask:
    """A POST as the phone company makes it."""
    return ask(base, path, form, {"X-Twilio-Signature": _validator.compute_signature(base + path, form)})


class Connection:
    """A connection that is kept alive."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=ANSWER_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self.used = time.monotonic()

    def answer(self, sent: bytes) -> bytes:
        """The body of the answer; OSError or Failed if there is none, or another than 200."""
        self._socket.sendall(sent)
        status = self._file.readline()
        length = 0
        while (line := self._file.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = self._file.read(length)
        self.used = time.monotonic()
        if b" 200 " not in status:
            raise Failed(f"{status!r} {body[:200]!r}")
        return body

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class Connections:
    """Connections to web processes, the latest used first."""

    def __init__(self) -> None:
        self._free: dict[tuple[str, int], list[Connection]] = {}

    def answer(self, asked: Ask) -> bytes:
        free = self._free.setdefault((asked.host, asked.port), [])
        try:
            connection = free.pop()
            if time.monotonic() - connection.used > STALE_SECONDS:
                connection.close()
                raise IndexError
        except IndexError:
            connection = Connection(asked.host, asked.port)
        try:
            body = connection.answer(asked.sent)
        except BaseException:
            connection.close()
            raise
        free.append(connection)
        return body

    def close(self) -> None:
        for free in self._free.values():
            for connection in free:
                connection.close()


def rate(asks: Sequence[Ask]) -> float:
    """How many of these were answered a second, AT_ONCE under way; OSError or Failed if one was not."""
    left = iter(asks)
    turn = threading.Lock()

    def work() -> None:
        connections = Connections()
        while True:
            with turn:
                asked = next(left, None)
            if asked is None:
                return connections.close()
            connections.answer(asked)

    with ThreadPoolExecutor(AT_ONCE) as people:
        began = time.monotonic()
        for job in [people.submit(work) for _ in range(AT_ONCE)]:
            job.result()
        return len(asks) / (time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class Times:
    """How long answers took, in milliseconds, and how many never came."""

    took: list[float]
    errors: int

    def __add__(self, other: "Times") -> "Times":
        return Times(self.took + other.took, self.errors + other.errors)

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.took, n=100)[percent - 1]


NOTHING = Times([], 0)


def steadily(asks: Sequence[Ask], per_second: float) -> Times:
    """So many requests a second, whether or not those before are answered; each is timed from when it was due."""
    took: list[float] = []
    errors: list[Exception] = []
    connections = Connections()

    def work(due: float, asked: Ask) -> None:
        try:
            connections.answer(asked)
        except (OSError, Failed) as error:
            errors.append(error)
        took.append((time.monotonic() - due) * 1000)

    with ThreadPoolExecutor(MOST_AT_ONCE) as people:
        began = time.monotonic()
        for number, asked in enumerate(asks):
            due = began + number / per_second
            time.sleep(max(0.0, due - time.monotonic()))
            people.submit(work, due, asked)
    connections.close()
    return Times(took, len(errors))
