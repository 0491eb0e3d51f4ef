// A peer needs a supervisor: it sounds until somebody has it, title and icon change, and it is said once.

import { send } from "./api.js";
import { alertAloud } from "./announce.js";
import { press } from "./pressed.js";
import * as ring from "./ring.js";

const icon = document.querySelector('link[rel="icon"]');
const quiet = { title: document.title, icon: icon.href };
const told = new Set();

// After every refresh.
export function attend() {
  const open = [...document.querySelectorAll("[data-alert]")];
  for (const { dataset } of open) {
    if (told.has(dataset.alert)) continue;
    told.add(dataset.alert);
    alertAloud(dataset.words);
  }
  if (open.length) {
    document.title = `● ${open[0].dataset.words}`;
    icon.href = new URL("icon-ring.svg", import.meta.url);
    ring.start();
  } else {
    document.title = quiet.title;
    icon.href = quiet.icon;
    ring.stop();
  }
}

// Acknowledging is one request, however often the button is pressed; `refresh` then shows who has it.
export function watch(refresh) {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.hasAttribute("data-acknowledge")) return;
    event.preventDefault();
    press(form, event.submitter, () => send(form.action, {}), refresh);
  });
  ring.watchSilence();
  attend();
}
