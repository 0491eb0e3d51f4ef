// What is said: aloud by a screen reader, and on the screen as a notice.

const alertRegion = document.getElementById("alert");
const saidRegion = document.getElementById("said");
const waiting = new Map(); // region → sentences to be said together
const told = new Set();

// At once, interrupting: an offer. The region is emptied first, or the same words twice would be said once.
export function alertAloud(words) {
  say(alertRegion, words);
}

// When the reader is free: a state that changed.
export function sayAloud(words) {
  say(saidRegion, words);
}

function say(region, words) {
  const sentences = waiting.get(region) ?? [];
  sentences.push(words);
  if (sentences.length > 1) return;
  waiting.set(region, sentences);
  region.textContent = "";
  setTimeout(() => {
    region.textContent = sentences.join(" ");
    waiting.delete(region);
  }, 50);
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
