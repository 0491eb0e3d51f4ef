// The peer's console: puts the parts together.

import { send } from "./api.js";
import { notice, sayAloud, sayNews } from "./announce.js";
import { live } from "./live.js";
import * as offers from "./offers.js";
import * as phone from "./phone.js";
import * as report from "./report.js";
import * as resources from "./resources.js";
import * as ring from "./ring.js";
import { presetOutcome } from "./outcome.js";
import { press, wait } from "./pressed.js";
import { hasPhone, takePhone, waitForPhone } from "./tab.js";
import { scrollThread } from "./thread.js";
import { t } from "./words.js";
import * as waiting from "./waiting.js";

const ANSWER_MS = 3000;

const page = document.getElementById("console");
let opened = page.firstElementChild.dataset.open ?? "";

function fragmentUrl() {
  return opened ? `${page.dataset.fragment}?contact=${opened}` : page.dataset.fragment;
}

const { refresh } = live({ root: page, url: fragmentUrl, isFresh, changed, gone });

// That a peer is here, and what their page shows: the server writes down the one, and says whether the other is what
// there is. A socket may look connected when nothing arrives any more, so it has to answer. Throws Refusal.
async function isFresh(socket) {
  const { version } = page.firstElementChild.dataset;
  const shown = { version, contact: opened, numbers: waiting.numbers() };
  let answer = socket.connected ? await ask(socket, shown) : {};
  if (!("fresh" in answer)) {
    answer = await send(page.dataset.heartbeat, { ...shown, numbers: JSON.stringify(shown.numbers) });
  }
  if (answer.numbers && page.firstElementChild.dataset.version === version) waiting.show(answer.numbers);
  return answer.fresh;
}

function ask(socket, shown) {
  return socket.timeout(ANSWER_MS).emitWithAck("heartbeat", shown).catch(() => ({}));
}

function changed() {
  stayWith(page.firstElementChild.dataset.open ?? "");
  attend();
  sayNews();
  scrollThread();
  report.changed();
  resources.changed();
}

// What was open is not ours any more: a caller who was not reached, say. Without loading the page, which would ask
// whoever is on the phone whether they mean to leave, and take the phone away.
async function gone() {
  if (!opened) {
    location.assign(page.dataset.page);
    return;
  }
  opened = "";
  await refresh();
  focusIfLost("#idle-title, #contact-title, #call-title");
}

function attend() {
  offers.attend(hasPhone());
  phone.render();
}

// What is open stays open, also after a refresh of the page: the end of wrap-up must not take a half-written report away.
function stayWith(contact) {
  opened = contact;
  const url = contact ? `${page.dataset.page}?contact=${contact}` : page.dataset.page;
  if (location.pathname + location.search !== url) history.replaceState(null, "", url);
}

async function openContact(link) {
  report.saveAll();
  opened = new URL(link.href).searchParams.get("contact");
  const over = wait(link);
  await refresh();
  over();
  if (document.activeElement === link) document.getElementById("contact-title")?.focus();
}

// What had the focus is gone from the page. Whoever has moved on meanwhile, or is typing, is left alone.
function focusIfLost(selector) {
  if (document.activeElement === document.body) document.querySelector(selector)?.focus();
}

async function accept(form) {
  const { contact } = form.closest("[data-offer]").dataset;
  const answer = await send(form.action, {});
  ring.stop();
  report.saveAll();
  opened = contact;
  if (answer.connect) phone.connect(answer.connect);
  await refresh();
  focusIfLost("#call-title, #contact-title");
}

// First the server, then the phone: a phone that just falls silent would count as lost, and the caller would be asked
// to wait for the next peer.
async function end(form) {
  const isCall = form.closest("[data-call]");
  await send(form.action, {});
  if (isCall) phone.hangUp();
}

// As above; and the report then says so, unless its peer has said something else.
async function keepBoundary(form) {
  await end(form);
  presetOutcome(form.dataset.boundary, "boundary");
}

async function write(form) {
  const field = form.elements.body;
  if (!field.value.trim()) return;
  await send(form.action, new FormData(form));
  field.value = "";
}

async function finish(form) {
  if (!(await report.finish(form))) return;
  sayAloud(t("The contact is logged."));
  opened = "";
  await refresh();
  focusIfLost("#idle-title, #contact-title, #call-title");
}

const ACTS = [
  ["data-accept", accept],
  ["data-end", end],
  ["data-boundary", keepBoundary],
  ["data-compose", write],
  ["data-report", finish],
  ["data-refer", resources.refer],
  ["data-post", (form, submitter) => send(form.action, new FormData(form, submitter))],
];

document.addEventListener("submit", (event) => {
  const form = event.target;
  const [, act] = ACTS.find(([attribute]) => form.hasAttribute(attribute)) ?? [];
  if (!act) return;
  event.preventDefault();
  press(form, event.submitter, () => act(form, event.submitter), refresh);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-open-contact]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openContact(link);
});

addEventListener("beforeunload", (event) => {
  const typed = [...document.querySelectorAll("form[data-compose] textarea")].some((field) => field.value.trim());
  if (phone.isOnCall() || report.hasUnsaved() || typed) event.preventDefault();
});

waitForPhone((holds, onCallElsewhere) => {
  notice("tab", holds ? "" : onCallElsewhere
    ? t("You are on a call in another tab or window of this browser.")
    : t("Your phone is in another tab or window of this browser: it rings there."));
  document.querySelector("[data-take-phone]").hidden = onCallElsewhere;
  if (holds) phone.prepare();
  attend();
});
document.querySelector("[data-take-phone]").addEventListener("click", takePhone);

ring.watchSettings();
ring.watchSilence();
offers.offerNotifications();
phone.watchMicrophone();
