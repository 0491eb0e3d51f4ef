from tests.e2e.conftest import Enter
from tests.e2e.looks import DESKTOP, PHONE


def test_shots(enter: Enter) -> None:
    page = enter("supervisor")
    for size, name in ((DESKTOP, "desk"), (PHONE, "phone")):
        page.set_viewport_size(size)
        page.goto("/lines")
        page.screenshot(path=f"/tmp/shot-{name}-lines.png", full_page=True)
        page.get_by_role("link", name="Illinois", exact=True).click()
        page.screenshot(path=f"/tmp/shot-{name}-settings.png", full_page=True)
    page.set_viewport_size(DESKTOP)
    page.goto("/lines")
    page.get_by_role("button", name="Pause").first.click()
    page.screenshot(path="/tmp/shot-desk-paused.png", full_page=True)
    page.goto("/board")
    page.screenshot(path="/tmp/shot-desk-board.png", full_page=True)
    page.set_viewport_size(PHONE)
    page.screenshot(path="/tmp/shot-phone-board.png", full_page=True)
    page.goto("/lines")
    page.get_by_role("button", name="Resume").first.click()
