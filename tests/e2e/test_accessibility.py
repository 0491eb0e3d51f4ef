"""axe finds nothing to complain about, in both themes, on every page and in every state."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Enter
from tests.e2e.steps import call, choose, offer, report, takes, waits
from tests.product import CALLER, GEORGIA, Caller, Product

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PHONE = {"width": 390, "height": 844}


def check(page: Page) -> None:
    # Colours that are just fading in are not the ones to judge.
    page.evaluate("Promise.allSettled(document.getAnimations().map((animation) => animation.finished))")
    results = Axe().run(page, options=RULES)
    assert results.violations_count == 0, results.generate_report()


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_login(enter: Enter, theme: str) -> None:
    page = enter("peer1", color_scheme=theme)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    check(page)


@pytest.mark.parametrize("viewport", [None, PHONE], ids=["desktop", "phone"])
def test_the_console_through_a_call_and_the_board(
    enter: Enter, caller: Caller, theme: str, viewport: dict[str, int] | None
) -> None:
    options = {"viewport": viewport} if viewport else {}
    peer = enter("peer1", color_scheme=theme, **options)
    board = enter("supervisor", color_scheme=theme, **options)
    check(peer)
    check(board)
    choose(peer, "Available")
    waits(caller)
    expect(offer(peer)).to_be_visible()
    check(peer)
    expect(board.get_by_text("offered to Robin Hale")).to_be_visible()
    check(board)
    offer(peer).get_by_role("button", name="Accept").click()
    expect(call(peer)).to_contain_text("Connected", timeout=10_000)
    call(peer).get_by_text("Keypad").click()
    check(peer)
    call(peer).get_by_text("Keypad").click()
    peer.get_by_text("Sound and notifications").click()
    check(peer)
    call(peer).get_by_role("button", name="End call").click()
    expect(report(peer)).to_contain_text("Wrap-up")
    report(peer).get_by_role("button", name="Log this contact").click()
    expect(report(peer).locator("[data-errors]")).to_be_visible()
    check(peer)


def test_a_text_thread(product: Product, enter: Enter, theme: str, tidy: None) -> None:
    peer = enter("peer1", color_scheme=theme)
    choose(peer, "Available")
    product.script("POST", "/script/texts", **{"from": CALLER, "to": GEORGIA, "body": "hello?"})
    offer(peer).get_by_role("button", name="Accept").click()
    expect(peer.get_by_role("log")).to_contain_text("hello?")
    check(peer)


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
    narrow = {"width": 320, "height": 700}
    peer, board = enter("peer1", viewport=narrow), enter("supervisor", viewport=narrow)
    choose(peer, "Available")
    waits(caller)
    expect(offer(peer)).to_be_visible()
    expect(board.get_by_text("offered to Robin Hale")).to_be_visible()
    for page in (peer, board):
        assert page.evaluate("document.documentElement.scrollWidth") <= narrow["width"]
    offer(peer).get_by_role("button", name="Accept").click()
    expect(call(peer)).to_contain_text("Connected", timeout=10_000)
    call(peer).get_by_text("Keypad").click()
    assert peer.evaluate("document.documentElement.scrollWidth") <= narrow["width"]
