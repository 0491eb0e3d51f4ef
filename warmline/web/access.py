"""Who may use a route. Every view says so with one of the marks below; a view that says nothing is refused.

@blueprint.get("/console")
@access.role("peer")
def page() -> str: ...
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import Flask, abort, current_app, request
from flask_login import LoginManager, UserMixin, current_user

from warmline import clock
from warmline.models import Account, Peer, Role
from warmline.people import accounts
from warmline.telephony import signature
from warmline.web.security import csrf

log = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., Any])


class Visitor(UserMixin):  # type: ignore[misc]  # has no types
    """Who is logged in, as Flask-Login and the templates ask for it (`current_user`)."""

    def __init__(self, token: str, login: accounts.Login) -> None:
        self.token = token
        self.login = login
        self.role = login.account.role
        self.name = login.account.name

    def get_id(self) -> str:
        """What the signed session cookie remembers."""
        return self.token


class Logins(LoginManager):  # type: ignore[misc]  # has no types
    """Knows the session cookie only: we remember nobody beyond it, so nobody's such cookie is looked at.

    Flask-Login compares it in a way that fails for letters outside ASCII, before any view is asked.
    """

    def _load_user_from_remember_cookie(self, cookie: str) -> None:
        return None


def public(view: View) -> View:
    """Anybody."""
    return _mark(view, csrf.protect)


def signed_in(view: View) -> View:
    """Whoever is logged in."""
    return _mark(view, _check_login)


def role(*names: str) -> Callable[[View], View]:
    """Whoever is logged in with one of these roles."""
    roles = frozenset(Role(name) for name in names)

    def check() -> None:
        _check_login()
        if account().role not in roles:
            abort(403)

    return lambda view: _mark(view, check)


def twilio(view: View) -> View:
    """Twilio, proven by its signature, which takes the place of login and CSRF token."""
    return _mark(view, _check_signature)


def account() -> Account:
    """The account of whoever is logged in. Its organization is the wall: put it into every query."""
    return cast(Account, current_user.login.account)


def peer() -> Peer:
    """The peer who is logged in; 403 for an account that answers no contacts."""
    return account().peer or abort(403)


def use(app: Flask) -> None:
    """Guard every route of `app`."""
    logins = Logins(app)
    logins.session_protection = None  # a login is a row that can be revoked; people's addresses change
    logins.user_loader(_load)
    app.before_request(_guard)
    public(app.view_functions["static"])


def _load(token: str) -> Visitor | None:
    login = accounts.find(token, clock.now())
    return Visitor(token, login) if login else None


def _mark(view: View, check: Callable[[], None]) -> View:
    view.access_check = check  # type: ignore[attr-defined]
    return view


def _guard() -> None:
    if request.endpoint is None:
        return  # no such page or no such method: Flask says so
    check = getattr(current_app.view_functions[request.endpoint], "access_check", None)
    if check is None:
        log.error("a view declares no access", extra={"endpoint": request.endpoint})
        abort(403)
    check()


def _check_login() -> None:
    if not current_user.is_authenticated:
        abort(401)
    csrf.protect()


def _check_signature() -> None:
    # The address that we told Twilio, never the Host or X-Forwarded-* headers, which whoever asks can choose.
    query = request.query_string.decode("latin-1")
    url = current_app.config["PUBLIC_BASE_URL"] + request.path + (f"?{query}" if query else "")
    form = {key: request.form.getlist(key) for key in request.form}
    token = current_app.config["TWILIO_AUTH_TOKEN"]
    if not signature.is_valid(token, url, form, request.headers.get("X-Twilio-Signature")):
        abort(403)
