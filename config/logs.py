"""Logs: one JSON object a line, with ids and never with numbers, names or words.

What a log line may hold is decided where it is written; the two filters here are the net below.
"""

import logging
import logging.config
import re
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Fields that would hold somebody's words, number or secret, whoever logs them.
PRIVATE = {
    "address", "authorization", "body", "caller", "cookie", "email", "form", "from", "name", "notes", "number",
    "password", "remember_as", "secret", "to", "token", "text", "words",
}  # fmt: skip
# Seven digits and more, however they are grouped, that are not part of an id or a time; %2B is a plus in an address.
NUMBER = re.compile(r"(?:(?<=%2B)|(?<![\w.-])(?<!\d:))\+?\(?\d(?:[ ().-]{0,2}\d){6,14}(?![\w:])", re.IGNORECASE)
REMOVED = "[removed]"


class Brief(logging.Filter):
    """Keeps an error's kind without its traceback: for what strangers can cause as often as they like."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[0]:
            record.msg, record.args = f"{record.getMessage()}: {record.exc_info[0].__name__}", ()
            record.exc_info = None
        return True


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Take out private fields, and what looks like a telephone number anywhere, tracebacks included."""
    return {key: value if key == "timestamp" else _redacted(key, value) for key, value in event.items()}


def _redacted(key: object, value: object) -> object:
    """A value as the log may hold it, however deep its words stand in it."""
    if str(key).lower() in PRIVATE:
        return REMOVED
    if isinstance(value, Mapping):
        return {str(inner): _redacted(inner, each) for inner, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(key, each) for each in value]
    text = value if isinstance(value, str) else str(value)
    clean = NUMBER.sub(REMOVED, text)
    return value if clean == text and isinstance(value, str | int | float | None) else clean


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
        "filters": {"brief": {"()": Brief}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            # Their own handlers would bypass the net.
            "gunicorn.error": {"handlers": [], "propagate": True, "level": "INFO"},
            "gunicorn.access": {"handlers": [], "propagate": False},
            "alembic": {"level": "WARNING"},
            "engineio": {"level": "WARNING", "filters": ["brief"]},  # malformed packets
            "socketio": {"level": "WARNING"},
            "twilio": {"level": "WARNING"},  # at INFO it writes the parameters of each request
        },
    }


def use(form: str) -> None:
    """Send every log line of this process through `configuration(form)`."""
    logging.config.dictConfig(configuration(form))
