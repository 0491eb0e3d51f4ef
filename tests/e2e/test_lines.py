"""A supervisor runs a line in a real browser: settings, closing early, pausing; and a peer finds the crisis card."""

import re

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Enter
from tests.e2e.looks import FITS, NARROW, PHONE, looks_well
from tests.e2e.steps import SOON, call, choose, offer, takes, waits
from tests.e2e.test_keyboard import goes_to, presses, types
from tests.product import CALLER, GEORGIA, Caller, Product


def open_settings(page: Page, line: str = "Illinois") -> None:
    page.get_by_role("link", name="Lines", exact=True).click()
    page.get_by_role("link", name=line, exact=True).click()
    expect(page.get_by_role("heading", name=f"{line} line")).to_be_visible()


def test_the_settings_of_a_line(enter: Enter) -> None:
    page = enter("supervisor")
    page.get_by_role("link", name="Lines", exact=True).click()
    expect(page.get_by_role("heading", name="Lines")).to_be_visible()
    looks_well(page)
    open_settings(page)
    looks_well(page)
    page.get_by_label("Monday: open").select_option(label="From … to …")
    page.get_by_label("Monday, from (1)").fill("5 PM")
    page.get_by_label("Monday, to (1)").fill("25:00")
    page.get_by_label("What to do, in a few lines").fill("Stay. Breathe.\nAsk Dana.")
    page.get_by_label("Monday, to (1)").press("Enter")  # saves; it does not ask for more rows
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("nothing was saved")
    looks_well(page)
    alert.get_by_role("link", name="That is no time of day").click()
    wrong = page.get_by_label("Monday, to (1)")
    expect(wrong).to_be_focused()
    expect(wrong).to_have_accessible_description("That is no time of day. Write 17:00 or 5 PM.")
    expect(wrong).to_have_value("25:00")
    expect(page.get_by_label("What to do, in a few lines")).to_have_value("Stay. Breathe.\nAsk Dana.")
    wrong.fill("24:00")
    page.get_by_role("button", name=re.compile("More rows.*Holidays")).click()
    page.get_by_label("Holiday 1, date").fill("2031-12-25")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    expect(page.get_by_label("Monday, from (1)")).to_have_value("17:00")
    expect(page.get_by_label("Holiday 1, date")).to_have_value("2031-12-25")
    # Tidy up.
    page.get_by_label("Holiday 1, remove").check()
    page.get_by_label("Monday: open").select_option(label="Around the clock")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_label("Holiday 1, date")).to_have_value("")
    expect(page.get_by_label("Monday: open")).to_have_value("whole")


def test_nothing_is_cut_off_or_too_small(enter: Enter) -> None:
    page = enter("supervisor", viewport=NARROW)
    for path in ("Lines", "Illinois"):
        page.get_by_role("link", name=path, exact=True).click()
        expect(page.get_by_role("heading", name=path, level=1)).to_be_visible()
        assert page.evaluate(FITS), path
        small = page.evaluate("""
            [...document.querySelectorAll("button, summary, select, input:not([type=hidden]), .btn")]
              .filter((element) => element.checkVisibility() && !element.closest(".form-check"))
              .map((element) => [element.id, element.getBoundingClientRect()])
              .filter(([, box]) => box.width < 20 || box.height < 20)
              .map(([words]) => words)
        """)
        assert small == []


def test_a_line_is_closed_early_and_reopened_from_the_board(product: Product, enter: Enter, tidy: None) -> None:
    page = enter("supervisor")
    line = page.get_by_role("region", name="Illinois", exact=True)
    line.get_by_role("link", name="Close early… Illinois").click()
    expect(page.get_by_role("heading", name="Close early: Illinois line")).to_be_visible()
    looks_well(page)
    page.get_by_label("We had to close early because of the weather.").check()
    page.get_by_role("button", name="Close the line").click()
    expect(page.get_by_role("heading", name="Board")).to_be_attached()
    expect(line).to_contain_text("closed early, until somebody reopens it")
    expect(line).to_contain_text("because of the weather")
    looks_well(page)
    line.get_by_role("button", name="Reopen Illinois").click()
    expect(line.get_by_role("link", name="Close early…")).to_be_visible()
    expect(line).to_contain_text("open")


