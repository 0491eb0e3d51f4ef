"""A supervisor asks why a caller still waits and why a peer is not asked, with the keyboard; the peer asks it too."""

import re

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Enter
from tests.e2e.looks import FITS, NARROW, looks_well
from tests.e2e.steps import SOON, choose, offer, shown, waits
from tests.e2e.test_keyboard import goes_to
from tests.product import Caller, Product


def follows(page: Page, name: str) -> None:
    """The link of that name, by Tab and Enter."""
    goes_to(page, page.get_by_role("link", name=re.compile(name)).first)
    page.keyboard.press("Enter")


def test_why_a_caller_waits_is_answered_until_somebody_is_asked(enter: Enter, caller: Caller) -> None:
    board, robin, marisol = enter("supervisor"), enter("peer1"), enter("peer2")
    choose(robin, "Available")
    caller.dials()
    caller.insists_on("2")
    caller.is_in("queue")
    expect(board.get_by_role("link", name="Why? Place 1 on the Georgia line")).to_be_visible()
    follows(board, "^Why\\? Place 1")
    expect(board.get_by_role("heading", name="Why does this caller still wait?")).to_be_visible()
    expect(board.get_by_text("Nobody may be asked just now.")).to_be_visible()
    expect(board.get_by_text("does not speak the caller's language (speaks English)")).to_be_visible()
    expect(board.get_by_text(re.compile("has not chosen Available \\(Off since"))).to_be_visible()
    looks_well(board)

    choose(marisol, "Available")
    expect(board.get_by_text("Is being asked now: Marisol Vega.")).to_be_visible(timeout=SOON)
    offer(marisol).get_by_role("button", name="Not now").click()
    expect(shown(board)).to_contain_text("Marisol Vega · “Not now”", timeout=SOON)

    follows(board, "^Robin Hale$")
    expect(board.get_by_role("heading", name="Why was Robin Hale not asked?")).to_be_visible()
    expect(board.get_by_text("does not speak the caller's language (speaks English)")).to_be_visible()
    expect(shown(board)).to_contain_text("Marisol Vega was asked: the caller spoke another language")
    looks_well(board)
    board.set_viewport_size(NARROW)
    assert board.evaluate(FITS)
    follows(board, "^Board$")
    expect(board.get_by_role("heading", name="Georgia")).to_be_visible()


def test_a_peer_asks_why_while_the_console_stays_open(product: Product, enter: Enter, caller: Caller) -> None:
    robin, marisol = enter("peer1"), enter("peer2")
    choose(marisol, "Available")
    choose(robin, "Break")
    waits(caller)
    expect(offer(marisol)).to_be_visible()
    product.put_off("offer", "deadline")
    with robin.context.expect_page() as opened:
        follows(robin, "Why was I not asked?")
    page = opened.value
    expect(page.get_by_role("heading", name="Why was I not asked?")).to_be_visible()
    expect(page.get_by_text("somebody else is being asked now")).to_be_visible()
    expect(page.get_by_text(re.compile("you have not chosen Available \\(Break since")).first).to_be_visible()
    expect(page.get_by_text("the status was not Available")).to_be_visible()
    expect(page.get_by_text("Marisol")).to_have_count(0)
    looks_well(page)
    choose(robin, "Available")
    expect(page.get_by_text("you may be asked").first).to_be_visible(timeout=SOON)
    expect(page.locator("#connection")).to_have_text("Live")
