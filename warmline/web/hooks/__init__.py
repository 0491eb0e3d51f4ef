"""What Twilio asks. A form is read through `field`, which makes any value safe to look up and to store."""

import logging

from flask import Response, request

log = logging.getLogger(__name__)

LONGEST = 1600  # characters; the longest field that means anything is the body of a text


def field(name: str) -> str:
    """The field's first value without NUL (which PostgreSQL cannot store), cut to LONGEST; "" if it is missing."""
    return request.form.get(name, "").replace("\0", "")[:LONGEST]


def number(name: str, otherwise: int) -> int:
    """A small count in our own address; `otherwise` if it is missing or no number."""
    return request.args.get(name, otherwise, type=int)


def answer(document: str, status: int = 200) -> Response:
    """A TwiML document."""
    return Response(document, status, mimetype="text/xml")


def log_failure(error: Exception) -> None:
    """Log the failure of a hook by its route only: neither address nor form belongs in a log."""
    log.error("a hook failed", exc_info=error, extra={"endpoint": request.endpoint})
