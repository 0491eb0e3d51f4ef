"""Who may use a route: each declares it, and what declares nothing is refused."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from twilio.request_validator import RequestValidator

from tests.cast import ENVIRONMENT, Cast
from tests.e2e.test_pages import NOT_PAGES, PAGES
from warmline import db
from warmline.models import Callback, Contact, Event

INCOMING = "/twilio/voice/incoming"
CALL = {"CallSid": "CA" + "7" * 32, "From": "+14045550123", "To": "+14045550101", "CallStatus": "ringing"}


def sign(path: str, form: dict[str, str], base: str = ENVIRONMENT["PUBLIC_BASE_URL"]) -> dict[str, str]:
    signature = RequestValidator(ENVIRONMENT["TWILIO_AUTH_TOKEN"]).compute_signature(base + path, form)
    return {"X-Twilio-Signature": signature}


def stored() -> int:
    with db.reading() as session:
        return sum(session.query(kind).count() for kind in (Callback, Contact, Event))


def test_every_route_declares_access(app: Flask) -> None:
    silent = {
        rule.rule for rule in app.url_map.iter_rules() if not hasattr(app.view_functions[rule.endpoint], "access_check")
    }
    assert silent == set()


def test_a_route_that_declares_nothing_is_refused(own_app: Flask) -> None:
    own_app.add_url_rule("/silent", view_func=lambda: "hello")
    assert Cast(own_app).admin.get("/silent").status_code == 403


def test_every_route_that_changes_something_is_post_and_twilio_only_posts(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        assert methods <= {"GET"} or methods == {"POST"}, rule
        assert not rule.rule.startswith("/twilio/") or methods == {"POST"}, rule


@pytest.mark.parametrize("path", ["/console", "/board"])
def test_a_page_sends_strangers_to_the_login_and_back(cast: Cast, path: str) -> None:
    answer = cast.stranger.get(f"{path}?contact=1")
    assert answer.status_code == 302
    assert answer.location == f"/login?next={path}?contact%3D1"


@pytest.mark.parametrize("path", ["/console/state", "/board/state"])
def test_a_state_tells_strangers_in_json(cast: Cast, path: str) -> None:
    answer = cast.stranger.get(path)
    assert answer.status_code == 401
    assert answer.json
    assert answer.json["error"]["code"] == "not_logged_in"


def test_pages_are_for_their_role(cast: Cast) -> None:
    for person, console, board in [
        (cast.peer1, 200, 403),
        (cast.supervisor, 403, 200),
        (cast.admin, 403, 200),
        (cast.outsider, 200, 403),
    ]:
        assert person.get("/console").status_code == console, person.email
        assert person.get("/board").status_code == board, person.email
        assert person.get("/console/state").status_code == console, person.email
        assert person.get("/board/state").status_code == board, person.email


def test_the_token_is_taken_from_the_form_too(cast: Cast) -> None:
    form = {"status": "available", "csrf_token": cast.peer1.token}
    answer = cast.peer1.client.post("/console/status", data=form)
    assert answer.status_code in {200, 302, 303}
    assert cast.peer1.get("/console/state").get_json()["status"] == "available"


def test_without_a_token_nothing_is_changed(cast: Cast) -> None:
    for form in ({"status": "available"}, {"status": "available", "csrf_token": "another"}):
        assert cast.peer1.client.post("/console/status", data=form).status_code == 400
        assert cast.peer1.get("/console/state").get_json()["status"] == "off"


@pytest.mark.parametrize("cookie", ["1|é", "1|x", "|", ""])
def test_nobody_is_remembered_beyond_the_session(cast: Cast, cookie: str) -> None:
    for client in (cast.stranger, cast.peer1.client):
        before = client.get("/console").status_code
        client.set_cookie("remember_token", cookie)
        assert client.get("/console").status_code == before


@pytest.fixture
def twilio(cast: Cast) -> FlaskClient:
    return cast.stranger


def test_a_signed_request_passes_whatever_host_it_names(twilio: FlaskClient) -> None:
    for host in ("http://localhost", "https://10.0.0.1:5000"):
        answer = twilio.post(INCOMING, data=CALL, headers=sign(INCOMING, CALL), base_url=host)
        assert answer.status_code == 200
        assert answer.mimetype == "text/xml"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Twilio-Signature": ""},
        {"X-Twilio-Signature": "wrong"},
        sign(INCOMING, CALL | {"To": "+13125550102"}),
        sign(INCOMING + "?more=1", CALL),
        sign(INCOMING, CALL, "https://evil.example.org") | {"X-Forwarded-Host": "evil.example.org"},
        sign(INCOMING, CALL, "https://evil.example.org") | {"Host": "evil.example.org"},
        sign(INCOMING, CALL, "https://localhost") | {"X-Forwarded-Proto": "https"},
    ],
)
def test_unsigned_or_wrongly_signed_is_refused_and_not_stored(twilio: FlaskClient, headers: dict[str, str]) -> None:
    before = stored()
    assert twilio.post(INCOMING, data=CALL, headers=headers).status_code == 403
    assert stored() == before


def test_a_signature_does_not_open_what_is_for_people(cast: Cast) -> None:
    answer = cast.stranger.post("/console/status", data=CALL, headers=sign("/console/status", CALL))
    assert answer.status_code == 302
    assert answer.location.startswith("/login")


def test_every_page_is_held_to_axe_and_the_keyboard(app: Flask) -> None:
    """A page that tests/e2e/test_pages.py does not know fails here: tell it how to get there."""
    asked_for = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    assert asked_for == set(PAGES) | set(NOT_PAGES)
    assert set(PAGES).isdisjoint(NOT_PAGES)
