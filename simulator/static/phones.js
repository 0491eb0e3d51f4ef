// Telephones on a page: each dials, hears, presses keys and texts on its own.
// One event stream brings everything; a telephone picks out what is for it.

const NUMBERS = ["+14045550123", "+13125550142", "+12025550167", "+14045550188", "+13125550119"];
const KEPT_NOTES = 100;
const QUIET_MS = 300; // what is quicker needs no sign
const UNREACHABLE = "The phone company cannot be reached.";

const STATES = {
  arriving: "Ringing…",
  ringing: "Somebody calls",
  menu: "Connected to the line",
  queue: "Waiting in the queue",
  conference: "In a conversation room",
  ended: "Call ended",
};

const PAGE = Math.random().toString(36).slice(2); // by this name the company knows whose telephones these are
const phones = [];
const silent = document.getElementById("silent");
const link = document.getElementById("link");

async function ask(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  }).catch(() => {
    throw new Error(UNREACHABLE);
  });
  if (!answer.ok) {
    const found = await answer.json().catch(() => ({}));
    const error = new Error(found.error ?? `The phone company answered ${answer.status}.`);
    throw Object.assign(error, { status: answer.status });
  }
  return answer.status === 204 ? null : answer.json();
}

function write(log, words, kind) {
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 20;
  const line = document.createElement("p");
  line.className = kind;
  line.textContent = words;
  log.append(line);
  if (atEnd) log.scrollTop = log.scrollHeight;
  return line;
}

function hush() {
  window.speechSynthesis?.cancel();
}

class Telephone {
  call = null; // the SID while a call lasts
  sending = null; // a timer while a text is sent
  rings = false; // whether that call comes in, and nobody has picked up
  early = null; // while dialling: what the stream brings before the call's SID is known

