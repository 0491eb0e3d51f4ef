"""The phone over Twilio's own Voice SDK: the real SDK, a real peer connection, and a far end played in the page.

The SDK's signalling is not documented; the messages here are those that @twilio/voice-sdk 2.18.5 (dist/twilio.js, class
PStream) sends and understands.
"""

from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import Enter

FAR_END = """
  window.signals = [];
  const RealSocket = WebSocket;
  window.WebSocket = class extends EventTarget {
    static OPEN = 1;
    constructor(url, ...more) {
      if (!new URL(url, location).hostname.endsWith("twilio.com")) return new RealSocket(url, ...more);
      super();
      this.readyState = 0;
      setTimeout(() => { this.readyState = 1; this.dispatchEvent(new Event("open")); });
    }
    close() { this.readyState = 3; }
    tell(type, payload) {
      this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify({ type, payload, version: "1.6" }) }));
    }
    async send(data) {
      if (!data.trim()) return;
      const { type, payload } = JSON.parse(data);
      window.signals.push({ type, params: payload.twilio?.params, token: payload.token });
      if (type === "listen") {
        this.tell("connected", { edge: "ashburn", region: "us1", token: { identity: "peer_1", ttl: 3600 } });
      } else if (type === "invite") {
        const far = (window.far = new RTCPeerConnection());
        await far.setRemoteDescription({ type: "offer", sdp: payload.sdp });
        far.addTrack(...(await tone()));
        await far.setLocalDescription();
        while (far.iceGatheringState !== "complete") await new Promise((wait) => setTimeout(wait, 20));
        this.tell("answer", { callsid: payload.callsid, sdp: far.localDescription.sdp, reconnect: "again" });
      }
    }
  };
  async function tone() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    return [stream.getAudioTracks()[0], stream];
  }
"""
OPEN = """async () => {
  const { open } = await import("/static/softphone.js");
  const { token: ours } = await (await fetch("/console/softphone")).json();
  window.phone = await open({ token: ours });
  window.call = await window.phone.connect({ params: { offer: "the-offer" } });
  window.ended = 0;
  window.call.on("ended", () => window.ended++);
}"""


def enter_with_sdk(enter: Enter) -> tuple[Page, list[str]]:
    """A console, and the foreign addresses that its page asks for."""
    page = enter("peer1")
    foreign: list[str] = []

    def answer(route: Route) -> None:
        foreign.append(route.request.url)
        route.fulfill(status=200, body="")

    page.context.route(lambda url: "twilio.com" in url, answer)
    page.add_init_script(FAR_END)
    page.reload()
    expect(page.locator("#connection")).to_have_text("Live")
    return page, foreign


def test_the_sdk_dials_mutes_and_hangs_up(enter: Enter, tidy: None) -> None:
    page, foreign = enter_with_sdk(enter)
    page.evaluate(OPEN)
    (invite,) = page.evaluate("signals.filter(({ type }) => type === 'invite')")
    assert invite["params"] == "offer=the-offer"
    assert page.evaluate("far.connectionState") in ("connecting", "connected")
    page.evaluate("call.mute(true), call.mute(false), call.digits('1')")
    page.evaluate("call.hangup()")
    assert page.evaluate("ended") == 1
    assert "hangup" in page.evaluate("signals.map(({ type }) => type)")
    # Its sounds are ours: nothing but its statistics goes to Twilio by HTTP.
    assert [url for url in foreign if not url.startswith("https://eventgw.twilio.com/")] == []


def test_a_new_token_is_passed_on(enter: Enter, tidy: None) -> None:
    page, _ = enter_with_sdk(enter)
    page.evaluate(OPEN)
    page.evaluate("fetch('/console/softphone').then((answer) => answer.json()).then(({ token }) => phone.token(token))")
    assert page.evaluate("signals.filter(({ type }) => type === 'listen').length") == 2
    page.evaluate("call.hangup()")


def test_a_refused_microphone_is_an_error(enter: Enter, tidy: None) -> None:
    page, _ = enter_with_sdk(enter)
    refused = page.evaluate(f"""async () => {{
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
      return ({OPEN})().catch((error) => String(error.code ?? error));
    }}""")
    assert refused == "31401"
