"""`make run`: the whole product in the foreground, from nothing, with a demo organization.

What a deployment sets by hand is made up here once and kept in DATA_DIR/secrets.env. Whatever the environment sets
goes before it.
"""

import contextlib
import ctypes
import fcntl
import os
import secrets
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import requests
from cryptography.fernet import Fernet
from honcho.manager import Manager
from honcho.printer import Message, Printer
from honcho.process import Popen, Process
from sqlalchemy.exc import OperationalError

import migrations
from config.settings import Settings
from warmline import clock, db
from warmline.app import ROOT
from warmline.directory import demo as demo_directory
from warmline.people import accounts, demo
from warmline.wiring import wire

START_SECONDS = 60
PORT_SECONDS = 8  # how long a product that was killed a moment ago may take to let go of its ports
PR_SET_PDEATHSIG = 1  # linux/prctl.h

SECRETS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "FIELD_KEYS": lambda: Fernet.generate_key().decode(),
    "INDEX_KEY": lambda: secrets.token_urlsafe(48),
    "DEMO_PASSWORD": lambda: "-".join([*(secrets.choice(WORDS.split()) for _ in range(4)), secrets.token_hex(2)]),
}
TWILIO: dict[str, Callable[[], str]] = {
    "TWILIO_ACCOUNT_SID": lambda: f"AC{secrets.token_hex(16)}",
    "TWILIO_AUTH_TOKEN": lambda: secrets.token_hex(16),
    "TWILIO_API_KEY_SID": lambda: f"SK{secrets.token_hex(16)}",
    "TWILIO_API_KEY_SECRET": lambda: secrets.token_urlsafe(24),
    "TWILIO_TWIML_APP_SID": lambda: f"AP{secrets.token_hex(16)}",
}
WORDS = (
    "amber anchor apple autumn basket beacon birch blanket blossom bramble breeze bridge candle canyon "
    "cedar cherry clover cobalt copper coral cotton cradle daisy dawn dolphin ember fable falcon feather "
    "fern fiddle garden ginger harbor hazel heron island ivory jasmine juniper kettle lagoon lantern "
    "lemon linen maple marble meadow mellow nutmeg ocean olive orchard otter pebble pepper quilt raven "
    "river saffron sparrow thimble velvet willow"
)


def main() -> int:
    """Prepare, start, say what to open; return the exit status when everything has ended.

    1. Complete the environment: secrets, Twilio's ids, addresses.
    2. Refuse a port that somebody else has: that somebody would be taken for us.
    3. Migrate and seed, one start at a time.
    4. Run web, simulator and, with PostgreSQL and Redis, the clock, as one group: if one ends, all end.
    """
    os.umask(0o077)
    with _alone_in(Path(os.environ.get("DATA_DIR") or "var")) as folder:
        _complete_environment(folder / "secrets.env")
        settings = Settings.load_or_exit()
        _claim_ports(settings)
        wire(settings)
        try:
            with migrations.locked(db.bound()):
                migrations.upgrade(db.bound())
                if not accounts.keys_fit():
                    sys.exit("FIELD_KEYS and INDEX_KEY are not those with which the data in DATABASE_URL was stored.")
                demo.seed(os.environ["DEMO_PASSWORD"], clock.now())
                demo_directory.seed(clock.now())
        except OperationalError as error:
            sys.exit(f"DATABASE_URL names a database that does not answer: {str(error.orig).splitlines()[0]}.")
        db.bound().dispose()
    threading.Thread(target=_announce, args=(settings,), daemon=True).start()
    return _run(settings)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[Path]:
    """The data folder, made if need be, while no other start prepares it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _complete_environment(kept: Path) -> None:
    """Set what is not set: from the file `kept`, or made up and kept there from now on."""
    environment = os.environ
    environment["DATA_DIR"] = str(kept.parent.absolute())
    simulator = environment.get("SIMULATOR", "").lower() not in {"off", "0", "false", "no"}
    port, simulator_port = environment.get("PORT") or "5000", environment.get("SIMULATOR_PORT") or "5001"
    defaults = {"PUBLIC_BASE_URL": f"http://127.0.0.1:{port}", "LOG_FORMAT": "text"}
    if simulator:
        defaults["TWILIO_API_BASE_URL"] = f"http://127.0.0.1:{simulator_port}"
        defaults["SIMULATOR_NUMBERS"] = ",".join(
            f"{line.number}={line.name}" for organization in demo.ORGANIZATIONS for line in organization.lines
        )
    # Half a real account and half an invented one would only fail later, and less clearly.
    real_account = any(map(environment.get, TWILIO)) and not (simulator or environment.get("TWILIO_API_BASE_URL"))
    wanted = SECRETS if real_account else SECRETS | TWILIO
    missing = [name for name in wanted if not environment.get(name)]
    for name, value in (defaults | _keep(kept, missing)).items():
        if not environment.get(name):
            environment[name] = value


def _keep(path: Path, names: list[str]) -> dict[str, str]:
    """The secrets of these names, as kept at `path`; what is not there yet is made up and added."""
    kept = dict(line.split("=", 1) for line in path.read_text().splitlines()) if path.exists() else {}
    if fresh := {name: (SECRETS | TWILIO)[name]() for name in names if name not in kept}:
        kept |= fresh
        # All of it or nothing: half a file of keys would lock the data away for good.
        draft = path.with_suffix(".new")
        draft.touch(mode=0o600)
        with draft.open("w") as file:
            file.writelines(f"{name}={value}\n" for name, value in kept.items())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    return {name: kept[name] for name in names}


def _claim_ports(settings: Settings) -> None:
    """Wait for our ports to be free; end with one sentence if somebody keeps one."""
    wanted = [("PORT", settings.bind_host, settings.port)]
    if settings.simulator:
        wanted.append(("SIMULATOR_PORT", "127.0.0.1", settings.simulator_port))
    until = time.monotonic() + PORT_SECONDS
    for name, host, port in wanted:
        while error := _taken(host, port):
            if time.monotonic() > until:
                sys.exit(
                    f"{name} {port} cannot be had ({error}): end what listens there, or set {name} to another one."
                )
            time.sleep(0.2)


def _taken(host: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror
    return None


def _run(settings: Settings) -> int:
    """Run the processes until one ends or we are told to stop, and end the others."""
    commands = {"web": ["gunicorn", "--config", "config/gunicorn.py"]}
    if settings.clock_apart:
        commands["clock"] = ["warmline.cli", "clock"]
    if settings.simulator:
        commands["simulator"] = ["simulator"]
    group = Group()
    for name, command in commands.items():
        line = shlex.join([sys.executable, "-m", *command])
        group.add_process(name, f"exec {line}", env=dict(os.environ), cwd=str(ROOT))
    group.loop()
    if group.returncode in {128 + signal.SIGINT, 128 + signal.SIGTERM}:
        return 0
    _say('One process ended by itself, so all were ended: the first line with "stopped" above names it.')
    return group.returncode or 1


class Member(Process):  # type: ignore[misc]  # has no types
    """A process that ends with us, even if we are killed: nobody then has its port."""

    def run(self, *arguments: Any) -> None:
        """As honcho's, in a process of its own that watches the real one."""
        _end_with_parent(signal.SIGKILL)
        self._child_ctor = partial(Popen, preexec_fn=partial(_end_with_parent, signal.SIGTERM))
        super().run(*arguments)


