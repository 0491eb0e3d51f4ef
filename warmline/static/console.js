// The peer's console: puts the parts together.

import { send } from "./api.js";
import { notice, sayAloud, sayNews } from "./announce.js";
import { live } from "./live.js";
import * as offers from "./offers.js";
import * as phone from "./phone.js";
import * as report from "./report.js";
import * as ring from "./ring.js";
import { hasPhone, takePhone, waitForPhone } from "./tab.js";

const page = document.getElementById("console");
let opened = page.firstElementChild.dataset.open ?? "";

function fragmentUrl() {
  return opened ? `${page.dataset.fragment}?contact=${opened}` : page.dataset.fragment;
}

function beat(socket) {
  if (socket.connected) socket.emit("heartbeat");
  else send(page.dataset.heartbeat, {}).catch(() => {}); // the poll says what is wrong
}

const refresh = live({ root: page, url: fragmentUrl, beat, changed });

function changed() {
  stayWith(page.firstElementChild.dataset.open ?? "");
  offers.attend(hasPhone());
  phone.render();
  sayNews();
  scrollThread();
}

// What is open stays open, also after a refresh of the page: the end of wrap-up must not take a half-written report away.
function stayWith(contact) {
  opened = contact;
  const url = contact ? `${page.dataset.page}?contact=${contact}` : page.dataset.page;
  if (location.pathname + location.search !== url) history.replaceState(null, "", url);
}

async function openContact(contact) {
  report.saveAll();
  opened = contact;
  await refresh();
  document.getElementById("contact-title")?.focus();
}

// While one button's request is under way, pressing it again does nothing.
const busy = new Set();

async function exclusively(form, act) {
  if (busy.has(form.action)) return;
  busy.add(form.action);
  notice("failure", "");
  try {
    await act();
  } catch (refusal) {
    notice("failure", refusal.message);
  } finally {
    busy.delete(form.action);
    await refresh();
  }
}

async function accept(form) {
  const { contact } = form.closest("[data-offer]").dataset;
  const answer = await send(form.action, {});
  ring.stop();
  report.saveAll();
  opened = contact;
  if (answer.connect) phone.connect(answer.connect);
  await refresh();
  document.querySelector("#call-title, #contact-title")?.focus();
}

async function write(form) {
  const field = form.elements.body;
  if (!field.value.trim()) return;
  await send(form.action, new FormData(form));
  field.value = "";
}

async function finish(form) {
  if (!(await report.finish(form))) return;
  sayAloud("The contact is logged.");
  opened = "";
  await refresh();
  document.querySelector("#idle-title, #contact-title, #call-title")?.focus();
}

const ACTS = [
  ["data-accept", accept],
  ["data-end", (form) => phone.end(form.action)],
  ["data-compose", write],
  ["data-report", finish],
  ["data-post", (form, submitter) => send(form.action, new FormData(form, submitter))],
];

document.addEventListener("submit", (event) => {
  const form = event.target;
  const [, act] = ACTS.find(([attribute]) => form.hasAttribute(attribute)) ?? [];
  if (!act) return;
  event.preventDefault();
  exclusively(form, () => act(form, event.submitter));
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-open-contact]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openContact(new URL(link.href).searchParams.get("contact"));
});

document.addEventListener("keydown", (event) => {
  const form = event.target.closest("form[data-compose]");
  if (form && event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

addEventListener("beforeunload", (event) => {
  const typed = [...document.querySelectorAll("form[data-compose] textarea")].some((field) => field.value.trim());
  if (phone.isOnCall() || report.hasUnsaved() || typed) event.preventDefault();
});

// The newest text is in sight unless the peer has scrolled up to read.
let seen = null;

function scrollThread() {
  const thread = document.querySelector("[data-thread]");
  if (!thread) return;
  const wasAtEnd = seen?.id !== thread.id || seen.height - seen.top - thread.clientHeight < 40;
  if (wasAtEnd) thread.scrollTop = thread.scrollHeight;
  remember(thread);
}

function remember(thread) {
  seen = { id: thread.id, height: thread.scrollHeight, top: thread.scrollTop };
}

document.addEventListener("scroll", (event) => {
  if (event.target instanceof Element && event.target.matches("[data-thread]")) remember(event.target);
}, true);

waitForPhone((holds, onCallElsewhere) => {
  notice("tab", holds ? "" : onCallElsewhere
    ? "You are on a call in another tab or window of this browser."
    : "Your phone is in another tab or window of this browser: it rings there.");
  document.querySelector("[data-take-phone]").hidden = onCallElsewhere;
  if (holds) phone.prepare();
  changed();
});
document.querySelector("[data-take-phone]").addEventListener("click", takePhone);

const sound = document.getElementById("ring-sound");
const volume = document.getElementById("ring-volume");
sound.value = ring.settings.sound;
volume.value = ring.settings.volume;
sound.addEventListener("change", () => {
  ring.settings.sound = sound.value;
});
volume.addEventListener("change", () => {
  ring.settings.volume = volume.value;
});
document.querySelector("[data-test-sound]").addEventListener("click", ring.once);

ring.watchSilence();
offers.offerNotifications();
phone.watchMicrophone();
