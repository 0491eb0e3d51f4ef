"""Whom dispatch sees, and what an offer costs."""

import pytest
from sqlalchemy import event

from routing.facts import MakeOffer
from routing.states import PeerStatus
from tests.contacts.world import World
from warmline import db
from warmline.contacts import dispatch, offers
from warmline.models import Peer, Presence


def test_whoever_waits_behind_many_for_whom_nobody_is_free_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "AT_A_TIME", 2)
    for number in range(3):
        world.waits(f"+1404555014{number}", language="es")
    contact_id, _ = world.waits("+14045550144")
    world.available(world.peer1)
    offer = world.offer_to(world.peer1)
    assert offer is not None
    assert offer.contact_id == contact_id


def test_an_offer_is_made_and_accepted_in_a_few_statements(world: World) -> None:
    statements: list[str] = []

    def note(*noted: object) -> None:
        if not str(noted[2]).startswith("BEGIN"):
            statements.append(str(noted[2]))

    contact_id, _ = world.waits()
    with db.transaction() as session:
        session.get_one(Peer, world.peer1.id).status = PeerStatus.AVAILABLE
        session.add(Presence(peer_id=world.peer1.id, seen_at=world.now))
    event.listen(db.bound(), "before_cursor_execute", note)
    assert dispatch.make([MakeOffer(contact_id, world.peer1.id)], world.now)
    made = len(statements)
    offer = world.offer_to(world.peer1)
    assert offer is not None
    statements.clear()
    offers.accept(world.peer1, offer.id, world.now)
    event.remove(db.bound(), "before_cursor_execute", note)
    assert made <= 8
    assert len(statements) <= 10
