// The directory beside an open contact: searches while somebody types, and keeps what was found when the page is fresh
// again. The list of what was chosen is the server's.

import { readFragment, send } from "./api.js";
import { sayAloud } from "./announce.js";
import { morph } from "./morph.js";
import { wait } from "./pressed.js";
import { t } from "./words.js";

const PAUSE_MS = 400;
const SHORTEST = 2; // letters that are worth a search while somebody types

let asked = 0; // an answer that comes after a later question is not shown
let timer = null;
let pressed = null; // a button of the list, which will be gone with what it stands for

// A form of the list or of what was found: adds, removes, or texts.
export async function refer(form) {
  pressed = form.closest("[data-found]") ? null : document.activeElement;
  try {
    await send(form.action, new FormData(form));
  } catch (refusal) {
    pressed = null;
    throw refusal;
  }
  sayAloud(form.dataset.said);
}

// After each new version of the page.
export function changed() {
  mark();
  if (!pressed || pressed.isConnected) return;
  pressed = null;
  if (document.activeElement === document.body) document.getElementById("resources-title")?.focus();
}

// What was found says which of it the caller was given.
function mark() {
  const given = new Set([...document.querySelectorAll("[data-given]")].map((row) => row.dataset.given));
  for (const button of document.querySelectorAll("[data-add]")) {
    const added = given.has(button.dataset.add);
    if (added) button.setAttribute("aria-disabled", "true");
    else button.removeAttribute("aria-disabled");
    button.querySelector("[data-add-words]").textContent = added ? t("Added") : t("Add");
  }
}

function searchUrl(form) {
  const wanted = new URLSearchParams(new FormData(form));
  wanted.delete("contact");
  return `${form.dataset.search}?${wanted}`;
}

async function show(url, into, pressed) {
  clearTimeout(timer);
  const question = ++asked;
  const over = wait(pressed);
  let answer;
  try {
    answer = await readFragment(url, null);
    over();
  } catch (refusal) {
    over(refusal.message);
    if (!into.contains(pressed)) into.replaceChildren(); // what is there answers an earlier question
    return false;
  }
  if (question !== asked || !into.isConnected) return false;
  const template = document.createElement("template");
  template.innerHTML = answer.html;
  const newer = template.content.querySelector("[data-results]");
  const current = into.querySelector("[data-results]");
  if (current) morph(current, newer);
  else into.replaceChildren(newer);
  mark();
  sayAloud(into.querySelector("[data-count]").textContent.trim());
  return true;
}

function search(form) {
  return show(searchUrl(form), foundBeside(form), form.querySelector('[type="submit"]'));
}

function foundBeside(element) {
  return element.closest("section").querySelector("[data-found]");
}

// The next services come after those that are there, and the focus goes to the first of them.
async function more(link) {
  const into = foundBeside(link);
  const before = into.querySelectorAll("li").length;
  if (await show(link.dataset.more, into, link)) into.querySelectorAll("li")[before]?.focus();
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-search]")) return;
  event.preventDefault();
  search(event.target);
});

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-search]");
  if (!form) return;
  clearTimeout(timer);
  const typing = event.target.type === "search";
  if (typing && event.target.value.trim().length < SHORTEST) return;
  timer = setTimeout(() => form.isConnected && search(form), typing ? PAUSE_MS : 0);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-more]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  more(link);
});
