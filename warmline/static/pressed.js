// What is pressed shows that its answer takes a while, and says beside itself what failed. What was typed stays.

import { notice } from "./announce.js";
import { t } from "./words.js";

const QUIET_MS = 300; // what is quicker needs no sign
const AGAIN_MS = 1000; // between the two presses of a double click, with room for a slow hand
const NEAR = 10; // px that a hand may move meanwhile
const waits = new WeakMap(); // button or link → how its latest wait ends
const busy = new Set(); // actions of forms under way

let latest = null; // press by a pointer

// The second press of a double click is meant for what the first one pressed. If that is gone by then, as an offer is, the
// second would press whatever has moved to its place.
addEventListener("click", (event) => {
  if (!event.detail) return; // by a key, or by a label
  const { target, timeStamp, clientX, clientY } = event;
  const isAgain = latest && timeStamp - latest.timeStamp < AGAIN_MS
    && Math.hypot(clientX - latest.clientX, clientY - latest.clientY) < NEAR;
  if (isAgain && !latest.target.isConnected) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  latest = { target, timeStamp, clientX, clientY };
}, { capture: true });

// A button, or a link, waits for an answer. Returns the function that ends it: `over()`, or `over(words)` if it failed.
export function wait(button) {
  for (const old of document.querySelectorAll(".pressed-failed")) old.remove();
  waits.get(button)?.();
  const words = document.createElement("span"); // there before its words, so that a screen reader notices them
  words.className = "pressed";
  words.ariaLive = "polite";
  words.dataset.own = "";
  button.parentElement.append(words);
  const timer = setTimeout(() => {
    button.setAttribute("aria-busy", "true");
    button.setAttribute("aria-disabled", "true");
    words.textContent = t("One moment…");
  }, QUIET_MS);

  function over(failure = "") {
    if (waits.get(button) !== over) return;
    waits.delete(button);
    clearTimeout(timer);
    if (button.hasAttribute("aria-busy")) button.removeAttribute("aria-disabled");
    button.removeAttribute("aria-busy");
    words.classList.toggle("pressed-failed", Boolean(failure));
    words.textContent = failure;
    if (!failure) words.remove();
    else if (isInSight(button.closest("form") ?? button)) words.scrollIntoView({ block: "nearest" });
  }

  waits.set(button, over);
  return over;
}

function isInSight(element) {
  const { top, bottom } = element.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}

// Sends a form with `act()`, once however often it is pressed, and shows what became of it. `refresh()` follows; if the
// form is gone by then, its failure is said above the page.
export async function press(form, submitter, act, refresh = () => {}) {
  const { action } = form;
  if (busy.has(action)) return;
  busy.add(action);
  notice("failure", "");
  const button = submitter ?? form.querySelector('[type="submit"]');
  const over = wait(button);
  let failure = "";
  try {
    await act();
  } catch (refusal) {
    failure = refusal.message;
  }
  over(failure);
  busy.delete(action);
  await refresh();
  if (failure && !button.isConnected) notice("failure", failure);
}
