"""Transactions under gevent: on SQLite a greenlet that lets others run in the middle of one is reported."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import gevent
import gevent.lock
import gevent.socket
import pytest
from sqlalchemy import text

from warmline import db
from warmline.models import Callback


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An SQLite file; the writer's lock is gevent's, as where gunicorn's configuration has patched `threading`."""
    monkeypatch.setattr(db, "_writer", gevent.lock.Semaphore())
    db.bind(db.connect(f"sqlite:///{tmp_path / 'warmline.db'}"))
    with db.transaction() as session:
        session.execute(text("CREATE TABLE steps (step TEXT)"))
    yield
    db.bound().dispose()


def ask_somebody() -> None:
    """A request to another server, which takes its time."""
    ours, theirs = gevent.socket.socketpair()
    with ours, theirs:
        gevent.spawn_later(0.01, theirs.send, b"answer")
        ours.recv(10)


def wait_for_a_lock() -> None:
    lock = gevent.lock.Semaphore(0)
    gevent.spawn_later(0.01, lock.release)
    lock.acquire()


def write(step: str, meanwhile: Callable[[], object]) -> None:
    with db.transaction() as session:
        session.execute(text(f"INSERT INTO steps VALUES ('{step} begins')"))
        meanwhile()
        session.execute(text(f"INSERT INTO steps VALUES ('{step} ends')"))


@pytest.mark.parametrize("wait", [lambda: gevent.sleep(0), ask_somebody, wait_for_a_lock])
def test_a_transaction_that_waits_is_reported_and_whoever_comes_meanwhile_writes_after_it(
    wait: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    gevent.joinall(
        [gevent.spawn(write, "first", wait), gevent.spawn(write, "second", lambda: None)], raise_error=True, timeout=5
    )
    (report,) = [record for record in caplog.records if record.message == db.WAITED]
    assert report.levelno == logging.ERROR
    assert "meanwhile()" in report.where  # type: ignore[attr-defined]  # given as `extra`
    with db.reading() as session:
        steps = session.scalars(text("SELECT step FROM steps")).all()
    assert steps == ["first begins", "first ends", "second begins", "second ends"]


def test_waiting_for_ones_turn_and_after_the_commit_is_nothing_to_report(caplog: pytest.LogCaptureFixture) -> None:
    def write_and_ask(step: str) -> None:
        with db.transaction() as session:
            session.execute(text(f"INSERT INTO steps VALUES ('{step}')"))
            db.after_commit(session, ask_somebody)

    with db._writer:
        writers = [gevent.spawn(write_and_ask, step) for step in ("first", "second")]
        gevent.sleep(0)
    gevent.joinall(writers, raise_error=True, timeout=5)
    assert caplog.records == []


def test_whoever_only_looks_changes_nothing() -> None:
    """On PostgreSQL it would be committed at once."""
    with db.reading() as session:
        session.add(Callback(key="a", at=datetime.now(UTC)))
        with pytest.raises(RuntimeError, match="only looks"):
            session.flush()
