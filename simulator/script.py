"""The script interface: what a test or a load generator may do besides telephoning (handset.py), in JSON.

It looks behind the scenes and asks for faults. docs/simulator.md lists it. It exists on loopback only, and
not at all with SIMULATOR_SCRIPT=off.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify

from simulator import telephones
from simulator.faults import Fault
from simulator.softphone import BadToken, connect, identity_of
from simulator.web import asked, company, texts_in

script = Blueprint("script", __name__, url_prefix="/script")


@script.errorhandler(BadToken)
@script.errorhandler(ValueError)
@script.errorhandler(TypeError)
def _refuse(error: Exception) -> tuple[Response, int]:
    return jsonify(error=str(error)), 400


@script.get("/calls")
def calls() -> dict[str, Any]:
    return {"calls": [telephones.describe(call) for call in company().calls.values()]}


@script.post("/softphone")
def softphone() -> tuple[dict[str, Any], int]:
    """{token or identity, params}: connect a softphone without a browser; a token is checked."""
    wish = asked()
    identity = identity_of(company(), str(wish["token"])) if "token" in wish else wish.get("identity")
    if not identity:
        raise ValueError("token or identity is needed")
    return {"sid": connect(company(), str(identity), texts_in(wish, "params")).sid}, 201


@script.get("/errors")
def errors() -> dict[str, Any]:
    return {"errors": list(company().errors)}


@script.get("/requests")
def requests() -> dict[str, Any]:
    return {"requests": list(company().requests)}


@script.post("/faults")
def add_fault() -> tuple[dict[str, Any], int]:
    """The fields of Fault; one with a status and no kind is a REST fault."""
    wish = asked()
    fault = Fault(**({"kind": "rest"} if "status" in wish else {}) | wish)
    company().faults.add(fault)
    return {"id": fault.id}, 201


@script.get("/faults")
def faults() -> dict[str, Any]:
    return {"faults": [asdict(fault) for fault in company().faults.waiting]}


@script.delete("/faults")
def clear_faults() -> tuple[str, int]:
    company().faults.clear()
    return "", 204


@script.post("/reset")
def reset() -> tuple[str, int]:
    company().reset()
    return "", 204
