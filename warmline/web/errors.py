"""Errors as answers: JSON for those who asked for it, else a page that says what to do next."""

import logging

from flask import Flask, current_app, jsonify, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException

from warmline.errors import DomainError
from warmline.web import language
from warmline.web.language import later

log = logging.getLogger(__name__)

MESSAGES = {
    400: later("That request was not complete. Go back, load the page again, and try once more."),
    401: later("Please log in."),
    403: later("This is not open to your account."),
    404: later("There is nothing here by that name."),
    405: later("This address cannot be used that way."),
    413: later("That is too much at once: 64 kB at most."),
    429: later("Too many tries. Wait a minute, then try again."),
    500: later("Something went wrong on our side. It was noted; please try again."),
    503: later("The service is not reachable at the moment. Please try again in a few seconds."),
}
TITLES = {
    400: later("That did not work"),
    401: later("Please log in"),
    403: later("Not allowed"),
    404: later("Not found"),
    405: later("Not this way"),
    409: later("Too late"),
    413: later("Too much"),
    422: later("That does not fit"),
    429: later("Too many tries"),
    500: later("Something went wrong"),
    503: later("Not reachable"),
}
# Where the form of an address stands that only takes one; where no other is named, whoever asks goes home.
PAGES = {
    "directory.deactivate": "directory.one",
    "history.lift_allowance": "history.contact",
    "history.notes": "history.contact",
    "lines.pause": "lines.settings",
    "lines.reopen": "lines.settings",
    "lines.resume": "lines.settings",
}
OUT_OF_DATE = later("This page is out of date. Load it again, and try once more.")


def wants_json() -> bool:
    """Whether the answer should be JSON: the Accept header prefers it, or it is a script that asks."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json" or request.path.endswith(("/state", "/fragment"))


def answer(status: int, code: str, message: str) -> ResponseReturnValue:
    """One error, in the form asked for."""
    if wants_json():
        return jsonify(error={"code": code, "message": message}), status
    return render_template("error.html", title=language.say(TITLES.get(status, TITLES[400])), message=message), status


def use(app: Flask) -> None:
    """Answer every error of `app` here, except where a blueprint has a handler of its own."""
    app.register_error_handler(DomainError, _domain)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    for lost in (OperationalError, InterfaceError, PoolTimeoutError):
        app.register_error_handler(lost, _database)


def _domain(error: DomainError) -> ResponseReturnValue:
    return answer(error.status, error.code, language.say(error.message, **error.values))


def _csrf(error: CSRFError) -> ResponseReturnValue:
    return answer(400, "csrf", language.say(OUT_OF_DATE))


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None:
        return error.response
    status = error.code or 500
    if status == 401 and not wants_json():
        # Only what was asked for by GET can be shown afterwards.
        after = request.full_path.rstrip("?") if request.method == "GET" else None
        return redirect(url_for("account.login", next=after))
    if status == 405 and request.method in {"GET", "HEAD"} and not wants_json() and (page := _page_of_form()):
        return redirect(page, 303)
    code = "not_logged_in" if status == 401 else error.name.lower().replace(" ", "_")
    response = make_response(answer(status, code, language.say(MESSAGES.get(status, MESSAGES[400]))))
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response


def _page_of_form() -> str | None:
    """Where a reader finds the form whose address they opened, or loaded again after an error; None for a webhook.

    Opening it by address does not do what the form does, and is no mistake to be scolded for.
    """
    adapter = current_app.create_url_adapter(request)
    if adapter is None or request.path.startswith("/twilio/"):
        return None
    endpoint, values = adapter.match(method="POST")
    return url_for(PAGES[endpoint], **values) if endpoint in PAGES else url_for("account.home")


def _database(error: SQLAlchemyError) -> ResponseReturnValue:
    # Where it was asked does not matter, and every request would say so in a hundred lines.
    log.error("the database does not answer", extra={"error": str(error).splitlines()[0]})
    response = make_response(answer(503, "unavailable", language.say(MESSAGES[503])))
    response.headers["Retry-After"] = "5"
    return response
