"""The phone over Twilio's own Voice SDK: the real console with a real account's settings, dialling a Twilio that this
test plays: its signalling over a real WebSocket, its media by WebRTC, its webhooks signed.

Nothing of the page is replaced. A stub in place of the SDK fails here: test_a_stub_would_be_noticed.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from playwright.sync_api import Browser, BrowserContext, BrowserType, Locator, Page, Response, Route, expect

from tests.e2e.carrier import Line, RealAccount
from tests.e2e.conftest import Enter, goes_off
from tests.e2e.far_end import FarEnd, heard_by
from tests.e2e.signalling import Signalling
from tests.e2e.steps import SOON, call, choose, log, notices, offer, report
from tests.product import ROOT, Visitor, eventually
from tests.servers import chromium_path

VENDOR = ROOT / "warmline" / "static" / "vendor"
# Each window of a whole Chromium begins with two pages of its own, for an address bar that nobody sees: two fifths of
# what a context costs. Of such lists the last one counts, so those that Playwright switches off stand here too.
SWITCHED_OFF = [
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades", "LensOverlay"),
    *("HttpsFirstBalancedModeAutoEnable", "MediaRouter", "PaintHolding", "ThirdPartyStoragePartitioning"),
    *("AvoidCorsURLLoaderRestartOnRedirect", "OptimizationHints", "NetworkTimeServiceQuerying", "PreconnectToSearch"),
    "AimEnabled",
]
# Remembered, not changed: what the SDK makes.
REMEMBER = """() => {
    window.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(...all) { super(...all); window.peer = this; }
    };
}"""
# Every state that the call card shows.
WORDS = """() => {
    window.words = [];
    const shown = document.getElementById("call-words");
    new MutationObserver(() => words.push(shown.textContent)).observe(shown, { childList: true });
}"""
# Every key that is sent to the other end, and a space when there is none left to send: two of a kind in a row may
# sound there like one that is long.
KEYED = """() => {
    window.keyed = "";
    const [{ dtmf }] = peer.getSenders();
    dtmf.addEventListener("tonechange", ({ tone }) => (keyed += tone || " "));
}"""
STUB = """
    globalThis.Twilio = { Device: class {
      on() {}
      updateToken() {}
      async connect() {
        const once = (event, act) => event === "accept" && act();
        return { on() {}, once, mute() {}, sendDigits() {}, disconnect() {} };
      }
    } };
