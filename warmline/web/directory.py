"""The directory of services: found by everybody, kept by supervisors and administrators."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from warmline import clock, db
from warmline.directory import resources, search
from warmline.errors import Invalid
from warmline.models import ResourceStatus, Role
from warmline.web import access, language
from warmline.web.errors import wants_json

blueprint = Blueprint("directory", __name__, url_prefix="/directory")


@blueprint.app_template_filter()
def in_words(day: date) -> str:
    """A day as the page's language writes it: "Nov 2, 2026"."""
    return language.date_in_words(datetime.combine(day, time(12), UTC), "yMMMd")


@blueprint.get("")
@access.signed_in
def page() -> ResponseReturnValue:
    """Search; `all` also shows what is not active any more, to those who keep the directory."""
    args, organization_id = request.args, access.account().organization_id
    inactive = bool(args.get("all")) and _keeps()
    query, place, kind = args.get("q", ""), args.get("place", ""), args.get("kind", "")
    with db.reading() as session:
        found = search.find(session, organization_id, query, place, kind, shown(), inactive=inactive)
        places = search.places(session, organization_id)
    return render_template(
        "directory/page.html",
        found=found,
        places=places,
        query=query,
        place=place,
        kind=kind,
        inactive=inactive,
        keeps=_keeps(),
    )


@blueprint.get("/new")
@access.role("supervisor", "admin")
def new() -> ResponseReturnValue:
    return _form({"status": ResourceStatus.ACTIVE})


@blueprint.post("/new")
@access.role("supervisor", "admin")
def add() -> ResponseReturnValue:
    return _try(lambda: resources.add(access.account(), request.form, clock.now()))


@blueprint.get("/<resource_id>")
@access.signed_in
def one(resource_id: str) -> ResponseReturnValue:
    with db.reading() as session:
        service = search.get(session, access.account().organization_id, resource_id)
    return render_template("directory/one.html", service=service, keeps=_keeps())


@blueprint.get("/<resource_id>/edit")
@access.role("supervisor", "admin")
def edit(resource_id: str) -> ResponseReturnValue:
    with db.reading() as session:
        service = search.get(session, access.account().organization_id, resource_id)
    return _form(search.as_form(service), resource_id)


@blueprint.post("/<resource_id>/edit")
@access.role("supervisor", "admin")
def change(resource_id: str) -> ResponseReturnValue:
    def act() -> str:
        resources.change(access.account(), resource_id, request.form, clock.now())
        return resource_id

    return _try(act, resource_id)


@blueprint.post("/<resource_id>/deactivate")
@access.role("supervisor", "admin")
def deactivate(resource_id: str) -> ResponseReturnValue:
    resources.deactivate(access.account(), resource_id, clock.now())
    return _done(resource_id)


def shown() -> int:
    """How many services the address asks for."""
    return request.args.get("shown", search.PAGE, type=int)


def _keeps() -> bool:
    """Whether whoever asks keeps the directory."""
    return access.account().role in {Role.SUPERVISOR, Role.ADMIN}


def _try(act: Callable[[], str], resource_id: str | None = None) -> ResponseReturnValue:
    """Do it; what does not fit is said beside its field, and nothing that was typed is lost."""
    try:
        return _done(act())
    except Invalid as error:
        if wants_json():
            raise
        return _form(request.form.to_dict(), resource_id, error), error.status


def _form(values: object, resource_id: str | None = None, error: Invalid | None = None) -> str:
    field = next((name for name in search.FIELDS if error and error.code.startswith(f"{name}_")), None)
    message = language.say(error.message, **error.values) if error else ""
    return render_template(
        "directory/form.html", values=values, resource_id=resource_id, wrong_field=field, message=message
    )


def _done(resource_id: str) -> ResponseReturnValue:
    if wants_json():
        return jsonify(ok=True, resource=resource_id)
    return redirect(url_for("directory.one", resource_id=resource_id), 303)
