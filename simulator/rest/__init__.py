"""Twilio's REST API 2010-04-01, as far as it is used: who may ask, what is refused, how answers look.

https://www.twilio.com/docs/usage/api and https://www.twilio.com/docs/api/errors
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import urlencode

import gevent
from flask import Blueprint, Response, g, jsonify, request

from simulator.company import now
from simulator.faults import Fault
from simulator.web import company

ROOT = "/2010-04-01/Accounts/<account>"

SPOILT = {
    429: (20429, "Too Many Requests"),
    500: (20500, "Internal Server Error"),
    503: (20503, "Service unavailable"),
}

api = Blueprint("rest", __name__)

Item = TypeVar("Item")


class Refusal(Exception):
    """An answer of Twilio's kind: HTTP status, its own code, a sentence."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def not_found() -> Refusal:
    return Refusal(404, 20404, f"The requested resource {request.path} was not found")


def find(items: dict[str, Item], key: str) -> Item:
    """The item, or 404 with code 20404."""
    if key not in items:
        raise not_found()
    return items[key]


def form() -> dict[str, str]:
    """The form's fields; of a repeated one the first."""
    return request.form.to_dict()


def base_uri() -> str:
    return f"/2010-04-01/Accounts/{company().settings.account_sid}"


def listing(key: str, items: Iterable[Item], shape: Callable[[Item], dict[str, Any]]) -> dict[str, Any]:
    """One page of a list, newest first as given, in Twilio's envelope."""
    everything = list(items)
    size = min(1000, max(1, request.args.get("PageSize", 50, int)))
    page = max(0, request.args.get("Page", 0, int))
    shown = everything[page * size : (page + 1) * size]

    def uri(number: int) -> str:
        asked: dict[str, str] = {**request.args.to_dict(), "PageSize": str(size), "Page": str(number)}
        return f"{request.path}?{urlencode(asked)}"

    return {
        key: [shape(item) for item in shown],
        "page": page,
        "page_size": size,
        "start": page * size,
        "end": page * size + max(0, len(shown) - 1),
        "uri": uri(page),
        "first_page_uri": uri(0),
        "previous_page_uri": uri(page - 1) if page else None,
        "next_page_uri": uri(page + 1) if (page + 1) * size < len(everything) else None,
    }


@api.before_request
def _admit() -> Response | None:
    """Basic authentication by auth token or API key, then whatever is to go wrong today."""
    settings, sent = company().settings, request.authorization
    keys = {settings.account_sid: settings.auth_token, settings.api_key_sid: settings.api_key_secret}
    user, password = (sent.username or "", sent.password or "") if sent and sent.type == "basic" else ("", "")
    if not secrets.compare_digest(keys.get(user, "\0").encode(), password.encode()):
        raise Refusal(401, 20003, "Authenticate")
    if (request.view_args or {}).get("account") != settings.account_sid:
        raise not_found()
    fault = company().faults.take(("rest",), request.path, request.method)
    if fault and fault.processed:
        g.lose = fault
        return None
    return _spoil(fault) if fault else None


def _spoil(fault: Fault) -> Response:
    if fault.status == "timeout":
        gevent.sleep(fault.seconds)
        return _answer(Refusal(504, 20504, "This answer came too late to matter"))
    if fault.status == 21220:
        return _answer(Refusal(400, 21220, "Call is not in-progress. Cannot redirect."))
    status = int(fault.status)
    return _answer(Refusal(status, *SPOILT[status]))


@api.after_request
def _log(response: Response) -> Response:
    """Note the request; the body's values only, never who asked."""
    if fault := g.pop("lose", None):
        response = _spoil(fault)
    problem = response.get_json(silent=True) if response.status_code >= 400 else None
    company().requests.append(
        {
            "at": now().isoformat(),
            "method": request.method,
            "path": request.path,
            "params": request.form.to_dict() or request.args.to_dict(),
            "status": response.status_code,
            "code": (problem or {}).get("code"),
        }
    )
    return response


@api.errorhandler(Refusal)
def _answer(refusal: Refusal) -> Response:
    response = jsonify(
        code=refusal.code,
        message=str(refusal),
        more_info=f"https://www.twilio.com/docs/errors/{refusal.code}",
        status=refusal.status,
    )
    response.status_code = refusal.status
    return response


@api.route(f"{ROOT}/<path:anything>", methods=["GET", "POST", "DELETE", "PUT"])
def _unknown(account: str, anything: str) -> Response:
    raise not_found()


from simulator.rest import calls, conferences, messages, queues  # noqa: E402, F401 (they add their routes)
