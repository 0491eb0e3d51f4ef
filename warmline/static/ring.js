// The ring, made by the browser itself, so that no file can be missing.

import { notice } from "./announce.js";
import { t } from "./words.js";

// Notes as [start in s, frequency in Hz, length in s]; the pattern repeats every PERIOD_MS.
const SOUNDS = {
  chime: { wave: "sine", notes: [[0, 659, 0.5], [0.25, 880, 0.7]] },
  bell: { wave: "triangle", notes: [[0, 988, 0.9], [0.6, 988, 0.9]] },
  phone: { wave: "square", notes: [[0, 440, 0.35], [0.0, 480, 0.35], [0.5, 440, 0.35], [0.5, 480, 0.35]] },
};
const PERIOD_MS = 2000;

let audio = null;
let repeating = null;
let pressed = false;

function sound() {
  return SOUNDS[stored("ring-sound")] ? stored("ring-sound") : "chime";
}

// In percent.
function volume() {
  const chosen = Number(stored("ring-volume") ?? 80);
  return chosen >= 0 && chosen <= 100 ? chosen : 80;
}

export function watchSettings() {
  const choices = { "ring-sound": sound(), "ring-volume": volume() };
  for (const [key, value] of Object.entries(choices)) {
    const field = document.getElementById(key);
    field.value = value;
    field.addEventListener("change", () => store(key, field.value));
  }
  document.querySelector("[data-test-sound]").addEventListener("click", once);
}

export function start() {
  if (repeating) return;
  once();
  repeating = setInterval(once, PERIOD_MS);
}

export function stop() {
  clearInterval(repeating);
  repeating = null;
}

function once() {
  const { wave, notes } = SOUNDS[sound()];
  const context = awake();
  for (const [start, frequency, length] of notes) {
    const from = context.currentTime + start;
    const tone = new OscillatorNode(context, { type: wave, frequency });
    const loudness = new GainNode(context, { gain: 0 });
    loudness.gain.setValueAtTime(0, from);
    loudness.gain.linearRampToValueAtTime(volume() / 100, from + 0.02);
    loudness.gain.exponentialRampToValueAtTime(0.001, from + length);
    tone.connect(loudness).connect(context.destination);
    tone.start(from);
    tone.stop(from + length);
  }
}

// Browsers keep a page silent until its user has touched it; then we must say so, or a peer waits for a ring in vain.
function awake() {
  audio ??= new AudioContext();
  if (audio.state === "suspended") audio.resume();
  return audio;
}

// Not in the middle of a press: what is pressed would move away from under it, and the press would be for nothing.
function showSilence() {
  if (!pressed) document.getElementById("notice-sound").hidden = awake().state !== "suspended";
}

export function watchSilence() {
  awake().addEventListener("statechange", showSilence);
  addEventListener("keydown", awake, { capture: true });
  addEventListener("pointerdown", () => {
    pressed = true;
    awake();
  }, { capture: true });
  for (const over of ["pointerup", "pointercancel"]) {
    addEventListener(over, () => {
      pressed = false;
      setTimeout(showSilence); // the click comes first
    }, { capture: true });
  }
  setTimeout(showSilence, 300); // resuming takes a moment where it is allowed
}

function stored(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function store(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    notice("failure", t("This browser cannot remember the setting."));
  }
}
