"""How a page is judged: by axe, in both themes, on a desk and on a phone, as it stands there now.

A page is turned about where it is; to walk a second way to it for each theme and width would show nothing more, and
take four times as long.
"""

from typing import Literal

from axe_playwright_python.base import AxeResults
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize

DESKTOP: ViewportSize = {"width": 1280, "height": 720}
PHONE: ViewportSize = {"width": 390, "height": 844}
NARROW: ViewportSize = {"width": 320, "height": 700}  # WCAG 2.2, 1.4.10

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
# The themes differ in nothing but colours: https://dequeuniversity.com/rules/axe/4.12 names the rules about those.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}} | {
    "resultTypes": ["violations"]
}
# By then the page has heard of its new theme: https://html.spec.whatwg.org/#update-the-rendering
DRAWN = "new Promise(requestAnimationFrame)"
# What is fine is not carried over: it is a hundred times as long.
JUDGED = "(rules) => axe.run(rules).then(({ violations }) => ({ violations }))"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
thorough = False
FITS = "document.documentElement.scrollWidth <= innerWidth"


def looks_well(page: Page, *sizes: ViewportSize) -> None:
    """axe finds nothing, in both themes, and the page does not scroll to the side.

    Judged at `sizes`, or on a desk and a phone; afterwards it is as wide as before, in the system's own theme. Which
    of axe's rules are kept hardly depends on the width: without `thorough` it judges the last size only.
    """
    as_it_was, sizes = page.viewport_size, sizes or (DESKTOP, PHONE)
    page.evaluate(Axe().axe_script)
    for size in sizes:
        page.set_viewport_size(size)
        is_last = size == sizes[-1]
        for theme in THEMES if is_last else THEMES[:thorough]:  # colours do not depend on the width
            # Colours that are just fading in are not the ones to judge.
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.evaluate(DRAWN)
            rules = RULES if theme == "light" else COLOURS
            results = AxeResults(page.evaluate(JUDGED, rules))
            assert results.violations_count == 0, f"{theme}, {size}:\n{results.generate_report()}"
        assert page.evaluate(FITS), f"scrolls to the side at {size}"
    page.emulate_media(color_scheme="null", reduced_motion="null")
    if as_it_was:
        page.set_viewport_size(as_it_was)
