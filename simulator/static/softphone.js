// The softphone of the simulated phone company: the same small interface as the product's own module over
// Twilio's Voice SDK, but the call goes over HTTP to the simulator. Voices are not carried: the microphone is
// asked for, held and released as the real SDK does it, and nothing is sent.
//
//   const phone = await open({ token, onLost, onWarning });
//   phone.token(newToken);
//   const call = await phone.connect({ params });   // rejects with an Error: refusal, microphone, no network
//   call.mute(true); call.digits("1"); call.hangup();
//   call.on("ended" | "reconnecting" | "reconnected", listener);

const HERE = new URL(".", import.meta.url);
const LOST_AFTER = 5000; // milliseconds without the simulator after which the call is over, as it is over there

export async function open({ token, onLost = () => {}, onWarning = () => {} }) {
  let current = token;
  return {
    token(renewed) {
      current = renewed;
    },
    async connect({ params = {} } = {}) {
      const microphone = await listen();
      try {
        return follow(await dial(current, params), microphone, onWarning);
      } catch (error) {
        release(microphone);
        if (error.lost) onLost(error);
        throw error;
      }
    },
  };
}

async function listen() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("Microphone not available: the browser gives it to secure pages only.");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    const refused = error.name === "NotAllowedError" || error.name === "SecurityError";
    throw new Error(refused ? "Microphone refused." : `Microphone not available: ${error.message}`, { cause: error });
  }
}

function release(microphone) {
  for (const track of microphone.getTracks()) track.stop();
}

async function dial(token, params) {
  let answer;
  try {
    answer = await fetch(new URL("softphone/connect", HERE), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, params }),
    });
  } catch (cause) {
    throw Object.assign(new Error("The phone company cannot be reached.", { cause }), { lost: true });
  }
  const found = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(found.error), { lost: answer.status === 401 });
  return found;
}

function follow({ sid, key }, microphone, onWarning) {
  const listeners = { ended: new Set(), reconnecting: new Set(), reconnected: new Set() };
  const path = (act) => new URL(`softphone/calls/${sid}/${act}?key=${encodeURIComponent(key)}`, HERE);
  const events = new EventSource(path("events"));
  let over = false;
  let away = 0;

  const emit = (name) => listeners[name].forEach((listener) => listener());
  const tell = (act, body) => fetch(path(act), { method: "POST", body: JSON.stringify(body) }).catch(() => {});

  function end() {
    if (over) return;
    over = true;
    clearTimeout(away);
    events.close();
    release(microphone);
    removeEventListener("pagehide", leave);
    emit("ended");
  }
  // Also the last word of a page that goes away: some browsers close the event stream before they say so.
  function leave() {
    if (over) return;
    navigator.sendBeacon(path("hangup"), "{}");
    end();
  }

  addEventListener("pagehide", leave);
  events.addEventListener("end", end);
  events.onopen = () => {
    if (away) {
      clearTimeout(away);
      away = 0;
      emit("reconnected");
    }
  };
  events.onerror = () => {
    if (over) return;
    if (events.readyState === EventSource.CLOSED) {
      leave();
    } else if (!away) {
      away = setTimeout(leave, LOST_AFTER);
      onWarning("connection-lost");
      emit("reconnecting");
    }
  };

  return {
    sid,
    mute(muted) {
      for (const track of microphone.getAudioTracks()) track.enabled = !muted;
      tell("mute", { muted });
    },
    digits(digits) {
      tell("digits", { digits });
    },
    hangup: leave,
    on(name, listener) {
      listeners[name].add(listener);
      return () => listeners[name].delete(listener);
    },
  };
}
