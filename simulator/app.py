"""The simulator as one WSGI application: the only place where its parts are wired together."""

from __future__ import annotations

from flask import Flask, abort, request

from simulator.company import Company
from simulator.handset import handset
from simulator.page import page
from simulator.rest import api
from simulator.script import script
from simulator.settings import Settings
from simulator.softphone import Streams, softphone
from simulator.web import company

OWN_NAMES = {"localhost", "127.0.0.1"}


def create_app(settings: Settings) -> Flask:
    """Build it. Nothing runs before a call comes in."""
    app = Flask(__name__, static_folder=None)
    app.extensions["company"] = Company(settings)
    app.extensions["softphones"] = Streams()
    app.register_blueprint(api)
    app.register_blueprint(softphone)
    app.register_blueprint(page)
    app.register_blueprint(handset, url_prefix="/phones")
    if settings.script:
        app.register_blueprint(script)
        app.register_blueprint(handset, url_prefix="/script", name="script_handset")
    app.before_request(_keep_strangers_out)
    return app


def _keep_strangers_out() -> None:
    """Loopback keeps other machines out; this keeps out other sites in a browser on this machine.

    A site whose name resolves to here has a foreign Host; one that posts to here has a foreign Origin.
    """
    if request.host.rsplit(":", 1)[0] not in OWN_NAMES:
        abort(421)
    origin = request.headers.get("Origin")
    if request.method in ("GET", "HEAD", "OPTIONS") or origin in (None, request.host_url.rstrip("/")):
        return
    if origin not in company().settings.origins or not request.path.startswith("/softphone/"):
        abort(403)
