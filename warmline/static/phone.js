// The call card: the phone of this tab, its one call, and what is said about it.

import { readJson } from "./api.js";
import { notice, sayAloud } from "./announce.js";
import { hasPhone, takePhone, tellOthers } from "./tab.js";
import { t } from "./words.js";

const RENEW_AT = 0.8; // of a token's life
const TOKEN_REFUSED = new Set([20101, 20104]); // https://www.twilio.com/docs/api/errors/20104: invalid, expired
const SILENT = "constant-audio-input-level"; // the softphone's name for a microphone that gives nothing

const page = document.getElementById("console");

let phone = null; // a promise of the softphone, opened in advance
let renewal; // timer of its next token
let renewedAt = 0;
let call = null;
let dialled = nobody(); // the latest offer that this tab dialled in for
let line = "none"; // of this tab: none, connecting, connected, reconnecting
let muted = false;
const warnings = new Set(); // what the softphone finds wrong with the call just now
let said = "";

// `shown`: it was a card; `rings`: when it was last, the caller was being called.
function nobody(offer = null) {
  return { offer, shown: false, rings: false };
}

// Opens the softphone before it is needed: at Accept every second counts.
export function prepare() {
  phone ??= open().catch((error) => {
    phone = null;
    throw error;
  });
  phone.catch(() => {}); // whoever connects will say it
  return phone;
}

async function open() {
  const [{ open: openPhone }, { token, ttl }] = await Promise.all([
    import(page.dataset.softphone),
    readJson(page.dataset.token),
  ]);
  const opened = await openPhone({
    token,
    onLost: (error) => {
      console.warn("softphone:", error);
      if (TOKEN_REFUSED.has(error.code)) renewSoon(opened);
    },
    onWarning: (name, over) => {
      if (over) warnings.delete(name);
      else warnings.add(name);
      render();
    },
  });
  renewAfter(opened, ttl * RENEW_AT);
  return opened;
}

function renewAfter(opened, seconds) {
  clearTimeout(renewal);
  renewal = setTimeout(async () => {
    try {
      const { token, ttl } = await readJson(page.dataset.token);
      renewedAt = Date.now();
      opened.token(token);
      renewAfter(opened, ttl * RENEW_AT);
    } catch {
      renewAfter(opened, 60);
    }
  }, seconds * 1000);
}

// A computer that slept longer than its token lived: no timer ran meanwhile. A token refused at once is another fault,
// and not asked about in a hurry.
function renewSoon(opened) {
  renewAfter(opened, Date.now() - renewedAt > 10_000 ? 0 : 10);
}

// Brings this tab's leg up. The server gives it 15 seconds, then the caller is offered to somebody else.
export async function connect(params) {
  await takePhone();
  notice("failure", "");
  notice("unreached", "");
  dialled = nobody(params.offer);
  set("connecting");
  try {
    call = await (await prepare()).connect({ params });
  } catch (error) {
    set("none");
    notice("failure", inWords(error));
    return;
  }
  muted = false;
  warnings.clear();
  call.on("ended", () => {
    call = null;
    set("none");
  });
  call.on("reconnecting", () => set("reconnecting"));
  call.on("reconnected", () => {
    warnings.clear();
    set("connected");
  });
  set("connected");
}

function inWords(error) {
  const what = [error.name, error.code, error.message, error.cause?.name].join(" ");
  if (/NotAllowed|PermissionDenied|31401/.test(what)) {
    return t("The browser did not let us use the microphone. Allow it beside the address, then press “Connect the phone”. The caller keeps their place.");
  }
  if (/NotFound|AcquisitionFailed|31402|NotReadable/.test(what)) {
    return t("No microphone was found, or another program holds it. Plug it in or close that program, then press “Connect the phone”. The caller keeps their place.");
  }
  return t("Your phone could not connect. Press “Connect the phone” to try again. The caller keeps their place.");
}

function set(state) {
  line = state;
  tellOthers(state !== "none");
  render();
}

export function isOnCall() {
  return call !== null;
}

// Draws the card after every refresh: the server knows the engagement, this tab knows its own phone.
export function render() {
  const card = document.querySelector("[data-call]");
  if (card?.dataset.callOffer === dialled.offer) {
    dialled.shown = true;
    dialled.rings = card.dataset.callState === "connecting" && card.hasAttribute("data-call-rings");
  } else if (dialled.shown) {
    if (dialled.rings) notice("unreached", t("The caller was not reached. There is nothing for you to log."));
    hangUp(); // the server says that the call is over
  }
  if (!card) {
    said = "";
    return;
  }
  const words = wordsFor(card.dataset.callState, card.hasAttribute("data-call-rings"));
  card.querySelector("#call-words").textContent = words;
  const mute = card.querySelector("[data-mute]");
  mute.disabled = !call;
  mute.setAttribute("aria-pressed", String(muted));
  for (const key of card.querySelectorAll("[data-key]")) key.disabled = !call;
  const canConnect = hasPhone() && line === "none" && card.dataset.callState === "connecting";
  card.querySelector("[data-connect]").hidden = !canConnect;
  if (words !== said) sayAloud(words);
  said = words;
}

function wordsFor(engagement, rings) {
  if (line === "reconnecting") return t("Reconnecting…");
  if (line === "none" && !hasPhone()) return t("On the call in another tab");
  if (engagement === "connecting" && line !== "none" && rings) return t("Ringing the caller…");
  const over = t("Your side of the call has ended");
  // The server may know of the talk before this tab's phone has sound.
  if (line === "connecting" || (engagement === "connecting" && line !== "none")) return t("Connecting…");
  // A call to the caller that is not taken ends here before the server says why.
  if (engagement === "connecting") return dialled.rings ? over : t("Your phone is not connected");
  return line === "none" ? over : howConnected();
}

function howConnected() {
  if (muted) return t("Connected, you are muted");
  if (warnings.has(SILENT)) return t("Connected, but your microphone gives no sound");
  return warnings.size ? t("Connected, but your network is weak") : t("Connected");
}

export function hangUp() {
  dialled = nobody();
  if (!call) return;
  call.hangup();
  call = null;
  set("none");
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-mute]") && call) {
    muted = !muted;
    call.mute(muted);
    render();
  }
  const card = event.target.closest("[data-call]");
  if (card && event.target.closest("[data-connect]")) connect({ offer: card.dataset.callOffer });
  const key = event.target.closest("[data-key]");
  if (key) press(key.dataset.key);
});

// Only with the focus among the keys: nobody's notes dial.
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || !event.target.closest?.("[data-keypad]")) return;
  if (/^[0-9*#]$/.test(event.key)) press(event.key);
});

function press(key) {
  if (!call) return;
  call.digits(key);
  document.querySelector("[data-keypad] output").textContent += key;
}

// Asking for the microphone in the middle of the first ring would cost the caller time.
export async function watchMicrophone() {
  const status = await navigator.permissions?.query({ name: "microphone" }).catch(() => null);
  if (!status) return;
  const show = () => {
    notice("microphone", {
      prompt: t("Your browser will ask for the microphone at your first call. Better ask now."),
      denied: t("Your browser refuses the microphone to this page: calls cannot connect. Allow it beside the address."),
    }[status.state]);
  };
  status.addEventListener("change", show);
  show();
}

document.querySelector("[data-ask-microphone]").addEventListener("click", async () => {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    for (const track of stream.getTracks()) track.stop();
    notice("microphone", "");
  } catch (error) {
    const what = { error: error.name };
    notice("microphone", t("The microphone is not available ({error}). Allow it beside the address, and look whether it is plugged in.", what));
  }
});
