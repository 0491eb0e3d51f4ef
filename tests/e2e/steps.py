"""What people do at their pages, step by step."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.product import Caller

SOON = 10_000  # ms: for what the phone company must do first


def choose(page: Page, status: str) -> None:
    button = page.get_by_role("group", name="Choose my status").get_by_role("button", name=status)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")


def waits(caller: Caller) -> None:
    """The caller dials, chooses English, and is in the queue."""
    caller.dials()
    caller.presses("1")
    caller.is_in("queue")


def offer(page: Page) -> Locator:
    return page.get_by_role("region", name=re.compile("^Incoming"))


def takes(page: Page, caller: Caller) -> None:
    """An available peer is offered the caller, accepts, and both talk."""
    waits(caller)
    offer(page).get_by_role("button", name="Accept").click()
    expect(call(page)).to_contain_text("Connected", timeout=SOON)
    caller.is_in("conference")


def call(page: Page) -> Locator:
    return page.locator("[data-call]")


def report(page: Page) -> Locator:
    return page.get_by_role("region", name="Report")


def log(page: Page) -> None:
    """Fill the report in and finish it."""
    report(page).get_by_label("Support given").check()
    report(page).get_by_label("Social").check()
    report(page).get_by_role("button", name="Log this contact").click()
    expect(page.get_by_role("heading", name="You are ready")).to_be_visible()


def notices(page: Page) -> Locator:
    return page.locator("#notices")


def shown(page: Page) -> Locator:
    """What is on the screen, without what is only said."""
    return page.locator("#live")


def alert(page: Page) -> Locator:
    return page.get_by_role("alert")


def said(page: Page) -> Locator:
    return page.locator("#said")
