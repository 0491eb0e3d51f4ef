// The server's clock, drawn by the page. Deadlines belong to the server; a computer whose clock is wrong still shows
// them rightly, because the difference is measured.

const navigation = performance.getEntriesByType("navigation")[0];
let skew = 0; // the server's clock minus ours, in ms

// `serverTime` (ISO 8601) was the server's time when we, by our clock, were at `ours`.
function learn(serverTime, ours) {
  skew = Date.parse(serverTime) - ours;
}

// The page itself was rendered just before its first byte arrived.
export function learnFromPage(serverTime) {
  if (navigation) learn(serverTime, performance.timeOrigin + navigation.responseStart);
}

// An answer was rendered somewhere between asking and having it.
export function learnFromAnswer(serverTime, askedAt) {
  learn(serverTime, (askedAt + Date.now()) / 2);
}

// The server's time in a zone: whoever reads may sit in another one.
export function timeIn(timeZone) {
  const now = new Date(Date.now() + skew);
  return now.toLocaleTimeString(document.documentElement.lang, { timeZone }).replaceAll("\u202f", " ");
}

// The same where the lines are, each zone by its short name.
export function clockThere(zones) {
  const now = new Date(Date.now() + skew);
  // In English in every language: Spanish would say "GMT-5" for EST.
  const name = (timeZone) =>
    new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "short" })
      .formatToParts(now)
      .find(({ type }) => type === "timeZoneName").value;
  return zones.map((zone) => `${timeIn(zone)} ${name(zone)}`).join(" · ");
}

export function secondsUntil(iso) {
  return (Date.parse(iso) - Date.now() - skew) / 1000;
}

function minutes(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// Counts every <time data-since> up and every <time data-until> down.
export function draw() {
  for (const element of document.querySelectorAll("time[data-since], time[data-until]")) {
    const left = secondsUntil(element.dateTime);
    const text = "since" in element.dataset ? minutes(-left) : minutes(Math.ceil(left));
    if (element.textContent !== text) element.textContent = text;
  }
}

setInterval(draw, 500);
