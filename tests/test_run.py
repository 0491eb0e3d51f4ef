"""`make run`: from nothing, again, after a crash, and with whatever else is set."""

import multiprocessing
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from config.settings import Settings
from tests.cast import ENVIRONMENT, TOKEN
from tests.servers import Databases, Redis, free_port
from warmline import run
from warmline.app import ROOT

START_SECONDS = 60
READY = "Ctrl-C ends everything."


class Start:
    """One `make run`."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.output = folder.with_suffix(f".{time.monotonic_ns()}.log")
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "warmline.run"],
                cwd=ROOT,
                env={"PATH": os.defpath, "DATA_DIR": str(folder)} | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def ready(self) -> str:
        """What it said once it was ready."""
        self.until(lambda: READY in self.said or self.process.poll() is not None)
        assert READY in self.said, self.said
        return self.said

    def until(self, what: Callable[[], bool]) -> None:
        until = time.monotonic() + START_SECONDS
        while not what():
            assert time.monotonic() < until, self.said
            time.sleep(0.1)

    def child(self, command: str) -> psutil.Process:
        """The process whose command line has these words."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next(child for child in children if command in " ".join(child.cmdline()))


@contextmanager
def started(folder: Path, **environment: str) -> Iterator[Start]:
    start = Start(folder, **environment)
    try:
        yield start
    finally:
        if start.process.poll() is None:
            start.process.terminate()
            start.process.wait(30)


def password(said: str) -> str:
    found = re.search("password: (.+)", said)
    assert found
    return found[1]


def logs_in(base: str, secret: str) -> bool:
    browser = requests.Session()
    token = TOKEN.search(browser.get(f"{base}/login").text)
    assert token
    form = {"email": "peer1@example.org", "password": secret, "csrf_token": token[1]}
    return browser.post(f"{base}/login", data=form).url == f"{base}/console"


def test_from_nothing_again_and_after_a_crash(tmp_path: Path) -> None:
    port, simulator_port = str(free_port()), str(free_port())
    base, folder = f"http://127.0.0.1:{port}", tmp_path / "data"
    ports = {"PORT": port, "SIMULATOR_PORT": simulator_port}

    with started(folder, **ports) as first:
        said = first.ready()
        for word in (
            f"{base}/console",
            f"{base}/board",
            f"http://127.0.0.1:{simulator_port}/",
            "+14045550101 (Georgia)",
        ):
            assert word in said
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in folder.iterdir())
        assert logs_in(base, password(said))
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(30) == 0
        kept = (folder / "secrets.env").read_text()

    with started(folder, **ports) as second:
        assert password(second.ready()) == password(said)
        second.process.kill()

    # What the killed one leaves behind goes away by itself, and its ports are waited for.
    with started(folder, **ports, DEMO_PASSWORD="another one") as third:
        assert password(third.ready()) == "another one"
        assert (folder / "secrets.env").read_text() == kept
        assert logs_in(base, "another one")
        third.child("-m simulator").kill()
        assert third.process.wait(30) != 0
        assert "One process ended by itself" in third.said
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{base}/healthz", timeout=5)


def test_with_postgresql_and_redis_the_clock_is_a_process_too(
    tmp_path: Path, postgres: Databases, redis_server: Redis
) -> None:
    url, port = postgres.database(), str(free_port())
    with started(
        tmp_path / "data", PORT=port, SIMULATOR="off", DATABASE_URL=url, REDIS_URL=redis_server.url,
        TWILIO_API_BASE_URL="http://127.0.0.1:9",
    ) as start:  # fmt: skip
        assert logs_in(f"http://127.0.0.1:{port}", password(start.ready()))
        assert start.child("warmline.cli clock").is_running()
        assert requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).json()["redis"] == "ok"
        assert not (tmp_path / "data/warmline.db").exists()
        with pytest.raises(StopIteration):
            start.child("-m simulator")
    postgres.drop(url)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"DATABASE_URL": "postgresql://127.0.0.1:9/warmline"}, "DATABASE_URL names a database that does not answer: "),
        ({"PORT": "many"}, "PORT must be a port from 1 to 65535"),
    ],
)
def test_what_cannot_start_says_why_in_one_sentence(tmp_path: Path, environment: dict[str, str], sentence: str) -> None:
    ports = {"PORT": str(free_port()), "SIMULATOR_PORT": str(free_port())}
    with started(tmp_path / "data", **ports | environment) as start:
        assert start.process.wait(START_SECONDS) in {1, 2}
        assert start.said.startswith(sentence)
        assert start.said.count("\n") == 1


@pytest.fixture
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*Settings.model_fields, "simulator_numbers"]:
        monkeypatch.setenv(name.upper(), "")  # so that what the test sets is taken back


@pytest.mark.usefixtures("nothing_is_set")
class TestEnvironment:
    def test_what_is_set_goes_before_what_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        kept = tmp_path / "secrets.env"
        monkeypatch.setenv("FIELD_KEYS", ENVIRONMENT["FIELD_KEYS"])
        monkeypatch.setenv("TWILIO_AUTH_TOKEN", "given")
        run._complete_environment(kept)
        assert os.environ["FIELD_KEYS"] == ENVIRONMENT["FIELD_KEYS"]
        assert os.environ["TWILIO_AUTH_TOKEN"] == "given"
        assert "FIELD_KEYS" not in kept.read_text()
        assert Settings.load().twilio_api_base_url == "http://127.0.0.1:5001"

    def test_a_later_secret_is_added_and_the_others_stay(self, tmp_path: Path) -> None:
        kept = tmp_path / "secrets.env"
        kept.write_text("SECRET_KEY=" + "x" * 40 + "\n")
        run._complete_environment(kept)
        assert kept.read_text().startswith("SECRET_KEY=" + "x" * 40 + "\n")
        assert Settings.load().secret_key.get_secret_value() == "x" * 40

    def test_a_real_account_is_not_completed_with_invented_ids(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("SIMULATOR", "off")
        monkeypatch.setenv("TWILIO_ACCOUNT_SID", ENVIRONMENT["TWILIO_ACCOUNT_SID"])
        run._complete_environment(tmp_path / "secrets.env")
        with pytest.raises(SystemExit) as ended:
            Settings.load_or_exit()
        assert ended.value.code == 2
        assert capsys.readouterr().err.startswith("TWILIO_AUTH_TOKEN is not set")

    def test_someone_elses_port_is_not_ours(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run, "PORT_SECONDS", 0)
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            port = stranger.getsockname()[1]
            for name in ("PORT", "SIMULATOR_PORT"):
                monkeypatch.setenv("PORT", str(free_port()))
                monkeypatch.setenv("SIMULATOR_PORT", str(free_port()))
                monkeypatch.setenv(name, str(port))
                run._complete_environment(tmp_path / "secrets.env")
                with pytest.raises(SystemExit, match=rf"^{name} {port} cannot be had \(Address already in use\): "):
                    run._claim_ports(Settings.load())


def secrets_of_a_start(folder: Path) -> str:
    with run._alone_in(folder) as mine:
        run._complete_environment(mine / "secrets.env")
    return os.environ["SECRET_KEY"] + os.environ["DEMO_PASSWORD"]


@pytest.mark.usefixtures("nothing_is_set")
def test_starts_at_once_agree_on_the_secrets(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(8) as starts:
        assert len(set(starts.map(secrets_of_a_start, [tmp_path / "data"] * 8, chunksize=1))) == 1
