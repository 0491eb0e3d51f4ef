"""Every page: axe finds nothing in either theme, and everything on it can be reached by keyboard alone.

That none is forgotten is seen in tests/web/test_access.py.
"""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Enter
from tests.e2e.looks import looks_well
from tests.product import Product

# What answers no page: data, parts of a page, files, probes.
NOT_PAGES = {
    "account.home": "leads on",
    "board.fragment": "a part of the board",
    "board.not_asked_fragment": "a part of its page",
    "board.state": "data",
    "board.still_waits_fragment": "a part of its page",
    "console.fragment": "a part of the console",
    "console.softphone": "data",
    "console.state": "data",
    "console.why_fragment": "a part of its page",
    "health.alive": "a probe",
    "health.ready": "a probe",
    "referrals.resources": "a part of the console",
    "static": "files",
}

# endpoint → who looks at it, and how it is reached from their first page
PAGES: dict[str, tuple[str, Callable[[Page], object]]] = {}


def page(endpoint: str, who: str) -> Callable[[Callable[[Page], object]], Callable[[Page], object]]:
    def note(reach: Callable[[Page], object]) -> Callable[[Page], object]:
        PAGES[endpoint] = (who, reach)
        return reach

    return note


@page("account.login", "peer1")
def the_login(page: Page) -> None:
    page.get_by_role("button", name="Log out").click()


@page("console.page", "peer1")
def the_console(page: Page) -> None:
    page.goto("/console")


@page("board.page", "supervisor")
def the_board(page: Page) -> None:
    page.goto("/board")


@page("lines.page", "supervisor")
def the_lines(page: Page) -> None:
    page.get_by_role("link", name="Lines").click()


@page("lines.settings", "admin")
def a_line(page: Page) -> None:
    the_lines(page)
    page.get_by_role("link", name="Georgia").first.click()


@page("lines.closing", "supervisor")
def closing_a_line(page: Page) -> None:
    the_lines(page)
    page.get_by_role("link", name=re.compile("Close early")).first.click()


@page("lines.schedule", "supervisor")
def the_week_to_come(page: Page) -> None:
    the_lines(page)
    page.get_by_role("link", name="Schedule").first.click()


@page("directory.page", "peer1")
def the_directory(page: Page) -> None:
    page.get_by_role("link", name="Directory").click()


@page("directory.one", "peer1")
def a_service(page: Page) -> None:
    the_directory(page)
    page.get_by_role("link", name="Tuesday Circle").click()


@page("directory.new", "supervisor")
def a_new_service(page: Page) -> None:
    the_directory(page)
    page.get_by_role("link", name="Add a service").click()


@page("directory.edit", "supervisor")
def another_service(page: Page) -> None:
    a_service(page)
    page.get_by_role("link", name="Edit").click()


@page("history.page", "supervisor")
def the_history(page: Page) -> None:
    page.get_by_role("link", name="History").click()


@page("history.contact", "supervisor")
def a_contact(page: Page) -> None:
    the_history(page)
    page.locator("main table a").first.click()


@page("board.still_waits", "supervisor")
def why_a_caller_waits(page: Page) -> None:
    a_contact(page)
    page.goto(f"/board/contacts/{page.url.rsplit('/', 1)[1]}/why")


@page("board.not_asked", "supervisor")
def why_a_peer_is_not_asked(page: Page) -> None:
    page.get_by_role("link", name=re.compile("Why not asked")).first.click()


@page("console.why", "peer1")
def why_i_was_not_asked(page: Page) -> None:
    page.goto("/console/why")


@pytest.fixture
def some_history(product: Product) -> None:
    """Somebody has called."""
    call = product.script("POST", "/script/calls", **{"from": "+14045550139", "to": "+14045550101"})
    product.script("POST", f"/script/calls/{call['sid']}/hangup")


# What Tab should come by, in the page's order; of some radio buttons it is one.
FOCUSABLE = """
  [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
    .filter((element) => element.type !== "hidden" && !element.disabled && element.tabIndex >= 0)
    .filter((element) => element.checkVisibility({visibilityProperty: true}))
    .filter((element) => {
      if (element.type !== "radio") return true;
      const group = [...element.form.querySelectorAll(`[name="${element.name}"]`)];
      return element === (group.find((one) => one.checked) ?? group[0]);
    })
"""
# Where the focus is in that list, and whether one sees it. A live page may be drawn anew between two keys.
FOCUSED = f"""() => {{
  const element = document.activeElement, style = getComputedStyle(element);
  const seen = style.outlineStyle !== "none" || style.boxShadow !== "none";
  return [{FOCUSABLE}.indexOf(element), seen];
}}"""


@pytest.mark.parametrize("endpoint", PAGES)
def test_axe_finds_nothing_and_everything_is_reached_by_keyboard(
    enter: Enter, some_history: None, endpoint: str
) -> None:
    who, reach = PAGES[endpoint]
    page = enter(who)
    reach(page)
    expect(page.locator("main h1")).to_have_count(1)
    looks_well(page)
    is_reached_by_keyboard_and_seen_when_it_is(page)


def is_reached_by_keyboard_and_seen_when_it_is(page: Page) -> None:
    """Everything that can have the focus."""
    wanted = set(range(page.evaluate(f"{FOCUSABLE}.length")))
    assert wanted
    page.evaluate("document.activeElement.blur()")
    reached, seen = set(), set()
    for _ in range(3 * len(wanted) + 10):  # a date has a stop for day, month and year
        page.keyboard.press("Tab")
        at, visibly = page.evaluate(FOCUSED)
        reached.add(at)
        seen |= {at} if visibly else set()
        if reached >= wanted:
            break
    assert wanted - reached == set()
    assert wanted - seen == set()
