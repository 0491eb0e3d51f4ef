"""Logs: one JSON object a line, with ids and never with numbers, names or words.

What a log line may hold is decided where it is written; the two filters here are the net below.
"""

import logging.config
import re
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Fields that would hold somebody's words, number or secret, whoever logs them.
PRIVATE = {
    "address", "authorization", "body", "caller", "cookie", "email", "form", "from", "name", "notes", "number",
    "password", "secret", "to", "token", "text",
}  # fmt: skip
# Seven digits and more, however they are grouped, that are not part of an id or a time.
NUMBER = re.compile(r"(?<![\w:.-])\+?\(?\d(?:[ ().-]{0,2}\d){6,14}(?![\w:])")
REMOVED = "[removed]"


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Take out private fields, and what looks like a telephone number anywhere, tracebacks included."""
    for key, value in event.items():
        if key in PRIVATE:
            event[key] = REMOVED
        elif isinstance(value, str) and key != "timestamp":
            event[key] = NUMBER.sub(REMOVED, value)
    return event


def configuration(form: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`, and so for gunicorn: everything goes to stderr as `form` (json or text)."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = (
        [structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer()]
        if form == "json"
        else [structlog.processors.format_exc_info, redact, structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            # Their own handlers would bypass the net.
            "gunicorn.error": {"handlers": [], "propagate": True, "level": "INFO"},
            "gunicorn.access": {"handlers": [], "propagate": False},
            "alembic": {"level": "WARNING"},
            "engineio": {"level": "WARNING"},
            "socketio": {"level": "WARNING"},
            "twilio": {"level": "WARNING"},  # at INFO it writes the parameters of each request
        },
    }


def use(form: str) -> None:
    """Send every log line of this process through `configuration(form)`."""
    logging.config.dictConfig(configuration(form))
