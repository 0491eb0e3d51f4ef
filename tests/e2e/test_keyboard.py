"""Every page is used with the keyboard alone: Tab to it, type, Enter or Space. The console's own is in test_call.py."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Enter
from tests.e2e.steps import SOON, choose, takes
from tests.product import PASSWORD, Caller, Product

FAR = 200  # presses of Tab: longer than any page


def goes_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is there."""
    for _ in range(FAR):
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes by {wanted}")


def presses(page: Page, name: str | re.Pattern[str], role: str = "button") -> None:
    goes_to(page, page.get_by_role(role, name=name).first)  # type: ignore[arg-type]  # a role, by name
    page.keyboard.press("Enter")


def types(page: Page, label: str | re.Pattern[str], words: str) -> None:
    goes_to(page, page.get_by_label(label).first)
    page.keyboard.type(words)


def test_logging_in_and_choosing_a_language(enter: Enter) -> None:
    page = enter("peer1")
    presses(page, "Log out")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    types(page, "Email address", "peer1@example.org")
    types(page, "Password", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name="Choose my status")).to_be_visible()
    presses(page, "Español")
    expect(page.locator("html")).to_have_attribute("lang", "es")
    presses(page, "English")
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_a_line_is_changed_closed_and_reopened(enter: Enter) -> None:
    page = enter("supervisor")
    presses(page, "Lines", "link")
    presses(page, "Illinois", "link")
    types(page, "What to do, in a few lines", "Stay. ")
    presses(page, "Save")
    expect(page.get_by_text("Saved.")).to_be_visible()
    presses(page, "Close early…", "link")
    presses(page, "Close the line")
    expect(page.get_by_text("closed early").first).to_be_visible()
    presses(page, "Lines", "link")
    presses(page, "Reopen")
    expect(page.get_by_text("closed early")).to_have_count(0)


def test_a_service_is_found_and_another_added(enter: Enter) -> None:
    page = enter("supervisor")
    presses(page, "Directory", "link")
    types(page, "Search for", "kitchen")
    page.keyboard.press("Enter")
    presses(page, "Heights Kitchen", "link")
    expect(page.get_by_role("heading", name="Heights Kitchen")).to_be_visible()
    presses(page, "Directory", "link")
    presses(page, "Add a service", "link")
    types(page, "Name of the service", "Evening Porch")
    types(page, "Organization that offers it", "Lantern Alumni")
    types(page, "Place", "Maple Falls")
    goes_to(page, page.get_by_label("Kind").first)
    page.keyboard.type("Peer")
    presses(page, "Save")
    expect(page.get_by_role("heading", name="Evening Porch")).to_be_visible()
    presses(page, "Take out of the directory")


def test_an_alert_is_acknowledged_and_its_contact_looked_up(enter: Enter, product: Product, caller: Caller) -> None:
    peer, board = enter("peer1"), enter("supervisor")
    choose(peer, "Available")
    takes(peer, caller)
    presses(peer, "Get my supervisor")
    expect(board.get_by_role("button", name="Acknowledge")).to_be_visible(timeout=SOON)
    presses(board, "Acknowledge")
    expect(board.get_by_text(re.compile("Dana Whitlock has it"))).to_be_visible()
    presses(board, "History", "link")
    goes_to(board, board.get_by_label("Channel"))
    board.keyboard.type("Call")
    presses(board, "Show")
    goes_to(board, board.locator("main table a").first)
    board.keyboard.press("Enter")
    expect(board.get_by_role("heading", name="What happened")).to_be_visible()
    presses(board, "Open the notes")
    expect(board.get_by_text("There are no notes.")).to_be_visible()


def test_keys_of_the_telephone_are_pressed(enter: Enter, caller: Caller) -> None:
    peer = enter("peer1")
    choose(peer, "Available")
    takes(peer, caller)
    keypad = peer.locator("[data-keypad]")
    goes_to(peer, keypad.locator("summary"))
    peer.keyboard.press("Enter")
    peer.keyboard.type("4#")
    expect(keypad.get_by_role("status")).to_have_text("4#")
    presses(peer, "Star")
    expect(keypad.get_by_role("status")).to_have_text("4#*")
    goes_to(peer, peer.get_by_label("Notes"))
    peer.keyboard.type("9")  # a note, not a key
    expect(keypad.get_by_role("status")).to_have_text("4#*")
