"""The week to come in a browser: every state that an hour may have looks well and is read in words."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import delete, select, update

from tests.cast import Browser, serve, sqlite_template
from tests.e2e.looks import DESKTOP, NARROW, PHONE, looks_well
from tests.web import weeks
from warmline import db
from warmline.models import Line, Peer, Shift

__all__ = ["sqlite_template"]

EVENINGS = {str(day): [["17:00", "22:00"]] for day in range(7)}


@pytest.fixture(scope="module")
def in_two_days() -> date:
    return datetime.now(weeks.PLACE).date() + timedelta(days=2)


@pytest.fixture(scope="module")
def site(
    sqlite_template: Path, copied: Callable[[str], AbstractContextManager[str]], in_two_days: date
) -> Iterator[str]:
    """A web process whose Georgia line is open in the evening, and was called on one evening in each of eight weeks.

    The tests only look at it.
    """
    with copied(f"sqlite:///{sqlite_template}") as url:
        db.bind(db.connect(url))
        with db.transaction() as session:
            session.execute(update(Line).where(Line.id == weeks.line().id).values(hours=EVENINGS))
            session.execute(delete(Shift).where(Shift.line_id == weeks.line().id))
            one, another, _ = session.scalars(select(Peer).order_by(Peer.organization_id.desc(), Peer.id))
        today = in_two_days - timedelta(days=2)
        weeks.past(one, today.isoformat(), 8, {18: 9, 19: 4}, handled=10, days=(in_two_days.weekday(),))
        for peer in (one, another):
            weeks.on_shift(peer, f"{in_two_days} 18:00", f"{in_two_days} 22:00")
        with serve(url) as base:
            yield base


@pytest.fixture
def supervisor(site: str, new_context: Callable[..., BrowserContext]) -> Page:
    """A supervisor at the board."""
    context = new_context(base_url=site)
    for name, value in Browser(site, "supervisor@example.org").cookies.items():
        context.add_cookies([{"name": name, "value": value, "url": site, "httpOnly": True}])
    page = context.new_page()
    page.goto("/board")
    return page


def test_every_state_is_said_in_words_and_looks_well(supervisor: Page, in_two_days: date) -> None:
    supervisor.get_by_role("link", name="Schedule Georgia").click()
    day = supervisor.get_by_role("table", name=f"{in_two_days:%A, %B} {in_two_days.day}")
    for row, state in [
        ("5:00 PM – 6:00 PM", "nobody rostered"),
        ("6:00 PM – 7:00 PM", "too few already"),
        ("7:00 PM – 8:00 PM", "one absence leaves too few"),
        ("8:00 PM – 10:00 PM", "enough"),
    ]:
        expect(day.get_by_role("row", name=row)).to_contain_text(state)
    looks_well(supervisor, DESKTOP, PHONE, NARROW)


def test_the_first_lines_lead_to_the_day(supervisor: Page, in_two_days: date) -> None:
    supervisor.get_by_role("link", name="Schedule Georgia").click()
    supervisor.get_by_role("listitem").filter(has_text="one absence").get_by_role("link").click()
    expect(supervisor).to_have_url(re.compile(f"#day-{in_two_days}$"))
    expect(supervisor.locator(":target")).to_contain_text("one absence leaves too few")


def test_a_line_without_history_says_so(supervisor: Page) -> None:
    supervisor.get_by_role("link", name="Schedule Illinois").click()
    expect(supervisor.get_by_role("row", name="all day").first).to_contain_text("not known: too little history")
    looks_well(supervisor)
