"""Every error is an answer: JSON for who asked for it, else a page."""

import logging
import re
from collections.abc import Callable
from typing import NoReturn

import pytest
from flask import Flask, abort
from sqlalchemy.exc import OperationalError

from config import logs
from tests.cast import Cast, settings
from warmline import errors
from warmline.app import create_app
from warmline.web import access

JSON = {"Accept": "application/json"}


def raising(error: Exception) -> Callable[[], NoReturn]:
    def view() -> NoReturn:
        raise error

    return access.public(view)


@pytest.fixture
def failing(database_url: str) -> Flask:
    app = create_app(settings(database_url))
    for path, view in {
        "/not-found": raising(errors.NotFound()),
        "/conflict": raising(errors.Conflict("Somebody else has it.", code="taken")),
        "/invalid": raising(errors.Invalid("That makes no sense.")),
        "/not-allowed": raising(errors.NotAllowed("Not you.")),
        "/no-database": raising(OperationalError("SELECT", {}, Exception("gone"))),
        "/bug": raising(RuntimeError("+14045550123 said something")),
        "/teapot": access.public(lambda: abort(418)),
    }.items():
        app.add_url_rule(path, path, view)
    return app


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/not-found", 404, "not_found"),
        ("/conflict", 409, "taken"),
        ("/invalid", 422, "invalid"),
        ("/not-allowed", 403, "not_allowed"),
        ("/no-database", 503, "unavailable"),
        ("/bug", 500, "internal_server_error"),
        ("/teapot", 418, "i'm_a_teapot"),
        ("/nowhere", 404, "not_found"),
        ("/console", 401, "not_logged_in"),
        ("/logout", 405, "method_not_allowed"),
    ],
)
def test_an_error_in_json(failing: Flask, path: str, status: int, code: str) -> None:
    answer = failing.test_client().get(path, headers=JSON)
    assert answer.status_code == status
    assert answer.json
    assert set(answer.json["error"]) == {"code", "message"}
    assert answer.json["error"]["code"] == code
    assert answer.json["error"]["message"].endswith(".")
    assert "5550123" not in answer.text


@pytest.mark.parametrize(
    ("path", "status"), [("/conflict", 409), ("/bug", 500), ("/no-database", 503), ("/nowhere", 404)]
)
def test_an_error_as_a_page(failing: Flask, path: str, status: int) -> None:
    for accept in ("text/html,application/xhtml+xml,*/*;q=0.8", "*/*", ""):
        answer = failing.test_client().get(path, headers={"Accept": accept})
        assert answer.status_code == status
        assert answer.mimetype == "text/html"
        assert "Traceback" not in answer.text
        assert "5550123" not in answer.text


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/contacts/1/notes", "/contacts/1"),
        ("/lines/1/reopen", "/lines/1"),
        ("/lines/1/pause", "/lines/1"),
        ("/lines/1/resume", "/lines/1"),
        ("/directory/1/deactivate", "/directory/1"),
        ("/console/offers/1/accept", "/"),
        ("/console/contacts/1/resources/2/add", "/"),
        ("/board/alerts/1/acknowledge", "/"),
        ("/language", "/"),
        ("/logout", "/"),
    ],
)
def test_the_address_of_a_form_leads_to_its_page(cast: Cast, path: str, page: str) -> None:
    """As when the address of a refusal is opened once more."""
    for opened in (cast.supervisor.client.get, cast.supervisor.client.head):
        answer = opened(path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        assert (answer.status_code, answer.headers["Location"]) == (303, page)


def test_every_address_that_takes_a_form_answers_a_reader_with_a_page(app: Flask) -> None:
    """Webhooks have no reader."""
    forms = {rule.rule for rule in app.url_map.iter_rules() if rule.methods and "POST" in rule.methods}
    hooks = {path for path in forms if path.startswith("/twilio/")}
    assert hooks
    for path in forms:
        answer = app.test_client().get(re.sub("<.*?>", "1", path), headers={"Accept": "text/html"})
        assert answer.status_code in ({405} if path in hooks else {200, 302, 303}), path


def test_what_may_be_done_next_is_in_the_headers(failing: Flask) -> None:
    assert "POST" in failing.test_client().get("/logout", headers=JSON).headers["Allow"]
    assert failing.test_client().get("/no-database").headers["Retry-After"] == "5"


def test_a_bug_is_logged_without_numbers(failing: Flask, capfd: pytest.CaptureFixture[str]) -> None:
    logs.use("json")  # anew: the handler writes to what stderr is now
    failing.test_client().get("/bug")
    logged = capfd.readouterr().err
    assert "RuntimeError" in logged
    assert "5550123" not in logged


def test_64_kb_are_enough(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = cast.peer1.post("/console/contacts/1/report", notes="x" * 70_000)
    assert answer.status_code == 413
    assert answer.json
    assert answer.json["error"]["code"] == "request_entity_too_large"
    assert not caplog.records
