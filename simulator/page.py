"""The page with telephones, and what it is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import gevent
from flask import Blueprint, Response, abort, render_template, request, send_from_directory
from gevent.queue import Empty, Queue

from simulator.company import Company
from simulator.telephones import hang_up
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
BEAT = 1.0  # seconds between signs of life on the event stream; a page that crashed is noticed by the next ones
GRACE = 5.0  # seconds that a page may be without its event stream before its telephones have hung up


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
    """Everything that any telephone hears or receives; each phone on the page picks out its own.

    `page` is the page's name for itself, as its calls bear it.
    """
    headers = {"Cache-Control": "no-store"}
    stream = _events(company(), request.args.get("page", ""))
    return Response(stream, mimetype="text/event-stream", headers=headers)


def _events(here: Company, name: str) -> Iterator[str]:
    waiting: Queue[dict[str, Any]] = Queue()
    here.listeners.add(waiting.put)
    here.pages[name] += 1
    try:
        yield "retry: 1000\n\n"
        while True:
            try:
                yield f"data: {json.dumps(waiting.get(timeout=BEAT))}\n\n"
            except Empty:
                yield ": still here\n\n"
    finally:
        here.listeners.discard(waiting.put)
        here.pages[name] -= 1
        gevent.spawn_later(GRACE, _hang_up_those_of, here, name)


def _hang_up_those_of(here: Company, name: str) -> None:
    """A page that crashed cannot say so; one that only lost its stream has opened another."""
    if here.pages[name]:
        return
    del here.pages[name]
    for call in list(here.calls.values()):
        if name and call.page == name:
            hang_up(call)
