"""The known cast of every test of the web: peer1, peer2, supervisor, admin, and an outsider of another organization.

`cast` is an application on a fresh SQLite or PostgreSQL database with the demo organization, and everybody's browser.
`serve()` is the same as a real gunicorn process.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import requests
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from werkzeug.test import TestResponse

import migrations
from config.settings import Settings
from tests.servers import Databases, free_port
from warmline import clock, db, push
from warmline.app import ROOT, create_app
from warmline.directory import demo as demo_directory
from warmline.models import Account
from warmline.models.base import Keys
from warmline.people import accounts, demo
from warmline.web import live
from warmline.web.security import limiter
from warmline.wiring import wire

PASSWORD = "everybody-knows-this-one"
PEOPLE = ("peer1", "peer2", "supervisor", "admin", "outsider")
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
START_SECONDS = 60
TOKEN = re.compile(r'<meta name="csrf-token" content="([^"]+)"')

ENVIRONMENT = {
    "PUBLIC_BASE_URL": "http://localhost",
    "SECRET_KEY": "secret-key-" * 4,
    "INDEX_KEY": "index-key-" * 4,
    "FIELD_KEYS": "dGhlLWZpZWxkLWtleS1vZi1hbGwtdGhlLXRlc3RzLiE=",
    "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
    "TWILIO_AUTH_TOKEN": "the-auth-token-of-the-tests",
    "TWILIO_API_KEY_SID": "SK" + "2" * 32,
    "TWILIO_API_KEY_SECRET": "the-key-secret-of-all-the-tests-here",
    "TWILIO_TWIML_APP_SID": "AP" + "3" * 32,
    # Nobody listens there: what is sent is certainly not taken.
    "TWILIO_API_BASE_URL": "http://127.0.0.1:9",
    "FALLBACK_NUMBER": "+14045550199",
    "REDIS_URL": "",
    "LOG_FORMAT": "text",
}


class Person:
    """Somebody's browser, logged in."""

    def __init__(self, app: Flask, email: str) -> None:
        self.email = email
        self.client: FlaskClient = app.test_client()
        self.log_in()

    def log_in(self, password: str = PASSWORD) -> TestResponse:
        self._forget_token()  # the login before may have ended by itself
        form = {"email": self.email, "password": password, "csrf_token": self.token}
        self._forget_token()
        return self.client.post("/login", data=form)

    def log_out(self) -> TestResponse:
        answer = self.post("/logout", accept="text/html")
        self._forget_token()
        return answer

    @cached_property
    def token(self) -> str:
        """The CSRF token that their pages carry until they log in or out."""
        page = self.client.get("/login")
        if page.status_code == 302:  # they are logged in; then this page is quicker than console and board
            page = self.client.get("/directory?q=nothing")
        found = TOKEN.search(page.text)
        assert found, page.text
        return found[1]

    def _forget_token(self) -> None:
        self.__dict__.pop("token", None)

    def get(self, path: str, accept: str = "text/html") -> TestResponse:
        return self.client.get(path, headers={"Accept": accept})

    def post(self, path: str, accept: Any = "application/json", **form: object) -> TestResponse:
        """As the page's script posts: with the CSRF token, asking for JSON."""
        headers = {"X-CSRFToken": self.token, "Accept": accept}
        return self.client.post(path, data=form, headers=headers)

    @property
    def account(self) -> Account:
        with db.reading() as session:
            return session.query(Account).filter_by(email_hash=accounts.email_hash(self.email)).one()