def test_when_nobody_comes_is_written_down_by_keyboard(enter: Enter) -> None:
    page = enter("supervisor")
    open_settings(page)
    presses(page, "When nobody comes", "link")
    step(page, 1, "3", "Ask the peers of the Georgia")
    step(page, 2, "1:30", "Ring several")
    presses(page, re.compile("More rows.*When nobody comes"))
    step(page, 3, "one", "Ask the peers of the Wash")
    page.get_by_role("radio", name=re.compile("^Whoever has been free")).focus()
    page.keyboard.press("ArrowDown")  # of radio buttons one is reached by Tab, the others by arrows
    presses(page, "Save")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("nothing was saved")
    expect(page.get_by_label("Whoever has had the fewest contacts today")).to_be_checked()
    looks_well(page)
    presses(page, re.compile("Step 3: Write minutes"), "link")
    wrong = page.get_by_label("Step 3, after minutes of waiting")
    expect(wrong).to_be_focused()
    expect(wrong).to_have_accessible_description("Write minutes, as in 2, or 1:30 for a minute and a half.")
    page.keyboard.press("Control+A")
    page.keyboard.type("10")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    for number, (after, kind) in enumerate(
        [("1:30", "Ring several peers at once"), ("3", "Georgia"), ("10", "Washington D.C.")], start=1
    ):
        expect(page.get_by_label(f"Step {number}, after minutes of waiting")).to_have_value(after)
        expect(page.get_by_label(f"Step {number}, what happens then").locator(":checked")).to_contain_text(kind)
    looks_well(page)
    # Tidy up.
    for number in (1, 2, 3):
        page.get_by_label(f"Step {number}, remove").check()
    page.get_by_role("radio", name=re.compile("^Whoever has been free")).check()
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_label("Step 1, after minutes of waiting")).to_have_value("")


def step(page: Page, number: int, after: str, kind: str) -> None:
    """Fill in a row of what happens when nobody comes."""
    types(page, f"Step {number}, after minutes of waiting", after)
    goes_to(page, page.get_by_label(f"Step {number}, what happens then"))
    page.keyboard.type(kind)


def test_a_line_is_paused_and_resumed_from_the_board(product: Product, enter: Enter, caller: Caller) -> None:
    board, peer = enter("supervisor"), enter("peer1")
    choose(peer, "Available")
    line = board.get_by_role("region", name="Georgia", exact=True)
    with board.expect_navigation():  # the live page may say so before the answer to the form is there
        line.get_by_role("button", name="Pause Georgia").click()
    expect(line).to_contain_text("paused, since")
    expect(line).to_contain_text("by Dana Whitlock")
    looks_well(board)
    waits(caller)
    expect(line).to_contain_text("1 waiting")
    expect(offer(peer)).to_have_count(0)
    line.get_by_role("button", name="Resume Georgia").click()
    expect(offer(peer)).to_be_visible(timeout=SOON)
    expect(line).not_to_contain_text("paused")


def test_the_crisis_card_is_one_tap_away_and_stays_open(enter: Enter, caller: Caller) -> None:
    peer = enter("peer1", viewport=PHONE)
    choose(peer, "Available")
    takes(peer, caller)
    card = call(peer).locator(".crisis-card")
    card.get_by_text("Crisis card").focus()
    peer.keyboard.press("Enter")
    expect(card.get_by_role("link", name="988")).to_be_visible()
    expect(card).to_contain_text("Maple Falls Crisis Center")
    expect(card).to_contain_text("Stay with the caller.")
    expect(card.get_by_role("link", name="(404) 555-0181")).to_have_attribute("href", "tel:+14045550181")
    expect(call(peer).get_by_role("button", name="End call")).to_be_in_viewport()
    looks_well(peer)
    peer.evaluate("fetch('/console/heartbeat')")
    choose(peer, "Available")  # the page is fetched again and morphed
    expect(card.get_by_role("link", name="988")).to_be_visible()


def test_the_crisis_card_in_a_thread(product: Product, enter: Enter, tidy: None) -> None:
    peer = enter("peer1")
    choose(peer, "Available")
    product.script("POST", "/script/texts", **{"from": CALLER, "to": GEORGIA, "body": "hello?"})
    peer.get_by_role("button", name="Accept").click()
    expect(peer.get_by_role("log")).to_contain_text("hello?")
    peer.get_by_text("Crisis card").click()
    expect(peer.get_by_role("link", name="988")).to_be_visible()
