// The contact report saves itself from the first key. Nothing of it is kept in the browser: it may hold somebody's
// troubles, and the computer may be shared.

import { send } from "./api.js";
import { notice, sayAloud } from "./announce.js";
import { timeIn } from "./time.js";
import { t } from "./words.js";

const PAUSE_MS = 800;
const HOPELESS = new Set([404, 409, 413, 422]); // refused for what it is; anything else may pass
const RETRY_MS = [2000, 4000, 8000, 15_000];

// form → { timer, saving: promise or null, unsaved, failures }
const known = new Map();

function stateOf(form) {
  if (!known.has(form)) known.set(form, { timer: null, saving: null, unsaved: false, failures: 0 });
  return known.get(form);
}

function edited(form) {
  const state = stateOf(form);
  state.unsaved = true;
  if ("logged" in form.dataset) {
    show(form, t("Changed, not saved yet")); // what is logged changes when its peer presses Save, or leaves it
    return;
  }
  show(form, "");
  saveAfter(form, PAUSE_MS);
}

function saveAfter(form, pause) {
  const state = stateOf(form);
  clearTimeout(state.timer);
  state.timer = setTimeout(() => save(form), pause);
}

// One draft at a time, or an older one could arrive last.
async function save(form, options) {
  const state = stateOf(form);
  clearTimeout(state.timer);
  await state.saving;
  if (!state.unsaved) return;
  state.unsaved = false;
  const url = "logged" in form.dataset ? form.action : form.dataset.draft;
  state.saving = send(url, new FormData(form), options).then(
    () => {
      if (state.failures) sayAloud(t("The report is saved."));
      state.failures = 0;
      if (!state.unsaved) show(form, t("Saved {time}", { time: timeIn(form.dataset.zone) }));
    },
    (refusal) => {
      if (HOPELESS.has(refusal.status)) {
        show(form, t("Not saved: {why}", { why: refusal.message }));
        if (!form.isConnected) notice("failure", t("The report was not saved: {why}", { why: refusal.message }));
        return;
      }
      state.unsaved = true;
      if (!state.failures) sayAloud(t("The report is not saved. Trying again."));
      show(form, t("Not saved, trying again"));
      saveAfter(form, RETRY_MS[Math.min(state.failures++, RETRY_MS.length - 1)]);
    },
  );
  await state.saving;
  state.saving = null;
}

function show(form, words) {
  form.querySelector("[data-saved]").textContent = words;
}

export function hasUnsaved() {
  return [...known.values()].some((state) => state.unsaved || state.saving);
}

// Sends at once whatever is not saved: before another contact is opened, or the page is hidden.
export function saveAll() {
  for (const form of known.keys()) save(form, { keepalive: true });
}

// Finishes the report; answers whether it was taken. What the server misses is named, and the focus goes there.
export async function finish(form) {
  const state = stateOf(form);
  clearTimeout(state.timer);
  await state.saving;
  state.unsaved = false; // all of it goes with this request
  complain(form, null);
  try {
    await send(form.action, new FormData(form));
  } catch (refusal) {
    state.unsaved = true;
    complain(form, refusal);
    return false;
  }
  form.dataset.logged = "";
  show(form, t("Logged {time}", { time: timeIn(form.dataset.zone) }));
  return true;
}

// After every refresh: the server says what is logged, and that it is no longer when its peer talks with the caller again.
export function changed() {
  for (const form of document.querySelectorAll("form[data-report]")) {
    const isLogged = form.parentElement.querySelector(".logged") !== null;
    if (isLogged === "logged" in form.dataset) continue;
    form.toggleAttribute("data-logged", isLogged);
    form.querySelector(".report-foot [type=submit]").textContent = isLogged ? t("Save") : t("Log this contact");
    if (!isLogged && stateOf(form).unsaved) saveAfter(form, PAUSE_MS);
  }
}

const MISSING = { disposition_missing: "disposition", reasons_missing: "reasons" };

// Shows why the report was not taken, with a link to the field if it is about one; null clears that.
function complain(form, refusal) {
  const summary = form.querySelector("[data-errors]");
  summary.replaceChildren();
  summary.hidden = !refusal;
  for (const fieldset of form.querySelectorAll("fieldset")) {
    fieldset.removeAttribute("aria-describedby");
    fieldset.classList.remove("missing");
  }
  if (!refusal) return;
  const field = MISSING[refusal.code];
  const words = document.createElement(field ? "a" : "span");
  words.textContent = refusal.message;
  summary.append(t("Not logged yet."), " ", words);
  summary.focus();
  if (!field) return;
  const fieldset = form.querySelector(`fieldset[data-field="${field}"]`);
  fieldset.setAttribute("aria-describedby", summary.id);
  fieldset.classList.add("missing");
  words.href = `#${fieldset.id}`;
  words.addEventListener("click", (event) => {
    event.preventDefault();
    fieldset.querySelector("input").focus();
  });
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-report]");
  if (form) edited(form);
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") saveAll();
});
addEventListener("online", saveAll);
