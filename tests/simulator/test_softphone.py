"""The peer's leg: tokens, the TwiML App, and a browser that vanishes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.rest import Client

from tests.simulator.world import (
    ACCOUNT,
    KEY,
    KEY_SECRET,
    TWIML_APP,
    Product,
    Simulator,
    eventually,
    twiml,
)


def token(**change: Any) -> str:
    """An access token as the product makes it, with one thing changed."""
    made = AccessToken(
        change.get("account", ACCOUNT),
        change.get("key", KEY),
        change.get("secret", KEY_SECRET),
        identity=change.get("identity", "peer_1"),
        ttl=change.get("ttl", 3600),
    )
    made.add_grant(VoiceGrant(outgoing_application_sid=change.get("app", TWIML_APP)))
    return str(made.to_jwt())


def connect(simulator: Simulator, product: Product, **body: Any) -> requests.Response:
    headers = {"Origin": product.base_url}
    return simulator.http.post(f"{simulator.url}/softphone/connect", json=body, headers=headers, timeout=10)


def test_a_softphone_calls_the_twiml_app(product: Product, simulator: Simulator, twilio: Client) -> None:
    product.replies["/twilio/voice/client"] = twiml("<Dial><Conference>room</Conference></Dial>")
    answer = connect(simulator, product, token=token(), params={"offer": "42", "From": "client:somebody_else"})
    assert answer.status_code == 201, answer.text
    hook = product.wait_for("/twilio/voice/client")
    assert hook.signed
    assert hook.params["From"] == hook.params["Caller"] == "client:peer_1"
    assert (hook.params["To"], hook.params["offer"], hook.params["ApplicationSid"]) == ("", "42", TWIML_APP)
    assert hook.params["Direction"] == "inbound"
    sid = answer.json()["sid"]
    assert twilio.calls(sid).fetch()._from == "client:peer_1"
    simulator.hang_up(sid)
    assert product.wait_for("/twilio/voice/status").params["CallSid"] == sid


@pytest.mark.parametrize(
    "change",
    [
        {"secret": "x" * 32},
        {"key": "SK" + "9" * 32},
        {"account": "AC" + "9" * 32},
        {"app": "AP" + "9" * 32},
        {"ttl": -10},
        {"identity": ""},
    ],
    ids=["secret", "key", "account", "application", "expired", "nobody"],
)
def test_a_wrong_token_is_refused(product: Product, simulator: Simulator, change: dict[str, Any]) -> None:
    """https://www.twilio.com/docs/api/errors/20101"""
    answer = connect(simulator, product, token=token(**change))
    assert answer.status_code == 401
    assert "20101" in answer.json()["error"]
    body = {"token": token(**change)}
    assert simulator.http.post(f"{simulator.url}/script/softphone", json=body, timeout=5).status_code == 400
    assert not product.hooks


def test_garbage_is_no_token(product: Product, simulator: Simulator) -> None:
    assert connect(simulator, product, token="a.b.c").status_code == 401


@pytest.mark.parametrize("reply", [twiml("<Reject/>"), twiml(""), (500, "text/plain", "")])
def test_a_call_that_the_product_refuses_does_not_connect(
    product: Product, simulator: Simulator, reply: str | tuple[int, str, str]
) -> None:
    product.replies["/twilio/voice/client"] = reply
    product.replies["/twilio/voice/fallback"] = twiml("<Hangup/>")
    assert connect(simulator, product, token=token()).status_code == 409


def test_the_browser_follows_its_call_and_acts_on_it(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/client"] = twiml(
        "<Gather action='/key' numDigits='1' timeout='600'><Say>Hi</Say></Gather>"
    )
    product.replies["/key"] = twiml("<Pause length='600'/>")
    made = connect(simulator, product, token=token()).json()
    at = f"{simulator.url}/softphone/calls/{made['sid']}"
    assert simulator.http.get(f"{at}/events?key=wrong", timeout=5).status_code == 404
    with simulator.http.get(f"{at}/events?key={made['key']}", stream=True, timeout=5) as stream:
        lines = stream.iter_lines(decode_unicode=True)
        first = next(line for line in lines if line.startswith("data:"))
        assert json.loads(first[5:])["sid"] == made["sid"]
        assert simulator.http.post(f"{at}/digits?key={made['key']}", json={"digits": "5"}, timeout=5).ok
        assert product.wait_for("/key").params["Digits"] == "5"
        assert simulator.http.post(f"{at}/hangup?key={made['key']}", timeout=5).ok
        assert any(line == "event: end" for line in lines)
    simulator.reaches(made["sid"], "ended")


def test_a_browser_that_vanishes_has_hung_up(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/client"] = twiml("<Dial><Conference>room</Conference></Dial>")
    made = connect(simulator, product, token=token()).json()
    events = f"{simulator.url}/softphone/calls/{made['sid']}/events?key={made['key']}"
    began = time.monotonic()
    with requests.get(events, stream=True, timeout=5) as stream:
        next(stream.iter_lines())
    eventually(lambda: simulator.call(made["sid"])["where"] == "ended")
    assert time.monotonic() - began >= 4


def test_only_the_product_may_load_and_call_it(product: Product, simulator: Simulator) -> None:
    local = product.base_url.replace("127.0.0.1", "localhost")
    for origin, allowed in ((product.base_url, True), (local, True), ("https://example.org", False)):
        answer = simulator.http.get(f"{simulator.url}/softphone.js", headers={"Origin": origin}, timeout=5)
        assert (answer.headers.get("Access-Control-Allow-Origin") == origin) is allowed
        assert answer.headers["Content-Type"].startswith("text/javascript")
    preflight = simulator.http.options(
        f"{simulator.url}/softphone/connect", headers={"Origin": product.base_url}, timeout=5
    )
    assert preflight.headers["Access-Control-Allow-Headers"] == "Content-Type"
    strange = simulator.http.post(
        f"{simulator.url}/softphone/connect", json={}, headers={"Origin": "https://example.org"}, timeout=5
    )
    assert strange.status_code == 403
