"""The supervisors' board: who waits on each line, and what each peer does."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from babel import dates
from flask import Blueprint, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from warmline import clock
from warmline.contacts import screens
from warmline.web import access, language

blueprint = Blueprint("board", __name__, url_prefix="/board")


@blueprint.app_template_filter()
def clock_there(now: datetime, zones: Iterable[str]) -> str:
    """The time where the lines are, as `clockThere` in static/time.js writes it: "4:19:18 AM EST · 3:19:18 AM CST"."""
    skeleton, locale = "hms" if language.chosen() == "en" else "Hms", language.chosen()
    there = [now.astimezone(ZoneInfo(zone)) for zone in zones]
    times = [f"{dates.format_skeleton(skeleton, at, locale=locale)} {at.tzname()}" for at in there]
    return " · ".join(times).replace("\u202f", " ")


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