"""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAccount]:
    with RealAccount(tmp_path_factory.mktemp("real")) as product:
        yield product


@pytest.fixture(scope="module")
def peer(product: RealAccount) -> Visitor:
    """The peer of these tests, at another login."""
    return Visitor(product, "peer1@example.org")


@pytest.fixture(scope="module")
def twilio() -> Iterator[Signalling]:
    with Signalling() as twilio:
        yield twilio


@pytest.fixture(scope="module")
def browser(
    browser_type: BrowserType, browser_type_launch_args: dict[str, Any], twilio: Signalling
) -> Iterator[Browser]:
    """A browser that finds Twilio on this machine, and really asks whether it may have the microphone."""
    args = [arg for arg in browser_type_launch_args["args"] if arg != "--use-fake-ui-for-media-stream"]
    args += [
        f"--host-resolver-rules={twilio.resolver_rules}",
        "--no-proxy-server",
        "--ignore-certificate-errors",
        "--allow-loopback-in-peer-connection",
        f"--disable-features={','.join(SWITCHED_OFF)}",
    ]
    options = {"args": args, "executable_path": chromium_path(whole=True)}  # the one without windows cannot ask
    browser = browser_type.launch(**browser_type_launch_args | options)
    yield browser
    browser.close()


class Talk:
    """A peer's console, and everything at the other end of it."""

    def __init__(self, page: Page, twilio: Signalling, far: FarEnd, line: Line) -> None:
        self.page, self.twilio, self.far, self.line = page, twilio, far, line
        self.context = page.context
        self.key = line.product.environment["TWILIO_API_KEY_SECRET"]
        self.asked: set[str] = set()
        self.token = ""
        self.page_answer: Response | None = None
        self.sdk: Response | None = None
        page.on("response", self._note)
        page.on("websocket", lambda socket: self.asked.add(origin(socket.url)))
        page.evaluate(REMEMBER)

    def loads_again(self) -> None:
        self.page.reload()
        self.page.evaluate(REMEMBER)

    def rings(self) -> None:
        choose(self.page, "Available")
        self.line.waits()
        expect(offer(self.page)).to_be_visible(timeout=SOON)

    def accepts(self) -> None:
        offer(self.page).get_by_role("button", name="Accept").click()

    def is_dialled(self, seconds: float = 15) -> None:
        """The SDK logs in and dials; Twilio answers, and brings peer and caller together."""
        self.token = self.twilio.hears("listen", seconds)["token"]
        self.is_answered(seconds)

    def is_answered(self, seconds: float = 15) -> None:
        invite = self.twilio.hears("invite", seconds)
        name, value = invite["twilio"]["params"].split("=")
        identity = jwt.decode(self.token, self.key, ["HS256"])["grants"]["identity"]
        self.line.peer_dials(identity, **{name: value})
        expect(call(self.page)).to_have_attribute("data-call-state", "active", timeout=SOON)
        expect(call(self.page)).to_contain_text("Connecting…")
        self.twilio.says("ringing", callsid=self.line.peer)
        self.twilio.says("answer", callsid=self.line.peer, sdp=self.far.answers(invite["sdp"]), reconnect="token-1")
        expect(call(self.page)).to_contain_text("Connected", timeout=SOON)

    def begins(self) -> None:
        self.rings()
        self.accepts()
        self.is_dialled()

    def reconnects(self) -> None:
        """The SDK has come back to a call that goes on, and proves it with what the first answer gave it."""
        again = self.twilio.hears("invite")
        assert again["callsid"] == self.line.peer
        assert again["reconnect"].startswith("token-")
        self.twilio.says("answer", callsid=self.line.peer, reconnect="token-2")

    def is_heard_both_ways(self) -> None:
        for page in (self.page, self.far.page):
            gets_louder(page)

    def _note(self, response: Response) -> None:
        self.asked.add(origin(response.url))
        if response.url.endswith("/console"):
            self.page_answer = response
        if response.url.endswith("/twilio.min.js"):
            self.sdk = response


@pytest.fixture
def talk(
    enter: Enter,
    product: RealAccount,
    peer: Visitor,
    twilio: Signalling,
    new_context: Callable[..., BrowserContext],
) -> Iterator[Talk]:
    twilio.forgets()
    line = Line(product)
    talk = Talk(enter("peer1"), twilio, FarEnd(new_context()), line)
    yield talk
    talk.context.unroute_all(behavior="ignoreErrors")
    line.hangs_up()
    goes_off(peer)


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def test_a_call_from_the_first_ring_to_the_report(talk: Talk) -> None:
    peer, far = talk.page, talk.far
    talk.begins()
    talk.is_heard_both_ways()
    for page in (peer, far.page):
        assert (heard_by(page).ice, heard_by(page).dtls) == ("connected", "connected")

    mute = call(peer).get_by_role("button", name="Mute")
    mute.click()
    expect(call(peer)).to_contain_text("you are muted")

    def only_silence_comes() -> bool:  # once what was on its way has come
        before = heard_by(far.page)
        peer.wait_for_timeout(1500)
        after = heard_by(far.page)
        assert after.packets > before.packets
        # A busy machine lets a frame of sound in late; a voice would be a hundred times as much.
        return after.energy == pytest.approx(before.energy, abs=1e-3)

    peer.wait_for_timeout(500)
    eventually(only_silence_comes)

    def arrives(keys: str) -> None:
        """Each of them, and each once."""
        eventually(lambda: far.keys == keys, what=lambda: far.keys)
        sent = "".join(f"{key} " for key in keys)
        eventually(lambda: peer.evaluate("keyed") == sent, what=lambda: peer.evaluate("keyed"))

    peer.evaluate(KEYED)
    keypad = call(peer).locator("[data-keypad]")
    keypad.get_by_text("Keypad").click()
    keypad.get_by_role("button", name="1").click()
    arrives("1")
    peer.keyboard.press("5")
    arrives("15")
    keypad.get_by_role("button", name="Pound").press("Enter")
    arrives("15#")
    expect(keypad.get_by_role("status")).to_have_text("15#")

    mute.click()
    talk.is_heard_both_ways()

    call(peer).get_by_role("button", name="End call").click()
    assert talk.twilio.hears("hangup") == {"callsid": talk.line.peer}
    eventually(lambda: heard_by(far.page).dtls == "closed")
    expect(report(peer)).to_contain_text("Wrap-up")
    assert talk.line.product.asked("end_conference", talk.line.conference)
    log(peer)


