"""A callback in the browser: its peer hears that it rings, and what came of it."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Enter
from tests.e2e.looks import PHONE, looks_well
from tests.e2e.steps import SOON, call, choose, notices, said
from tests.product import Product
from tests.test_calling_back_path import books, rings

EVERYTHING_SAID = """() => {
  window.heard = [];
  const said = document.getElementById("said");
  new MutationObserver(() => window.heard.push(said.textContent)).observe(said, { childList: true, subtree: true });
}"""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    # At this pace a telephone rings for twelve seconds: long enough to judge a page meanwhile.
    with Product(tmp_path_factory.mktemp("product"), speed=2) as product:
        with product._past.begin() as past:
            policy = json.dumps({"steps": [{"after": 0, "kind": "callback"}]})
            past.exec_driver_sql("UPDATE line SET policy = ?", (policy,))
        yield product


def test_a_caller_who_does_not_take_the_call_is_explained(product: Product, enter: Enter) -> None:
    peer = enter("peer1", viewport=PHONE)
    books(product)
    choose(peer, "Available")
    peer.get_by_role("region", name="Callback").get_by_role("button", name="Accept").click(timeout=SOON)
    expect(call(peer)).to_contain_text("Ringing the caller…", timeout=SOON)
    phone = rings(product)
    looks_well(peer)
    peer.evaluate("window.same = true")
    peer.evaluate(EVERYTHING_SAID)
    product.script("POST", f"/script/calls/{phone.sid}/hangup")  # declined
    expect(peer.get_by_role("heading", name="You are ready")).to_be_visible(timeout=SOON)
    expect(notices(peer)).to_contain_text("The caller was not reached. There is nothing for you to log.")
    expect(said(peer)).to_contain_text("The caller was not reached.")
    assert "not connected" not in " ".join(peer.evaluate("window.heard")), "nothing is wrong with the peer's phone"
    assert peer.evaluate("window.same"), "the page was loaded anew, and the phone with it"
    looks_well(peer)
