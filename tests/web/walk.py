"""What callers, peers and the phone company do, by the verbs themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import event, select, update

from tests.cast import Person
from warmline import clock, db
from warmline.contacts import availability, connect, intake, parting, texts
from warmline.models import Base, Engagement, Leg, Line, Peer, Shift

GEORGIA = "+14045550101"
ILLINOIS = "+13125550102"
_numbers = count(1)


def sid(prefix: str) -> str:
    return f"{prefix}{next(_numbers):032d}"


def peer(person: Person) -> Peer:
    found = person.account.peer
    assert found is not None
    return found


def is_ready(person: Person) -> None:
    """The peer's console is open and says Available."""
    availability.seen(peer(person), clock.now())
    availability.choose(peer(person), "available", clock.now())


def begins_anew(now: datetime) -> None:
    """Nobody has called or written yet, every line is open, and every shift begins now."""
    with db.transaction() as session:
        for table in reversed(Base.metadata.sorted_tables):
            if "contact_id" in table.c or table.name in ("contact", "caller", "callback", "apart"):
                session.execute(table.delete())
        is_open = update(Line).values(hours={}, closed_at=None, closed_until=None, closed_words=None)
        session.execute(is_open.values(policy=None, paused_at=None))
        session.execute(update(Shift).values(starts_at=now, ends_at=None))
        session.execute(update(Peer).values(rests_until=None))


def calls(number: str = "+14045550123", line: str = GEORGIA, language: str = "en") -> str:
    """A caller who is in the queue; the contact's id."""
    contact = intake.receive(sid("CA"), number, line, clock.now())
    assert contact is not None
    intake.choose_language(contact.id, language, clock.now())
    intake.queued(contact.id, sid("QU"), clock.now())
    return contact.id


def writes(body: str = "is anybody there?", number: str = "+14045550144", line: str = GEORGIA) -> None:
    """A text comes in."""
    assert texts.receive(sid("SM"), number, line, body, False, clock.now())


def talk(contact_id: str) -> None:
    """The legs of an accepted call come up, and caller and peer are in the conference."""
    with db.reading() as session:
        engagement = session.scalars(select(Engagement).filter_by(contact_id=contact_id)).one()
        identity = session.get_one(Peer, engagement.peer_id).identity
    conference, leg = sid("CF"), sid("CA")
    connect.peer_leg(identity, engagement.offer_id, leg, clock.now())
    connect.joined(engagement.id, leg, conference, clock.now())
    connect.caller_may_join(contact_id, clock.now())
    connect.joined(engagement.id, caller_leg(contact_id), conference, clock.now())


def hangs_up(contact_id: str) -> None:
    """The caller's call is over."""
    parting.leg_ended(caller_leg(contact_id), clock.now())


def caller_leg(contact_id: str) -> str:
    with db.reading() as session:
        return session.scalars(select(Leg.call_sid).filter_by(contact_id=contact_id, kind="caller")).one()


def state(person: Person, page: str = "/console") -> Any:
    return person.get(f"{page}/state").get_json()


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(db.bound(), "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(db.bound(), "before_cursor_execute", note)
