"""The whole path from outside: caller, peers and supervisor, on SQLite and on PostgreSQL with two of everything."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.product import Board, Caller, Console, Product, eventually, open_consoles
from tests.servers import Databases, Redis
from tests.telephony.openapi import HOST, Exchange


@pytest.fixture(scope="module", params=["sqlite", "postgresql, two web processes, two clocks"])
def product(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder: Path = tmp_path_factory.mktemp("product")
    if request.param == "sqlite":
        with Product(folder) as product:
            yield product
            assert_every_request_was_understandable(product)
    else:
        databases: Databases = request.getfixturevalue("postgres")
        redis: Redis = request.getfixturevalue("redis_server")
        with Product(folder, databases.database(), redis.url, webs=2, clocks=2) as product:
            yield product
            assert_every_request_was_understandable(product)


def assert_every_request_was_understandable(product: Product) -> None:
    """What product and clocks have asked of the phone company, by Twilio's own description."""
    for request in product.script("GET", "/script/requests")["requests"]:
        params = urlencode(request["params"])
        query, form = (f"?{params}", "") if request["method"] == "GET" and params else ("", params)
        exchange = Exchange(request["method"], HOST + request["path"] + query, form, request["status"], "")
        assert exchange.request_faults() == [], request


@pytest.fixture
def peers(product: Product) -> Iterator[list[Console]]:
    with open_consoles(product, "peer1@example.org", "peer2@example.org") as consoles:
        yield consoles
        for console in consoles:
            for contact in console.state["contacts"]:
                if not contact["logged"]:
                    console.ends(contact["id"])
                    if console.contact(contact["id"]):  # else the phone was not up yet, and nobody talked
                        console.logs(contact["id"])
            console.chooses("off")


def test_a_call_is_answered_and_logged_while_the_supervisor_watches(product: Product, peers: list[Console]) -> None:
    peer1, _ = peers
    board = Board(product)
    caller = Caller(product).dials()
    caller.presses("1")
    caller.is_in("queue")
    eventually(lambda: [row["place"] for row in board.state["waiting"]] == [1])

    peer1.chooses("available")
    offer = peer1.offer()
    contact = offer["contact"]
    assert offer["channel"] == "voice"
    peer1.accepts(offer)
    caller.is_in("conference")
    eventually(lambda: (peer1.contact(contact) or {}).get("state") == "connected")
    eventually(lambda: board.state["waiting"] == [])

    peer1.ends(contact)
    caller.is_in("ended")
    caller.hears("Thank you for calling")
    eventually(lambda: peer1.state["activity"] == "wrapping")
    peer1.logs(contact)
    eventually(lambda: peer1.state["activity"] == "idle")
    assert (peer1.contact(contact) or {"logged": True})["logged"]
    assert product.script("GET", "/script/errors")["errors"] == []


def test_a_declined_call_is_offered_on(product: Product, peers: list[Console]) -> None:
    peer1, peer2 = peers
    peer1.chooses("available")
    caller = Caller(product).dials()
    caller.presses("1")
    offer = peer1.offer()
    peer2.chooses("available")
    assert peer1.post(f"/console/offers/{offer['id']}/decline").ok
    onward = peer2.offer()
    assert onward["contact"] == offer["contact"]
    peer2.accepts(onward)
    caller.is_in("conference")
    eventually(lambda: peer2.state["activity"] == "talking")  # the conference has told us
    caller.hangs_up()
    eventually(lambda: peer2.state["activity"] == "wrapping")


def test_a_dropped_caller_goes_to_the_front_and_is_answered_again(product: Product, peers: list[Console]) -> None:
    peer1, peer2 = peers
    peer1.chooses("available")
    caller = Caller(product).dials()
    caller.presses("1")
    call = peer1.accepts(peer1.offer())
    caller.is_in("conference")
    eventually(lambda: peer1.state["activity"] == "talking")
    product.script("POST", f"/script/calls/{call}/hangup")
    caller.hears("Press 1 to go to the front")
    peer2.chooses("available")
    peer2.accepts(peer2.offer())
    caller.is_in("conference")
    eventually(lambda: peer2.state["activity"] == "talking")


def test_a_spanish_caller_reaches_a_peer_who_speaks_spanish(product: Product, peers: list[Console]) -> None:
    peer1, peer2 = peers
    peer1.chooses("available")
    peer2.chooses("available")
    caller = Caller(product).dials()
    caller.insists_on("2")
    caller.hears("Gracias por esperar")
    peer2.accepts(peer2.offer())
    caller.is_in("conference")
    assert peer1.state["offers"] == []


def test_the_outsider_sees_and_guesses_nothing(product: Product, peers: list[Console]) -> None:
    peer1, _ = peers
    peer1.chooses("available")
    caller = Caller(product).dials()
    caller.presses("1")
    offer = peer1.offer()
    with Console(product, "outsider@example.org") as outsider:
        outsider.chooses("available")
        assert outsider.state["offers"] == outsider.state["contacts"] == []
        for path in (
            f"/console/offers/{offer['id']}/accept",
            f"/console/offers/{offer['id']}/decline",
            f"/console/contacts/{offer['contact']}/end",
            f"/console/contacts/{offer['contact']}/messages",
            f"/console/contacts/{offer['contact']}/report",
            "/console/offers/0123456789abcdef0123456789abcdef/accept",
        ):
            answer = outsider.post(path, {"body": "hello", "disposition": "boundary", "reasons": ["social"]})
            assert answer.status_code == 404, f"{path}: {answer.status_code} {answer.text}"
            assert answer.json()["error"]["code"] == "not_found"
    peer1.accepts(offer)
    caller.is_in("conference")
    caller.hangs_up()


def test_a_text_becomes_a_thread(product: Product, peers: list[Console]) -> None:
    peer1, _ = peers
    peer1.chooses("available")
    me = "+14045550177"
    product.script("POST", "/script/texts", **{"from": me, "to": "+14045550101", "body": "hello?"})
    offer = peer1.offer()
    assert offer["channel"] == "text"
    answer = peer1.post(f"/console/offers/{offer['id']}/accept")
    assert answer.json() == {"contact": offer["contact"]}
    assert peer1.post(f"/console/contacts/{offer['contact']}/messages", {"body": "I am here."}).ok

    def texts() -> list[str]:
        return [text["body"] for text in product.script("GET", f"/script/texts?number=%2B{me[1:]}")["texts"]]

    eventually(lambda: "I am here." in texts())
    assert sum("A person will answer" in text for text in texts()) == 1
