// Asking the server: every request in one way, every failure in words.

import { t } from "./words.js";

const TIMEOUT_MS = 10_000;

// The server said no, or could not be asked. `code` is for the program, `message` for the person.
export class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// POST a form; answers what the server answers. Throws Refusal. `options` go to fetch().
export async function send(url, data, options = {}) {
  const body = new URLSearchParams(data);
  body.delete("csrf_token"); // a form may be older than the login; the page's own token is kept fresh
  const response = await ask(url, {
    method: "POST",
    body,
    headers: {
      Accept: "application/json",
      "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content,
    },
    ...options,
  });
  return response.json();
}

export async function readJson(url) {
  const response = await ask(url, { headers: { Accept: "application/json" } });
  return response.json();
}

// A fragment of the page, or null if it is still the version that `etag` names.
export async function readFragment(url, etag) {
  const response = await ask(url, { headers: etag ? { "If-None-Match": etag } : {} });
  if (response.status === 304) return null;
  return { html: await response.text(), etag: response.headers.get("ETag") };
}

async function ask(url, options) {
  let response;
  try {
    response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS), ...options });
  } catch {
    throw new Refusal(0, "no_connection", t("There is no connection just now."));
  }
  if (response.ok || response.status === 304) return response;
  const { error = {} } = await response.json().catch(() => ({}));
  throw new Refusal(response.status, error.code, error.message ?? t("Something went wrong on our side. Please try again."));
}
