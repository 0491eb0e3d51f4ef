"""A service is found beside a call, given, and texted, without a mouse; axe looks on in both themes and widths."""

import re

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Enter
from tests.e2e.looks import DESKTOP, NARROW, PHONE, looks_well
from tests.e2e.steps import SOON, choose, said, takes
from tests.product import CALLER, Caller, Product, eventually

SMALL = """
    [...document.querySelectorAll("#resources button, #resources summary, #resources select, #resources a,"
      + " #resources .form-check label, #resources input[type=search]")]
      .filter((element) => element.checkVisibility())
      .map((element) => [element.textContent.trim() || element.id, element.getBoundingClientRect()])
      .filter(([, box]) => box.width < 24 || box.height < 24)
      .map(([words]) => words)
"""


def services(page: Page):
    return page.get_by_role("region", name="Services")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element with these words has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.textContent.replace(/\\s+/g, ' ').trim()")
        if focused == name:
            return
    raise AssertionError(f"{name!r} is not reached by Tab")


def texts_to_the_caller(product: Product) -> list[str]:
    arrived = product.script("GET", f"/script/texts?number=%2B{CALLER[1:]}")["texts"]
    return [text["body"] for text in arrived if text["body"].startswith("Here is what you asked for:")]


def test_a_service_is_found_beside_a_call_and_texted_by_keyboard(
    product: Product, enter: Enter, caller: Caller
) -> None:
    before = len(texts_to_the_caller(product))
    peer = enter("peer1")
    choose(peer, "Available")
    takes(peer, caller)
    beside = services(peer)
    expect(beside.get_by_label("Place")).to_have_value("Maple Falls")

    # Search while typing: the number of results is said, what was typed survives a fresh page.
    words = beside.get_by_label("Search for")
    words.focus()
    peer.keyboard.type("food")
    expect(said(peer)).to_contain_text("1 service")
    found = beside.get_by_role("listitem").filter(has_text="Maple Falls Community Pantry")
    expect(found).to_contain_text("(404) 555-0160")
    looks_well(peer)
    peer.keyboard.press("Backspace")
    peer.evaluate("dispatchEvent(new Event('online'))")
    expect(words).to_be_focused()
    expect(words).to_have_value("foo")
    with peer.expect_response(re.compile("/resources\\?q=food&")):
        peer.keyboard.type("d")

    # The details open in place, Add is the next key, and the focus stays on it.
    tab_to(peer, "Details: Maple Falls Community Pantry")
    peer.keyboard.press("Enter")
    expect(found).to_contain_text("Fresh bread on Fridays")
    tab_to(peer, "Add Maple Falls Community Pantry")
    peer.keyboard.press("Enter")
    add = beside.get_by_role("button", name="Added Maple Falls Community Pantry")
    expect(add).to_be_focused()
    expect(said(peer)).to_contain_text("Added: Maple Falls Community Pantry")
    expect(found.last).to_contain_text("Fresh bread on Fridays")
    expect(words).to_have_value("food")
    looks_well(peer)

    # One more, taken back: the focus is not lost.
    words.focus()
    peer.keyboard.press("Control+A")
    peer.keyboard.type("willow")
    expect(beside.get_by_text("Willow House").first).to_be_visible()
    tab_to(peer, "Add Willow House")
    peer.keyboard.press("Enter")
    expect(beside.locator("[data-given]")).to_have_count(2)
    words.focus()
    remove = beside.get_by_role("button", name="Remove Willow House")
    remove.focus()
    peer.keyboard.press("Enter")
    expect(beside.locator("[data-given]")).to_have_count(1)
    expect(beside.get_by_role("heading", name="Services")).to_be_focused()

    # Without the caller's yes nothing is sent.
    tab_to(peer, "Text them")
    peer.keyboard.press("Enter")
    expect(beside).not_to_contain_text("texted")
    expect(beside.get_by_label("The caller said yes to this text")).to_be_focused()
    peer.keyboard.press("Space")
    assert peer.evaluate(SMALL) == []
    tab_to(peer, "Text them")
    peer.keyboard.press("Enter")
    expect(beside).to_contain_text(re.compile(r"texted\s*·\s*delivered"), timeout=SOON)
    expect(beside.get_by_role("button", name="Text them")).to_have_count(0)
    eventually(lambda: len(texts_to_the_caller(product)) == before + 1, what="the caller got no text")
    assert "- Maple Falls Community Pantry, Table for All. (404) 555-0160." in texts_to_the_caller(product)[-1]
    assert "Willow House" not in texts_to_the_caller(product)[-1]
    looks_well(peer)


def test_the_directorys_pages(enter: Enter) -> None:
    page = enter("supervisor")
    page.get_by_role("link", name="Directory").click()
    page.get_by_label("Search for").fill("law")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("2 services")
    looks_well(page, DESKTOP, PHONE, NARROW)
    page.get_by_role("link", name="Papers and Rights Clinic").click()
    expect(page.get_by_role("heading", name="Papers and Rights Clinic")).to_be_visible()
    looks_well(page, DESKTOP, PHONE, NARROW)
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Telephone").fill("ask Mary")
    looks_well(page, DESKTOP, PHONE, NARROW)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Telephone")).to_be_focused()
    expect(page.get_by_role("alert")).to_contain_text("Not saved yet. That is not a telephone number")
    looks_well(page, DESKTOP, PHONE, NARROW)
