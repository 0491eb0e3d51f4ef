"""The two things that a browser runs: the page with telephones, and the softphone's module."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.simulator.test_softphone import token
from tests.simulator.world import Product, Simulator, twiml

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
