"""The survey from outside: a key while waiting, a call, and the questions on the caller's own telephone."""

from collections.abc import Iterator

import pytest

from tests.product import CALLER, GEORGIA, Caller, Console, Product, eventually, open_consoles


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    # The question is asked once, and at this pace four seconds long: time enough for a key on a busy machine.
    with Product(tmp_path_factory.mktemp("product"), speed=2) as product:
        yield product


@pytest.fixture
def peer(product: Product) -> Iterator[Console]:
    with open_consoles(product, "peer1@example.org") as (console,):
        yield console


def test_a_caller_says_yes_while_waiting_and_answers_afterwards(product: Product, peer: Console) -> None:
    caller = Caller(product).dials()
    caller.presses("1")
    caller.hears("press 1.")
    caller.hears("questions by text after the call")
    eventually(lambda: presses(caller), what="the key was never heard")
    assert caller.where == "queue"

    peer.chooses("available")
    offer = peer.offer()
    peer.accepts(offer)
    caller.is_in("conference")
    eventually(lambda: (peer.contact(offer["contact"]) or {}).get("state") == "connected")
    peer.ends(offer["contact"])
    caller.is_in("ended")
    assert texts(product) == []
    peer.logs(offer["contact"])

    for number, (question, answer) in enumerate([("Did you feel supported", "YES"), ("2 of 3", "5"), ("3 of 3", "5")]):
        eventually(lambda: len(texts(product)) > number)  # noqa: B023 (it is asked before the loop goes on)
        assert question in texts(product)[number]
        product.script("POST", "/script/texts", **{"from": CALLER, "to": GEORGIA, "body": answer})
    eventually(lambda: any("that was all" in text for text in texts(product)))
    (found,) = product.rows("survey")
    assert (found["state"], found["felt_supported"], found["feeling"], found["otherwise"]) == (
        "completed", 1, 5, "waited_alone",
    )  # fmt: skip
    assert len(texts(product)) == 4
    assert [row for row in product.rows("contact") if row["channel"] == "text"] == []
    assert product.script("GET", "/script/errors")["errors"] == []


def presses(caller: Caller) -> bool:
    """Press 1 while the question is asked, and hear that it was noted."""
    caller.product.script("POST", f"/script/calls/{caller.sid}/keys", digits="1")
    return "keep your place" in caller.heard


def texts(product: Product) -> list[str]:
    """What the line wrote to the caller's telephone."""
    there = product.script("GET", f"/script/texts?number=%2B{CALLER[1:]}")["texts"]
    return [text["body"] for text in there if text["from"] == GEORGIA]
