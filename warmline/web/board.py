"""The supervisors' board: who waits on each line, and what each peer does."""

from flask import Blueprint, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from warmline import clock
from warmline.contacts import screens
from warmline.web import access

blueprint = Blueprint("board", __name__, url_prefix="/board")


@blueprint.get("")
@access.role("supervisor", "admin")
def page() -> ResponseReturnValue:
    return _render("board/page.html")


@blueprint.get("/fragment")
@access.role("supervisor", "admin")
def fragment() -> ResponseReturnValue:
    """What changes on the page; 304 while it is the version that the browser has."""
    return _render("board/_live.html")


@blueprint.get("/state")
@access.role("supervisor", "admin")
def state() -> ResponseReturnValue:
    return jsonify(screens.board_state(access.account().organization_id, clock.now()))


def _render(template: str) -> ResponseReturnValue:
    now = clock.now()
    view = screens.board(access.account().organization_id, now)
    response = current_app.make_response(render_template(template, view=view, now=now))
    response.set_etag(screens.version(view))
    return response.make_conditional(request)
