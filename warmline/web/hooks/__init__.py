"""What Twilio asks. A form is read through `field`, which makes any value safe to look up and to store."""

import logging
import re

from flask import Response, request

log = logging.getLogger(__name__)

LONGEST = 1600  # characters; the longest field that means anything is the body of a text
SID = re.compile(r"[A-Za-z0-9_-]{1,34}")  # https://www.twilio.com/docs/glossary/what-is-a-sid


def field(name: str) -> str:
    """The field's first value without NUL (which PostgreSQL cannot store), cut to LONGEST; "" if it is missing."""
    return request.form.get(name, "").replace("\0", "")[:LONGEST]


def sid(name: str) -> str:
    """A field that names a call, queue, conference or text; "" if it is missing or cannot be such a name.

    Whoever makes or finds a row by it refuses "": otherwise everybody without a name would be the same one.
    """
    value = field(name)
    return value if SID.fullmatch(value) else ""


def number(name: str, otherwise: int) -> int:
    """A count from 1 in our own address; `otherwise` if it is missing or no number."""
    return max(1, request.args.get(name, otherwise, type=int))


def answer(document: str, status: int = 200) -> Response:
    """A TwiML document."""
    return Response(document, status, mimetype="text/xml")


def log_failure(error: Exception) -> None:
    """Log the failure of a hook by its route only: neither address nor form belongs in a log."""
    log.error("a hook failed", exc_info=error, extra={"endpoint": request.endpoint})
