"""The peer's console: its page, its state, and one route for each of its buttons.

Without a script every button is a plain form that leads back to the page; a script asks for JSON.
"""

import json

from flask import Blueprint, abort, current_app, g, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from warmline import clock
from warmline.contacts import availability, messages, offers, parting, remembering, resting, screens, wrapup
from warmline.contacts.screens import why as reasons
from warmline.models import Channel
from warmline.telephony.twilio_gateway import softphone_token
from warmline.web import access, heartbeats, referrals
from warmline.web.errors import wants_json
from warmline.web.fragment import fresh

TOKEN_SECONDS = 3600

blueprint = Blueprint("console", __name__, url_prefix="/console")


@blueprint.get("")
@access.role("peer")
def page() -> ResponseReturnValue:
    """The whole page; `contact` names the one to open."""
    return _render("console/page.html")


@blueprint.get("/fragment")
@access.role("peer")
def fragment() -> ResponseReturnValue:
    """What changes on the page; 304 while it is the version that the browser has."""
    return _render("console/_live.html")


@blueprint.get("/state")
@access.role("peer")
def state() -> ResponseReturnValue:
    return jsonify(screens.console_state(access.peer().id, clock.now()))


@blueprint.get("/why")
@access.role("peer")
def why() -> ResponseReturnValue:
    """Why the peer who looks is not asked, or was not asked lately."""
    return _why("why/page.html")


@blueprint.get("/why/fragment")
@access.role("peer")
def why_fragment() -> ResponseReturnValue:
    return _why("why/_not_asked.html")


@blueprint.post("/status")
@access.role("peer")
def status() -> ResponseReturnValue:
    availability.choose(access.peer(), request.form.get("status", ""), clock.now())
    return _done()


@blueprint.post("/ready")
@access.role("peer")
def ready() -> ResponseReturnValue:
    """The peer rests no longer."""
    resting.end(access.peer(), clock.now())
    return _done()


@blueprint.post("/heartbeat")
@access.role("peer")
def heartbeat() -> ResponseReturnValue:
    """What a console says through its socket, for one that has none or gets no answer there."""
    shown = request.form.to_dict() | {"numbers": _json(request.form.get("numbers"))}
    answer = heartbeats.ask(f"request {g.request_id}", access.peer(), shown)
    return _done(**answer) if answer else abort(503)


@blueprint.post("/offers/<offer_id>/accept")
@access.role("peer")
def accept(offer_id: str) -> ResponseReturnValue:
    peer = access.peer()
    engagement = offers.accept(peer, offer_id, clock.now())
    if not wants_json():
        return _done()
    if engagement.channel == Channel.VOICE:
        return jsonify(connect={"offer": engagement.offer_id}, identity=peer.identity)
    return jsonify(contact=engagement.contact_id)


@blueprint.post("/offers/<offer_id>/decline")
@access.role("peer")
def decline(offer_id: str) -> ResponseReturnValue:
    offers.decline(access.peer(), offer_id, clock.now())
    return _done()


@blueprint.post("/contacts/<contact_id>/messages")
@access.role("peer")
def message(contact_id: str) -> ResponseReturnValue:
    written = messages.write(access.peer(), contact_id, request.form.get("body", ""), clock.now())
    return _done(message=written.id)


@blueprint.post("/contacts/<contact_id>/end")
@access.role("peer")
def end(contact_id: str) -> ResponseReturnValue:
    parting.end(access.peer(), contact_id, clock.now())
    return _done()


@blueprint.post("/contacts/<contact_id>/draft")
@access.role("peer")
def draft(contact_id: str) -> ResponseReturnValue:
    """Save the report as far as it is filled in."""
    wrapup.draft(access.peer(), contact_id, *_report_form(), clock.now(), _wish(), _afterwards())
    return _done()


@blueprint.post("/contacts/<contact_id>/report")
@access.role("peer")
def report(contact_id: str) -> ResponseReturnValue:
    """Finish the report: the contact is logged."""
    wrapup.report(access.peer(), contact_id, *_report_form(), clock.now(), _wish(), _afterwards())
    return _done()


@blueprint.get("/softphone")
@access.role("peer")
def softphone() -> ResponseReturnValue:
    """A fresh token for the phone in the browser; `ttl` in seconds."""
    identity = access.peer().identity
    config = current_app.config
    token = softphone_token(
        config["TWILIO_ACCOUNT_SID"],
        config["TWILIO_API_KEY_SID"],
        config["TWILIO_API_KEY_SECRET"],
        config["TWILIO_TWIML_APP_SID"],
        identity,
        TOKEN_SECONDS,
    )
    return jsonify(token=token, identity=identity, ttl=TOKEN_SECONDS)


def _render(template: str) -> ResponseReturnValue:
    now = clock.now()
    view = screens.console(access.peer().id, now, request.args.get("contact"))
    results, module = referrals.found(view), _softphone_module()
    return fresh(
        screens.version((view, results)),
        lambda: render_template(template, view=view, results=results, now=now, softphone_module=module),
    )


def _why(template: str) -> ResponseReturnValue:
    now, peer = clock.now(), access.peer()
    view = reasons.for_themselves(reasons.not_asked(peer.organization_id, peer.id, now))
    here, back = url_for("console.why_fragment"), url_for("console.page")
    return fresh(
        screens.version(view),
        lambda: render_template(
            template, view=view, now=now, part="why/_not_asked.html", here=here, back=back, own=True
        ),
    )


def _softphone_module() -> str:
    """The module behind the phone: the simulator's own while there is one, else ours over Twilio's SDK."""
    simulator = current_app.config["TWILIO_API_BASE_URL"]
    return f"{simulator}/softphone.js" if simulator else url_for("static", filename="softphone.js")


def _report_form() -> tuple[str, list[str], str, bool]:
    form = request.form
    return (
        form.get("disposition", ""),
        form.getlist("reasons"),
        form.get("notes", ""),
        bool(form.get("text_ok")),
    )


def _wish() -> remembering.Wish:
    return remembering.Wish(bool(request.form.get("remember")), request.form.get("remember_as", ""))


def _afterwards() -> wrapup.Afterwards:
    return wrapup.Afterwards(bool(request.form.get("heavy")), request.form.get("apart", ""), request.form.get("exempt"))


def _json(words: str | None) -> object:
    try:
        return json.loads(words or "")
    except (ValueError, RecursionError):
        return None


def _done(**answer: object) -> ResponseReturnValue:
    if wants_json():
        return jsonify(ok=True, **answer)
    return redirect(url_for("console.page"), 303)
