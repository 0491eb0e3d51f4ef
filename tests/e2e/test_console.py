"""The console under the conditions of real life: bad lines, two tabs, sleep, wrong clocks, typing while it rings."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, WebSocketRoute, expect

from tests.e2e.conftest import Enter
from tests.e2e.steps import SOON, alert, call, choose, log, notices, offer, report, said, shown, takes, waits
from tests.product import CALLER, GEORGIA, PASSWORD, Caller, Product, eventually

# As browsers are until somebody touches the page; those of the tests may sound at once.
SILENT = """
    let touched = false;
    addEventListener("pointerdown", () => { touched = true; }, { capture: true });
    window.AudioContext = class extends EventTarget {
      state = "suspended";
      resume() {
        if (!touched) return;
        this.state = "running";
        setTimeout(() => this.dispatchEvent(new Event("statechange")));
      }
    };
"""

# Counts the ticks by which the page notices that time has passed. They come each second, or when a busy machine can.
TICKS = """
    window.ticks = 0;
    window.Worker = class extends Worker {
      constructor(...all) {
        super(...all);
        this.addEventListener("message", () => window.ticks++);
      }
    };
"""


def ticks(page: Page) -> None:
    """Now: so that a jump of the clock does not look like a longer sleep than it is."""
    before = page.evaluate("ticks")
    eventually(lambda: page.evaluate("ticks") > before)
    page.wait_for_timeout(500)  # what it asks then is answered


def test_a_text_conversation(product: Product, enter: Enter, tidy: None) -> None:
    peer = enter("peer1")
    choose(peer, "Available")

    def writes(body: str) -> None:
        product.script("POST", "/script/texts", **{"from": CALLER, "to": GEORGIA, "body": body})

    writes("is anybody there?")
    expect(offer(peer)).to_have_accessible_name("Incoming text")
    offer(peer).get_by_role("button", name="Accept").click()
    thread = peer.get_by_role("log", name="Messages")
    expect(thread).to_contain_text("is anybody there?")

    box = peer.get_by_label("Your text")
    box.fill("Hello, I am here.")
    box.press("Control+Enter")
    answer = thread.locator(".text", has_text="Hello, I am here.")
    expect(answer).to_contain_text("delivered", timeout=SOON)
    expect(box).to_have_value("")
    arrived = product.script("GET", f"/script/texts?number=%2B{CALLER[1:]}")["texts"]
    assert "Hello, I am here." in [text["body"] for text in arrived]

    # What is being typed is not disturbed by what comes in.
    box.fill("What made")
    writes("my sister moved away")
    expect(thread).to_contain_text("my sister moved away")
    expect(box).to_have_value("What made")
    expect(box).to_be_focused()
    box.fill("")
    peer.get_by_role("button", name="End the conversation").click()
    expect(peer.get_by_role("button", name="End the conversation")).to_have_count(0)
    log(peer)


def test_an_offer_takes_neither_focus_nor_words(enter: Enter, caller: Caller) -> None:
    peer = enter("peer1")
    choose(peer, "Available")
    takes(peer, caller)
    call(peer).get_by_role("button", name="End call").click()
    log(peer)
    peer.get_by_role("link", name=re.compile("Call · Georgia")).first.click()
    notes = report(peer).get_by_label("Notes")
    notes.fill("Half a sen")
    waits(caller)
    expect(offer(peer)).to_be_visible()
    expect(alert(peer)).to_contain_text("Incoming call, Georgia line")
    expect(notes).to_be_focused()
    expect(notes).to_have_value("Half a sen")
    notes.press_sequentially("tence")
    expect(notes).to_have_value("Half a sentence")


def test_a_draft_is_saved_again_when_the_line_is_back(enter: Enter, caller: Caller) -> None:
    peer = enter("peer1", timezone_id="Asia/Tokyo")
    choose(peer, "Available")
    takes(peer, caller)
    peer.route("**/draft", lambda route: route.abort())
    report(peer).get_by_label("Notes").fill("The garden.")
    expect(report(peer)).to_contain_text("Not saved, trying again")
    expect(said(peer)).to_contain_text("The report is not saved. Trying again.")
    peer.unroute("**/draft")
    georgia = datetime.now(ZoneInfo("America/New_York"))
    hour = f"({georgia:%-I}|{georgia + timedelta(minutes=1):%-I})"
    expect(report(peer)).to_contain_text(re.compile(rf"Saved {hour}:\d\d:\d\d {georgia:%p}"), timeout=SOON)
    assert peer.evaluate("JSON.stringify([localStorage, sessionStorage])").count("garden") == 0


def test_one_tab_holds_the_phone(enter: Enter, tidy: None) -> None:
    first = enter("peer1")
    choose(first, "Available")
    second = first.context.new_page()
    second.goto("/console")
    elsewhere = "Your phone is in another tab"
    expect(notices(second).get_by_text(elsewhere)).to_be_visible()
    expect(notices(first).get_by_text(elsewhere)).to_be_hidden()
    second.get_by_role("button", name="Use the phone here").click()
    expect(notices(first).get_by_text(elsewhere)).to_be_visible()
    expect(notices(second).get_by_text(elsewhere)).to_be_hidden()
    second.close()
    expect(notices(first).get_by_text(elsewhere)).to_be_hidden()


def test_a_call_stays_in_its_tab(enter: Enter, caller: Caller) -> None:
    first = enter("peer1")
    choose(first, "Available")
    takes(first, caller)
    second = first.context.new_page()
    second.goto("/console")
    expect(notices(second).get_by_text("You are on a call in another tab")).to_be_visible()
    expect(second.get_by_role("button", name="Use the phone here")).to_be_hidden()
    expect(call(second)).to_contain_text("On the call in another tab")
    call(second).get_by_role("button", name="End call").click()
    expect(report(first)).to_contain_text("Wrap-up")
    caller.is_in("ended")


def test_an_offer_is_accepted_in_the_tab_without_the_phone(enter: Enter, caller: Caller) -> None:
    first = enter("peer1")
    choose(first, "Available")
    second = first.context.new_page()
    second.goto("/console")
    expect(notices(second).get_by_text("Your phone is in another tab")).to_be_visible()
    waits(caller)
    offer(second).get_by_role("button", name="Accept").click()
    expect(call(second)).to_contain_text("Connected", timeout=SOON)
    expect(call(first)).to_contain_text("On the call in another tab")


def test_a_caller_more_is_seen_without_fetching_the_page(enter: Enter, caller: Caller) -> None:
    peer = enter("peer1")
    choose(peer, "Break")
    expect(peer.locator("#connection")).to_have_text("Live")
    panel = peer.get_by_role("region", name="Waiting on my lines")
    expect(panel).to_contain_text("Nobody is waiting.")
    fetched: list[str] = []
    peer.on("request", lambda request: fetched.append(request.url))
    waits(caller)
    expect(panel).to_have_text(re.compile(r"Georgia\s*1\s*· longest 0:\d\d"), use_inner_text=True)
    expect(panel.get_by_text("Nobody is waiting.")).to_be_hidden()
    caller.hangs_up()
    expect(panel.get_by_text("Nobody is waiting.")).to_be_visible()
    expect(panel.get_by_text("Georgia")).to_be_hidden()
    assert [url for url in fetched if "/fragment" in url] == []


def test_without_a_socket_the_console_is_present_and_finds_its_offer(enter: Enter, caller: Caller) -> None:
    def refuse(socket: WebSocketRoute) -> None:
        socket.close()

    peer = enter("peer1")
    peer.route_web_socket("**/socket.io/**", refuse)
    peer.clock.install()
    peer.reload()
    choose(peer, "Available")
    expect(peer.locator("#connection")).to_have_text("Live every 10 seconds")
    waits(caller)

    def finds_it_when_it_asks() -> bool:  # it may have asked a moment before it was offered
        peer.clock.fast_forward(10_000)
        return offer(peer).is_visible()

    eventually(finds_it_when_it_asks)


def test_a_lost_connection_is_said_and_so_is_its_return(enter: Enter, tidy: None) -> None:
    peer = enter("peer1")
    expect(peer.locator("#connection")).to_have_text("Live")
    peer.clock.install()
    peer.reload()
    expect(peer.locator("#connection")).to_have_text("Live")
    peer.context.set_offline(True)
    peer.clock.fast_forward(16_000)
    expect(notices(peer).get_by_text("No connection. We keep trying; what you type stays here.")).to_be_visible()
    expect(peer.locator("#connection")).to_have_text("No connection")
    peer.clock.fast_forward(24_000)
    peer.context.set_offline(False)
    peer.clock.fast_forward(16_000)
    expect(notices(peer).get_by_text(re.compile(r"You were away \d\d seconds. Here is the latest."))).to_be_visible()
    expect(notices(peer).get_by_text("No connection.")).to_be_hidden()


def test_away_counts_from_when_the_connection_was_lost(enter: Enter, tidy: None) -> None:
    """The page had last asked 14 seconds before, and nobody was away then."""
    peer = enter("peer1")
    peer.add_init_script(TICKS)
    peer.clock.install()
    peer.reload()
    expect(peer.locator("#connection")).to_have_text("Live")
    lost = notices(peer).get_by_text("No connection.")
    away = notices(peer).get_by_text("You were away")
    ticks(peer)
    peer.clock.fast_forward(14_000)
    peer.context.set_offline(True)
    peer.clock.fast_forward(2_000)
    expect(lost).to_be_visible(timeout=SOON)
    ticks(peer)
    peer.clock.fast_forward(6_000)
    peer.context.set_offline(False)
    expect(lost).to_be_hidden()
    expect(away).to_be_hidden()
    ticks(peer)
    peer.clock.fast_forward(14_000)
    peer.context.set_offline(True)
    peer.clock.fast_forward(2_000)
    expect(lost).to_be_visible(timeout=SOON)
    ticks(peer)
    peer.clock.fast_forward(24_000)
    peer.context.set_offline(False)
    expect(away).to_have_text(re.compile(r"You were away [23]\d seconds"))
    peer.clock.fast_forward(60_000)  # the computer sleeps, and nothing tells it that the connection is lost
    expect(away).to_have_text(re.compile(r"You were away (([6-9]|1[01])\d seconds|\d minutes)"))


def test_whoever_was_logged_out_loses_nothing(enter: Enter, caller: Caller) -> None:
    first = enter("peer1")
    first.clock.install()
    first.reload()
    choose(first, "Available")
    takes(first, caller)
    second = first.context.new_page()
    second.goto("/console")
    second.get_by_role("button", name="Log out").click()
    expect(notices(first).get_by_text("You are logged out.")).to_be_visible()
    report(first).get_by_label("Notes").fill("The garden.")
    expect(report(first)).to_contain_text("Not saved, trying again")
    second.get_by_label("Email address").fill("peer1@example.org")
    second.get_by_label("Password").fill(PASSWORD)
    second.get_by_role("button", name="Log in").click()
    expect(second.get_by_role("group", name="Choose my status")).to_be_visible()
    first.clock.fast_forward(16_000)
    expect(first.locator("#connection")).to_have_text("Live")
    expect(notices(first).get_by_text("You are logged out.")).to_be_hidden()
    expect(report(first)).to_contain_text(re.compile("Saved .*:"))


def test_a_computer_whose_clock_is_wrong_shows_the_right_deadline(enter: Enter, caller: Caller) -> None:
    peer = enter("peer1")
    peer.add_init_script("const now = Date.now; Date.now = () => now() + 300_000;")
    peer.reload()
    choose(peer, "Available")
    waits(caller)
    expect(offer(peer).locator(".offer-deadline time")).to_have_text(re.compile(r"0:(1\d|20)"))
    expect(alert(peer)).to_contain_text(re.compile(r"(1\d|20) seconds"))


def test_the_time_left_is_said_when_asked_for_and_at_ten_seconds(
    product: Product, enter: Enter, caller: Caller
) -> None:
    peer = enter("peer1")
    peer.clock.install()
    peer.reload()
    choose(peer, "Available")
    waits(caller)
    offer(peer).get_by_role("button", name="Say the time left").press("Enter")
    expect(said(peer)).to_have_text(re.compile(r"\d+ seconds left"))
    peer.clock.fast_forward(10_000)
    expect(alert(peer)).to_have_text(re.compile(r"^\d+ seconds left to answer$"))
    product.bring_forward("offer", "deadline")
    expect(offer(peer)).to_have_count(0)
    expect(shown(peer).get_by_text("was not answered in time")).to_be_visible()


def test_each_of_two_sentences_is_read_and_then_gone(enter: Enter) -> None:
    """A screen reader reads what is added to the region; what is taken away or changed too early it may never read."""
    peer = enter("peer1")
    peer.clock.install()
    peer.clock.pause_at(peer.evaluate("Date.now() / 1000") + 5)
    peer.evaluate("""async () => {
      window.added = [];
      const reader = new MutationObserver((changes) => {
        for (const { addedNodes } of changes) window.added.push(...[...addedNodes].map((node) => node.textContent));
      });
      reader.observe(document.getElementById("said"), { childList: true, subtree: true, characterData: true });
      const { sayAloud } = await import("/static/announce.js");
      sayAloud("The contact is logged.");
      setTimeout(() => sayAloud("Connected."), 300);
      setTimeout(() => sayAloud("Connected."), 600);
    }""")
    peer.clock.run_for(1_000)
    ours = ["The contact is logged.", "Connected.", "Connected."]  # the page may have something to say as well
    assert [words for words in peer.evaluate("window.added") if words in ours] == ours
    expect(said(peer).get_by_text("The contact is logged.", exact=True)).to_have_count(1)
    expect(said(peer).get_by_text("Connected.", exact=True)).to_have_count(2)
    expect(said(peer)).to_have_js_property("ariaAtomic", "false")
    peer.clock.run_for(7_000)
    expect(said(peer).get_by_text("Connected.")).to_have_count(0)
    assert peer.evaluate("window.added").count("Connected.") == 2, "and not once more"


def test_the_first_press_of_a_silent_page_meets_what_it_aimed_at(enter: Enter, tidy: None) -> None:
    """The notice that goes at the first press moves the page up; not before the press is over."""
    peer = enter("peer1")
    peer.add_init_script(SILENT)
    peer.reload()
    silent = peer.get_by_text("The browser keeps this page silent")
    expect(silent).to_be_visible()
    meeting = peer.get_by_role("button", name="Meeting")
    before = meeting.bounding_box()
    meeting.hover()
    peer.mouse.down()
    peer.wait_for_timeout(150)
    assert meeting.bounding_box() == before
    peer.mouse.up()
    expect(meeting).to_have_attribute("aria-pressed", "true")
    expect(silent).to_be_hidden()


def test_the_second_press_of_a_double_click_presses_nothing_else(enter: Enter) -> None:
    """What was pressed is gone, as an offer is that was answered, and something else has moved to its place."""
    peer = enter("peer1")
    peer.evaluate("""() => {
      window.pressed = [];
      for (const name of ["below", "above"]) {
        const button = document.createElement("button");
        button.style = "position: fixed; inset: 0; z-index: 100";
        button.onclick = () => { pressed.push(name); if (name === "above") button.remove(); };
        document.body.append(button);
      }
    }""")
    peer.mouse.dblclick(200, 300)
    assert peer.evaluate("pressed") == ["above"]
    peer.wait_for_timeout(1100)
    peer.mouse.dblclick(200, 300)
    assert peer.evaluate("pressed") == ["above", "below", "below"], "what stays is pressed as often as one likes"


def test_nothing_moves_below_the_status_when_it_rings(enter: Enter, caller: Caller) -> None:
    peer = enter("peer1")
    choose(peer, "Available")
    status = peer.get_by_role("region", name="My status")
    before = status.bounding_box()
    waits(caller)
    expect(status).to_contain_text("being asked")
    after = status.bounding_box()
    assert before
    assert after
    assert after["height"] == before["height"]


def test_the_theme_is_kept(enter: Enter) -> None:
    peer = enter("peer1", color_scheme="light")
    page = peer.locator("html")
    expect(page).to_have_attribute("data-bs-theme", "light")
    toggle = peer.get_by_role("button", name=re.compile("^Theme"))
    toggle.click()
    toggle.click()
    expect(page).to_have_attribute("data-bs-theme", "dark")
    peer.reload()
    expect(page).to_have_attribute("data-bs-theme", "dark")
    expect(toggle).to_have_text("Theme: dark")


def test_without_scripts_the_forms_still_work(enter: Enter, tidy: None) -> None:
    peer = enter("peer1", java_script_enabled=False)
    expect(peer.get_by_text("This browser runs no scripts")).to_be_visible()
    choose(peer, "Meeting")
    expect(peer).to_have_url(re.compile("/console$"))
