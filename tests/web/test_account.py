"""Logging in and out."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from tests.cast import PASSWORD, TOKEN, Cast, settings
from warmline import clock, db
from warmline.app import create_app
from warmline.models import LoginSession
from warmline.people import accounts


@pytest.mark.parametrize(
    ("who", "home"), [("peer1", "/console"), ("supervisor", "/board"), ("admin", "/board"), ("outsider", "/console")]
)
def test_everybody_comes_to_their_own_page(cast: Cast, who: str, home: str) -> None:
    person = getattr(cast, who)
    for path in ("/", "/login"):
        assert person.get(path).location == home
    assert person.get(home).status_code == 200


def test_a_stranger_comes_to_the_login(cast: Cast) -> None:
    assert cast.stranger.get("/").location == "/login"
    assert cast.stranger.get("/login").status_code == 200


@pytest.mark.parametrize(
    ("email", "password"),
    [("peer1@example.org", "wrong"), ("nobody@example.org", PASSWORD), ("", ""), ("peer1@example.org\0", PASSWORD)],
)
def test_what_does_not_fit_is_refused(cast: Cast, email: str, password: str) -> None:
    client = cast.stranger
    page = client.get("/login")
    [token] = TOKEN.findall(page.text)
    form = {"email": email, "password": password, "csrf_token": token}
    page = client.post("/login", data=form)
    assert (page.status_code, page.mimetype) == (401, "text/html")
    answer = client.post("/login", data=form, headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert answer.json == {"error": {"code": "wrong_login", "message": "Email address and password do not fit."}}
    assert client.get("/console/state").status_code == 401


def test_capitals_in_the_address_do_not_matter(cast: Cast) -> None:
    cast.peer1.email = " Peer1@Example.ORG"
    assert cast.peer1.log_in().status_code == 302


def test_who_asks_for_json_finds_the_way_in_the_body(cast: Cast) -> None:
    form = {"email": "peer1@example.org", "password": PASSWORD}
    answer = cast.peer1.post("/login", **form)
    assert (answer.status_code, answer.location, answer.json) == (302, "/console", {"next": "/console"})


@pytest.mark.parametrize(
    ("after", "goes_to"),
    [
        ("/console?contact=1", "/console?contact=1"),
        ("https://evil.example.org/", "/console"),
        ("//evil.example.org", "/console"),
        ("/\\evil.example.org", "/console"),
        ("/\t/evil.example.org", "/console"),
        ("javascript:alert(1)", "/console"),
        ("", "/console"),
    ],
)
def test_login_leads_back_only_to_this_site(cast: Cast, after: str, goes_to: str) -> None:
    answer = cast.peer1.post("/login", email="peer1@example.org", password=PASSWORD, next=after)
    assert answer.location == goes_to


def test_logging_out_revokes_the_login(cast: Cast) -> None:
    client = cast.peer1.client
    stolen = client.get_cookie("warmline")
    assert stolen
    answer = cast.peer1.log_out()
    assert answer.location == "/login"
    client.set_cookie("warmline", stolen.value)
    assert cast.peer1.get("/console/state").status_code == 401


def test_one_login_ends_and_the_other_stays(cast: Cast) -> None:
    other = type(cast.peer1)(cast.app, cast.peer1.email)
    cast.peer1.log_out()
    assert other.get("/console/state").status_code == 200


def test_a_login_lasts_twelve_hours(cast: Cast) -> None:
    now = clock.now()
    peer = cast.peer1
    with time_machine.travel(now + timedelta(hours=11, minutes=59)):
        assert peer.get("/console/state").status_code == 200
    with time_machine.travel(now + timedelta(hours=12, minutes=1)):
        assert peer.get("/console/state").status_code == 401


def test_only_the_tokens_hash_is_stored(cast: Cast) -> None:
    with cast.peer1.client.session_transaction() as session:
        token = session["_user_id"]
    with db.reading() as rows:
        stored = rows.query(LoginSession).all()
    assert stored
    for each in stored:
        assert token not in (each.id, each.token_hash)
        assert accounts.find(each.token_hash, clock.now()) is None


def test_twenty_wrong_passwords_a_minute_are_enough(cast: Cast) -> None:
    peer = cast.peer1
    page = {"email": peer.email, "password": "wrong"}
    peer.log_out()
    for _ in range(20):
        assert peer.post("/login", **page).status_code == 401
    answer = peer.post("/login", email=peer.email, password=PASSWORD)
    assert answer.status_code == 429
    assert answer.json
    assert answer.json["error"]["code"] == "too_many_requests"


def test_right_passwords_are_not_counted(cast: Cast) -> None:
    for _ in range(25):
        assert cast.peer1.log_in().status_code == 302


@pytest.mark.parametrize(("base", "secure"), [("https://line.example.org", True), ("http://127.0.0.1:5000", False)])
def test_cookies_are_secure_exactly_over_https(database_url: str, base: str, secure: bool) -> None:
    app: Flask = create_app(settings(database_url, PUBLIC_BASE_URL=base))
    client = app.test_client()
    [token] = TOKEN.findall(client.get("/login", base_url=base).text)
    form = {"email": "peer1@example.org", "password": PASSWORD, "csrf_token": token}
    answer = client.post("/login", data=form, base_url=base)
    cookies = answer.headers.getlist("Set-Cookie")
    assert cookies
    for cookie in cookies:
        attributes = set(cookie.split("; ")[1:])
        assert attributes == {"HttpOnly", "Path=/", "SameSite=Lax"} | ({"Secure"} if secure else set())
