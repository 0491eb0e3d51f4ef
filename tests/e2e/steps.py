"""What people do at their pages, step by step."""

import re
from contextlib import suppress

from playwright.sync_api import Error, Locator, Page, expect

from tests.product import Caller, eventually

SOON = 20_000  # ms: for what the phone company must do first


def choose(page: Page, status: str) -> None:
    button = page.get_by_role("group", name="Choose my status").get_by_role("button", name=status)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")


def waits(caller: Caller) -> None:
    """The caller dials, chooses English, and is in the queue."""
    caller.dials()
    caller.insists_on("1")
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
    ticks(report(page).get_by_label("Support given"))
    ticks(report(page).get_by_label("Social"))
    report(page).get_by_role("button", name="Log this contact").click()
    expect(page.get_by_role("heading", name="You are ready")).to_be_visible()


def ticks(box: Locator) -> None:
    """Check it, also while what has just ended leaves the page above it: a click may meet what was there before."""

    def is_ticked() -> bool:
        with suppress(Error):
            box.check()
        return box.is_checked()

    eventually(is_ticked)


def notices(page: Page) -> Locator:
    return page.locator("#notices")


def shown(page: Page) -> Locator:
    """What is on the screen, without what is only said."""
    return page.locator("#live")


def alert(page: Page) -> Locator:
    return page.get_by_role("alert")


def said(page: Page) -> Locator:
    return page.locator("#said")
