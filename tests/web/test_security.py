"""Headers, files, and logs."""

import json
import logging
import re

import pytest
from flask import Flask, request

from config import logs
from tests.cast import Cast, settings
from warmline.app import create_app
from warmline.web import access
from warmline.web.security import content_security_policy


def policy(simulator: str | None) -> dict[str, list[str]]:
    directives = (directive.split() for directive in content_security_policy(simulator).split("; "))
    return {name: sources for name, *sources in directives}


def test_nothing_inline_and_nothing_foreign() -> None:
    real = policy(None)
    assert real["default-src"] == ["'none'"]
    assert real["script-src"] == real["style-src"] == ["'self'"]
    assert "unsafe" not in str(real)
    foreign = {source for sources in real.values() for source in sources if ":" in source}
    voice = {source for source in foreign if re.fullmatch(r"wss://voice-js\.[a-z-]+\.twilio\.com", source)}
    statistics = {source for source in foreign if re.fullmatch(r"https://eventgw(\.[a-z]{2}1)?\.twilio\.com", source)}
    assert {"wss://voice-js.roaming.twilio.com", "wss://voice-js.ashburn.twilio.com"} <= voice
    assert foreign == {"data:", "mediastream:"} | voice | statistics


def test_the_simulator_is_let_in_only_while_it_is_in_use() -> None:
    with_it, without = policy("http://127.0.0.1:5001"), policy(None)
    more = {name: set(with_it[name]) - set(without[name]) for name in without}
    assert {name: found for name, found in more.items() if found} == {
        "script-src": {"http://127.0.0.1:5001"},
        "connect-src": {"http://127.0.0.1:5001", "ws://127.0.0.1:5001"},
        "media-src": {"http://127.0.0.1:5001"},
    }


def test_every_answer_carries_the_headers(cast: Cast) -> None:
    for answer in (
        cast.stranger.get("/login"),
        cast.stranger.get("/nowhere"),
        cast.stranger.post("/twilio/voice/incoming"),
        cast.peer1.get("/console/state"),
    ):
        assert answer.headers["Content-Security-Policy"] == content_security_policy("http://127.0.0.1:9")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Strict-Transport-Security" not in answer.headers


def test_https_is_kept(database_url: str) -> None:
    app: Flask = create_app(settings(database_url, PUBLIC_BASE_URL="https://line.example.org"))
    assert "Strict-Transport-Security" in app.test_client().get("/healthz").headers


@pytest.mark.parametrize(("proxies", "address"), [("0", "127.0.0.1"), ("1", "203.0.113.7")])
def test_a_forwarded_address_is_believed_only_behind_a_proxy(database_url: str, proxies: str, address: str) -> None:
    app: Flask = create_app(settings(database_url, PROXIES=proxies))
    app.add_url_rule("/address", view_func=access.public(lambda: f"{request.remote_addr} {request.url_root}"))
    forwarded = {
        "X-Forwarded-For": "198.51.100.1, 203.0.113.7",
        "X-Forwarded-Host": "evil",
        "X-Forwarded-Proto": "https",
    }
    assert app.test_client().get("/address", headers=forwarded).text == f"{address} http://localhost/"


def test_pages_load_no_foreign_or_inline_script(cast: Cast) -> None:
    for page in (cast.stranger.get("/login").text, cast.peer1.get("/console").text, cast.admin.get("/board").text):
        assert "<style" not in page
        assert " onclick=" not in page
        for script in page.split("<script")[1:]:
            tag = script.split(">")[0]
            assert 'src="/static/' in tag or 'type="application/json"' in tag  # a block of data is no code


def test_an_id_with_nul_is_nobodys(cast: Cast) -> None:
    assert cast.peer1.post("/console/offers/%00/accept").status_code == 404
    assert cast.peer1.post("/console/contacts/0%00/report", disposition="dropped").status_code == 404
    assert cast.supervisor.get("/contacts/%00").status_code == 404
    assert cast.supervisor.post("/board/alerts/%00/acknowledge").status_code == 404


def test_static_files_are_served(cast: Cast) -> None:
    answer = cast.stranger.get("/static/theme.js")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert cast.stranger.get("/static/../app.py").status_code == 404
    assert cast.stranger.get("/static/nothing.js").status_code == 404


@pytest.mark.parametrize(
    "number",
    [
        "+14045550123", "14045550123", "4045550123", "(404) 555-0123", "404.555.0123", "555-0123", "sip:14045550123",
        "q=%2B14045550123",
    ],
)  # fmt: skip
def test_logs_hold_no_numbers(number: str) -> None:
    said = logs.redact(None, "info", {"event": f"call from {number}!"})["event"]
    assert logs.REMOVED in said
    assert "0123" not in said


@pytest.mark.parametrize(
    "value",
    [14045550123, ["+14045550123"], {"at": {"+1 404 555 0123"}}, b"+14045550123", ValueError("+14045550123")],
)
def test_logs_hold_no_numbers_whatever_they_stand_in(value: object) -> None:
    assert "0123" not in str(logs.redact(None, "info", {"event": "a call", "detail": value}))


def test_logs_hold_no_private_fields_wherever_they_stand() -> None:
    form = {"Body": "I am so tired", "more": [{"From": "Robin"}], "CallStatus": "busy"}
    kept = logs.redact(None, "info", {"event": "a form", "detail": form, "attempts": 3, "late": False, "by": None})
    assert kept == {
        "event": "a form",
        "detail": {"Body": logs.REMOVED, "more": [{"From": logs.REMOVED}], "CallStatus": "busy"},
        "attempts": 3,
        "late": False,
        "by": None,
    }


@pytest.mark.parametrize(
    "kept",
    ["2026-11-22T03:29:26.123456Z", "0f12345678901234567890abcdef1234", "in 20 s", "127.0.0.1:5000", "CA" + "7" * 32],
)
def test_logs_keep_ids_and_times(kept: str) -> None:
    assert logs.redact(None, "info", {"event": f"see {kept}"})["event"] == f"see {kept}"


def test_what_one_request_logs_belongs_together(own_app: Flask, capfd: pytest.CaptureFixture[str]) -> None:
    own_app.add_url_rule("/silent", view_func=lambda: "nobody said who may see this")
    logs.use("json")
    ids = [own_app.test_client().get("/silent").headers["X-Request-Id"] for _ in range(2)]
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["request"] for line in lines] == ids
    assert ids[0] != ids[1]


def test_a_log_line_is_json_with_ids_and_without_words(capfd: pytest.CaptureFixture[str]) -> None:
    logs.use("json")
    try:
        raise RuntimeError("called by +14045550123")
    except RuntimeError:
        logging.getLogger("warmline.test").exception(
            "failed %s", "once", extra={"contact": "0" * 32, "body": "I am so tired", "notes": "Robin"}
        )
    logged = capfd.readouterr().err
    line = json.loads(logged)
    assert (line["event"], line["level"], line["contact"]) == ("failed once", "error", "0" * 32)
    assert (line["body"], line["notes"]) == (logs.REMOVED, logs.REMOVED)
    assert "RuntimeError" in line["exception"]
    assert "5550123" not in logged
