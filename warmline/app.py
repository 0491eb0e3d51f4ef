"""create_app(): the only place where the pages are put together."""

import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import gevent
import gevent.monkey
from flask import Flask
from flask.cli import AppGroup
from werkzeug.middleware.proxy_fix import ProxyFix
from whitenoise import WhiteNoise

from config import words
from config.settings import Settings
from warmline import clock
from warmline.web import (
    access,
    account,
    board,
    console,
    directory,
    errors,
    health,
    history,
    language,
    lines,
    live,
    referrals,
    safety,
    security,
)
from warmline.web.hooks import sms, voice
from warmline.wiring import wire

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "warmline/static"
LARGEST_REQUEST = 64 * 1024


class Commands(AppGroup):
    """The operator's commands, for `flask`. They are imported when somebody asks for one: no page needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, and those of commands that an extension has added."""
        return sorted({*super().list_commands(ctx), *_commands().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        return super().get_command(ctx, cmd_name) or _commands().get_command(ctx, cmd_name)


def _commands() -> click.Group:
    from warmline import cli

    return cli.main


def create_app(settings: Settings | None = None, *, start_clock: bool | None = None) -> Flask:
    """The web application.

    Under gevent, as gunicorn runs it, work after a commit gets a greenlet, sockets are served, and the clock ticks in
    here unless it is a process of its own. Elsewhere (tests, commands) nothing runs by itself.

    Args:
        settings: those of the environment if not given; without them the process ends.
        start_clock: overrides whether the clock ticks in this process.
    """
    settings = settings or Settings.load_or_exit()
    gevented = gevent.monkey.is_module_patched("socket")
    wire(settings, spawn=gevent.spawn if gevented else None)

    app = Flask(__name__, template_folder=str(ROOT / "templates"), static_folder=str(STATIC))
    app.config.update(_flask_config(settings))
    app.cli = Commands(app.name)
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    security.use(app, redis_url)
    access.use(app)
    language.use(app, words.load())
    errors.use(app)
    for part in (account, console, board, lines, directory, referrals, history, safety, health, voice, sms):
        app.register_blueprint(part.blueprint)

    # The outermost comes last: sockets, files, then pages.
    if settings.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=0)  # type: ignore[method-assign]
    app.wsgi_app = WhiteNoise(app.wsgi_app, root=STATIC, prefix="static/")  # type: ignore[method-assign]
    live.use(
        app,
        gevented=gevented,
        origins=_origins(settings.public_base_url),
        redis_url=redis_url,
    )

    if gevented:
        live.run()
    if start_clock if start_clock is not None else gevented and not settings.clock_apart:
        gevent.spawn(clock.run, threading.Event())
    return app


def _flask_config(settings: Settings) -> dict[str, Any]:
    """What the pages may know, under the environment's names; and Flask's own options."""
    return {
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "PUBLIC_BASE_URL": settings.public_base_url,
        "REDIS_URL": settings.redis_url and settings.redis_url.get_secret_value(),
        "TWILIO_ACCOUNT_SID": settings.twilio_account_sid,
        "TWILIO_AUTH_TOKEN": settings.twilio_auth_token.get_secret_value(),
        "TWILIO_API_KEY_SID": settings.twilio_api_key_sid,
        "TWILIO_API_KEY_SECRET": settings.twilio_api_key_secret.get_secret_value(),
        "TWILIO_TWIML_APP_SID": settings.twilio_twiml_app_sid,
        "TWILIO_API_BASE_URL": settings.twilio_api_base_url,
        "FALLBACK_NUMBER": settings.fallback_number,
        "MAX_CONTENT_LENGTH": LARGEST_REQUEST,
        "SESSION_COOKIE_NAME": "warmline",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.https,
    }


def _origins(base: str) -> list[str]:
    """Where our pages may come from. On one's own machine localhost and 127.0.0.1 are the same place."""
    host = urlsplit(base).hostname
    twins = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}
    return [base, base.replace(f"//{host}", f"//{twins[host]}", 1)] if host in twins else [base]
