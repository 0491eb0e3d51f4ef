// What is said: aloud by a screen reader, and on the screen as a notice.

const alertRegion = document.getElementById("alert");
const saidRegion = document.getElementById("said");
const told = new Set();

const KEPT_MS = 7000; // a reader that is busy with another sentence comes to this one later

// At once, interrupting: an offer.
export function alertAloud(words) {
  say(alertRegion, words);
}

// When the reader is free: a state that changed.
export function sayAloud(words) {
  say(saidRegion, words);
}

// Each sentence is an element of its own: a screen reader reads what is added to such a region, and only that
// (aria-atomic="false" and aria-relevant="additions" in WAI-ARIA 1.2). A text that is replaced before the reader comes to
// it is never read, and the same words again are no change.
function say(region, words) {
  const sentence = document.createElement("p");
  sentence.textContent = words;
  region.append(sentence);
  setTimeout(() => sentence.remove(), KEPT_MS);
}

// What the server's page has to say: each `data-say` names one message, which is said once.
export function sayNews() {
  for (const element of document.querySelectorAll("[data-say]")) {
    if (told.has(element.dataset.say)) continue;
    told.add(element.dataset.say);
    sayAloud(element.textContent.trim().replace(/\s+/g, " "));
  }
}

// Shows `#notice-<name>` with these words, and says them; without words hides it.
export function notice(name, words) {
  const element = document.getElementById(`notice-${name}`);
  const target = element.querySelector("[data-words]") ?? element;
  const shown = element.hidden ? "" : target.textContent;
  element.hidden = !words;
  if (!words || words === shown) return;
  target.textContent = words;
  sayAloud(words);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-dismiss]");
  if (button) button.closest(".notice").hidden = true;
});
