"""The far end of a call: a WebRTC peer of its own, which speaks a tone, and knows what it hears.

It is a page in a browser of its own kind: Chromium decrypts, decodes and plays what arrives, and plays the keys of
RFC 4733 as the two tones that they are.
"""

from dataclasses import dataclass

from playwright.sync_api import BrowserContext, Page

STAND = "https://voice-js.roaming.twilio.com/"
SCRIPT = """
  // On the audio's own thread: a tone lasts 160 ms, and a page that stands still for so long would miss it.
  const EAR = () => registerProcessor("ear", class extends AudioWorkletProcessor {
    rows = [697, 770, 852, 941];
    columns = [1209, 1336, 1477];
    keys = ["123", "456", "789", "*0#"];
    heard = [];
    last = "";
    silent = 0;
    process([[samples]]) {
      if (samples) this.heard.push(...samples);
      if (this.heard.length < 1024) return true;
      const row = this.loudest(this.rows), column = this.loudest(this.columns);
      const all = this.heard.reduce((power, sample) => power + 2 * sample ** 2, 0) / this.heard.length;
      const isKey = Math.min(row.level, column.level) > 0.01 && row.level ** 2 + column.level ** 2 > 0.8 * all;
      const key = isKey ? this.keys[row.at][column.at] : "";
      if (key && key !== this.last) this.port.postMessage(key);
      // On a busy machine a tone has holes; between two keys it is quiet for 70 ms at least, which three looks are not.
      this.silent = key ? 0 : this.silent + 1;
      if (key || this.silent >= 3) this.last = key;
      this.heard = [];
      return true;
    }
    loudest(tones) {
      const levels = tones.map((hertz) => this.level(hertz));
      const level = Math.max(...levels);
      return { level, at: levels.indexOf(level) };
    }
    level(hertz) {
      const turn = (2 * Math.PI * hertz) / sampleRate;
      const sum = (wave) => this.heard.reduce((all, sample, at) => all + sample * wave(turn * at), 0);
      return (2 * Math.hypot(sum(Math.cos), sum(Math.sin))) / this.heard.length;
    }
  });
  window.keys = "";
  window.answer = async (sdp) => {
    const context = new AudioContext();
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([`(${EAR})()`], { type: "text/javascript" })));
    const ear = new AudioWorkletNode(context, "ear");
    ear.port.onmessage = ({ data: key }) => (window.keys += key);
    const mouth = context.createMediaStreamDestination();
    const tone = new OscillatorNode(context, { frequency: 440 });
    tone.connect(mouth);
    tone.start();
    const peer = (window.peer = new RTCPeerConnection());
    peer.ontrack = ({ streams: [stream] }) => {
      const speaker = new Audio(); // what nobody plays is not decoded either
      speaker.srcObject = stream;
      speaker.play();
      context.createMediaStreamSource(stream).connect(ear);
    };
    await peer.setRemoteDescription({ type: "offer", sdp });
    peer.addTrack(mouth.stream.getAudioTracks()[0], mouth.stream);
    await peer.setLocalDescription();
    while (peer.iceGatheringState !== "complete") await new Promise((done) => setTimeout(done, 10));
    return peer.localDescription.sdp;
  };
"""
# What a page's `peer` has received: on either end, for whoever watches.
STATS = """async () => {
  const found = {};
  for (const report of (await peer.getStats()).values()) {
    const { packetsReceived: packets, totalAudioEnergy: energy, dtlsState: dtls, iceState: ice } = report;
    if (report.type === "inbound-rtp") Object.assign(found, { packets, energy });
    if (report.type === "transport") Object.assign(found, { dtls, ice });
  }
  return found;
}"""


@dataclass
class Heard:
    """What has arrived so far: packets of sound, and their energy, to which silence adds nothing."""

    packets: int = 0
    energy: float = 0.0
    dtls: str = ""
    ice: str = ""


def heard_by(page: Page) -> Heard:
    """For a page that keeps its RTCPeerConnection as `peer`."""
    return Heard(**page.evaluate(STATS))


class FarEnd:
    """Where Twilio's media server would be."""

    def __init__(self, context: BrowserContext) -> None:
        self.page = context.new_page()
        self.page.add_init_script(SCRIPT)
        self.page.goto(STAND)

    def answers(self, offer: str) -> str:
        """The SDP that answers this offer."""
        return str(self.page.evaluate("answer", offer))

    @property
    def keys(self) -> str:
        """The keys that were heard."""
        return str(self.page.evaluate("keys"))
