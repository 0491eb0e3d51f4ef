"""The whole product as processes, and the people who use it, for tests from outside.

A `Product` is a database, web processes on one port, clocks where they are processes of their own, and the simulator.
`Caller`, `Console` and `Board` do what people do, through HTTP alone, and try again where a person would.
"""

import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import requests
from cryptography.fernet import Fernet
from sqlalchemy import Engine, NullPool, create_engine
from twilio.request_validator import RequestValidator

from tests.servers import free_port
from tests.warm import Forked, Warm
from warmline.db import WAITED

ROOT = Path(__file__).parent.parent
GEORGIA = "+14045550101"
CALLER = "+14045550123"
PASSWORD = "a-password-for-tests-only"
FIELD_KEY = Fernet.generate_key().decode()
START_SECONDS = 40
PATIENCE_SECONDS = 30  # a busy machine takes its time, and whoever finds what they look for does not wait

# gunicorn's configuration and the simulator patch before they import, a command and a clock do not.
LATER = (  # what is imported when it is first needed
    "engineio.async_drivers.gevent", "jinja2.ext", "psycopg", "redis", "simple_websocket",
    "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite", "sqlite3", "twilio.rest.api.v2010.account",
)  # fmt: skip
SERVER = Warm("gunicorn.app.wsgiapp", "gunicorn.workers.ggevent", "warmline.app", "simulator.app", *LATER, patched=True)
COMMANDS = Warm("warmline.cli", *LATER)

Found = TypeVar("Found")


