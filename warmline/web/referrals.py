"""Services beside an open contact: the search, and the buttons that give one to the caller."""

from typing import Any

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from warmline import clock
from warmline.contacts import referrals, screens
from warmline.web import access, directory
from warmline.web.errors import wants_json

blueprint = Blueprint("referrals", __name__, url_prefix="/console/contacts/<contact_id>")


@blueprint.get("/resources")
@access.role("peer")
def resources(contact_id: str) -> ResponseReturnValue:
    """What the search beside this contact finds: a fragment for the page's script."""
    return render_template("console/_found.html", results=_results(contact_id))


@blueprint.post("/resources/<resource_id>/add")
@access.role("peer")
def add(contact_id: str, resource_id: str) -> ResponseReturnValue:
    added = referrals.add(access.peer(), contact_id, resource_id, clock.now())
    return _done(contact_id, referral=added)


@blueprint.post("/referrals/<referral_id>/remove")
@access.role("peer")
def remove(contact_id: str, referral_id: str) -> ResponseReturnValue:
    referrals.remove(access.peer(), contact_id, referral_id, clock.now())
    return _done(contact_id)


@blueprint.post("/referrals/text")
@access.role("peer")
def text(contact_id: str) -> ResponseReturnValue:
    """Text every chosen service that was not texted yet."""
    message = referrals.text(access.peer(), contact_id, bool(request.form.get("agreed")), clock.now())
    return _done(contact_id, message=message)


def found(view: screens.Console) -> screens.Results | None:
    """What was searched for by the page's address, for a browser without scripts."""
    return _results(view.open.entry.id) if view.open and "q" in request.args else None


def _results(contact_id: str) -> screens.Results:
    args = request.args
    wanted = args.get("q", ""), args.get("place", ""), args.get("kind", "")
    return screens.results(access.peer(), contact_id, *wanted, directory.shown())


def _done(contact_id: str, **answer: str) -> ResponseReturnValue:
    if wants_json():
        return jsonify(ok=True, **answer)
    search: dict[str, Any] = {name: request.args[name] for name in ("q", "place", "kind") if name in request.args}
    return redirect(url_for("console.page", contact=contact_id, _anchor="resources", **search), 303)
