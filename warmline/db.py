"""The database: one engine a process, `transaction()` for a verb, `reading()` for a page.

Inside a transaction nothing may wait for anything but the database (no network, no push): on SQLite every other
verb would wait too, and other processes for as long as their busy timeout. So a greenlet that lets others run in
the middle of one is reported. What must happen afterwards is registered with `after_commit()`.
"""

import contextlib
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

import gevent
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

SQLITE_BUSY_SECONDS = 5
CONNECT_SECONDS = 3
WAITED = "a transaction waits, and everybody who wants to write waits for it"

log = logging.getLogger(__name__)

_engine: Engine | None = None
_sessions: sessionmaker[Session] | None = None
_readers: sessionmaker[Session] | None = None
_spawn: Callable[..., Any] | None = None
_limit: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext
_writer = threading.Lock()  # SQLite has one writer; waiting for it here costs less than its busy timeout
_writing: ContextVar[bool] = ContextVar("writing", default=False)


def connect(url: str) -> Engine:
    """An engine for `url`, with the settings that make either database safe and quick."""
    target = make_url(url)
    if target.get_backend_name() == "sqlite":
        engine = create_engine(target, hide_parameters=True, connect_args={"timeout": SQLITE_BUSY_SECONDS})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        target.set(drivername="postgresql+psycopg"),
        hide_parameters=True,  # they would stand in error messages, and so in logs
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        pool_timeout=5,
        # A stalled server must not hold a webhook beyond the phone company's 15 seconds.
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 2,
            "tcp_user_timeout": 6000,
            "options": "-c statement_timeout=8000 -c lock_timeout=6000 -c timezone=UTC",
        },
    )


def bind(
    engine: Engine,
    spawn: Callable[..., Any] | None = None,
    limit: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext,
) -> None:
    """Use `engine` in this process.

    `spawn(function, *arguments)` runs what follows a commit (None: in place). `limit()` surrounds each session: a
    server that is stalled, rather than down, answers neither its own timeouts nor TCP's.
    """
    global _engine, _sessions, _readers, _spawn, _limit
    _engine = engine
    _sessions = sessionmaker(engine, expire_on_commit=False)
    if engine.dialect.name == "postgresql":
        # Each statement sees what was committed before it, in a transaction (READ COMMITTED) or not: BEGIN and
        # ROLLBACK would be two more ways to the server. https://www.postgresql.org/docs/current/transaction-iso.html
        engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    _readers = sessionmaker(engine, expire_on_commit=False)
    event.listen(_readers, "before_flush", _refuse_to_write)
    _spawn, _limit = spawn, limit


def bound() -> Engine:
    """The engine of this process; RuntimeError before `bind()`."""
    if _engine is None:
        raise RuntimeError("no database is bound: call db.bind() first")
    return _engine


@contextmanager
def transaction() -> Iterator[Session]:
    """One verb: everything in it is committed together, or nothing is.

    1. On SQLite, wait for this process's turn to write, then `BEGIN IMMEDIATE`.
    2. Run the body; an exception rolls back and passes on.
    3. Commit, and let the next writer go.
    4. Only then run what `after_commit()` collected, with no transaction open.

    Raises RuntimeError inside another transaction of the same greenlet: one verb, one transaction.
    """
    if _writing.get():
        raise RuntimeError("a transaction is open already: one verb, one transaction")
    turn = _turn_to_write() if bound().dialect.name == "sqlite" else contextlib.nullcontext()
    with _limit(), turn, _begun(_sessions) as session:
        token = _writing.set(True)
        try:
            session.connection(execution_options={"write": True})
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise
        finally:
            _writing.reset(token)
    for function, arguments in session.info.get("after_commit", {}).values():
        later(function, *arguments)


@contextmanager
def reading() -> Iterator[Session]:
    """A session that only looks; it takes no writer's turn.

    On SQLite it sees one moment, on PostgreSQL each of its statements the newest one. Raises RuntimeError if a row
    was changed in it.
    """
    with _limit(), _begun(_readers) as session:
        yield session


def after_commit(session: Session, function: Callable[..., Any], *arguments: Any) -> None:
    """Run `function(*arguments)` once after this transaction's commit, and not at all if it rolls back."""
    session.info.setdefault("after_commit", {})[(function, arguments)] = (function, arguments)


def later(function: Callable[..., Any], *arguments: Any) -> None:
    """Run `function(*arguments)` beside what goes on now (or in place, where nothing was given to `bind`)."""
    if _spawn is None:
        _run(function, *arguments)
    else:
        _spawn(_run, function, *arguments)


@contextmanager
def _turn_to_write() -> Iterator[None]:
    """This process's turn to write on SQLite, during which no other greenlet may run: it is reported if one does.

    Of a greenlet that is about to wait, gevent calls `switch_out`: https://www.gevent.org/api/gevent.hub.html
    Reported and not refused, for a slow line is better than a caller whose verb failed.
    """
    with _writer:
        greenlet = gevent.getcurrent()
        greenlet.switch_out = _report_wait
        try:
            yield
        finally:
            del greenlet.switch_out


def _report_wait() -> None:
    log.error(WAITED, extra={"where": "".join(traceback.format_stack()[:-1])})


def _begun(sessions: sessionmaker[Session] | None) -> Session:
    if sessions is None:
        raise RuntimeError("no database is bound: call db.bind() first")
    return sessions()


def _refuse_to_write(*_: object) -> None:
    raise RuntimeError("this session only looks: a verb writes in a transaction")


def _run(function: Callable[..., Any], *arguments: Any) -> None:
    # The verb is committed: what follows it may fail without taking it back, and the clock does it again.
    try:
        function(*arguments)
    except Exception:
        log.exception("work after a commit failed", extra={"work": function.__name__})


def _prepare_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
