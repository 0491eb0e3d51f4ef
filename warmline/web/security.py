"""What protects every answer: CSRF tokens, a limit on wrong passwords, headers, and an id for the log."""

import secrets
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFProtect
from structlog.contextvars import bind_contextvars, clear_contextvars

# https://www.twilio.com/docs/voice/sdks/javascript/best-practices#content-security-policy names the first of each row.
# The Voice SDK goes back to the edge that took the call when its line is cut in the middle of it, and reports to the
# account's region: in its bundle, Device's _onSignalingConnected.
# https://www.twilio.com/docs/global-infrastructure/edge-locations
EDGES = ("roaming", "ashburn", "dublin", "frankfurt", "sao-paulo", "singapore", "sydney", "tokyo", "umatilla")
# https://www.twilio.com/docs/global-infrastructure/understanding-twilio-regions
STATISTICS = ("eventgw", "eventgw.us1", "eventgw.ie1", "eventgw.au1")
TWILIO_VOICE = " ".join(
    [f"wss://voice-js.{edge}.twilio.com" for edge in EDGES] + [f"https://{host}.twilio.com" for host in STATISTICS]
)
REDIS_SECONDS = 0.5

csrf = CSRFProtect()
limiter = Limiter(get_remote_address, in_memory_fallback_enabled=True, swallow_errors=True)


def use(app: Flask, redis_url: str | None) -> None:
    """Protect `app`. Without Redis, or while it is away, each process counts for itself."""
    app.config.update(
        # web/access.py asks for the token once it knows that no signature takes its place.
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,  # a console stays open for a whole shift; the token ends with the login
        WTF_CSRF_SSL_STRICT=False,  # compares with the Host header, which whoever asks can choose
        RATELIMIT_STORAGE_URI=redis_url or "memory://",
        RATELIMIT_STORAGE_OPTIONS={"socket_timeout": REDIS_SECONDS, "socket_connect_timeout": REDIS_SECONDS}
        if redis_url
        else {},
    )
    app.before_request(_name_request)
    app.url_value_preprocessor(_without_nul)
    csrf.init_app(app)
    limiter.init_app(app)
    app.after_request(_add_headers)


def content_security_policy(simulator: str | None) -> str:
    """Nothing inline and nothing foreign, but Twilio's voice, or the simulator's while that stands in for it.

    `simulator` is an origin such as http://127.0.0.1:5001.
    """
    also = f" {simulator}" if simulator else ""
    socket = f" {urlsplit(simulator)._replace(scheme=_socket_scheme(simulator)).geturl()}" if simulator else ""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self'{also}",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            f"connect-src 'self' {TWILIO_VOICE}{also}{socket}",
            f"media-src 'self' mediastream:{also}",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _socket_scheme(origin: str) -> str:
    return "wss" if origin.startswith("https:") else "ws"


def _name_request() -> None:
    """Give the request an id of ours, which every log line of it carries."""
    g.request_id = secrets.token_hex(8)
    clear_contextvars()
    bind_contextvars(request=g.request_id)


def _without_nul(endpoint: str | None, ids: dict[str, Any] | None) -> None:
    """An id in an address may hold no NUL: PostgreSQL cannot even look for it."""
    if ids:
        ids |= {name: id.replace("\0", "") for name, id in ids.items() if isinstance(id, str)}


def _add_headers(response: Response) -> Response:
    config = current_app.config
    for name, value in {
        "Content-Security-Policy": content_security_policy(config["TWILIO_API_BASE_URL"]),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
        "Cache-Control": "no-store",
        "X-Request-Id": g.request_id,
    }.items():
        response.headers.setdefault(name, value)
    if config["SESSION_COOKIE_SECURE"]:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response
