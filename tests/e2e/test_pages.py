"""Every page: axe finds nothing in either theme, and everything on it can be reached by keyboard alone."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Enter
from tests.e2e.test_accessibility import PHONE, check
from tests.product import Product

# What answers no page: data, parts of a page, files, probes.
NOT_PAGES = {
    "account.home": "leads on",
    "board.fragment": "a part of the board",
    "board.state": "data",
    "console.fragment": "a part of the console",
    "console.softphone": "data",
    "console.state": "data",
    "health.alive": "a probe",
    "health.ready": "a probe",
    "referrals.found": "a part of the console",
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


@page("history.one", "supervisor")
def a_contact(page: Page) -> None:
    the_history(page)
    page.locator("main table a").first.click()


@pytest.fixture
def some_history(product: Product) -> None:
    """Somebody has called."""
    call = product.script("POST", "/script/calls", **{"from": "+14045550139", "to": "+14045550101"})
    product.script("POST", f"/script/calls/{call['sid']}/hangup")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_page_is_looked_at(app: Flask) -> None:
    """A page without an entry here fails: add one."""
    asked_for = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    assert asked_for == set(PAGES) | set(NOT_PAGES)
    assert set(PAGES).isdisjoint(NOT_PAGES)


@pytest.mark.parametrize("viewport", [None, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("endpoint", PAGES)
def test_axe_finds_nothing(
    enter: Enter, some_history: None, endpoint: str, theme: str, viewport: dict[str, int] | None
) -> None:
    who, reach = PAGES[endpoint]
    page = enter(who, color_scheme=theme, **({"viewport": viewport} if viewport else {}))
    reach(page)
    expect(page.locator("main h1")).to_have_count(1)
    check(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth"), "scrolls to the side"


FOCUSABLE = """
  [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
    .filter((element) => element.type !== "hidden" && !element.disabled && element.tabIndex >= 0)
    .filter((element) => element.checkVisibility({visibilityProperty: true}))
    .filter((element) => element.type !== "radio" || element.checked
      || !element.form?.querySelector(`[name="${element.name}"]:checked`)
         && element === element.form?.querySelector(`[name="${element.name}"]`))
    .map((element, number) => { element.dataset.reach = number; return number; })
"""


@pytest.mark.parametrize("endpoint", PAGES)
def test_everything_is_reached_by_keyboard_and_seen_when_it_is(enter: Enter, some_history: None, endpoint: str) -> None:
    who, reach = PAGES[endpoint]
    page = enter(who)
    reach(page)
    expect(page.locator("main h1")).to_have_count(1)
    wanted = set(page.evaluate(FOCUSABLE))
    assert wanted
    page.locator("body").press("Home")
    page.evaluate("document.activeElement.blur()")
    reached, unseen = set(), []
    for _ in range(3 * len(wanted) + 10):
        page.keyboard.press("Tab")
        at, outlined, what = page.evaluate("""() => {
          const element = document.activeElement, style = getComputedStyle(element);
          const seen = style.outlineStyle !== "none" || style.boxShadow !== "none";
          return [element.dataset.reach, seen, element.outerHTML.slice(0, 80)];
        }""")
        if at is not None:
            reached.add(int(at))
            unseen += [] if outlined else [what]
        if reached == wanted:
            break
    assert wanted - reached == set()
    assert unseen == []
