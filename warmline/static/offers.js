// An offer makes itself noticed: sound, title, icon, notification, and once in words. It never takes the focus.

import { alertAloud, sayAloud } from "./announce.js";
import * as ring from "./ring.js";
import { secondsUntil } from "./time.js";
import { t } from "./words.js";

const WARNING_SECONDS = 10;

const icon = document.querySelector('link[rel="icon"]');
const quiet = { title: document.title, icon: icon.href };
const announced = new Set();
const warned = new Set();
let notification = null;

function current() {
  return document.querySelector("[data-offer]");
}

// After every refresh, and when this tab gains or loses the phone: only the tab with the phone rings.
export function attend(hasPhone) {
  const offer = current();
  if (!offer) {
    hush();
    return;
  }
  document.title = `● ${offer.dataset.words}`;
  icon.href = new URL("icon-ring.svg", import.meta.url);
  if (!hasPhone) {
    ring.stop();
    return;
  }
  ring.start();
  if (announced.has(offer.dataset.offer)) return;
  announced.add(offer.dataset.offer);
  alertAloud(t("{offer}, {seconds} seconds", { offer: offer.dataset.words, seconds: secondsLeft(offer) }));
  notify(offer);
}

function hush() {
  ring.stop();
  document.title = quiet.title;
  icon.href = quiet.icon;
  notification?.close();
  notification = null;
}

function secondsLeft(offer) {
  return Math.max(0, Math.round(secondsUntil(offer.dataset.deadline)));
}

function notify(offer) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  notification = new Notification(offer.dataset.words, {
    body: t("Open the console to answer."),
    tag: offer.dataset.offer,
    requireInteraction: true, // it stays for the whole ring
    silent: true, // the page rings
  });
  notification.onclick = () => window.focus();
}

setInterval(() => {
  const offer = current();
  if (!offer || warned.has(offer.dataset.offer)) return;
  const left = secondsLeft(offer);
  if (left > WARNING_SECONDS || !announced.has(offer.dataset.offer)) return;
  warned.add(offer.dataset.offer);
  if (left > 0) alertAloud(t("{seconds} seconds left to answer", { seconds: left }));
}, 500);

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-say-time-left]")) {
    sayAloud(t("{seconds} seconds left", { seconds: secondsLeft(current()) }));
  }
});

document.addEventListener("keydown", (event) => {
  if (!event.altKey || event.ctrlKey || event.metaKey || !current()) return;
  // `code` and not `key`: with Alt held, some keyboards type another letter.
  if (event.code === "KeyA") {
    event.preventDefault();
    current().querySelector("[data-accept] button").click();
  } else if (event.code === "KeyO") {
    event.preventDefault();
    current().focus();
  }
});

export function offerNotifications() {
  const button = document.querySelector("[data-allow-notifications]");
  button.hidden = !("Notification" in window) || Notification.permission !== "default";
  button.addEventListener("click", async () => {
    await Notification.requestPermission();
    button.hidden = Notification.permission !== "default";
  });
}
