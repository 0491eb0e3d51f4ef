"""The servers that other tests rely on do what they promise."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from playwright.sync_api import Page, expect
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from tests import servers
from tests.servers import Databases, MissingServerError, Postgres, Redis, Refilled, postgres_binaries

QUICK = 5  # seconds, for what takes less than one on two free cores


def run(engine: Engine, statement: str) -> list[tuple[object, ...]]:
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


@pytest.mark.parametrize("binaries", postgres_binaries(), ids=str)
def test_postgres_keeps_what_was_committed_through_kill_and_restart(binaries: Path):
    with Postgres(binaries=binaries) as server:
        engine = create_engine(server.database(), pool_pre_ping=True)
        run(engine, "CREATE TABLE call (id int)")
        run(engine, "INSERT INTO call VALUES (1)")
        before = server.pid
        began = time.monotonic()
        server.kill()
        with pytest.raises(OperationalError):
            engine.connect()
        server.start()
        assert time.monotonic() - began < QUICK
        assert server.pid != before
        assert run(engine, "SELECT id FROM call") == [(1,)]
        engine.dispose()


def test_kill_leaves_no_process_of_the_server(own_postgres: Postgres):
    family = psutil.Process(own_postgres.pid).children(recursive=True)
    assert family
    own_postgres.kill()
    assert not [process for process in family if process.is_running() and process.status() != "zombie"]


def test_paused_postgres_answers_nothing_and_goes_on_where_it_was(own_postgres: Postgres):
    url = make_url(own_postgres.database()).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        own_postgres.pause()
        connection.pgconn.send_query(b"SELECT 1")
        time.sleep(0.2)
        connection.pgconn.consume_input()
        assert connection.pgconn.is_busy()
        own_postgres.resume()
        result = connection.pgconn.get_result()
        assert result
        assert result.get_value(0, 0) == b"1"
        assert connection.pgconn.get_result() is None


@pytest.mark.parametrize(("durable", "fsync"), [(False, "off"), (True, "on")])
def test_durable_decides_over_fsync_and_never_over_synchronous_commit(durable: bool, fsync: str):
    with Postgres(durable=durable) as server:
        engine = create_engine(server.database())
        assert run(engine, "SHOW fsync") == [(fsync,)]
        assert run(engine, "SHOW synchronous_commit") == [("on",)]
        engine.dispose()


def test_databases_are_empty_copied_and_dropped(postgres: Databases):
    first = postgres.database()
    engine = create_engine(first)
    run(engine, "CREATE TABLE call (id int)")
    engine.dispose()

    copy = create_engine(postgres.database(template=first))
    empty = create_engine(postgres.database())
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert run(copy, tables) == [("call",)]
    assert run(empty, tables) == []

    postgres.drop(first)
    with pytest.raises(OperationalError, match="does not exist"):
        engine.connect()
    copy.dispose()
    empty.dispose()


def test_a_refilled_database_is_as_its_template_whatever_happened_in_it(postgres: Databases):
    template = create_engine(postgres.database())
    run(template, "CREATE TABLE line (id serial PRIMARY KEY)")
    run(template, "CREATE TABLE call (id serial PRIMARY KEY, line int REFERENCES line)")
    run(template, "INSERT INTO line DEFAULT VALUES")
    template.dispose()

    refilled = Refilled(postgres, template.url.render_as_string())
    engine = create_engine(refilled.url)
    for _ in range(2):
        forgotten = engine.connect()
        forgotten.execute(text("INSERT INTO line DEFAULT VALUES"))
        run(engine, "INSERT INTO call (line) VALUES (1)")
        refilled.refill()
        with pytest.raises(OperationalError, match="terminating connection"):
            forgotten.execute(text("SELECT 1"))
        forgotten.close()
        assert run(engine, "SELECT id FROM line") == [(1,)]
        assert run(engine, "SELECT id FROM call") == []
    assert run(engine, "INSERT INTO line DEFAULT VALUES RETURNING id") == [(2,)]
    assert run(engine, "INSERT INTO call (line) VALUES (1) RETURNING id") == [(1,)]
    engine.dispose()


def test_redis_can_be_killed_restarted_and_stalled(own_redis: Redis):
    client = redis.Redis.from_url(own_redis.url, socket_timeout=0.3, retry=None)
    client.set("key", "value")
    own_redis.pause()
    with pytest.raises(redis.TimeoutError):
        client.get("key")
    own_redis.resume()
    assert client.get("key") == b"value"
    began = time.monotonic()
    own_redis.kill()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    own_redis.start()
    assert time.monotonic() - began < QUICK
    assert client.get("key") is None
    client.close()


@pytest.mark.parametrize("paused", [False, True])
def test_servers_end_with_their_process_even_when_it_is_killed(paused: bool):
    script = f"""
import sys
from tests.servers import Postgres
server = Postgres().start()
if {paused}: server.pause()
print(server.pid, server.folder, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout
        pid, folder = starter.stdout.readline().split()
        assert psutil.Process(int(pid)).is_running()
        os.kill(starter.pid, signal.SIGKILL)
    deadline = time.monotonic() + QUICK + 5
    while Path(folder).exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == "zombie"


def test_a_missing_server_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    monkeypatch.setattr(servers, "_packaged", lambda *_: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(subprocess, "check_output", lambda *_, **__: "/nowhere/chromium\n")
    for find, name in [
        (servers.postgres_binaries, "PostgreSQL"),
        (servers.redis_executable, "Redis"),
        (servers.chromium_path, "Chromium"),
    ]:
        with pytest.raises(MissingServerError, match=rf"^The (browser )?tests need {name}: .*\.$"):
            find()


def test_chromium_is_driven_and_has_a_microphone(page: Page):
    page.route("http://localhost/", lambda route: route.fulfill(body="<p>…</p>", content_type="text/html"))
    page.goto("http://localhost/")
    page.evaluate(
        "navigator.mediaDevices.getUserMedia({audio: true})"
        ".then(stream => { document.querySelector('p').textContent = stream.getAudioTracks().length })"
    )
    expect(page.locator("p")).to_have_text("1")
