// The phone in the browser, over Twilio's Voice SDK. The simulator serves a module with the same interface:
//
//   open({ token, onLost, onWarning }) → phone; it registers nothing, it only dials out
//   onWarning("high-rtt", over)        the line is worse, or, `over`, no longer; "constant-audio-input-level" is silence
//   phone.token(token)                 a new token, before the old one ends
//   phone.connect({ params }) → call   rejects with an Error if the call or the microphone is refused
//   call.mute(bool) · call.digits("1") · call.hangup() · call.on("ended" | "reconnecting" | "reconnected", fn)

import "./vendor/twilio.min.js";

const SOUNDS = [
  "disconnect", "incoming", "outgoing", "dtmfh", "dtmfs",
  "dtmf0", "dtmf1", "dtmf2", "dtmf3", "dtmf4", "dtmf5", "dtmf6", "dtmf7", "dtmf8", "dtmf9",
];
const silence = new URL("silence.wav", import.meta.url).href;

const EVENTS = { ended: "disconnect", reconnecting: "reconnecting", reconnected: "reconnected" };

export async function open({ token, onLost = () => {}, onWarning = () => {} }) {
  const device = new globalThis.Twilio.Device(token, {
    codecPreferences: ["opus", "pcmu"],
    maxCallSignalingTimeoutMs: 30_000,
    tokenRefreshMs: 60_000,
    closeProtection: true,
    // Otherwise the SDK fetches fifteen sounds from Twilio, which our policy forbids.
    sounds: Object.fromEntries(SOUNDS.map((name) => [name, silence])),
  });
  device.on("error", onLost);
  return {
    token: (newer) => device.updateToken(newer),
    connect: async ({ params }) => {
      const call = await device.connect({ params });
      await accepted(call);
      call.on("warning", (name) => onWarning(name, false));
      call.on("warning-cleared", (name) => onWarning(name, true));
      return {
        mute: (muted) => call.mute(muted),
        digits: (digits) => call.sendDigits(digits),
        hangup: () => call.disconnect(),
        on: (event, listener) => call.on(EVENTS[event], listener),
      };
    },
  };
}

function accepted(call) {
  return new Promise((resolve, reject) => {
    call.once("accept", resolve);
    call.once("error", reject);
    for (const end of ["cancel", "disconnect", "reject"]) {
      // The SDK says "disconnect" first and then why: the reason must win.
      call.once(end, () => setTimeout(() => reject(new Error("The call was ended before it was connected."))));
    }
  });
}
