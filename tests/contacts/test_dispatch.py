"""Whom dispatch sees, and what an offer costs."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from routing.facts import MakeOffer
from routing.states import PeerStatus
from tests.contacts.world import World
from warmline import db
from warmline.contacts import dispatch, offers
from warmline.models import Peer, Presence


@contextmanager
def asked() -> Iterator[list[str]]:
    """What the database is asked meanwhile."""
    statements: list[str] = []

    def note(*noted: object) -> None:
        if not str(noted[2]).startswith("BEGIN"):
            statements.append(str(noted[2]))

    event.listen(db.bound(), "before_cursor_execute", note)
    yield statements
    event.remove(db.bound(), "before_cursor_execute", note)


def are_free(world: World, *peers: Peer) -> None:
    """These peers are free, and nobody has looked for contacts for them yet."""
    with db.transaction() as session:
        for peer in peers:
            session.get_one(Peer, peer.id).status = PeerStatus.AVAILABLE
            session.add(Presence(peer_id=peer.id, seen_at=world.now))


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


def test_while_nobody_waits_no_peer_is_looked_at(world: World) -> None:
    are_free(world, world.peer1)
    with asked() as statements:
        assert dispatch.run(world.lantern, world.now) == 0
        assert dispatch.run(world.lantern, world.now, peer_id=world.peer1.id) == 0
    assert len(statements) == 2, "who is the first in line?"


def test_peers_who_are_left_are_not_looked_at_again_for_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "AT_A_TIME", 1)
    world.waits()
    are_free(world, world.peer1, world.peer2)
    with asked() as statements:
        assert dispatch.run(world.lantern, world.now) == 1
    assert len([statement for statement in statements if "JOIN presence" in statement]) == 1


def test_an_offer_is_made_and_accepted_in_a_few_statements(world: World) -> None:
    contact_id, _ = world.waits()
    are_free(world, world.peer1)
    with asked() as statements:
        assert dispatch.make([MakeOffer(contact_id, world.peer1.id)], world.now)
    assert len(statements) <= 8
    offer = world.offer_to(world.peer1)
    assert offer is not None
    with asked() as statements:
        offers.accept(world.peer1, offer.id, world.now)
    assert len(statements) <= 10