def test_the_page_keeps_to_its_policy_with_the_sdk_that_we_pinned(talk: Talk, complaints: list[str]) -> None:
    talk.loads_again()
    talk.begins()
    assert talk.page_answer
    policy = talk.page_answer.headers["content-security-policy"]
    directives = dict(directive.split(" ", 1) for directive in policy.split("; "))
    foreign = talk.asked - {origin(talk.page.url), origin(talk.page.url).replace("http", "ws")}
    assert "wss://voice-js.roaming.twilio.com" in foreign
    assert foreign <= set(directives["connect-src"].split())
    assert directives["script-src"] == "'self'"
    assert complaints == []
    pinned = json.loads((VENDOR / "manifest.json").read_text())["twilio.min.js"]
    assert talk.sdk
    assert "sha384-" + base64.b64encode(hashlib.sha384(talk.sdk.body()).digest()).decode() == pinned["integrity"]
    assert talk.page.evaluate("Twilio.Device.version") == pinned["version"] == "2.18.5"


def test_a_cut_line_comes_back_and_the_call_goes_on(talk: Talk) -> None:
    talk.begins()
    talk.twilio.away = True
    talk.twilio.drops()
    expect(call(talk.page)).to_contain_text("Reconnecting…")
    talk.is_heard_both_ways()  # signalling and media are two things
    talk.twilio.away = False
    talk.reconnects()
    expect(call(talk.page)).to_contain_text("Connected")
    # The SDK goes back to where the call is, not to whoever is nearest.
    assert talk.twilio.dialled[-1] == "voice-js.ashburn.twilio.com"
    talk.is_heard_both_ways()
    call(talk.page).get_by_role("button", name="End call").click()
    talk.twilio.hears("hangup")


def test_sound_that_is_lost_comes_back_another_way(talk: Talk) -> None:
    talk.begins()
    talk.page.evaluate(WORDS)
    place = talk.far.page.context
    talk.far.page.close()
    again = talk.twilio.hears("reinvite", seconds=30)
    assert again["callsid"] == talk.line.peer
    expect(call(talk.page)).to_contain_text("Reconnecting…")
    talk.far = FarEnd(place)
    talk.twilio.says("answer", callsid=talk.line.peer, sdp=talk.far.answers(again["sdp"]))
    expect(call(talk.page)).to_contain_text("Connected")
    talk.is_heard_both_ways()
    shown = [words for words in dict.fromkeys(talk.page.evaluate("words")) if words != "Connected"]
    assert shown == ["Connected, but your network is weak", "Reconnecting…"]


def test_a_token_is_renewed_before_it_ends_and_the_call_goes_on(talk: Talk) -> None:
    def soon_over(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"ttl": 5})

    talk.context.route("**/console/softphone", soon_over)
    talk.loads_again()
    talk.begins()
    with talk.page.expect_response("**/console/softphone"):
        pass
    newer = talk.twilio.hears("listen")["token"]
    talk.reconnects()
    claims, newer_claims = (jwt.decode(token, talk.key, ["HS256"]) for token in (talk.token, newer))
    assert newer_claims["exp"] > claims["exp"]
    assert newer_claims["grants"] == claims["grants"]
    talk.is_heard_both_ways()
    expect(call(talk.page)).to_contain_text("Connected")


