"""The two things that a browser runs: the page with telephones, and the softphone's module."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, Locator, Page, expect

from simulator.page import BEAT, GRACE
from tests.simulator.test_softphone import token
from tests.simulator.world import (
    CALLER,
    GEORGIA,
    PATIENCE_SECONDS,
    Product,
    Simulator,
    eventually,
    start_simulator,
    twiml,
)

CONSOLE = """<!doctype html><title>console</title><p id="said"></p><script type="module">
const said = (words) => (document.querySelector("#said").textContent += words + ";");
const { open } = await import("%s/softphone.js");
const phone = await open({ token: "%s", onLost: () => said("lost"), onWarning: said });
window.dial = async () => {
  try {
    window.call = await phone.connect({ params: { offer: "7" } });
    for (const name of ["ended", "reconnecting", "reconnected"]) call.on(name, () => said(name));
    said("connected");
  } catch (error) {
    said(error.message);
  }
};
said("open");
</script>"""


def test_a_line_is_called_from_the_page(page: Page, product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/incoming"] = twiml(
        "<Gather action='/chosen' numDigits='1' timeout='600'><Say language='es-US'>Oprima el dos</Say></Gather>"
    )
    product.replies["/chosen"] = twiml("<Enqueue waitUrl='/wait'>line</Enqueue>")
    product.replies["/wait"] = twiml("<Say>Please wait</Say><Play>/music.mp3</Play><Pause length='600'/>")
    product.replies["/twilio/sms/incoming"] = twiml("<Message>Welcome</Message>")
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(simulator.url)
    phone = page.get_by_role("region", name="Telephone 1")
    phone.get_by_role("button", name="Dial").click()
    heard = phone.get_by_role("log", name="Heard")
    expect(heard.locator("[lang=es-US]")).to_have_text("Oprima el dos")
    phone.get_by_role("button", name="2", exact=True).click()
    expect(phone.get_by_role("status")).to_have_text("Waiting in the queue")
    expect(heard).to_contain_text("♪ Music")
    phone.get_by_label("Text message").fill("Hello")
    phone.get_by_role("button", name="Send").click()
    expect(phone.get_by_role("log", name="Texts")).to_contain_text("Welcome")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    phone.get_by_role("button", name="Hang up").click()
    expect(phone.get_by_role("status")).to_have_text("Call ended")
    expect(page.get_by_role("region", name="Telephone 2").get_by_role("status")).to_have_text("Ready")
    product.wait_for("/twilio/voice/status")
    assert problems == []


WAITS = "<Enqueue waitUrl='/wait'>line</Enqueue>"
MUSIC = "<Pause length='600'/>"


@pytest.fixture
def queued(page: Page, product: Product, simulator: Simulator) -> str:
    """The SID of a call from the page that waits in the queue."""
    product.replies["/twilio/voice/incoming"], product.replies["/wait"] = twiml(WAITS), twiml(MUSIC)
    page.goto(simulator.url)
    telephone(page).get_by_role("button", name="Dial").click()
    expect(telephone(page).get_by_role("status")).to_have_text("Waiting in the queue")
    return product.to("/twilio/voice/incoming")[0].params["CallSid"]


def telephone(page: Page) -> Locator:
    return page.get_by_role("region", name="Telephone 1")


@pytest.mark.parametrize("key", ["Hang up", "2"])
def test_a_call_that_the_company_does_not_know_is_over(
    page: Page, simulator: Simulator, product: Product, key: str
) -> None:
    product.replies["/twilio/voice/incoming"], product.replies["/wait"] = twiml(WAITS), twiml(MUSIC)
    page.route("**/phones/events*", lambda route: route.abort())  # nothing else says that it is over
    page.goto(simulator.url)
    phone = telephone(page)
    phone.get_by_role("button", name="Dial").click()
    expect(phone.get_by_role("button", name="Hang up")).to_be_enabled()
    simulator.ask("POST", "/script/reset")
    phone.get_by_role("button", name=key, exact=True).click()
    expect(phone.get_by_role("status")).to_have_text("Call ended")
    expect(phone.get_by_role("button", name="Dial")).to_be_enabled()


def test_a_company_that_starts_anew_has_no_calls(page: Page, product: Product) -> None:
    product.replies["/twilio/voice/incoming"], product.replies["/wait"] = twiml(WAITS), twiml(MUSIC)
    first, url = start_simulator(product.base_url)
    try:
        page.goto(url)
        phone = telephone(page)
        phone.get_by_role("button", name="Dial").click()
        expect(phone.get_by_role("status")).to_have_text("Waiting in the queue")
    finally:
        first.kill()
        first.wait(PATIENCE_SECONDS)
    expect(page.get_by_text("The phone company cannot be reached.")).to_be_visible()
    second, _ = start_simulator(product.base_url, SIMULATOR_PORT=url.rpartition(":")[2])
    try:
        expect(phone.get_by_role("status")).to_have_text("Call ended")
        phone.get_by_role("button", name="Dial").click()
        expect(phone.get_by_role("status")).to_have_text("Waiting in the queue")
    finally:
        second.terminate()
        second.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize("leaves", ["closes", "goes elsewhere", "loads it again"])
def test_a_telephone_whose_page_goes_away_hangs_up(
    page: Page, product: Product, simulator: Simulator, queued: str, leaves: str
) -> None:
    if leaves == "closes":
        page.close()
    elif leaves == "goes elsewhere":
        page.goto("about:blank")
    else:
        page.reload()
    eventually(lambda: simulator.call(queued)["where"] == "ended", "it did not hang up itself", seconds=GRACE)
    assert product.wait_for("/twilio/voice/status", CallSid=queued).params["CallStatus"] == "completed"


def test_a_telephone_whose_page_crashes_hangs_up(page: Page, simulator: Simulator, queued: str) -> None:
    with suppress(Error):
        page.goto("chrome://crash")  # no event of the page runs any more
    eventually(lambda: simulator.call(queued)["where"] == "ended", "the caller stayed in the queue")


def test_a_page_that_only_lost_its_stream_keeps_its_calls(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/incoming"], product.replies["/wait"] = twiml(WAITS), twiml(MUSIC)

    def listens() -> requests.Response:
        return simulator.http.get(f"{simulator.url}/phones/events?page=one", stream=True, timeout=5)

    first = listens()
    sid = simulator.ask("POST", "/phones/calls", **{"from": CALLER, "to": GEORGIA, "page": "one"})["sid"]
    simulator.reaches(sid, "queue")
    first.close()
    second = listens()
    time.sleep(GRACE + 3 * BEAT)
    assert simulator.call(sid)["where"] == "queue"
    second.close()
    eventually(lambda: simulator.call(sid)["where"] == "ended", "the caller stayed in the queue")


def test_the_softphone_connects_and_hangs_up(page: Page, product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/client"] = twiml("<Dial><Conference>room</Conference></Dial>")
    product.replies["/console"] = (200, "text/html", CONSOLE % (simulator.url, token()))
    page.goto(f"{product.base_url}/console")
    said = page.locator("#said")
    expect(said).to_have_text("open;")
    page.evaluate("dial()")
    expect(said).to_have_text("open;connected;")
    sid = product.wait_for("/twilio/voice/client", offer="7").params["CallSid"]
    assert simulator.reaches(sid, "conference")["from"] == "client:peer_1"
    page.evaluate("call.mute(true)")
    page.evaluate("call.hangup()")
    expect(said).to_have_text("open;connected;ended;")
    simulator.reaches(sid, "ended")
    page.evaluate("dial()")
    second = product.wait_for("/twilio/voice/client", 2).params["CallSid"]
    simulator.reaches(second, "conference")
    simulator.hang_up(second)  # the other side ends it
    expect(said).to_have_text("open;connected;ended;connected;ended;")
    page.evaluate("dial()")
    third = product.wait_for("/twilio/voice/client", 3).params["CallSid"]
    simulator.reaches(third, "conference")
    page.goto("about:blank")  # the tab goes away
    simulator.reaches(third, "ended")


def test_a_refused_microphone_or_call_rejects(page: Page, product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/client"] = twiml("<Reject/>")
    product.replies["/console"] = (200, "text/html", CONSOLE % (simulator.url, token()))
    page.goto(f"{product.base_url}/console")
    expect(page.locator("#said")).to_have_text("open;")
    page.evaluate("dial()")
    expect(page.locator("#said")).to_have_text("open;the call was refused;")
    refuse = "async () => { throw new DOMException('no', 'NotAllowedError') }"
    page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = {refuse} }}")
    page.evaluate("dial()")
    expect(page.locator("#said")).to_have_text("open;the call was refused;Microphone refused.;")
    assert len(product.to("/twilio/voice/client")) == 1