def eventually(
    look: Callable[[], Found], seconds: float = PATIENCE_SECONDS, what: str | Callable[[], str] = ""
) -> Found:
    """The first true answer of `look`, asked again and again; AssertionError after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        with contextlib.suppress(requests.RequestException):
            if found := look():
                return found
        if time.monotonic() > until:
            raise AssertionError((what() if callable(what) else what) or "it did not happen in time")
        time.sleep(0.05)


class Product:
    """Web, clocks and simulator. `app` names what gunicorn serves, so that a test can serve a crashing one."""

    prepared = b""  # a database that nobody has used yet

    def __init__(
        self,
        folder: Path,
        database_url: str | None = None,
        redis_url: str | None = None,
        *,
        webs: int = 1,
        clocks: int = 0,
        app: str = "warmline.app:create_app()",
        clock: tuple[str, ...] = ("warmline.cli", "clock"),
        speed: float = 8,
    ) -> None:
        self.folder, self.webs, self.clocks, self.app, self.clock = folder, webs, clocks, app, clock
        self.port, self.simulator_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.simulator_url = f"http://127.0.0.1:{self.simulator_port}"
        self._is_file = database_url is None
        self.database_url = database_url or f"sqlite:///{folder / 'warmline.db'}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")},
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PORT": str(self.port),
            "SIMULATOR_PORT": str(self.simulator_port),
            "SIMULATOR_SPEED": str(speed),
            "SIMULATOR_NUMBERS": f"{GEORGIA}=Georgia",
            "SIMULATOR_OVERRIDES": "rc=5&rp=ct,rt,5xx",
            "DATA_DIR": str(folder),
            "DATABASE_URL": self.database_url,
            "PUBLIC_BASE_URL": self.url,
            "TWILIO_API_BASE_URL": self.simulator_url,
            "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
            "TWILIO_AUTH_TOKEN": "a token of the tests",
            "TWILIO_API_KEY_SID": "SK" + "1" * 32,
            "TWILIO_API_KEY_SECRET": "a key of the tests, 32 bytes long",
            "TWILIO_TWIML_APP_SID": "AP" + "1" * 32,
            "SECRET_KEY": "a secret key of the tests that is long enough",
            "FIELD_KEYS": FIELD_KEY,
            "INDEX_KEY": "an index key of the tests that is long enough",
            "DEMO_PASSWORD": PASSWORD,
            "WEB_CONCURRENCY": str(webs),
        }
        if redis_url is not None:
            self.environment["REDIS_URL"] = redis_url
        self.processes: dict[str, Forked] = {}

    def __enter__(self) -> Self:
        self._prepare()
        self.start_simulator()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.processes):
            self.kill(name)
        assert WAITED not in self.log("web"), "a transaction waited for something: see `where` in web.log"

    def start(self, *, wait: bool = True, **environment: str) -> None:
        """Start web and clocks, and wait until they answer."""
        environment = self.environment | environment
        web = ("gunicorn", "--config", "config/gunicorn.py", self.app)
        self.processes["web"] = SERVER.start(self.folder / "web.log", environment, *web)
        for number in range(self.clocks):
            name = f"clock{number}"
            self.processes[name] = COMMANDS.start(self.folder / f"{name}.log", environment, *self.clock)
        if wait:
            eventually(lambda: requests.get(f"{self.url}/readyz", timeout=2).ok, START_SECONDS, lambda: self.log("web"))

    def start_simulator(self) -> None:
        self.processes["simulator"] = SERVER.start(self.folder / "simulator.log", self.environment, "simulator")
        eventually(lambda: requests.get(f"{self.simulator_url}/healthz", timeout=2).ok, START_SECONDS)

    def kill(self, name: str) -> None:
        """kill -9, with everything that the process has started."""
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill_all(self) -> None:
        """kill -9 of web and clocks; the simulator goes on, as the phone company would."""
        for name in list(self.processes):
            if name != "simulator":
                self.kill(name)

    @property
    def died(self) -> bool:
        """Whether web or a clock has ended."""
        return any(process.poll() is not None for name, process in self.processes.items() if name != "simulator")

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def script(self, method: str, path: str, **json: Any) -> Any:
        """The simulator's script interface."""
        answer = _http().request(method, self.simulator_url + path, json=json or None, timeout=20)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def webhook(self, path: str, **form: str) -> requests.Response:
        """A signed request of the phone company, which waits 15 seconds for an answer."""
        url = self.url + path
        signature = RequestValidator(self.environment["TWILIO_AUTH_TOKEN"]).compute_signature(url, form)
        return _http().post(url, form, headers={"X-Twilio-Signature": signature}, timeout=15)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """What is in a table, read past the product."""
        with self._past.connect() as connection:
            return [dict(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}").mappings()]

    def bring_forward(self, table: str, column: str) -> None:
        """What would be due later by this column is due now: a test need not wait for it."""
        self._make_due(table, column, timedelta())

    def put_off(self, table: str, column: str) -> None:
        """What would be due soon by this column stands for minutes: a test may look at it at leisure."""
        self._make_due(table, column, timedelta(minutes=5))

    def reopens_every_line(self) -> None:
        """None is closed early or paused any more."""
        with self._past.begin() as connection:
            connection.exec_driver_sql("UPDATE line SET paused_at = NULL, closed_at = NULL, closed_until = NULL")

    def _make_due(self, table: str, column: str, later: timedelta) -> None:
        now = datetime.now(UTC).replace(tzinfo=None)
        with self._past.begin() as connection:
            connection.exec_driver_sql(f"UPDATE {table} SET {column} = '{now + later}' WHERE {column} > '{now}'")

    @cached_property
    def _past(self) -> Engine:
        return create_engine(self.database_url, poolclass=NullPool)

    def _prepare(self) -> None:
        """Schema and demo organization. A file has them by a command once; from then on it is written as it was."""
        file = self.folder / "warmline.db"
        if self._is_file and Product.prepared:
            file.write_bytes(Product.prepared)
            return
        self._run("warmline.cli", "migrate")
        self._run("tests.product")
        if self._is_file:
            Product.prepared = file.read_bytes()

    def _run(self, *command: str) -> None:
        log = self.folder / "commands.log"
        assert COMMANDS.start(log, self.environment, *command).wait() == 0, self.log("commands")


class Caller:
    """Somebody with a telephone, in the simulator."""

    def __init__(self, product: Product, number: str = CALLER) -> None:
        self.product, self.number, self.sid = product, number, ""

    def dials(self, line: str = GEORGIA) -> Self:
        self.sid = self.product.script("POST", "/script/calls", **{"from": self.number, "to": line})["sid"]
        return self

    def presses(self, keys: str) -> None:
        """Press keys in a menu."""
        self.is_in("menu")
        self.product.script("POST", f"/script/calls/{self.sid}/keys", digits=keys)

    def insists_on(self, keys: str) -> None:
        """Press keys until the menu is over: what is pressed between two of its questions is not heard."""

        def is_through() -> bool:
            if self.where == "menu":
                self.product.script("POST", f"/script/calls/{self.sid}/keys", digits=keys)
            return self.where != "menu"

        self.is_in("menu")
        eventually(is_through, what=f"{keys} was never heard")

    def hangs_up(self) -> None:
        self.product.script("POST", f"/script/calls/{self.sid}/hangup")

    @property
    def where(self) -> str:
        return str(self.product.script("GET", f"/script/calls/{self.sid}")["where"])

    @property
    def heard(self) -> str:
        return "\n".join(
            said["text"] or "" for said in self.product.script("GET", f"/script/calls/{self.sid}")["heard"]
        )

    def is_in(self, where: str, seconds: float = PATIENCE_SECONDS) -> None:
        eventually(
            lambda: self.where == where, seconds, lambda: f"in {self.where}, never in {where}; heard: {self.heard}"
        )

    def hears(self, words: str, seconds: float = PATIENCE_SECONDS) -> None:
        eventually(lambda: words in self.heard, seconds, lambda: f"never heard {words!r}, but: {self.heard}")


class Visitor:
    """Somebody who is logged in; every answer is asked for as JSON."""

    def __init__(self, product: Product, email: str) -> None:
        self.product, self.email = product, email
        self.http = _http()
        self.http.headers["Accept"] = "application/json"
        page = self.http.get(f"{product.url}/login", headers={"Accept": "text/html"}, timeout=10)
        self.http.headers["X-CSRFToken"] = _token(page.text)  # the session keeps it
        answer = self.post("/login", {"email": email, "password": PASSWORD})
        assert answer.ok, answer.text

    def get(self, path: str) -> Any:
        answer = self.http.get(self.product.url + path, timeout=10)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def post(self, path: str, form: Any = None) -> requests.Response:
        return self.http.post(self.product.url + path, data=form or {}, timeout=10, allow_redirects=False)


class Console(Visitor):
    """A peer at the console, whose heart beats until the test ends."""

    def __init__(self, product: Product, email: str = "peer1@example.org") -> None:
        super().__init__(product, email)
        self.identity = ""
        self._stopped = threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    def _beat(self) -> None:
        while True:
            with contextlib.suppress(requests.RequestException):
                self.post("/console/heartbeat")
            if self._stopped.wait(3):
                return

    @property
    def state(self) -> dict[str, Any]:
        return dict(self.get("/console/state"))

    def chooses(self, status: str) -> None:
        answer = self.post("/console/status", {"status": status})
        assert answer.ok, answer.text

    def offer(self, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        return dict(eventually(lambda: self.state["offers"], seconds, f"{self.email} was offered nothing")[0])

    def accepts(self, offer: dict[str, Any]) -> str:
        """Press Accept, and let the softphone call in; the SID of the peer's call."""
        answer = self.post(f"/console/offers/{offer['id']}/accept")
        assert answer.ok, answer.text
        self.identity = answer.json()["identity"]
        return self.calls_in(**answer.json()["connect"])

    def calls_in(self, **params: str) -> str:
        made = self.product.script("POST", "/script/softphone", identity=self.identity, params=params)
        return str(made["sid"])

    def ends(self, contact: str) -> None:
        answer = self.post(f"/console/contacts/{contact}/end")
        assert answer.ok, answer.text

    def logs(self, contact: str) -> None:
        form = {
            "disposition": "support_given",
            "reasons": ["emotional", "social"],
            "notes": "We talked.",
            "text_ok": "",
        }
        answer = self.post(f"/console/contacts/{contact}/report", form)
        assert answer.ok, answer.text

    def contact(self, contact: str) -> dict[str, Any] | None:
        return next((row for row in self.state["contacts"] if row["id"] == contact), None)


class Board(Visitor):
    """A supervisor at the board."""

    def __init__(self, product: Product, email: str = "supervisor@example.org") -> None:
        super().__init__(product, email)

    @property
    def state(self) -> dict[str, Any]:
        return dict(self.get("/board/state"))

    def activity(self, name: str) -> str:
        return str(next(peer["activity"] for peer in self.state["peers"] if peer["name"] == name))


@contextlib.contextmanager
def open_consoles(product: Product, *emails: str) -> Iterator[list[Console]]:
    """Consoles that are closed at the end."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Console(product, email)) for email in emails]


def _http() -> requests.Session:
    http = requests.Session()
    http.trust_env = False
    return http


def _token(page: str) -> str:
    found = re.search(r'<meta name="csrf-token" content="([^"]+)"', page)
    assert found, page[:2000]
    return found[1]


if __name__ == "__main__":
    # The demo organization; nobody attacks these passwords, so that a login need not be slow.
    from tests.cast import QUICK
    from warmline.cli import main
    from warmline.people import accounts

    accounts.hasher = QUICK
    main(["demo"])
