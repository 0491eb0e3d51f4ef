"""Logging in and out."""

import re

from flask import Blueprint, jsonify, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user
from werkzeug import Response

from warmline import clock
from warmline.errors import Invalid
from warmline.models import Role
from warmline.people import accounts
from warmline.web import access, language, live
from warmline.web.errors import wants_json
from warmline.web.security import limiter

blueprint = Blueprint("account", __name__)

# A path on this site. Browsers read // and /\ as another host, and drop blanks and tabs before they look.
LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")


@blueprint.get("/")
@access.public
def home() -> ResponseReturnValue:
    return redirect(_home(current_user.role) if current_user.is_authenticated else url_for("account.login"))


@blueprint.get("/login")
@access.public
def login() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(_after_login(current_user.role))
    return render_template("account/login.html", email="", wrong=False)


@blueprint.post("/login")
@access.public
@limiter.limit("20 per minute", deduct_when=lambda response: response.status_code == 401)
def log_in() -> ResponseReturnValue:
    email = request.form.get("email", "")
    now = clock.now()
    token = accounts.log_in(email, request.form.get("password", ""), now)
    found = token and accounts.find(token, now)
    if not token or not found:
        message = language.say("Email address and password do not fit.")
        if wants_json():
            return jsonify(error={"code": "wrong_login", "message": message}), 401
        return render_template("account/login.html", email=email, wrong=True), 401
    login_user(access.Visitor(token, found))
    return _go(_after_login(found.account.role))


@blueprint.post("/language")
@access.public
def choose_language() -> ResponseReturnValue:
    """Pages speak this language from now on: to the account, wherever it logs in, or to a browser without login."""
    wish = request.form.get("language", "")
    if wish not in language.OFFERED:
        raise Invalid("That language is not offered.", code="language_unknown")
    session["language"] = wish
    if current_user.is_authenticated:
        accounts.choose_language(access.account().id, wish)
    after = request.form.get("next", "")
    return _go(after if LOCAL_PATH.fullmatch(after) else url_for("account.home"))


@blueprint.post("/logout")
@access.signed_in
def log_out() -> ResponseReturnValue:
    accounts.log_out(current_user.login.id, clock.now())
    live.drop(current_user.login.id)
    logout_user()
    session.clear()
    return _go(url_for("account.login"))


def _home(role: Role) -> str:
    return url_for("console.page" if role is Role.PEER else "board.page")


def _after_login(role: Role) -> str:
    after = request.values.get("next", "")
    return after if LOCAL_PATH.fullmatch(after) else _home(role)


def _go(path: str) -> Response:
    """A redirect; who asked for JSON also finds the path in its body."""
    response = redirect(path)
    if wants_json():
        response.set_data(jsonify(next=path).get_data())
        response.mimetype = "application/json"
    return response
