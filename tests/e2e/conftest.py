"""The whole product in real processes, and its people in a real browser."""

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page

from tests.e2e import looks
from tests.product import Caller, Product, Visitor

PEERS = ("peer1", "peer2")

# email's name, and options of the browser's context → their first page
Enter = Callable[..., Page]


@pytest.fixture(scope="session", autouse=True)
def looks_thoroughly(thorough: bool) -> None:
    looks.thorough = thorough


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One product for each worker; every test leaves it tidy."""
    with Product(tmp_path_factory.mktemp("product")) as product:
        yield product


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What browsers complain about: an error in a script, or something that the policy forbids. None is expected."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def enter(product: Product, new_context: Callable[..., BrowserContext], complaints: list[str]) -> Iterator[Enter]:
    """Somebody who is logged in, at their first page, in a browser of their own."""
    contexts = []

    def log_in(who: str, **options: object) -> Page:
        context = new_context(base_url=product.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", note)
        for name, value in Visitor(product, f"{who}@example.org").http.cookies.items():
            context.add_cookies([{"name": name, "value": value, "url": product.url, "httpOnly": True}])
        page.goto("/")
        return page

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            complaints.append(message.text)

    yield log_in
    for context in contexts:
        context.close()


@pytest.fixture
def caller(product: Product, tidy: None) -> Iterator[Caller]:
    """Somebody with a telephone, who hangs up in the end."""
    caller = Caller(product)
    yield caller
    with suppress(AssertionError):
        caller.hangs_up()


@pytest.fixture(scope="session")
def elsewhere(product: Product) -> list[Visitor]:
    """The peers, at another login than that of a test."""
    return [Visitor(product, f"{name}@example.org") for name in PEERS]


@pytest.fixture
def tidy(product: Product, elsewhere: list[Visitor]) -> Iterator[None]:
    """Afterwards every line runs, every contact is over and logged, and every peer is off, wherever a test ended."""
    yield
    product.reopens_every_line()
    for peer in elsewhere:
        peer.http.close()  # the test may have ended the process at the other end of a connection that was kept
        goes_off(peer)


def goes_off(peer: Visitor) -> None:
    """The peer's contacts are over and logged, and the peer is off and rests no more."""
    peer.post("/console/status", {"status": "off"})
    peer.post("/console/ready")
    for contact in peer.get("/console/state")["contacts"]:
        if not contact["logged"]:
            peer.post(f"/console/contacts/{contact['id']}/end")
            peer.post(f"/console/contacts/{contact['id']}/report", {"disposition": "dropped"})
