"""A request that takes long is seen to, and one that fails says so beside what was pressed and takes nothing away."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from tests.e2e.conftest import Enter
from tests.e2e.looks import PHONE, looks_well
from tests.e2e.steps import SOON, call, choose, notices, offer, takes, waits
from tests.product import PASSWORD, Caller, Product

NO_CONNECTION = "There is no connection just now."
OUR_FAULT = "Something went wrong on our side. Please try again."
STILL = {"reduced_motion": "reduce"}


@contextmanager
def held(page: Page, url: str) -> Iterator[list[Route]]:
    """Requests to `url` wait until the end of the block; the list of them."""
    routes: list[Route] = []
    page.route(url, lambda route: routes.append(route))
    yield routes
    page.unroute(url)  # which lets them go on


@contextmanager
def lost(page: Page, url: str) -> Iterator[None]:
    page.route(url, lambda route: route.abort())
    yield
    page.unroute(url)


@contextmanager
def broken(page: Page, url: str, status: int = 500) -> Iterator[None]:
    page.route(url, lambda route: route.fulfill(status=status, body="<h1>no words of ours</h1>"))
    yield
    page.unroute(url)


def is_busy(button: Locator) -> None:
    expect(button).to_have_attribute("aria-busy", "true")
    expect(button).to_have_attribute("aria-disabled", "true")


def is_ready(button: Locator) -> None:
    expect(button).not_to_have_attribute("aria-busy", "true")
    expect(button).not_to_have_attribute("aria-disabled", "true")


def beside(button: Locator) -> Locator:
    """What is said beside a button."""
    return button.locator("xpath=..").locator(".pressed")


def test_what_is_quick_shows_no_sign(enter: Enter, tidy: None) -> None:
    peer = enter("peer1")
    peer.clock.install()
    peer.reload()
    expect(peer.locator("#connection")).to_have_text("Live")
    peer.clock.pause_at(peer.evaluate("Date.now() / 1000") + 5)
    peer.evaluate("""() => {
      window.busy = 0;
      new MutationObserver(() => window.busy++)
        .observe(document.body, {subtree: true, attributes: true, attributeFilter: ["aria-busy"]});
    }""")
    with held(peer, "**/status"):
        button = peer.get_by_role("group", name="Choose my status").get_by_role("button", name="Break")
        button.click()
        peer.clock.run_for(299)
        expect(peer.locator(".pressed")).to_be_empty()
        assert peer.evaluate("busy") == 0
    expect(button).to_have_attribute("aria-pressed", "true")
    assert peer.evaluate("busy") == 0
    expect(peer.locator(".pressed")).to_have_count(0)


def test_accept_is_seen_to_wait_is_sent_once_and_says_when_it_failed(
    product: Product, enter: Enter, caller: Caller
) -> None:
    peer = enter("peer1", viewport=PHONE, **STILL)
    choose(peer, "Available")
    waits(caller)
    accept = offer(peer).get_by_role("button", name="Accept")
    expect(accept).to_be_visible()
    product.put_off("offer", "deadline")
    with broken(peer, "**/accept"):
        accept.click()
        expect(beside(accept)).to_have_text(OUR_FAULT)
    expect(beside(accept)).to_be_in_viewport()
    looks_well(peer, PHONE)
    peer.evaluate("dispatchEvent(new Event('online'))")  # the page is fetched again and morphed
    with held(peer, "**/accept") as requests:
        accept.click()
        is_busy(accept)
        expect(beside(accept)).to_have_text("One moment…")
        looks_well(peer, PHONE)
        peer.evaluate("dispatchEvent(new Event('online'))")
        accept.press("Enter")
        is_busy(accept)
        assert len(requests) == 1
    expect(call(peer)).to_contain_text("Connected", timeout=SOON)


def test_a_text_that_was_not_sent_is_still_there(product: Product, enter: Enter, tidy: None) -> None:
    peer = enter("peer1", viewport=PHONE)
    choose(peer, "Available")
    product.script("POST", "/script/texts", **{"from": "+14045550123", "to": "+14045550101", "body": "hello?"})
    offer(peer).get_by_role("button", name="Accept").click()
    box, send = peer.get_by_label("Your text"), peer.get_by_role("button", name="Send", exact=True)
    box.fill("What do you miss most?")
    with lost(peer, "**/message*"):
        box.press("Control+Enter")
        expect(beside(send)).to_have_text(NO_CONNECTION)
    expect(beside(send)).to_be_in_viewport()
    expect(box).to_have_value("What do you miss most?")
    send.click()
    expect(peer.get_by_role("log")).to_contain_text("What do you miss most?")
    expect(beside(send)).to_have_count(0)


def test_a_search_beside_a_call_waits_and_fails_where_it_was_asked(enter: Enter, caller: Caller) -> None:
    peer = enter("peer1", **STILL)
    choose(peer, "Available")
    takes(peer, caller)
    services = peer.get_by_role("region", name="Services")
    words, search = services.get_by_label("Search for"), services.get_by_role("button", name="Search")
    with held(peer, "**/resources?*"):
        words.fill("food")
        is_busy(search)
    expect(services.locator("[data-count]")).to_have_text("1 service")
    is_ready(search)
    with lost(peer, "**/resources?*"):
        words.fill("house")
        expect(beside(search)).to_have_text(NO_CONNECTION)
    expect(words).to_have_value("house")
    expect(words).to_be_focused()
    with lost(peer, "**/end"):
        call(peer).get_by_role("button", name="End call").click()
        expect(beside(call(peer).get_by_role("button", name="End call"))).to_have_text(NO_CONNECTION)
    expect(beside(search)).to_have_count(0)
    looks_well(peer)


def test_a_failure_whose_form_is_gone_is_said_above_the_page(enter: Enter, caller: Caller) -> None:
    peer = enter("peer1", viewport=PHONE)
    choose(peer, "Available")
    waits(caller)
    with held(peer, "**/accept"):
        offer(peer).get_by_role("button", name="Accept").click()
        caller.hangs_up()
        expect(peer.get_by_text("The caller hung up before you answered.").first).to_be_attached()
    expect(notices(peer).locator("#notice-failure")).to_be_visible()
    peer.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(notices(peer).locator("#notice-failure")).to_be_in_viewport()


def test_settings_that_could_not_be_saved_are_still_there(enter: Enter) -> None:
    page = enter("supervisor", **STILL)
    page.get_by_role("link", name="Lines", exact=True).click()
    page.get_by_role("link", name="Illinois", exact=True).click()
    policy = page.get_by_label("What to do, in a few lines")
    before = policy.input_value()
    save = page.get_by_role("button", name="Save").last
    policy.fill("Stay. Breathe.")
    for fails, words in ((lost, NO_CONNECTION), (broken, OUR_FAULT)):
        with fails(page, "**/lines/*"):
            save.click()
            expect(beside(save)).to_have_text(words)
        expect(beside(save)).to_be_in_viewport()
        expect(policy).to_have_value("Stay. Breathe.")
        is_ready(save)
    looks_well(page)
    with held(page, "**/lines/*"):
        save.click()
        is_busy(save)
        looks_well(page)
        policy.fill(before)  # the request is under way with what was there
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(policy).to_have_value("Stay. Breathe.")
    policy.fill(before)
    page.get_by_role("button", name="Save").last.click()
    expect(policy).to_have_value(before)


def test_whoever_was_logged_out_saves_after_logging_in_again(enter: Enter) -> None:
    page = enter("supervisor")
    page.get_by_role("link", name="Directory").click()
    page.get_by_role("link", name="Add a service").click()
    page.get_by_label("Name of the service").fill("A kitchen")
    page.get_by_label("Organization that offers it").fill("Table for All")
    page.get_by_label("Kind").select_option(label="Food")
    page.get_by_label("Place").fill("Maple Falls")
    other = page.context.new_page()
    other.goto("/board")
    other.get_by_role("button", name="Log out").click()
    save = page.get_by_role("button", name="Save")
    save.click()
    expect(beside(save)).to_contain_text("Log in again in another tab")
    other.get_by_label("Email address").fill("supervisor@example.org")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Log in").click()
    expect(other.get_by_role("heading", name="Board")).to_be_attached()
    save.click()
    expect(page.get_by_role("heading", name="A kitchen")).to_be_visible()
    page.get_by_role("button", name="Take out of the directory").click()
    expect(page.get_by_text("Not active")).to_be_visible()


def test_a_search_is_drawn_into_the_page_and_back_leads_back(enter: Enter) -> None:
    page = enter("peer1")
    page.get_by_role("link", name="Directory").click()
    words, search = page.get_by_label("Search for"), page.get_by_role("button", name="Search")
    words.fill("food")
    with lost(page, "**/directory?*"):
        words.press("Enter")
        expect(beside(search)).to_have_text(NO_CONNECTION)
    words.press("Enter")
    expect(page).to_have_url(re.compile(r"/directory\?q=food"))
    expect(page.locator(".service-cards li")).not_to_have_count(0)
    found = page.get_by_role("status").inner_text()
    words.fill("zeppelin")
    search.click()
    expect(page.get_by_role("status")).to_contain_text("No service fits.")
    expect(search).to_be_focused()
    page.go_back()
    expect(page.get_by_role("status")).to_have_text(found)
    expect(words).to_have_value("food")


def test_a_login_that_could_not_be_asked_keeps_what_was_typed(enter: Enter) -> None:
    page = enter("peer1")
    page.get_by_role("button", name="Log out").click()
    button = page.get_by_role("button", name="Log in")
    page.get_by_label("Email address").fill("peer1@example.org")
    page.get_by_label("Password").fill("not this one")
    with lost(page, "**/login"):
        button.click()
        expect(beside(button)).to_have_text(NO_CONNECTION)
    expect(page.get_by_label("Password")).to_have_value("not this one")
    looks_well(page)
    button.click()
    expect(page.get_by_role("alert")).to_contain_text("do not fit")
    expect(page.get_by_label("Email address")).to_have_value("peer1@example.org")
    expect(page.get_by_label("Password")).to_have_value("")
    expect(page.get_by_label("Password")).to_be_focused()
    page.get_by_label("Password").fill(PASSWORD)
    button.click()
    expect(page.get_by_role("heading", name="Console")).to_be_attached()


def test_a_telephone_says_what_was_not_sent(product: Product, new_context: Callable[..., BrowserContext]) -> None:
    page = new_context(color_scheme="dark").new_page()
    page.goto(product.simulator_url)
    phone = page.get_by_role("region", name="Telephone 1")
    phone.get_by_label("Text message").fill("help")  # a keyword: nobody need answer it
    with lost(page, "**/phones/texts"):
        phone.get_by_role("button", name="Send").click()
        expect(phone.get_by_role("alert")).to_have_text("Not sent. The phone company cannot be reached.")
    expect(phone.get_by_label("Text message")).to_have_value("help")
    looks_well(page)
    with held(page, "**/phones/texts"):
        phone.get_by_role("button", name="Send").click()
        expect(phone.get_by_role("button", name="Sending…")).to_have_attribute("aria-disabled", "true")
        expect(phone.get_by_role("alert")).to_be_empty()
    expect(phone.get_by_label("Text message")).to_have_value("")
