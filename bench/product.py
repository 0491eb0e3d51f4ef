"""The product and its floor as real processes, on databases of their own, with a crowd of peers. Loopback only."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import psutil
import requests
from argon2 import PasswordHasher
from flask import Flask, session
from flask_login import login_user
from flask_wtf.csrf import generate_csrf
from sqlalchemy import insert, select

import migrations
from config.settings import Settings
from routing.states import ContactState, PeerStatus
from tests.servers import Postgres, free_port
from warmline import clock, db
from warmline.app import create_app
from warmline.models import Account, Channel, Contact, Line, Peer, Presence, Role, Shift
from warmline.models.base import new_id
from warmline.people import accounts, demo
from warmline.web.access import Visitor

ROOT = Path(__file__).parent.parent
GEORGIA = "+14045550101"
OURS, FLOOR = "warmline.app:create_app()", "bench.floor:create_app()"
START_SECONDS = 60
PASSWORD = "a password of the bench"
EASY = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)  # nobody attacks it
SECRETS = {
    "PUBLIC_BASE_URL": "http://127.0.0.1",
    "SECRET_KEY": "a secret key of the bench that is long enough",
    "INDEX_KEY": "an index key of the bench that is long enough",
    "FIELD_KEYS": "dGhlLWZpZWxkLWtleS1vZi1hbGwtdGhlLWJlbmNoISE=",
    "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
    "TWILIO_AUTH_TOKEN": "the token of the bench",
    "TWILIO_API_KEY_SID": "SK" + "1" * 32,
    "TWILIO_API_KEY_SECRET": "a key of the bench, 32 bytes long",
    "TWILIO_TWIML_APP_SID": "AP" + "1" * 32,
    # Nobody listens there: what is sent is refused at once.
    "TWILIO_API_BASE_URL": "http://127.0.0.1:9",
}


@dataclass(frozen=True, slots=True)
class Seat:
    """Somebody of the demo's Lantern who is logged in, a peer above all: what their browser sends along."""

    peer: str
    cookie: str
    csrf: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": self.cookie, "X-CSRFToken": self.csrf, "Accept": "application/json"}


def settings(database_url: str) -> Settings:
    """Those of this process."""
    given = {name.lower(): value for name, value in SECRETS.items()}
    return Settings.load(database_url=database_url, log_format="text", **given)


class Databases:
    """Databases of one kind that flush every commit to the disk, as in production."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self._folder = kind, folder
        self._server = Postgres(durable=True) if kind == "PostgreSQL" else None

    def new(self) -> str:
        """The URL of an empty database."""
        return self._server.database() if self._server else f"sqlite:///{self._folder / new_id()}.db"

    def __enter__(self) -> "Databases":
        if self._server:
            self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.stop()


def each_kind(kinds: list[str]) -> Iterator[Databases]:
    """A server of each kind of database, one after the other."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whoever is told to end still ends what it started
    with tempfile.TemporaryDirectory(prefix="warmline-bench-") as folder:
        for kind in kinds:
            with Databases(kind, Path(folder)) as databases:
                yield databases