class Group(Manager):  # type: ignore[misc]  # has no types
    """honcho's manager: if one process ends, all end."""

    def __init__(self) -> None:
        super().__init__(Output())
        self._process_ctor = Member


class Output(Printer):  # type: ignore[misc]  # has no types
    """honcho's printer, which goes on when nobody reads any more (`make run | head`)."""

    def write(self, message: Message) -> None:
        with contextlib.suppress(BrokenPipeError):
            super().write(message)


def _say(words: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(words, flush=True)


def _end_with_parent(number: signal.Signals) -> None:
    """Ask the kernel to send us this signal when our parent dies. Only Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def _announce(settings: Settings) -> None:
    """As soon as the product answers, say what to open, whom to call, and who can log in."""
    everywhere = settings.bind_host in {"0.0.0.0", "::"}  # nosec B104: looks for it, does not bind to it
    host = "127.0.0.1" if everywhere else settings.bind_host
    addresses = [f"http://{host}:{settings.port}/readyz"]
    if settings.simulator:
        addresses.append(f"http://127.0.0.1:{settings.simulator_port}/")
    until = time.monotonic() + START_SECONDS
    while addresses and time.monotonic() < until:
        time.sleep(0.2)
        addresses = [address for address in addresses if not _answers(address)]
    _say(f"{addresses[0]} does not answer: see the lines above." if addresses else _words(settings))


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=2).ok
    except requests.RequestException:
        return False


def _words(settings: Settings) -> str:
    base = settings.public_base_url
    people = [person for organization in demo.ORGANIZATIONS for person in organization.people]
    peers = ", ".join(f"{person.email} ({', '.join(person.languages)})" for person in people if person.languages)
    others = ", ".join(person.email for person in people if not person.languages)
    lines = ", ".join(
        f"{line.number} ({line.name})" for organization in demo.ORGANIZATIONS for line in organization.lines
    )
    telephones = f"http://127.0.0.1:{settings.simulator_port}/" if settings.simulator else "your own"
    return f"""
Warmline runs. Open:

  console     {base}/console
              as {peers}
  board       {base}/board
              as {others}
  telephones  {telephones}
              and call {lines}

  Everybody's password: {os.environ["DEMO_PASSWORD"]}

Data and secrets are kept in {settings.data_dir}. Ctrl-C ends everything.
"""


if __name__ == "__main__":
    sys.exit(main())