  constructor(count, number) {
    this.root = document.getElementById("telephone").content.cloneNode(true).querySelector("section");
    this.fields = Object.fromEntries([...this.root.querySelectorAll("[name]")].map((field) => [field.name, field]));
    this.parts = Object.fromEntries([...this.root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    this.dialButton = this.root.querySelector("[data-act=dial]");
    this.endButton = this.root.querySelector("[data-act=end]");
    this.keys = this.root.querySelectorAll("[data-key]");
    this.label(count);
    this.fields.mine.value = number;

    this.dialButton.addEventListener("click", () => (this.rings ? this.answer() : this.dial()));
    this.endButton.addEventListener("click", () => this.hangUp());
    this.fields.line.addEventListener("change", () => {
      this.parts.other.hidden = this.fields.line.value !== "";
    });
    this.root.querySelector(".pad").addEventListener("click", ({ target }) => {
      if (target.dataset.key) this.press(target.dataset.key);
    });
    this.parts.compose.addEventListener("submit", (event) => {
      event.preventDefault();
      this.text();
    });
  }

  label(count) {
    const name = (part, id) => {
      this.parts[`${part}-title`].id = id;
      this.parts[part].setAttribute("aria-labelledby", id);
    };
    const title = this.root.querySelector("h2");
    title.textContent = `Telephone ${count}`;
    title.id = `phone-${count}`;
    this.root.setAttribute("aria-labelledby", title.id);
    name("heard", `heard-${count}`);
    name("texts", `texts-${count}`);
  }

  get mine() {
    return this.fields.mine.value.replace(/[\s().-]/g, "");
  }

  get other() {
    return this.fields.line.value || this.fields.number.value.replace(/[\s().-]/g, "");
  }

  show(state) {
    this.parts.state.textContent = state;
    this.root.toggleAttribute("data-live", Boolean(this.call));
    this.dialButton.disabled = Boolean(this.call) && !this.rings;
    this.dialButton.textContent = this.rings ? "Answer" : "Dial";
    this.endButton.textContent = this.rings ? "Decline" : "Hang up";
    this.endButton.disabled = !this.call;
    for (const key of this.keys) key.disabled = !this.call || this.rings;
  }

  // Somebody calls this telephone.
  ring({ call, from }) {
    this.call = call;
    this.rings = true;
    this.parts.heard.replaceChildren();
    this.show(`${STATES.ringing}: ${from}`);
  }

  async answer() {
    this.rings = false;
    this.show(STATES.menu);
    await this.ofCall("POST", "/answer", { page: PAGE });
  }

  async dial() {
    this.parts.heard.replaceChildren();
    this.show("Dialling…");
    this.dialButton.disabled = true;
    this.early = [];
    try {
      const from = this.fields.withheld.checked ? "" : this.mine;
      const call = await ask("POST", "/phones/calls", { from, to: this.other, page: PAGE });
      this.call = call.sid;
      this.show(STATES[call.where]);
      this.endButton.focus();
    } catch (error) {
      this.show(error.message);
      write(this.parts.heard, "No call was made.", "aside");
    }
    const early = this.early;
    this.early = null;
    early.forEach((event) => this.take(event));
  }

  // Asks something of the call. One that the company does not know, because it was started anew, is over.
  async ofCall(method, act, body) {
    const { call } = this;
    try {
      return await ask(method, `/phones/calls/${call}${act}`, body);
    } catch (error) {
      if (call !== this.call) return null; // it ended meanwhile
      if (error.status === 404) this.ended();
      else this.show(error.message);
      return null;
    }
  }

  async hangUp() {
    if (this.call) await this.ofCall("POST", "/hangup", {});
  }

  // The company was out of reach for a while: is there still a call?
  async catchUp() {
    if (!this.call) return;
    const found = await this.ofCall("GET", "");
    if (found && found.sid === this.call && found.where === "ended") this.ended();
  }

  async press(key) {
    if (!this.call) return;
    write(this.parts.heard, `You pressed ${key}`, "aside");
    hush(); // a key cuts a prompt short
    await this.ofCall("POST", "/keys", { digits: key });
  }

  async text() {
    const { body } = this.fields;
    const button = this.parts.compose.querySelector("button");
    if (this.sending) return;
    this.sending = setTimeout(() => {
      button.setAttribute("aria-disabled", "true");
      button.textContent = "Sending…";
    }, QUIET_MS);
    this.parts.unsent.textContent = "";
    try {
      await ask("POST", "/phones/texts", { from: this.mine, to: this.other, body: body.value });
      body.value = "";
    } catch (error) {
      this.parts.unsent.textContent = `Not sent. ${error.message}`;
    }
    clearTimeout(this.sending);
    this.sending = null;
    button.removeAttribute("aria-disabled");
    button.textContent = "Send";
  }

  take(event) {
    if (this.early && event.call) this.early.push(event);
    if (event.message && event.number === this.mine) this.receive(event);
    if (event.state === "ringing" && event.number === this.mine && !this.call && !this.early) this.ring(event);
    if (!event.call || event.call !== this.call) return;
    if (event.state === "ended") this.ended();
    else if (event.state === "ringing") return;
    else if (event.state) this.show(STATES[event.state] ?? event.state);
    else this.hear(event);
  }

  hear(event) {
    const { heard } = this.parts;
    if (event.verb === "Say") {
      write(heard, event.text, "said").lang = event.language;
      this.speak(event);
    } else if (event.verb === "Play") {
      write(heard, `♪ Music or a recording: ${event.text.split("/").at(-1)}`, "aside");
    } else if (event.verb === "Conference") {
      hush();
      this.show("In conversation");
      write(heard, "Somebody is on the line with you. Voices are not carried.", "aside");
    } else if (event.gather === true) {
      write(heard, "You may press a key now.", "aside asked");
    }
  }

  speak({ text, language }) {
    if (silent.checked || !window.speechSynthesis) return;
    const words = new SpeechSynthesisUtterance(text);
    words.lang = language;
    speechSynthesis.speak(words);
  }

  ended() {
    this.call = null;
    this.rings = false;
    if (!phones.some((phone) => phone.call)) hush();
    this.show(STATES.ended);
    write(this.parts.heard, "The call is over.", "aside");
    this.dialButton.focus({ preventScroll: true });
  }

  receive(event) {
    const mine = event.from === this.mine;
    this.parts.none.remove();
    const line = write(this.parts.texts, event.text, mine ? "mine" : "theirs");
    const small = document.createElement("small");
    small.textContent = mine ? `to ${event.to}` : `from ${event.from}`;
    line.append(small);
    this.parts.texts.scrollTop = this.parts.texts.scrollHeight;
  }
}

function add() {
  const phone = new Telephone(phones.length + 1, NUMBERS[phones.length % NUMBERS.length]);
  phones.push(phone);
  document.getElementById("phones").append(phone.root);
  return phone;
}

function note({ code, message }) {
  const entry = document.createElement("li");
  entry.textContent = `${code}: ${message}`;
  const notes = document.getElementById("notes");
  notes.prepend(entry);
  while (notes.children.length > KEPT_NOTES) notes.lastChild.remove();
  const count = document.getElementById("count");
  count.textContent = Number(count.textContent) + 1;
}

add();
add();
document.getElementById("another").addEventListener("click", () => add().root.focus());
silent.addEventListener("change", hush);

const events = new EventSource(`/phones/events?page=${PAGE}`);
events.onopen = () => {
  link.textContent = "";
  phones.forEach((phone) => phone.catchUp());
};
events.onerror = () => (link.textContent = UNREACHABLE);
events.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  if (event.noted) note(event.noted);
  else phones.forEach((phone) => phone.take(event));
};

// A telephone that is no longer there has hung up.
addEventListener("pagehide", () => {
  for (const { call } of phones) if (call) navigator.sendBeacon(`/phones/calls/${call}/hangup`);
});
