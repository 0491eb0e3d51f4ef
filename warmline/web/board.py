"""The supervisors' board: who waits on each line, and what each peer does."""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from babel import dates
from flask import Blueprint, jsonify, render_template, request, stream_template, url_for
from flask.typing import ResponseReturnValue

from warmline import clock
from warmline.contacts import screens
from warmline.contacts.screens import why
from warmline.web import access, language
from warmline.web.fragment import fresh
from warmline.web.sight import HOLE, sights

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
    now = clock.now()
    return render_template("board/page.html", view=screens.board(access.account().organization_id, now), now=now)


@blueprint.get("/fragment")
@access.role("supervisor", "admin")
def fragment() -> ResponseReturnValue:
    """What changes on the page; 304 while it is the version that the browser has.

    Whoever has just changed something asks for it `anew`; else what another board was shown a moment ago will do.
    """
    now = clock.now()
    not_before = time.monotonic() if "anew" in request.args else None
    sight = sights.of(access.account().organization_id, now, not_before)

    def pieces() -> Iterator[str]:
        return stream_template("board/_live.html", view=sight.view, now=sight.at, csrf_token=lambda: HOLE)

    return fresh(sight.version, lambda: sight.page(language.chosen(), pieces, now))


@blueprint.get("/state")
@access.role("supervisor", "admin")
def state() -> ResponseReturnValue:
    return jsonify(screens.board_state(access.account().organization_id, clock.now()))


@blueprint.get("/contacts/<contact_id>/why")
@access.role("supervisor", "admin")
def still_waits(contact_id: str) -> ResponseReturnValue:
    """Why this caller still waits: who may be asked, and what speaks against everybody else."""
    return _still_waits("why/page.html", contact_id)


@blueprint.get("/contacts/<contact_id>/why/fragment")
@access.role("supervisor", "admin")
def still_waits_fragment(contact_id: str) -> ResponseReturnValue:
    return _still_waits("why/_still_waits.html", contact_id)


@blueprint.get("/peers/<peer_id>/why")
@access.role("supervisor", "admin")
def not_asked(peer_id: str) -> ResponseReturnValue:
    """Why this peer is not asked, or was not asked lately."""
    return _not_asked("why/page.html", peer_id)


@blueprint.get("/peers/<peer_id>/why/fragment")
@access.role("supervisor", "admin")
def not_asked_fragment(peer_id: str) -> ResponseReturnValue:
    return _not_asked("why/_not_asked.html", peer_id)


def _still_waits(template: str, contact_id: str) -> ResponseReturnValue:
    now = clock.now()
    view = why.still_waits(access.account().organization_id, contact_id, now)
    here = url_for("board.still_waits_fragment", contact_id=contact_id)
    return _why(template, view, now, part="why/_still_waits.html", here=here)


def _not_asked(template: str, peer_id: str) -> ResponseReturnValue:
    now = clock.now()
    view = why.not_asked(access.account().organization_id, peer_id, now)
    here = url_for("board.not_asked_fragment", peer_id=peer_id)
    return _why(template, view, now, part="why/_not_asked.html", here=here)


def _why(template: str, view: object, now: datetime, **more: str) -> ResponseReturnValue:
    back = url_for("board.page")
    return fresh(
        screens.version(view),
        lambda: render_template(template, view=view, now=now, back=back, own=False, **more),
    )
