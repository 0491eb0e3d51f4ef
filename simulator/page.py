"""The page with telephones, and what it is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, abort, render_template, send_from_directory
from gevent.queue import Empty, Queue

from simulator.company import Company
from simulator.web import company

page = Blueprint("page", __name__, template_folder="static")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
BEAT = 5.0  # seconds between signs of life on the event stream


@page.get("/")
def phones() -> Response:
    settings = company().settings
    html = render_template("phones.html", lines=settings.numbers, product=settings.base_url)
    return Response(html, headers=HEADERS)


@page.get("/static/<path:name>")
def static(name: str) -> Response:
    if not name.endswith((".js", ".css")):
        abort(404)
    return send_from_directory("static", name, max_age=0)


@page.get("/healthz")
def healthz() -> dict[str, Any]:
    return {"ok": True, "calls": sum(not call.over for call in company().calls.values())}


@page.get("/phones/events")
def events() -> Response:
    """Everything that any telephone hears or receives; each phone on the page picks out its own."""
    headers = {"Cache-Control": "no-store"}
    return Response(_events(company()), mimetype="text/event-stream", headers=headers)


def _events(here: Company) -> Iterator[str]:
    waiting: Queue[dict[str, Any]] = Queue()
    here.listeners.add(waiting.put)
    try:
        yield "retry: 1000\n\n"
        while True:
            try:
                yield f"data: {json.dumps(waiting.get(timeout=BEAT))}\n\n"
            except Empty:
                yield ": still here\n\n"
    finally:
        here.listeners.discard(waiting.put)
