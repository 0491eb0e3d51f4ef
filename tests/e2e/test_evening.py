"""One evening of a warm line, as a supervisor could sit through it: two telephones, two peers, a board.

It follows the tour in the README, and takes its pictures: `make pictures` keeps them in docs/tour.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from tests.e2e.conftest import Enter
from tests.e2e.steps import shown, ticks
from tests.product import ROOT, Product

SOON = 20_000  # ms: for what must go by telephone first
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
PICTURES = os.environ.get("PICTURES")


@pytest.fixture(
    params=[
        pytest.param(("en", DESKTOP), id="English, desktop", marks=pytest.mark.thorough),  # what others see, all in one
        pytest.param(("es", PHONE), id="Spanish, phone"),
    ]
)
def manner(request: pytest.FixtureRequest) -> tuple[str, ViewportSize]:
    """In which language and at which width everybody works."""
    language, viewport = request.param
    return language, viewport


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """An evening of its own: the board counts what happened in it, and nobody was asked to a survey before."""
    (tmp_path / "product").mkdir()
    with Product(tmp_path / "product") as product:
        yield product


@pytest.fixture
def t(manner: tuple[str, ViewportSize]) -> Callable[..., str]:
    """An English sentence of the pages, in the language of this evening."""
    with (ROOT / "config/words/es.po").open("rb") as file:
        spanish = {message.id: str(message.string) for message in read_po(file, locale="es")}

    def say(words: str, **values: str) -> str:
        return (
            (spanish[words] if manner[0] == "es" else words) % values
            if values
            else (spanish[words] if manner[0] == "es" else words)
        )

    return say


class Telephone:
    """One of the telephones on the simulator's page."""

    def __init__(self, page: Page, number: int) -> None:
        self.part = page.get_by_role("region", name=f"Telephone {number}")

    def dials(self) -> None:
        self.part.get_by_role("button", name="Dial").click()
        expect(self.part.get_by_role("log", name="Heard")).not_to_contain_text("You pressed")  # in the call before

    def presses(self, key: str) -> None:
        """A key of the menu, once it is read out: before that the phone company does not listen."""
        self.hears("For English, press 1")
        state = self.part.get_by_role("status")
        while state.inner_text() != "Waiting in the queue":  # a key between two of its questions is not heard
            self.part.get_by_role("button", name=key, exact=True).click()
            self.part.page.wait_for_timeout(500)

    def hangs_up(self) -> None:
        self.part.get_by_role("button", name="Hang up").click()

    def writes(self, words: str) -> None:
        self.part.get_by_label("Text message").fill(words)
        self.part.get_by_role("button", name="Send").click()

    def hears(self, words: str | re.Pattern[str]) -> None:
        expect(self.part.get_by_role("log", name="Heard")).to_contain_text(words, timeout=SOON)

    def reads(self, words: str | re.Pattern[str]) -> None:
        expect(self.part.get_by_role("log", name="Texts")).to_contain_text(words, timeout=SOON)


class Desk:
    """A peer at the console, who reads it in the language of this evening."""

    def __init__(self, page: Page, t: Callable[..., str]) -> None:
        self.page, self.t = page, t

    def button(self, words: str) -> Locator:
        return self.page.get_by_role("button", name=self.t(words))

    def chooses(self, status: str) -> None:
        choice = self.page.get_by_role("group", name=self.t("Choose my status")).get_by_role(
            "button", name=self.t(status)
        )
        choice.click()
        expect(choice).to_have_attribute("aria-pressed", "true")

    def is_asked(self) -> None:
        expect(self.button("Accept")).to_be_visible(timeout=SOON)

    def accepts(self) -> None:
        self.is_asked()
        self.button("Accept").click()

    def talks(self) -> None:
        expect(self.page.locator("#call-words")).to_have_text(self.t("Connected"), timeout=SOON)

    def ends(self) -> None:
        self.button("End call").click()
        expect(self.page.get_by_text(self.t("The call has ended.")).first).to_be_visible(timeout=SOON)

    def logs(self, outcome: str = "Support given", *, text_ok: bool = False) -> None:
        report = self.page.get_by_role("region", name=self.t("Report"), exact=True)
        ticks(report.get_by_label(self.t(outcome)))
        ticks(report.get_by_label(self.t("Social")))
        report.get_by_label(self.t("Notes")).fill("We talked about the garden.")
        if text_ok:
            report.get_by_label(self.t("The caller said yes to a text later")).check()
        report.get_by_role("button", name=self.t("Log this contact")).click()
        expect(self.page.get_by_role("heading", name=self.t("You are ready"))).to_be_visible(timeout=SOON)


@pytest.fixture
def telephones(product: Product, browser: Browser) -> Iterator[tuple[Telephone, Telephone]]:
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    page.goto(product.simulator_url)
    page.get_by_label("Do not speak aloud").check()
    yield Telephone(page, 1), Telephone(page, 2)
    context.close()


def picture(page: Page, name: str, manner: tuple[str, ViewportSize], folder: Path) -> None:
    """A picture for the README, if one is asked for; in any case one to look at."""
    keep = Path(PICTURES) if PICTURES and manner == ("en", DESKTOP) else folder
    keep.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=keep / f"{name}.png", animations="disabled")


