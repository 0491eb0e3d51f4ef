"""What the simulator's routes share: which company is asked, and what the JSON body says."""

from __future__ import annotations

from typing import Any

from flask import abort, current_app, request

from simulator.call import Call
from simulator.company import Company


def company() -> Company:
    """The company behind this application."""
    found: Company = current_app.extensions["company"]
    return found


def call_of(sid: str) -> Call:
    """The call, or a 404."""
    return company().calls.get(sid) or abort(404)


def texts_in(wish: dict[str, Any], name: str) -> dict[str, str]:
    """The object `name` of a wish, all its values as text; a 400 if it is something else."""
    found = wish.get(name) or {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else abort(400)


def asked() -> dict[str, Any]:
    """The JSON object in the body, {} without a body, or a 415 for anything else."""
    found = request.get_json(silent=True) if request.content_length else {}
    return found if isinstance(found, dict) else abort(415)