def test_a_token_that_ended_while_the_computer_slept_costs_no_call(talk: Talk) -> None:
    talk.twilio.token_is_over = True
    talk.rings()
    talk.accepts()
    talk.twilio.hears("listen")
    talk.is_dialled()
    talk.is_heard_both_ways()


def test_a_refused_microphone_is_explained_and_the_caller_keeps_the_place(talk: Talk) -> None:
    peer = talk.page
    allow_microphone(peer, False)
    talk.rings()
    talk.accepts()
    expect(notices(peer).get_by_text("The browser did not let us use the microphone.")).to_be_visible()
    talk.token = talk.twilio.hears("listen")["token"]
    assert "invite" not in talk.twilio.overheard()
    assert talk.line.still_waits()
    allow_microphone(peer, True)
    call(peer).get_by_role("button", name="Connect the phone").click()
    talk.is_answered()
    talk.is_heard_both_ways()


def test_a_tab_that_is_closed_in_the_middle_of_a_call(talk: Talk) -> None:
    talk.begins()
    talk.page.close()
    assert talk.twilio.hears("hangup") == {"callsid": talk.line.peer}

    def nothing_comes() -> bool:  # whether goodbye is said before the tab is gone is up to the browser
        before = heard_by(talk.far.page)
        talk.far.page.wait_for_timeout(500)
        return heard_by(talk.far.page).packets == before.packets

    eventually(nothing_comes)
    talk.line.peer_is_gone()
    recall = talk.line.product.asked("recall_caller", talk.line.caller)
    heard = talk.line.calls(recall["path"])
    assert heard.find("Gather") is not None
    talk.line.queues_again(heard)
    (contact,) = [row for row in talk.line.product.rows("contact") if row["queue_sid"] == talk.line.queue]
    assert (contact["state"], contact["priority"]) == ("waiting", 10)
    assert talk.line.still_waits()


def test_a_second_tab_says_that_the_first_one_has_the_phone(talk: Talk) -> None:
    second = talk.context.new_page()
    second.goto("/console")
    talk.rings()
    expect(of_the_tab(second)).to_have_text("Your phone is in another tab or window of this browser: it rings there.")
    talk.accepts()
    expect(call(second)).to_contain_text("On the call in another tab")
    expect(call(second).get_by_role("button", name="Connect the phone")).to_be_hidden()
    talk.is_dialled()
    expect(of_the_tab(second)).to_have_text("You are on a call in another tab or window of this browser.")
    expect(call(second)).to_contain_text("On the call in another tab")
    expect(call(second).get_by_role("button", name="Mute")).to_be_disabled()
    talk.is_heard_both_ways()
    assert "invite" not in talk.twilio.overheard()
    assert talk.twilio.dialled == ["voice-js.roaming.twilio.com"]


def test_a_stub_would_be_noticed(talk: Talk) -> None:
    talk.context.route(
        "**/vendor/twilio.min.js", lambda route: route.fulfill(body=STUB, content_type="text/javascript")
    )
    talk.loads_again()
    talk.rings()
    talk.accepts()
    with pytest.raises(AssertionError, match="the SDK never said 'listen'"):
        talk.is_dialled(seconds=3)


def gets_louder(page: Page) -> None:
    before = heard_by(page).energy
    eventually(lambda: heard_by(page).energy > before + 0.01, what="silence")


def of_the_tab(page: Page) -> Locator:
    return page.locator("#notice-tab [data-words]")


def allow_microphone(page: Page, allowed: bool) -> None:
    """What a person chooses beside the address. Playwright itself can only grant.

    https://chromedevtools.github.io/devtools-protocol/tot/Browser/#method-setPermission
    """
    devtools = page.context.new_cdp_session(page)
    where = {
        "browserContextId": devtools.send("Target.getTargetInfo")["targetInfo"]["browserContextId"],
        "origin": origin(page.url),
    }
    setting = "granted" if allowed else "denied"
    devtools.send("Browser.setPermission", {"permission": {"name": "microphone"}, "setting": setting} | where)
