// One tab holds the phone. The lock is the browser's own: it is free again the moment its tab is closed or crashes,
// and the next tab in line then has it.

const LOCK = "console";
const channel = new BroadcastChannel(LOCK);
const forever = () => new Promise(() => {});

let holds = false;
let onCall = false;
let report = () => {};

export function hasPhone() {
  return holds;
}

// Waits for the phone; `changed(holds, onCallElsewhere)` runs whenever this tab gains or loses it.
export function waitForPhone(changed) {
  report = changed;
  if (!navigator.locks) {
    gained(); // an old browser: every tab rings
    return;
  }
  wait();
  // A lock that is free is granted at once; whoever has none by now is a second tab.
  setTimeout(() => {
    if (!holds) report(false, false);
    channel.postMessage({ ask: true });
  }, 200);
}

// Takes the phone from whichever tab has it, even a frozen one.
export async function takePhone() {
  if (holds) return;
  await new Promise((granted) => {
    navigator.locks.request(LOCK, { steal: true }, () => {
      gained();
      granted();
      return forever();
    }).catch(lost);
  });
}

// The tab with the phone tells the others whether a call is on: a call cannot move.
export function tellOthers(isOnCall) {
  onCall = isOnCall;
  if (holds) channel.postMessage({ onCall });
}

function wait() {
  navigator.locks.request(LOCK, () => {
    gained();
    return forever();
  }).catch(lost);
}

function gained() {
  holds = true;
  report(true, false);
}

function lost() {
  holds = false;
  report(false, false);
  wait();
}

channel.onmessage = ({ data }) => {
  if (data.ask && holds) channel.postMessage({ onCall });
  if ("onCall" in data && !holds) report(false, data.onCall);
};
