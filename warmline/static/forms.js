// Forms of the pages that are not live. The answer is drawn into the page, so that a request that fails takes nothing
// away; without scripts the browser does the same with whole pages. What a live page sends itself is left alone.

import { readPage } from "./api.js";
import { morph } from "./morph.js";
import { wait } from "./pressed.js";

const main = document.getElementById("content");
const latest = new WeakMap(); // form → the button whose answer it waits for
let shown = null; // the address of the page that a search has drawn here

document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || !main.contains(form)) return;
  event.preventDefault();
  const button = submitter ?? form.querySelector('[type="submit"]');
  if (latest.get(form) === button) return;
  latest.set(form, button);
  const sent = new Map([...form.elements].map((field) => [field, field.value]));
  const over = wait(button);
  for (const said of main.querySelectorAll("[data-until-pressed]")) said.remove();
  try {
    const answer = await readPage(form, submitter);
    if (latest.get(form) !== button) return over();
    if (answer.isElsewhere) return location.assign(answer.url); // it stays busy until the other page is there
    over();
    draw(answer, form, sent);
  } catch (refusal) {
    over(refusal.message);
  }
  latest.delete(form);
});

function draw({ page, url, hash }, form, sent) {
  const typedMeanwhile = [...form.elements].filter((field) => field.value !== sent.get(field)).map((field) => [field, field.value]);
  document.title = page.title;
  morph(main, page.getElementById("content"));
  for (const each of main.querySelectorAll("form")) each.reset(); // to what the server has put into it
  for (const [field, value] of typedMeanwhile) field.value = value;
  if (form.method === "get") {
    history.pushState(null, "", url);
    shown = location.pathname + location.search;
    return;
  }
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
  if (hash) document.querySelector(hash).scrollIntoView();
  main.querySelector("[autofocus]")?.focus();
}

// Back to what was here before a search. A step within the page is one too.
addEventListener("popstate", () => {
  if (shown !== null && location.pathname + location.search !== shown) location.reload();
});
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
