"""Telephones over HTTP: the page has them under /phones, the script interface under /script."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from simulator import telephones
from simulator.web import asked, call_of, company, texts_in

handset = Blueprint("handset", __name__)


@handset.errorhandler(telephones.NotPossible)
def _refuse(error: telephones.NotPossible) -> tuple[Response, int]:
    return jsonify(error=str(error)), 400


@handset.post("/calls")
def dial() -> tuple[dict[str, Any], int]:
    """{from, to, page}; an empty `from` withholds the number. Of a `page` that goes away the calls end."""
    wish = asked()
    from_, to, page = (str(wish.get(name, "")) for name in ("from", "to", "page"))
    call = telephones.dial(company(), from_, to, page)
    return telephones.describe(call), 201


@handset.get("/calls/<sid>")
def show(sid: str) -> dict[str, Any]:
    return telephones.describe(call_of(sid))


@handset.post("/calls/<sid>/answer")
def answer(sid: str) -> tuple[str, int]:
    """{page}: pick up a call that the product makes."""
    telephones.answer(call_of(sid), str(asked().get("page", "")))
    return "", 204


@handset.post("/calls/<sid>/keys")
def press(sid: str) -> tuple[str, int]:
    """{digits}"""
    call_of(sid).press(str(asked().get("digits", "")))
    return "", 204


@handset.post("/calls/<sid>/hangup")
@handset.delete("/calls/<sid>")
def hang_up(sid: str) -> tuple[str, int]:
    telephones.hang_up(call_of(sid))
    return "", 204


@handset.post("/texts")
def text() -> tuple[dict[str, Any], int]:
    """{from, to, body, params}; `params` adds fields, such as OptOutType, to what the product is told."""
    wish = asked()
    from_, to, body = (str(wish.get(name, "")) for name in ("from", "to", "body"))
    message = telephones.text(company(), from_, to, body, texts_in(wish, "params"))
    return telephones.describe_text(message), 201


@handset.get("/texts")
def texts() -> dict[str, Any]:
    """All texts, oldest first; with ?number= those to or from it."""
    number = request.args.get("number")
    found = [m for m in company().messages.values() if number in (None, m.from_, m.to)]
    return {"texts": [telephones.describe_text(message) for message in found]}
