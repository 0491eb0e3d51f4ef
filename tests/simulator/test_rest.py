"""The REST API as a whole: who may ask, how lists are paged, what faults do, and the shape of answers."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from requests.exceptions import ReadTimeout
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.simulator.world import (
    ACCOUNT,
    CALLER,
    GEORGIA,
    KEY,
    KEY_SECRET,
    Product,
    Simulator,
    client_for,
    twiml,
)


def test_an_api_key_will_do(simulator: Simulator, product: Product) -> None:
    assert client_for(simulator.url, KEY, KEY_SECRET).calls.list() == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda twilio: twilio.calls("CA" + "0" * 32).fetch(),
        lambda twilio: twilio.queues("QU" + "0" * 32).fetch(),
        lambda twilio: twilio.queues("QU" + "0" * 32).members("CA" + "0" * 32).update(url="http://x"),
        lambda twilio: twilio.conferences("CF" + "0" * 32).fetch(),
        lambda twilio: twilio.conferences("CF" + "0" * 32).update(status="completed"),
        lambda twilio: twilio.messages("SM" + "0" * 32).fetch(),
        lambda twilio: twilio.applications("AP" + "0" * 32).fetch(),
    ],
    ids=["call", "queue", "member", "conference", "ending", "message", "resource"],
)
def test_what_does_not_exist_is_not_found(twilio: Client, ask: Callable[[Client], object]) -> None:
    """https://www.twilio.com/docs/api/errors/20404"""
    with pytest.raises(TwilioRestException) as refusal:
        ask(twilio)
    assert (refusal.value.status, refusal.value.code) == (404, 20404)


def test_lists_come_in_pages(twilio: Client) -> None:
    sent = [twilio.messages.create(to=CALLER, from_=GEORGIA, body=str(number)).sid for number in range(5)]
    assert [each.sid for each in twilio.messages.stream(page_size=2)] == sent[::-1]


def test_requests_are_remembered(simulator: Simulator, twilio: Client) -> None:
    twilio.messages.create(to=CALLER, from_=GEORGIA, body="Hi")
    last = simulator.ask("GET", "/script/requests")["requests"][-1]
    assert (last["method"], last["status"], last["params"]["Body"]) == ("POST", 201, "Hi")
    assert last["path"] == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


@pytest.mark.parametrize(
    ("status", "http", "code"), [(429, 429, 20429), (500, 500, 20500), (503, 503, 20503), (21220, 400, 21220)]
)
def test_a_request_can_be_refused_on_demand(
    simulator: Simulator, twilio: Client, status: int, http: int, code: int
) -> None:
    """https://www.twilio.com/docs/api/errors/20429: such a request was not processed."""
    simulator.fault(status=status, method="POST", path="/Messages.json$")
    with pytest.raises(TwilioRestException) as refusal:
        twilio.messages.create(to=CALLER, from_=GEORGIA, body="Hi")
    assert (refusal.value.status, refusal.value.code) == (http, code)
    assert twilio.messages.list() == []
    assert twilio.messages.create(to=CALLER, from_=GEORGIA, body="Hi").sid


@pytest.mark.parametrize("processed", [False, True])
def test_an_answer_can_come_too_late_whether_or_not_the_request_took_effect(
    simulator: Simulator, twilio: Client, processed: bool
) -> None:
    simulator.fault(status="timeout", method="POST", path="/Messages.json$", processed=processed, seconds=0.6)
    with pytest.raises(ReadTimeout):
        client_for(simulator.url, timeout=0.3).messages.create(to=CALLER, from_=GEORGIA, body="Hi")
    assert len(twilio.messages.list()) == int(processed)
    time.sleep(0.4)  # the late answer must not spoil the next test


def test_answers_have_the_fields_of_twilio(product: Product, simulator: Simulator, twilio: Client) -> None:
    """What twilio-python reads and its dates parse; fields: https://www.twilio.com/docs/voice/api/call-resource"""
    product.replies["/twilio/voice/incoming"] = twiml("<Dial><Conference>room</Conference></Dial>")
    sid = simulator.dial()
    conference = simulator.reaches(sid, "conference")["conference"]["sid"]
    call = twilio.calls(sid).fetch()
    assert call.date_created <= call.start_time <= call.date_updated
    assert (call._from, call.to, call.end_time, call.duration) == (CALLER, GEORGIA, None, None)
    assert call.uri == f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{sid}.json"
    found = twilio.conferences(conference).fetch()
    assert (found.account_sid, found.region, found.status) == (ACCOUNT, "us1", "init")
    assert found.date_created
    participant = twilio.conferences(conference).participants(sid).fetch()
    assert (participant.status, participant.muted, participant.hold) == ("connected", False, False)
    assert [each.sid for each in twilio.calls.list(status="in-progress", to=GEORGIA)] == [sid]
