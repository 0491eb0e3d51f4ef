"""axe finds nothing to complain about, in both themes, on every page and in every state."""

from playwright.sync_api import expect

from tests.e2e.conftest import Enter
from tests.e2e.looks import FITS, NARROW, PHONE, looks_well
from tests.e2e.steps import SOON, call, choose, offer, report, takes, waits
from tests.product import CALLER, GEORGIA, Caller, Product


def test_the_console_through_a_call_and_the_board(product: Product, enter: Enter, caller: Caller) -> None:
    peer, board = enter("peer1"), enter("supervisor")
    choose(peer, "Available")
    waits(caller)
    expect(offer(peer)).to_be_visible()
    product.put_off("offer", "deadline")
    looks_well(peer)
    expect(board.get_by_text("offered to Robin Hale")).to_be_visible()
    looks_well(board)
    offer(peer).get_by_role("button", name="Accept").click()
    expect(call(peer)).to_contain_text("Connected", timeout=SOON)
    call(peer).get_by_text("Keypad").click()
    looks_well(peer)
    call(peer).get_by_text("Keypad").click()
    peer.get_by_text("Sound and notifications").click()
    looks_well(peer)
    call(peer).get_by_role("button", name="End call").click()
    expect(report(peer)).to_contain_text("Wrap-up")
    report(peer).get_by_role("button", name="Log this contact").click()
    expect(report(peer).locator("[data-errors]")).to_be_visible()
    looks_well(peer)


def test_a_text_thread(product: Product, enter: Enter, tidy: None) -> None:
    peer = enter("peer1")
    choose(peer, "Available")
    product.script("POST", "/script/texts", **{"from": CALLER, "to": GEORGIA, "body": "hello?"})
    offer(peer).get_by_role("button", name="Accept").click()
    expect(peer.get_by_role("log")).to_contain_text("hello?")
    looks_well(peer)


def test_what_is_pressed_is_large_enough(enter: Enter, caller: Caller) -> None:
    """WCAG 2.2, 2.5.8: 24 by 24 CSS pixels."""
    peer = enter("peer1", viewport=PHONE)
    choose(peer, "Available")
    takes(peer, caller)
    call(peer).get_by_text("Keypad").click()
    small = peer.evaluate("""
        [...document.querySelectorAll("button, summary, select, .form-check label, .rows a, nav a, .brand")]
          .filter((element) => element.checkVisibility() && !element.closest(".visually-hidden-focusable"))
          .map((element) => [element.textContent.trim(), element.getBoundingClientRect()])
          .filter(([, box]) => box.width < 24 || box.height < 24)
          .map(([words]) => words)
    """)
    assert small == []


def test_nothing_is_cut_off_on_a_narrow_screen(enter: Enter, caller: Caller) -> None:
    """WCAG 2.2, 1.4.10: 320 CSS pixels wide, and no scrolling to the side."""
    peer, board = enter("peer1", viewport=NARROW), enter("supervisor", viewport=NARROW)
    choose(peer, "Available")
    waits(caller)
    expect(offer(peer)).to_be_visible()
    expect(board.get_by_text("offered to Robin Hale")).to_be_visible()
    for page in (peer, board):
        assert page.evaluate(FITS)
    offer(peer).get_by_role("button", name="Accept").click()
    expect(call(peer)).to_contain_text("Connected", timeout=SOON)
    call(peer).get_by_text("Keypad").click()
    assert peer.evaluate(FITS)
