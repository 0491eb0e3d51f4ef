"""A callback from outside: booked in the wait room, accepted on the console, and the caller's own telephone rings."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.product import CALLER, Board, Caller, Console, Product, eventually, open_consoles


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    # At this pace a telephone rings for twelve seconds, whoever picks up has nine for a key, and whoever waits four.
    with Product(tmp_path_factory.mktemp("product"), speed=2) as product:
        policy = json.dumps({"steps": [{"after": 0, "kind": "callback"}]})
        with product._past.begin() as past:
            past.exec_driver_sql("UPDATE line SET policy = ?", (policy,))
        yield product


@pytest.fixture
def peer(product: Product) -> Iterator[Console]:
    with open_consoles(product, "peer1@example.org") as (console,):
        yield console
        console.chooses("off")


def test_a_caller_books_hangs_up_and_is_called_by_a_peer_who_has_accepted(product: Product, peer: Console) -> None:
    board = Board(product)
    caller = books(product)
    eventually(lambda: any(row["place"] == 1 for row in board.state["waiting"]))

    peer.chooses("available")
    offer = peer.offer()
    peer.accepts(offer)
    phone = rings(product)
    shown = peer.contact(offer["contact"])
    assert shown is not None
    assert shown["state"] == "connecting"
    product.script("POST", f"/script/calls/{phone.sid}/answer")
    phone.hears("the call that you asked for")
    phone.presses("1")
    phone.is_in("conference")
    eventually(lambda: (peer.contact(offer["contact"]) or {}).get("state") == "connected")
    peer.ends(offer["contact"])
    phone.is_in("ended")
    peer.logs(offer["contact"])
    (contact,) = (row for row in product.rows("contact") if row["id"] == offer["contact"])
    assert contact["state"] == "closed"
    assert caller.sid != phone.sid
    assert product.script("GET", "/script/errors")["errors"] == []


def test_a_caller_who_does_not_pick_up_costs_the_peer_nothing(product: Product, peer: Console) -> None:
    books(product, "+14045550124")
    peer.chooses("available")
    peer.accepts(peer.offer())
    phone = rings(product, "+14045550124")
    product.script("POST", f"/script/calls/{phone.sid}/hangup")  # declined
    eventually(lambda: peer.state["activity"] == "idle")
    contact = next(row for row in product.rows("contact") if row["callback_tries"])
    assert (contact["state"], contact["callback_tries"]) == ("waiting", 1)


def books(product: Product, number: str = CALLER) -> Caller:
    """A caller presses 2 while they wait, confirms their number, and hears that they may hang up."""
    caller = Caller(product, number).dials()
    caller.presses("1")
    caller.hears("be called back, press 2")
    types(caller, "2")
    caller.hears("call you back at")
    types(caller, "1")
    caller.hears("Your place in line is kept")
    caller.is_in("ended")
    return caller


def types(caller: Caller, key: str) -> None:
    """Once: a key too many would answer the next question."""
    caller.product.script("POST", f"/script/calls/{caller.sid}/keys", digits=key)


def rings(product: Product, number: str = CALLER) -> Caller:
    """The telephone that rings."""

    def found() -> list[dict[str, Any]]:
        calls = product.script("GET", "/script/calls")["calls"]
        return [call for call in calls if call["to"] == number and call["status"] == "ringing"]

    phone = Caller(product, number)
    phone.sid = eventually(found, what="no telephone rings")[0]["sid"]
    return phone
