// Keeps a page as fresh as the server: a Socket.IO push says that something changed, and the page asks for all of
// itself again. It also asks on every (re)connection, when it wakes, and every 10 s, so a lost push heals itself and
// what is shown is never 15 s old. A page whose socket can say whether it is fresh asks that first, for a fetch takes
// the server ten times as long.
//
// No htmx here: the page is one fragment, fetched in one request and morphed, which keeps focus and typed text.

import { io } from "./vendor/socket.io.esm.min.js";
import { readFragment } from "./api.js";
import { notice } from "./announce.js";
import { morph } from "./morph.js";
import { clockThere, draw, learnFromAnswer, learnFromPage } from "./time.js";
import { t } from "./words.js";

const POLL_MS = 10_000;
const AWAY_MS = 20_000; // a silence that long is worth a word

const ticker = new Worker(new URL("ticker.js", import.meta.url));

// `root` holds the fragment; `url()` names it; `isFresh(socket)` promises whether the server says that the page shows
// what there is, or throws a Refusal; `changed()` runs after each new version; `gone()` when there is nothing at that address any more.
// Returns `refresh()`, for whoever has just changed something; its promise is done when the page is fresh.
export function live({ root, url, isFresh = null, changed = () => {}, gone = () => location.assign(root.dataset.page) }) {
  const socket = io({ transports: ["websocket"] });
  let etag = null;
  let shownUrl = url();
  let lostAt = null; // since when the server was not heard, or this computer slept
  let wanted = false;
  let anew = false;
  let running = null;

  // What others were shown a moment ago will do for whoever is told of a change, but not for whoever made it.
  function changedHere() {
    anew = true;
    return refresh();
  }

  function refresh() {
    wanted = true;
    running ??= untilFresh().finally(() => {
      running = null;
    });
    return running;
  }

  async function untilFresh() {
    while (wanted) {
      wanted = false;
      await once();
    }
  }

  async function once() {
    const asked = url();
    const askedAt = Date.now();
    const address = anew ? `${asked}${asked.includes("?") ? "&" : "?"}anew` : asked;
    anew = false;
    try {
      const answer = await readFragment(address, asked === shownUrl ? etag : null);
      if (asked !== url()) {
        wanted = true; // the person went elsewhere meanwhile
        return;
      }
      if (answer) show(answer, asked, askedAt);
      good();
    } catch (refusal) {
      failed(refusal);
    }
  }

  function show({ html, etag: version }, asked, askedAt) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const newer = template.content.firstElementChild;
    learnFromAnswer(newer.dataset.now, askedAt);
    document.querySelector('meta[name="csrf-token"]').content = newer.dataset.csrf;
    morph(root.firstElementChild, newer);
    etag = version;
    shownUrl = asked;
    draw();
    changed();
  }

  function good() {
    const away = Date.now() - (lostAt ?? Date.now());
    lostAt = null;
    if (away > AWAY_MS) {
      notice("away", t("You were away {span}. Here is the latest.", { span: spoken(away) }));
      if (socket.connected) socket.disconnect().connect(); // it may be dead without knowing it
    }
    notice("connection", "");
    if (!socket.active) socket.connect(); // the server had ended it, because the login was over
    state(socket.connected ? "live" : "polling");
    const asOf = document.querySelector("[data-as-of]");
    if (asOf) asOf.textContent = clockThere(asOf.dataset.asOf.split(" "));
  }

  function lost(at) {
    lostAt ??= at;
  }

  function failed(refusal) {
    lost(Date.now());
    etag = null; // what comes next may be another login's
    if (refusal.status === 401) {
      notice("connection", t("You are logged out. Log in again in another tab, then come back: what you typed is still here."));
      state("logged-out");
    } else if (refusal.status === 404) {
      gone();
    } else {
      notice("connection", t("No connection. We keep trying; what you type stays here."));
      state("lost");
    }
  }

  async function check() {
    try {
      if (!(await isFresh(socket))) return refresh();
      etag = null; // what it was told since has none
      return good();
    } catch (refusal) {
      return refusal.status ? refresh() : failed(refusal);
    }
  }

  const look = isFresh ? check : refresh;
  socket.on("connect", look);
  socket.on("disconnect", () => {
    lost(Date.now());
    refresh(); // is it only the socket, the network, or the login?
  });
  socket.on("changed", refresh);

  every(POLL_MS, look);
  onWaking(refresh, lost);
  learnFromPage(root.firstElementChild.dataset.now);
  draw();
  return { refresh: changedHere };
}

// Runs `act` again and again, also while the page is hidden.
export function every(ms, act) {
  let due = Date.now() + ms;
  ticker.addEventListener("message", () => {
    if (Date.now() < due) return;
    due = Date.now() + ms;
    act();
  });
}

const STATES = {
  live: t("Live"),
  polling: t("Live every 10 seconds"),
  lost: t("No connection"),
  "logged-out": t("Logged out"),
};

function state(name) {
  const element = document.getElementById("connection");
  element.dataset.state = name;
  element.textContent = STATES[name];
}

// A computer that slept ran no timers: the next tick comes much too late. `lost` is told when the last one was.
function onWaking(act, lost) {
  let ticked = Date.now();
  every(0, () => {
    const slept = Date.now() - ticked > AWAY_MS;
    if (slept) lost(ticked);
    ticked = Date.now();
    if (slept) act();
  });
  addEventListener("online", act);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && act());
  addEventListener("pageshow", (event) => event.persisted && act());
}

function spoken(ms) {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? t("{seconds} seconds", { seconds }) : t("{minutes} minutes", { minutes: Math.round(seconds / 60) });
}
