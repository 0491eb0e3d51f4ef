"""The one way in which a state changes: a conditional UPDATE along its table, with its event row."""

import logging
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from itertools import groupby
from typing import Any

from sqlalchemy import Executable, bindparam, insert, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from routing import states
from warmline.models.contact import Contact
from warmline.models.engagement import Engagement
from warmline.models.event import Event
from warmline.models.leg import Leg
from warmline.models.message import Message
from warmline.models.offer import Offer
from warmline.models.outside import OutsideRequest
from warmline.models.survey import Survey

log = logging.getLogger(__name__)

Stateful = Contact | Engagement | Offer | Leg | Message | OutsideRequest | Survey

TABLES = {
    Contact: states.CONTACT,
    Engagement: states.ENGAGEMENT,
    Offer: states.OFFER,
    Leg: states.LEG,
    Message: states.MESSAGE,
    OutsideRequest: states.REQUEST,
    Survey: states.SURVEY,
}

# Of the table, not the class: every verb writes history and none reads it again.
_WRITE = insert(Event.__table__).inline()  # type: ignore[arg-type]


def advance(
    session: Session,
    row: Stateful,
    event: str,
    now: datetime,
    why: dict[str, Any] | None = None,
    **changes: Any,
) -> bool:
    """Move `row` along its state table, if `event` fits its state and nobody was quicker.

    1. Look the pair (state, event) up; a pair that is not in the table changes nothing.
    2. `UPDATE … WHERE state = <the state we saw>`: of two writers one changes a row, the other changes none. The row
       that is returned refreshes ours.
    3. Write the event row, in the same transaction.

    Returns whether this call made the transition. `changes` are further columns of the same row; `why` holds
    ids and codes for the history.
    """
    kind = type(row)
    old: StrEnum = row.state
    new = states.step(TABLES[kind], old, event)
    if new is None:
        log.info(
            "transition refused",
            extra={"subject": kind.__tablename__, "id": row.id, "state": old, "refused": event},
        )
        return False
    values = {f"new_{name}": value for name, value in changes.items()}
    seen = {"seen_id": row.id, "seen_state": old, "new_state": new}
    changed = session.execute(_move(kind, tuple(changes)), seen | values).one_or_none()
    if changed is None:
        session.refresh(row)
        return False
    for name, value in changed._mapping.items():
        set_committed_value(row, name, value)
    record(session, row, event, now, old=old, new=new, why=why)
    return True


def record(
    session: Session,
    row: Any,
    event: str,
    now: datetime,
    *,
    old: str | None = None,
    new: str | None = None,
    why: dict[str, Any] | None = None,
) -> None:
    """Write one row of history about `row`."""
    session.execute(_WRITE, _event(row, event, now, old, new, why))


def advance_all(
    session: Session,
    kind: type[Contact],
    old: StrEnum,
    event: str,
    now: datetime,
    why: Mapping[str, dict[str, Any]],
) -> None:
    """Move the rows whose ids are the keys of `why` from `old`, which they are held in, each with its event row.

    Raises ValueError if the table has no such step: whoever holds the rows knows what comes next.
    """
    new = states.step(TABLES[kind], old, event)
    table: Any = kind.__table__
    if new is None:
        raise ValueError(f"{table.name}: from {old} nothing is {event}")
    moved = session.scalars(
        update(kind).where(table.c.id.in_(why), table.c.state == old).values(state=new).returning(kind),
        execution_options={"synchronize_session": False},
    )
    session.execute(_WRITE, [_event(row, event, now, old, new, why[row.id]) for row in moved])


def begin(session: Session, now: datetime, *rows: Stateful) -> None:
    """Add new rows, in this order, in their first states, each with its event."""
    for _, of_one_kind in groupby(rows, key=type):
        session.add_all(of_one_kind)
        session.flush()
    session.execute(_WRITE, [_event(row, "began", now, new=row.state) for row in rows])


@cache
def _move(kind: type[Stateful], changes: tuple[str, ...]) -> Executable:
    """The UPDATE of a transition that changes these columns too: built once, for that takes as long as its answer."""
    table: Any = kind.__table__
    return (
        update(table)
        .where(table.c.id == bindparam("seen_id"), table.c.state == bindparam("seen_state"))
        .values(state=bindparam("new_state"), **{name: bindparam(f"new_{name}") for name in changes})
        .returning(*table.columns)
    )


def _event(
    row: Any,
    name: str,
    now: datetime,
    old: str | None = None,
    new: str | None = None,
    why: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "organization_id": row.organization_id,
        "at": now,
        "subject": row.__tablename__,
        "subject_id": row.id,
        "contact_id": row.id if isinstance(row, Contact) else getattr(row, "contact_id", None),
        "name": name,
        "old": old,
        "new": new,
        "why": why or {},
    }
