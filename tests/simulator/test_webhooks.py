"""Requests out: signatures, overrides, retries, faults, and a product that is not there."""

from __future__ import annotations

import time

import pytest

from simulator.webhooks import Overrides
from tests.simulator.world import Product, Simulator, eventually, twiml


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("", Overrides()),
        ("#rc=5&rp=5xx,ct,rt", Overrides(retries=5, policy=frozenset({"5xx", "ct", "rt"}))),
        ("#ct=1&rt=99999&tt=99999&rc=9", Overrides(connect=100, retries=5)),
        ("#ct=x&rc=-1&e=dublin", Overrides()),
    ],
)
def test_overrides_stand_in_the_fragment(fragment: str, expected: Overrides) -> None:
    """https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides"""
    assert Overrides.of(f"https://example.org/wait?a=1{fragment}") == expected


def test_a_fragment_is_neither_sent_nor_signed_but_retried_by(product: Product, simulator: Simulator) -> None:
    answers = iter([(502, "text/plain", ""), (404, "text/plain", ""), twiml("<Say>At last</Say>")])
    product.replies["/twilio/voice/incoming"] = twiml("<Redirect>/flaky#rc=2&amp;rp=4xx,5xx</Redirect>")
    product.replies["/flaky"] = lambda _: next(answers)
    sid = simulator.dial()
    simulator.hears(sid, "At last")
    hooks = product.to("/flaky")
    assert [hook.path for hook in hooks] == ["/flaky"] * 3
    assert all(hook.signed for hook in hooks)
    assert len({hook.headers["i-twilio-idempotency-token"] for hook in hooks}) == 1
    assert hooks[1].at - hooks[0].at >= 0.4


def test_an_error_status_is_not_retried_unless_asked_for(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/incoming"] = (500, "text/plain", "")
    simulator.reaches(simulator.dial(), "ended")
    assert len(product.to("/twilio/voice/incoming")) == 1


def test_a_get_is_signed_with_its_query(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/incoming"] = twiml("<Redirect method='GET'>/page?a=b%20c</Redirect>")
    simulator.dial()
    hook = product.wait_for("/page")
    assert hook.signed
    assert (hook.params["a"], "CallSid" in hook.params) == ("b c", True)


def test_a_slow_product_is_given_up(product: Product, simulator: Simulator) -> None:
    def slow(_: dict[str, str]) -> str:
        simulator.http.get(f"{simulator.url}/healthz", timeout=5)  # the simulator goes on meanwhile
        eventually(lambda: product.to("/twilio/voice/fallback"))
        return twiml("<Say>Too late</Say>")

    product.replies["/twilio/voice/incoming"] = twiml("<Redirect>/slow#rt=200&amp;rc=0</Redirect>")
    product.replies["/slow"] = slow
    product.replies["/twilio/voice/fallback"] = twiml("<Say>Fallback</Say>")
    sid = simulator.dial()
    simulator.hears(sid, "Fallback")
    assert product.to("/twilio/voice/fallback")[0].params["ErrorCode"] == "11205"
    assert "Too late" not in simulator.heard(sid)


def test_a_waiting_caller_survives_a_restart_of_the_product(product: Product, simulator: Simulator) -> None:
    """With retries in the fragment a caller hears nothing of a restart of a second."""
    product.replies["/twilio/voice/incoming"] = twiml(
        "<Enqueue waitUrl='/wait#rc=5&amp;rp=all' action='/left'>line</Enqueue>"
    )
    product.replies["/wait"] = twiml("<Say>Wait</Say><Pause length='2'/>")
    sid = simulator.dial()
    product.wait_for("/wait", 2)
    product.stop()
    try:
        before = len(product.to("/wait"))
        eventually(lambda: simulator.ask("GET", "/healthz")["calls"] == 1)
    finally:
        product.start()
    product.wait_for("/wait", before + 1)
    assert simulator.call(sid)["where"] == "queue"
    assert not product.to("/left")


def test_a_product_that_is_gone_costs_its_callers_but_not_the_simulator(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/incoming"] = twiml(
        "<Gather action='/next' numDigits='1' timeout='600'><Say>Hi</Say></Gather>"
    )
    sid = simulator.dial()
    simulator.hears(sid, "Hi")
    product.stop()
    try:
        simulator.press(sid, "1")
        simulator.reaches(sid, "ended")
        assert "application error" in simulator.heard(sid)[-1]
        eventually(lambda: simulator.error_codes().count(11205) >= 3)  # document, fallback, status callback
    finally:
        product.start()
    simulator.dial()
    product.wait_for("/twilio/voice/incoming", 2)


def test_a_callback_can_come_twice(product: Product, simulator: Simulator) -> None:
    simulator.fault(kind="duplicate", path="/voice/status")
    simulator.dial()
    first, second = product.wait_for("/twilio/voice/status"), product.wait_for("/twilio/voice/status", 2)
    assert first.params == second.params
    assert simulator.ask("GET", "/script/faults") == {"faults": []}


def test_a_document_can_be_asked_twice(product: Product, simulator: Simulator) -> None:
    simulator.fault(kind="duplicate", path="/voice/incoming")
    simulator.dial()
    first, second = product.wait_for("/twilio/voice/incoming"), product.wait_for("/twilio/voice/incoming", 2)
    token = "i-twilio-idempotency-token"
    assert first.headers[token] == second.headers[token]


def test_a_callback_can_be_lost(product: Product, simulator: Simulator) -> None:
    simulator.fault(kind="drop", path="/voice/status", count=1)
    simulator.reaches(simulator.dial(), "ended")
    second = simulator.dial()
    assert product.wait_for("/twilio/voice/status").params["CallSid"] == second


def test_callbacks_can_come_in_the_wrong_order(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/incoming"] = twiml(
        "<Dial><Conference statusCallback='/events' statusCallbackEvent='join leave end'>room</Conference></Dial>"
    )
    simulator.fault(kind="reorder", path="/events")
    sid = simulator.dial()
    simulator.reaches(sid, "conference")
    simulator.hang_up(sid)
    product.wait_for("/events", 3)
    first, *later = [event.params["StatusCallbackEvent"] for event in product.to("/events")]
    assert first != "participant-join"
    assert "participant-join" in later


def test_a_webhook_can_be_late(product: Product, simulator: Simulator) -> None:
    simulator.fault(kind="delay", path="/voice/incoming", seconds=0.3)
    began = time.monotonic()
    simulator.dial()
    assert product.wait_for("/twilio/voice/incoming").at - began >= 0.3


def test_an_unknown_fault_is_refused(simulator: Simulator) -> None:
    for fault in ({"kind": "earthquake"}, {"kind": "rest", "status": 418}, {"kind": "drop", "paht": "x"}):
        answer = simulator.http.post(f"{simulator.url}/script/faults", json=fault, timeout=5)
        assert answer.status_code == 400
