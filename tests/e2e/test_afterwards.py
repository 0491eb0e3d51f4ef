"""Whom a caller wishes for, and what a peer asks for afterwards: time to rest, and not to meet this caller again."""

import json
import re
import sqlite3
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Enter
from tests.e2e.looks import PHONE, looks_well
from tests.e2e.steps import SOON, call, choose, offer, report, said, shown, takes, waits
from tests.e2e.test_keyboard import goes_to, presses
from tests.product import Caller, Product

UNTIL = r"until (?:[A-Z][a-z]{2} \d+, )?\d+:\d\d [AP]M"  # with the day, if at the line it is another one
RESTS = re.compile(rf"You are resting {UNTIL}\.")
HEAVY = "This one was heavy: give me time before the next"
APART = "We should not be connected again"


@pytest.fixture
def another(product: Product, tidy: None) -> Iterator[Caller]:
    """A caller whom nobody else's test connects with peer1."""
    caller = Caller(product, "+14045550177")
    yield caller
    caller.hangs_up()


@pytest.fixture
def veterans(product: Product) -> Iterator[None]:
    """The line asks callers whom they wish for, and waits for it."""
    yield from wishes(product, {"wishes": ["family", "veteran"], "wish_for": None})


def wishes(product: Product, policy: dict[str, object]) -> Iterator[None]:
    with sqlite3.connect(product.database_url.removeprefix("sqlite:///"), timeout=10) as database:
        database.execute("UPDATE line SET policy = ?", (json.dumps(policy),))
    yield
    with sqlite3.connect(product.database_url.removeprefix("sqlite:///"), timeout=10) as database:
        database.execute("UPDATE line SET policy = NULL")


def ends(page: Page, caller: Caller) -> None:
    call(page).get_by_role("button", name="End call").click()
    expect(report(page)).to_contain_text("Wrap-up")
    caller.is_in("ended")


def ticks(page: Page, box: Locator) -> None:
    goes_to(page, box)
    page.keyboard.press("Space")
    expect(box).to_be_checked()


def test_a_heavy_contact_and_a_rest_by_keyboard(enter: Enter, another: Caller) -> None:
    peer, board = enter("peer1", viewport=PHONE), enter("supervisor", viewport=PHONE)
    choose(peer, "Available")
    takes(peer, another)
    ends(peer, another)
    ticks(peer, report(peer).get_by_label("Support given"))
    ticks(peer, report(peer).get_by_label("Social"))
    ticks(peer, report(peer).get_by_label(HEAVY))
    folded = report(peer).locator("details").filter(has_text=APART).first
    goes_to(peer, folded.locator("summary"))
    expect(folded).not_to_have_attribute("open", "")
    peer.keyboard.press("Enter")
    goes_to(peer, folded.get_by_label("Nobody asks for it"))
    peer.keyboard.press("ArrowDown")
    expect(folded.get_by_label("I ask for it")).to_be_checked()
    expect(folded).to_contain_text("A supervisor can see it")
    expect(report(peer)).to_contain_text(re.compile("Saved [0-9]"), timeout=SOON)
    peer.reload()
    expect(report(peer).get_by_label(HEAVY)).to_be_checked()
    expect(folded.get_by_label("I ask for it")).to_be_checked()
    looks_well(peer)
    presses(peer, "Log this contact")

    expect(peer.get_by_role("heading", name="Take your time")).to_be_visible()
    expect(shown(peer)).to_contain_text(RESTS)
    expect(said(peer)).to_contain_text(RESTS)
    row = board.get_by_role("row").filter(has=board.get_by_role("rowheader", name="Robin Hale"))
    expect(row).to_contain_text(re.compile(rf"resting {UNTIL}"))
    for page in (peer, board):
        looks_well(page)
    presses(peer, "I am ready")
    expect(peer.get_by_role("heading", name="You are ready")).to_be_visible()
    expect(shown(peer)).not_to_contain_text("You are resting")
    expect(row).not_to_contain_text("resting until")

    another.dials()
    another.presses("1")
    another.is_in("queue")
    peer.wait_for_timeout(2500)  # two ticks of the clock
    expect(offer(peer)).to_have_count(0)
    another.hangs_up()
    board.get_by_role("link", name="History").click()
    board.get_by_role("row").nth(2).get_by_role("link").click()
    expect(board.get_by_text("Peer and caller are not to be connected again (the peer asked)")).to_be_visible()
    expect(board.get_by_text("A heavy contact: the peer rests")).to_be_visible()

    peer.locator("[data-open-contact]").first.click()
    expect(report(peer).get_by_label("I ask for it")).to_be_checked()
    report(peer).get_by_label("Nobody asks for it").check()
    with peer.expect_response(re.compile(r"/report$")):
        report(peer).get_by_role("button", name="Save").click()
    expect(shown(peer)).not_to_contain_text("You are resting")
    waits(another)
    expect(offer(peer)).to_be_visible(timeout=SOON)


@pytest.mark.usefixtures("veterans")
def test_a_caller_wishes_for_a_veteran(enter: Enter, caller: Caller) -> None:
    peer, other = enter("peer1"), enter("peer2")
    choose(other, "Available")
    caller.dials()
    caller.presses("1")
    caller.hears("To talk with a peer who is a veteran, press 2.")
    caller.hears("To talk with anyone, press 9 or stay on the line.")
    caller.insists_on("2")
    caller.is_in("queue")
    other.wait_for_timeout(2500)  # two ticks of the clock
    expect(offer(other)).to_have_count(0)
    choose(peer, "Available")
    expect(offer(peer)).to_contain_text("wishes to talk with a veteran")
    looks_well(peer)
