"""The demo is there once, however often it is made."""

import re
from typing import Any

import pytest
from sqlalchemy import select

from routing.hours import is_open
from tests.cast import PASSWORD
from warmline import clock, db
from warmline.models import Account, Base, Line, Organization, Peer, Shift
from warmline.people import accounts, demo

pytestmark = pytest.mark.usefixtures("app")


def everything() -> dict[str, list[Any]]:
    with db.reading() as session:
        connection = session.connection()
        return {
            name: sorted(map(str, connection.execute(table.select()).all()))
            for name, table in Base.metadata.tables.items()
        }


def test_lantern_and_its_neighbour() -> None:
    with db.reading() as session:
        found = {
            organization.name: {
                line.name: (line.numbers[0].number, line.time_zone, line.languages)
                for line in session.scalars(select(Line).where(Line.organization_id == organization.id))
            }
            for organization in session.scalars(select(Organization))
        }
        assert all(is_open(line.hours, line.time_zone, clock.now()) for line in session.scalars(select(Line)))
    both = ["en", "es"]
    assert found == {
        "Lantern Peer Network": {
            "Georgia": ("+14045550101", "America/New_York", both),
            "Illinois": ("+13125550102", "America/Chicago", both),
            "Washington D.C.": ("+12025550103", "America/New_York", both),
        },
        "Harbor Voices": {"Harbor": ("+16065550104", "America/New_York", both)},
    }


def test_the_crisis_card_asks_for_what_a_peer_can_do() -> None:
    """A conversation has two people: a peer says the number, and cannot bring somebody else into the call."""
    with db.reading() as session:
        cards = [line.card or {} for line in session.scalars(select(Line))]
    for card in cards:
        assert "say the number" in card["policy"]
        assert not re.search(r"\b(add|join|transfer|connect)\b", card["policy"])


@pytest.mark.parametrize(
    ("email", "role", "languages", "lines"),
    [
        ("peer1@example.org", "peer", ["en"], {"Georgia", "Illinois", "Washington D.C."}),
        ("peer2@example.org", "peer", ["en", "es"], {"Georgia", "Illinois", "Washington D.C."}),
        ("outsider@example.org", "peer", ["en"], {"Harbor"}),
        ("supervisor@example.org", "supervisor", None, set()),
        ("admin@example.org", "admin", None, set()),
    ],
)
def test_who_works_there(email: str, role: str, languages: list[str] | None, lines: set[str]) -> None:
    with db.reading() as session:
        account = session.scalars(select(Account).where(Account.email_hash == accounts.email_hash(email))).one()
        assert account.role == role
        assert (account.peer.languages if account.peer else None) == languages
        on_shift = select(Line.name, Shift.ends_at).join(Shift, Shift.line_id == Line.id)
        theirs = on_shift.join(Peer, Peer.id == Shift.peer_id).where(Peer.account_id == account.id)
        found = [(name, ends_at) for name, ends_at in session.execute(theirs)]
    assert set(found) == {(line, None) for line in lines}
    assert len(found) == len(lines)


def test_making_it_again_changes_nothing() -> None:
    before = everything()
    demo.seed(PASSWORD, clock.now())
    assert everything() == before


def test_the_password_follows() -> None:
    now = clock.now()
    demo.seed("a new one this time", now)
    for email in ("peer1@example.org", "outsider@example.org"):
        assert accounts.log_in(email, PASSWORD, now) is None
        assert accounts.log_in(email, "a new one this time", now)


def test_what_people_changed_stays() -> None:
    with db.transaction() as session:
        line = session.scalars(select(Line).where(Line.name == "Georgia")).one()
        line.time_zone = "America/Chicago"
        session.delete(session.scalars(select(Shift)).first())
    before = everything()
    demo.seed(PASSWORD, clock.now())
    assert everything() == before