class House:
    """A database of the product with the demo in it, opened by this process too."""

    def __init__(self, url: str) -> None:
        self.url, self.now = url, clock.now()
        self.app: Flask = create_app(settings(url), start_clock=False)
        self.engine = db.bound()
        migrations.upgrade(db.bound())
        demo.seed("nobody logs in with this", self.now)

    def __enter__(self) -> "House":
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()

    def open(self) -> None:
        """Of several houses, the one that this process is in from now on."""
        db.bind(self.engine)

    @cached_property
    def line(self) -> Line:
        with db.reading() as found:
            return found.scalars(select(Line).where(Line.name == "Georgia")).one()

    def seats(self, count: int, status: PeerStatus = PeerStatus.BREAK) -> list[Seat]:
        """More peers, on shift for Georgia, logged in, and heard of just now."""
        emails = {f"{new_id()}@example.org": new_id() for _ in range(count)}
        with db.transaction() as adding:
            for email, peer_id in emails.items():
                account = accounts.create(adding, self.line.organization_id, Role.PEER, "Peer", email, EASY)
                peer = Peer(
                    id=peer_id, organization_id=account.organization_id, account_id=account.id, name="Peer",
                    languages=["en"], status=status, status_at=self.now, idle_since=self.now,
                )  # fmt: skip
                adding.add(peer)
                adding.flush()
                adding.add(Shift(id=new_id(), peer_id=peer_id, line_id=self.line.id, starts_at=self.now))
                adding.add(Presence(peer_id=peer_id, seen_at=clock.now()))
        return [self._seat(peer_id, email) for email, peer_id in emails.items()]

    def supervisor(self) -> Seat:
        """Somebody who may look at the board, logged in."""
        email = f"{new_id()}@example.org"
        with db.transaction() as adding:
            accounts.create(adding, self.line.organization_id, Role.SUPERVISOR, "Supervisor", email, EASY)
        return self._seat("", email)

    def crowd(self, count: int) -> list[str]:
        """More peers on a break, on shift for Georgia, whose consoles are open for hours: their ids."""
        ids, organization = [new_id() for _ in range(count)], self.line.organization_id
        heard = self.now + timedelta(hours=1)
        account = {"organization_id": organization, "role": Role.PEER, "name": "Peer", "password_hash": EASY}
        peer = {"organization_id": organization, "name": "Peer", "languages": ["en"], "status": PeerStatus.BREAK}
        since = {"status_at": self.now, "idle_since": self.now}
        with db.transaction() as adding:
            for kind, rows in (
                (Account, [{"id": id, "email": id, "email_hash": id, **account} for id in ids]),
                (Peer, [{"id": id, "account_id": id, **peer, **since} for id in ids]),
                (Shift, [{"id": id, "peer_id": id, "line_id": self.line.id, "starts_at": self.now} for id in ids]),
                (Presence, [{"peer_id": id, "seen_at": heard} for id in ids]),
            ):
                adding.execute(insert(kind), rows)
        return ids

    def waiting(self, count: int) -> list[str]:
        """More callers in Georgia's queue: the ids of their contacts."""
        now = clock.now()
        rows = [
            {
                "id": new_id(), "organization_id": self.line.organization_id, "line_id": self.line.id,
                "channel": Channel.VOICE, "state": ContactState.WAITING, "language": "en", "priority": 0,
                "arrived_at": now, "queued_at": now, "queue_sid": "QU" + "0" * 32,
            }
            for _ in range(count)
        ]  # fmt: skip
        with db.transaction() as adding:
            adding.execute(insert(Contact), rows)
        return [str(row["id"]) for row in rows]

    def _seat(self, peer: str, email: str) -> Seat:
        token = accounts.log_in(email, PASSWORD, self.now)
        login = token and accounts.find(token, self.now)
        assert token
        assert login
        with self.app.test_request_context():
            login_user(Visitor(token, login))
            csrf, response = generate_csrf(), self.app.response_class()
            self.app.session_interface.save_session(self.app, session, response)
            return Seat(peer, response.headers["Set-Cookie"].partition(";")[0], csrf)


@dataclass(frozen=True, slots=True)
class Served:
    """A web process, gunicorn and its worker, and where it is."""

    base: str
    pid: int

    def processes(self) -> list[psutil.Process]:
        head = psutil.Process(self.pid)
        return [head, *head.children(recursive=True)]

    def memory(self) -> int:
        """Bytes in use."""
        return int(sum(process.memory_info().rss for process in self.processes()))

    def cpu(self) -> float:
        """Seconds of a processor spent so far: what other programs do meanwhile hardly changes it."""
        times = [process.cpu_times() for process in self.processes()]
        return float(sum(time.user + time.system for time in times))


@contextmanager
def served(app: str, database_url: str) -> Iterator[Served]:
    """Serve `app` (module:factory) as the Procfile does, with one gevent worker, until the block ends."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    environment = SECRETS | {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": database_url,
        "PORT": str(port),
        "PUBLIC_BASE_URL": base,
        "LOG_FORMAT": "json",
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py", "--log-level", "error", app]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            _await(base, process)
            yield Served(base, process.pid)
        finally:
            process.send_signal(signal.SIGQUIT)  # gunicorn's quick end: open sockets are not waited for


def _await(base: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            requests.get(base, timeout=2)
        except requests.RequestException:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the web process did not start")
