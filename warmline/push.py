"""Telling open pages that something changed. A push names what to fetch again and carries no content.

The web process (or a clock with Redis) hands in a transport; without one a push goes nowhere, which costs
nothing but seconds: every page fetches again on reconnect and every 10 s.
"""

import logging
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

# (room, what, id) -> None
_transport: Callable[[str, str, str], Any] | None = None


def use(transport: Callable[[str, str, str], Any] | None) -> None:
    """Send pushes through `transport(room, what, id)`."""
    global _transport
    _transport = transport


def publish(room: str, what: str, id: str) -> None:
    """Say to everybody in `room` (`peer:<id>` or `line:<id>`) that `what` ("console" or "board") changed.

    Called after a commit, never inside a transaction. A push that fails is logged and lost.
    """
    if _transport is None:
        return
    try:
        _transport(room, what, id)
    except Exception:
        log.exception("push failed", extra={"room": room})
