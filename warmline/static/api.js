// Asking the server: every request in one way, every failure in words.

import { t } from "./words.js";

const TIMEOUT_MS = 10_000;
const OUR_FAULT = t("Something went wrong on our side. Please try again.");

let tokenIsOld = false; // of the forms of this page

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

// What the server answers to a form of a page: a page too. `isElsewhere` if it leads on to another one.
export async function readPage(form, submitter) {
  const url = new URL(submitter?.hasAttribute("formaction") ? submitter.formAction : form.action);
  const data = new URLSearchParams(new FormData(form, submitter));
  if (tokenIsOld) data.set("csrf_token", await newToken());
  if (form.method === "get") url.search = data;
  const response = await reach(url, form.method === "get" ? {} : { method: "POST", body: data });
  const page = await parsed(response);
  if (response.redirected && page.querySelector("form[data-login]")) {
    tokenIsOld = true;
    throw new Refusal(401, "not_logged_in", t("You are logged out. Log in again in another tab, then come back: what you typed is still here."));
  }
  if (page.getElementById("content")) return { page, url: response.url, isElsewhere: response.redirected, hash: url.hash };
  throw new Refusal(response.status, null, page.querySelector("[data-message]")?.textContent ?? OUR_FAULT);
}

// Of the login that this browser has now.
async function newToken() {
  const page = await parsed(await reach(location.href));
  return page.querySelector('meta[name="csrf-token"]')?.content ?? "";
}

async function ask(url, options) {
  const response = await reach(url, options);
  if (response.ok || response.status === 304) return response;
  const { error = {} } = await response.json().catch(() => ({}));
  throw new Refusal(response.status, error.code, error.message ?? OUR_FAULT);
}

async function parsed(response) {
  const html = await response.text().catch(() => {
    throw noConnection();
  });
  return new DOMParser().parseFromString(html, "text/html");
}

async function reach(url, options) {
  try {
    return await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS), ...options });
  } catch {
    throw noConnection();
  }
}

function noConnection() {
  return new Refusal(0, "no_connection", t("There is no connection just now."));
}