class Cast:
    """The application, and who uses it."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    @cached_property
    def peer1(self) -> Person:
        return Person(self.app, "peer1@example.org")

    @cached_property
    def peer2(self) -> Person:
        return Person(self.app, "peer2@example.org")

    @cached_property
    def supervisor(self) -> Person:
        return Person(self.app, "supervisor@example.org")

    @cached_property
    def admin(self) -> Person:
        return Person(self.app, "admin@example.org")

    @cached_property
    def outsider(self) -> Person:
        return Person(self.app, "outsider@example.org")

    @cached_property
    def stranger(self) -> FlaskClient:
        """A browser that is not logged in."""
        return self.app.test_client()


def prepare(url: str) -> None:
    """Migrate and seed a database."""
    Keys.use(ENVIRONMENT["FIELD_KEYS"].split(","), ENVIRONMENT["INDEX_KEY"])
    engine = db.connect(url)
    db.bind(engine)
    migrations.upgrade(engine)
    with patch.object(accounts, "hasher", QUICK):
        demo.seed(PASSWORD, clock.now())
        demo_directory.seed(clock.now())
    engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "warmline.db"
    prepare(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: Databases) -> str:
    url = postgres.database()
    prepare(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, copied: Callable[[str], AbstractContextManager[str]]) -> Iterator[str]:
    """A fresh database of either kind, with the demo organization in it."""
    if request.param == "sqlite":
        template = f"sqlite:///{request.getfixturevalue('sqlite_template')}"
    else:
        template = request.getfixturevalue("postgres_template")
    with copied(template) as url:
        yield url


def settings(database_url: str, **changes: str) -> Settings:
    """The settings of the tests; `changes` are environment variables."""
    with patch.dict(os.environ, ENVIRONMENT | {"DATABASE_URL": database_url} | changes, clear=True):
        return Settings.load()


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Templates are compiled once for all applications; that would be a third of a test's time."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("compiled_templates")))


@pytest.fixture(scope="session")
def make_app(compiled_templates: FileSystemBytecodeCache) -> Callable[[str], Flask]:
    """Makes an application on the database at a URL, for a test that changes it."""

    def make(url: str) -> Flask:
        app = create_app(settings(url))
        app.testing = True
        app.jinja_env.bytecode_cache = compiled_templates
        return app

    return make


@pytest.fixture(scope="session")
def kept_app(make_app: Callable[[str], Flask]) -> Callable[[str], Flask]:
    """The application on the database at a URL: the same for all tests, until somebody makes another one.

    To make it, and to load its templates, would be most of a test's time.
    """
    kept: dict[object, tuple[Flask, Any]] = {}

    def find_or_make(url: str) -> Flask:
        # Each application that is made brings a server of sockets, and modules hold parts of the latest one.
        if found := kept.get(live._server()):
            app, transport = found
            wire(settings(url))
            push.use(transport)
            limiter.reset()
        else:
            app = make_app(url)
            kept.clear()
            kept[live._server()] = app, push._transport
        return app

    return find_or_make


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody attacks these passwords."""
    monkeypatch.setattr(accounts, "hasher", QUICK)
    monkeypatch.setattr(accounts, "NOBODY", QUICK.hash("nobody"))


@pytest.fixture
def app(database_url: str, kept_app: Callable[[str], Flask], quick_passwords: None) -> Flask:
    """The application, which no test changes."""
    return kept_app(database_url)


@pytest.fixture
def own_app(database_url: str, make_app: Callable[[str], Flask], quick_passwords: None) -> Flask:
    """An application of one's own."""
    return make_app(database_url)


@pytest.fixture
def cast(app: Flask) -> Cast:
    return Cast(app)


@contextmanager
def serve(database_url: str, **changes: str) -> Iterator[str]:
    """A real web process on a free port; its address. `changes` are environment variables."""
    base = f"http://127.0.0.1:{free_port()}"
    environment = (
        {"PATH": os.defpath, "DATABASE_URL": database_url}
        | ENVIRONMENT
        | {"PUBLIC_BASE_URL": base, "PORT": base.rsplit(":", 1)[1]}
        | changes
    )
    command = [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py"]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        try:
            await_ready(base, process)
            yield base
        finally:
            process.send_signal(signal.SIGQUIT)  # gunicorn's quick end: open sockets are not waited for


def await_ready(base: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            requests.get(f"{base}/healthz", timeout=5)
        except requests.RequestException:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the web process did not start")


class Browser(requests.Session):
    """A browser of a real web process, logged in."""

    def __init__(self, base: str, email: str) -> None:
        super().__init__()
        self.base = base
        form = {"email": email, "password": PASSWORD, "csrf_token": self.token}
        assert self.post(f"{base}/login", data=form).url != f"{base}/login"
        self.headers["X-CSRFToken"] = self.token

    @property
    def token(self) -> str:
        found = TOKEN.search(self.get(f"{self.base}/login").text)
        assert found
        return found[1]
