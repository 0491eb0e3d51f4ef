"""Calls that the product makes: they ring until somebody answers, declines, or the time is up.

The telephone on the page that has the number rings; a test answers with POST /script/calls/<sid>/answer.
"""

from __future__ import annotations

from collections.abc import Callable

from simulator.call import Call, HungUp, Target
from simulator.interpreter import live


def nothing() -> None:
    """Nobody else needs to know."""


def ring(
    call: Call,
    seconds: float,
    target: Target,
    answered: Callable[[], None] = nothing,
    unanswered: Callable[[], None] = nothing,
) -> None:
    """Ring for `seconds`; then tell how it went, and live by `target` or be over."""
    call.status = "initiated"
    call.report("initiated")
    call.status = "ringing"
    call.report("ringing")
    call.show({"state": "ringing", "from": call.from_})
    try:
        outcome = "answered" if call.wait(seconds, until=lambda: call.picked_up) else "no-answer"
    except HungUp as end:
        outcome = "canceled" if end.by_rest else "busy"
    if outcome == "answered":
        answered()
        call.answer()
        live(call, target)
    else:
        call.finish(outcome)
        unanswered()