@pytest.mark.timeout(300)
def test_an_evening(
    product: Product,
    enter: Enter,
    telephones: tuple[Telephone, Telephone],
    manner: tuple[str, ViewportSize],
    t: Callable[..., str],
    tmp_path: Path,
) -> None:
    language, viewport = manner
    first, second = telephones

    def arrives(who: str) -> Page:
        page = enter(who, viewport=viewport)
        if language != "en":
            page.get_by_role("button", name="Español").click()
            expect(page.locator("html")).to_have_attribute("lang", language)
        return page

    board = arrives("supervisor")
    robin, marisol = Desk(arrives("peer1"), t), Desk(arrives("peer2"), t)

    # A call, a service given by text, a survey.
    robin.chooses("Available")
    first.dials()
    first.presses("1")
    first.hears("You are next in line")
    robin.is_asked()
    picture(robin.page, "1-offer", manner, tmp_path)
    robin.accepts()
    robin.talks()
    first.hears("Somebody is on the line with you")
    services = robin.page.get_by_role("region", name=t("Services"))
    services.get_by_label(t("Search for")).fill("circle")
    services.get_by_role("button", name=t("Search")).click()
    services.get_by_role("button", name=re.compile(rf"^{t('Add')}.*Tuesday Circle")).click()
    picture(robin.page, "2-call", manner, tmp_path)
    services.get_by_label(t("The caller said yes to this text")).check()
    services.get_by_role("button", name=t("Text them")).click()
    first.reads("Tuesday Circle")
    robin.page.get_by_text(t("Crisis card")).first.click()
    expect(robin.page.get_by_text("Maple Falls Crisis Center")).to_be_visible()
    robin.ends()
    first.hears("Thank you for calling. Goodbye.")
    robin.logs(text_ok=True)
    first.reads(re.compile("1.*yes", re.IGNORECASE))
    for answer in ("1", "4", "5"):
        first.writes(answer)
        first.reads(answer)
    expect(board.get_by_text(t("Survey today"))).to_be_visible()
    expect(board.locator("#live")).to_contain_text(t("%(n)s of %(all)s", n="1", all="1"), timeout=SOON)

    # A text.
    second.writes("hello?")
    robin.accepts()
    thread = robin.page.get_by_role("log", name=t("Messages"))
    expect(thread).to_contain_text("hello?")
    robin.page.get_by_label(t("Your text")).fill("I am here. How was your day?")
    robin.button("Send").click()
    second.reads("How was your day?")
    expect(thread).to_contain_text(t("delivered"), timeout=SOON)
    picture(robin.page, "3-text", manner, tmp_path)
    robin.button("End the conversation").click()
    expect(robin.button("End the conversation")).to_have_count(0)
    robin.logs()

    # Declined, taken by the other, dropped, and answered again.
    marisol.chooses("Available")
    second.dials()
    second.presses("1")
    robin.is_asked()
    robin.button("Not now").click()
    marisol.accepts()
    marisol.talks()
    marisol.page.close()
    second.hears("You have not lost your place")
    robin.accepts()
    robin.talks()
    robin.ends()
    robin.logs()
    marisol.page = arrives_again(marisol.page, board)
    expect(shown(marisol.page).get_by_text(t("Your phone lost the connection."))).to_be_visible()
    marisol.logs("The connection dropped")

    # In Spanish, and a crisis: the supervisor is called, and has it.
    robin.chooses("Break")
    first.dials()
    first.presses("2")
    first.hears("Gracias por esperar")
    marisol.accepts()
    marisol.talks()
    marisol.button("Get my supervisor").first.click()
    alarm = board.get_by_role("button", name=t("Acknowledge"))
    expect(alarm).to_be_visible(timeout=SOON)
    picture(board, "4-alert", manner, tmp_path)
    alarm.click()
    expect(marisol.page.locator(".supervisor-alert")).to_contain_text("Dana Whitlock", timeout=SOON)
    record_a_handoff(marisol)
    marisol.ends()
    marisol.logs("Handed off to crisis help")

    # Closing time: whoever waits is served, whoever comes is told.
    marisol.chooses("Break")
    second.dials()
    second.presses("1")
    second.hears("You are next in line")
    expect(board.get_by_role("table", name=re.compile("Georgia"))).to_be_visible(timeout=SOON)
    picture(board, "5-board", manner, tmp_path)
    board.get_by_role("link", name=t("Close early…")).first.click()
    board.get_by_role("button", name=t("Close the line")).click()
    expect(board.get_by_text(t("closed early")).first).to_be_visible()
    first.dials()
    first.hears("too few of us are here")
    robin.chooses("Available")
    robin.accepts()
    robin.talks()
    robin.ends()
    robin.logs()
    board.goto("/lines")
    board.get_by_role("button", name=t("Reopen")).first.click()
    expect(board.get_by_text(t("closed early"))).to_have_count(0)

    # All of it is in the history.
    board.get_by_role("link", name=t("History")).click()
    expect(board.get_by_role("row")).not_to_have_count(0)
    picture(board, "6-history", manner, tmp_path)


def arrives_again(closed: Page, other: Page) -> Page:
    """A tab that was closed, opened again in the same browser."""
    page = closed.context.new_page()
    page.goto(other.url.partition("/board")[0] + "/console")
    return page


def record_a_handoff(peer: Desk) -> None:
    t = peer.t
    peer.page.get_by_text(t("Hand-off to crisis help"), exact=True).click()
    form = peer.page.locator("[data-handoff] form")
    for legend, choice in (
        ("Handed over to", "988"),
        ("Did the caller agree?", t("The caller agreed")),
        ("How?", t("I stayed until they had taken over")),
        ("What came of it?", t("Connected")),
    ):
        form.get_by_role("group", name=t(legend)).get_by_label(re.compile(re.escape(choice))).first.check()
    form.get_by_role("button", name=t("Record the hand-off")).click()
    expect(shown(peer.page).get_by_text(t("Hand-off recorded:"))).to_be_visible(timeout=SOON)
