"""The only reader of the time, and the loop that does what is due.

Whatever must happen later is a row with a due time. `tick(now)` does what is overdue; it may run in any number of
processes, and a lease lets one of them act. A timer that is late after a restart still happens, once.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.dialects import postgresql, sqlite

from warmline import db
from warmline.contacts import (
    asking,
    availability,
    calling_back,
    connect,
    dispatch,
    due,
    outbox,
    parting,
    survey,
    wishes,
    wrapup,
)
from warmline.db import reading, transaction
from warmline.models import Callback, Lease
from warmline.models.base import new_id

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
LEASE = timedelta(seconds=5)
PAUSE = timedelta(seconds=30)  # without a tick: the database or this machine was away, and nobody could be heard
HICCUP = timedelta(seconds=5)  # without a tick: whoever answered an offer meanwhile may not have been heard
LONG_AGO = datetime.min.replace(tzinfo=UTC)
CALLBACKS_KEPT = timedelta(days=2)  # Twilio repeats a callback within minutes


def now() -> datetime:
    """The time, aware, in UTC. Edges call this once and pass it down."""
    return datetime.now(UTC)


def hold_lease(holder: str, at: datetime) -> bool:
    """Whether this clock may act until `at` + LEASE: it holds the lease, or nobody did any more."""
    with transaction() as session:
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        session.execute(
            dialect.insert(Lease).values(name="clock", holder=holder, until=at + LEASE).on_conflict_do_nothing()
        )
        held = session.scalar(
            update(Lease)
            .where(Lease.name == "clock", (Lease.holder == holder) | (Lease.until <= at))
            .values(holder=holder, until=at + LEASE)
            .returning(Lease.name)
        )
        return held is not None


def tick(at: datetime, heard_since: datetime = LONG_AGO, deaf_until: datetime = LONG_AGO) -> None:
    """Do everything that is due at `at`. What fails is logged and tried again at the next tick.

    Args:
        heard_since: when consoles could be heard again after an outage, in which all of them were silent.
        deaf_until: the end of the latest outage, however short, in which peers may have answered offers in vain.
    """
    for act, subject in _due(at, heard_since, deaf_until):
        _attempt(act, subject, at)
    for organization_id in dispatch.organizations_waiting():
        _attempt(dispatch.run, organization_id, at)


def _due(at: datetime, heard_since: datetime, deaf_until: datetime) -> list[tuple[Callable[[Any, datetime], Any], Any]]:
    """What is to be done, and to whom: in one look, for most of the time it is nothing."""
    found: list[tuple[Callable[[Any, datetime], Any], Any]] = []
    with reading() as session:
        for question, act in (
            (partial(due.decisions, deaf_until=deaf_until), due.act),
            (connect.overdue, _phone_is_late),
            (partial(availability.left_behind, heard_since=heard_since), parting.console_gone),
            (calling_back.overdue, calling_back.come_due),
            (wrapup.overdue, wrapup.expire),
            (survey.due, survey.invite),
            (survey.overdue, survey.lapse),
            (wishes.stranded, wishes.lift),
            (outbox.due, _send),
            (asking.unheard, _ask),
            (asking.unanswered, _ask_for_call),
        ):
            try:
                found += [(act, subject) for subject in question(session, at)]
            except Exception:  # what the others find is done all the same
                log.exception("what is due could not be read", extra={"for": act.__name__})
    return found


def _phone_is_late(engagement_id: str, at: datetime) -> None:
    # Its callback may have been lost: ask before blaming the peer's phone.
    for call_sid in connect.on_the_way(engagement_id):
        _attempt(asking.ask, call_sid, at)
    connect.give_up(engagement_id, at)


def _send(contact_id: str, at: datetime) -> None:
    _attempt(outbox.recover, contact_id, at)
    db.later(outbox.deliver, contact_id)


def _ask(call_sid: str, at: datetime) -> None:
    if asking.claim(call_sid, at):
        db.later(asking.ask, call_sid, at)


def _ask_for_call(request_id: str, at: datetime) -> None:
    db.later(asking.ask_for_call, request_id, at)


def clean(at: datetime) -> None:
    """Forget what is of no more use."""
    with transaction() as session:
        session.execute(delete(Callback).where(Callback.at < at - CALLBACKS_KEPT))


def run(stopped: threading.Event, read: Callable[[], datetime] = now) -> None:
    """Tick once a second until `stopped`; only while holding the lease, and through every failure."""
    holder = new_id()
    begun = deaf_until = latest = cleaned = LONG_AGO
    while not stopped.is_set():
        at = read()
        try:
            if hold_lease(holder, at):
                if at - latest > PAUSE:
                    asking.doubt_everything()
                    begun = at
                if at - latest > HICCUP:
                    deaf_until = at
                tick(at, begun, deaf_until)
                latest = at
                if at - cleaned > timedelta(hours=1):
                    clean(at)
                    cleaned = at
        except Exception:
            log.exception("a tick failed")
        stopped.wait(TICK_SECONDS)


def _attempt(function: Callable[..., Any], *arguments: Any) -> None:
    try:
        function(*arguments)
    except Exception:
        log.exception("overdue work failed", extra={"work": function.__name__})
