"""A peer gets a supervisor, records a hand-off, keeps a boundary; a supervisor takes an alert."""

from flask import Blueprint, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from warmline import clock
from warmline.contacts import alerts, boundary, handoffs
from warmline.telephony import twiml
from warmline.web import access
from warmline.web.errors import wants_json

blueprint = Blueprint("safety", __name__)


@blueprint.app_template_global()
def boundary_words(language: str) -> str:
    """The sentence with which a conversation ends when its peer keeps a boundary."""
    return twiml.sentence(language, boundary.WORDS)


@blueprint.post("/console/contacts/<contact_id>/alert")
@access.role("peer")
def alert(contact_id: str) -> ResponseReturnValue:
    """Get my supervisor."""
    form = request.form
    raised = alerts.ask(access.peer(), contact_id, form.get("words", ""), clock.now(), again=bool(form.get("again")))
    return _back_to(contact_id, alert=raised.id)


@blueprint.post("/console/contacts/<contact_id>/alert/withdraw")
@access.role("peer")
def withdraw(contact_id: str) -> ResponseReturnValue:
    alerts.withdraw(access.peer(), contact_id, clock.now())
    return _back_to(contact_id)


@blueprint.post("/console/contacts/<contact_id>/handoff")
@access.role("peer")
def handoff(contact_id: str) -> ResponseReturnValue:
    """Record, or correct, to whom the caller was handed over."""
    fields = ("given_to", "words", "agreed", "warmth", "outcome", "notes")
    said = handoffs.Said(**{field: request.form.get(field, "") for field in fields})
    handoffs.keep(access.peer(), contact_id, said, clock.now())
    return _back_to(contact_id)


@blueprint.post("/console/contacts/<contact_id>/boundary")
@access.role("peer")
def keep_boundary(contact_id: str) -> ResponseReturnValue:
    """End with the line's own kind sentence."""
    boundary.end(access.peer(), contact_id, clock.now())
    return _back_to(contact_id)


@blueprint.post("/board/alerts/<alert_id>/acknowledge")
@access.role("supervisor", "admin")
def acknowledge(alert_id: str) -> ResponseReturnValue:
    """Whoever is first has it; the answer names them."""
    holder = alerts.acknowledge(access.account(), alert_id, clock.now())
    if wants_json():
        return jsonify(ok=True, acknowledged_by=holder)
    return redirect(url_for("board.page"), 303)


def _back_to(contact_id: str, **answer: str) -> ResponseReturnValue:
    if wants_json():
        return jsonify(ok=True, **answer)
    return redirect(url_for("console.page", contact=contact_id), 303)
