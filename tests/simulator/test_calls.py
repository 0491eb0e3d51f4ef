"""A call, from the first ring to the last callback."""

from __future__ import annotations

import threading

import pytest
from twilio.rest import Client

from tests.simulator.world import (
    ACCOUNT,
    CALLER,
    GEORGIA,
    ILLINOIS,
    PATIENCE_SECONDS,
    Product,
    Simulator,
    eventually,
    twiml,
)


def test_the_first_request_says_who_calls_whom(product: Product, simulator: Simulator) -> None:
    sid = simulator.dial()
    hook = product.wait_for("/twilio/voice/incoming")
    assert hook.signed
    assert hook.params == {
        "CallSid": sid,
        "AccountSid": ACCOUNT,
        "From": CALLER,
        "To": GEORGIA,
        "Caller": CALLER,
        "Called": GEORGIA,
        "CallStatus": "ringing",
        "Direction": "inbound",
        "ApiVersion": "2010-04-01",
    }


def test_a_call_ends_with_its_document_and_the_status_callback_says_so(
    product: Product, simulator: Simulator, twilio: Client
) -> None:
    product.replies["/twilio/voice/incoming"] = twiml("<Say>Hello</Say><Pause length='20'/><Say>Bye</Say>")
    sid = simulator.dial()
    done = product.wait_for("/twilio/voice/status")
    assert simulator.heard(sid) == ["Hello", "Bye"]
    assert done.signed
    assert done.params["CallStatus"] == "completed"
    assert done.params["SequenceNumber"] == "0"
    assert done.params["CallbackSource"] == "call-progress-events"
    assert 20 <= int(done.params["CallDuration"]) <= 60
    call = twilio.calls(sid).fetch()
    assert (call.status, call.duration, call.direction) == (
        "completed",
        done.params["CallDuration"],
        "inbound",
    )
    assert len(product.to("/twilio/voice/status")) == 1


@pytest.mark.parametrize("from_", ["", "anonymous", "+266696687"])
def test_a_number_may_be_withheld(product: Product, simulator: Simulator, from_: str) -> None:
    simulator.dial(from_=from_)
    assert product.wait_for("/twilio/voice/incoming").params["From"] == (from_ or "+266696687")


def test_every_line_has_its_own_number(product: Product, simulator: Simulator) -> None:
    simulator.dial(to=ILLINOIS)
    assert product.wait_for("/twilio/voice/incoming").params["To"] == ILLINOIS


def test_keys_end_a_prompt_and_go_to_the_action(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/incoming"] = twiml(
        "<Gather action='/chosen?menu=1' numDigits='2' timeout='600'><Say>Two keys</Say>"
        "<Pause length='600'/><Say>Never heard</Say></Gather>"
    )
    product.replies["/chosen"] = twiml("<Say>Thanks</Say>")
    sid = simulator.dial()
    simulator.hears(sid, "Two keys")
    simulator.press(sid, "4")
    simulator.press(sid, "2")
    hook = product.wait_for("/chosen")
    assert (hook.params["Digits"], hook.params["menu"], hook.signed) == ("42", "1", True)
    simulator.hears(sid, "Thanks")
    assert "Never heard" not in simulator.heard(sid)


def test_the_finishing_key_is_not_part_of_the_digits(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/incoming"] = twiml("<Gather action='/chosen' timeout='600'><Say>Go</Say></Gather>")
    sid = simulator.dial()
    simulator.hears(sid, "Go")
    simulator.press(sid, "12#")
    assert product.wait_for("/chosen").params["Digits"] == "12"


def test_keys_before_the_prompt_do_not_count(product: Product, simulator: Simulator) -> None:
    pressed = threading.Event()

    def prompt(_: dict[str, str]) -> str:
        pressed.wait(PATIENCE_SECONDS)
        return twiml("<Gather action='/chosen' numDigits='1'><Say>Now</Say></Gather><Say>Silence</Say>")

    product.replies["/twilio/voice/incoming"] = twiml("<Say>Wait a moment</Say><Redirect>/prompt</Redirect>")
    product.replies["/prompt"] = prompt
    sid = simulator.dial()
    simulator.hears(sid, "Wait a moment")
    simulator.press(sid, "1")
    pressed.set()
    simulator.hears(sid, "Silence")
    assert not product.to("/chosen")


def test_silence_may_go_to_the_action_too(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/incoming"] = twiml(
        "<Gather action='/chosen' timeout='1' actionOnEmptyResult='true'/><Say>Not reached</Say>"
    )
    simulator.dial()
    assert product.wait_for("/chosen").params["Digits"] == ""


def test_a_redirect_is_followed_where_it_stands(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/incoming"] = twiml("<Redirect>next?try=2</Redirect><Say>No</Say>")
    product.replies["/twilio/voice/next"] = twiml("<Say>Yes</Say>")
    sid = simulator.dial()
    simulator.reaches(sid, "ended")
    assert simulator.heard(sid) == ["Yes"]
    assert product.to("/twilio/voice/next")[0].params["try"] == "2"


@pytest.mark.parametrize(("reason", "status"), [("busy", "busy"), ("rejected", "no-answer")], ids=["busy", "rejected"])
def test_a_call_may_be_turned_away(
    product: Product, simulator: Simulator, twilio: Client, reason: str, status: str
) -> None:
    product.replies["/twilio/voice/incoming"] = twiml(f"<Reject reason='{reason}'/>")
    sid = simulator.dial()
    simulator.reaches(sid, "ended")
    assert twilio.calls(sid).fetch().status == status
    assert product.wait_for("/twilio/voice/status").params["CallDuration"] == "0"


def test_a_caller_who_hangs_up_is_gone_at_once(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/incoming"] = twiml("<Say>Hello</Say><Pause length='600'/>")
    sid = simulator.dial()
    simulator.hears(sid, "Hello")
    simulator.hang_up(sid)
    assert product.wait_for("/twilio/voice/status").params["CallStatus"] == "completed"


def test_rest_ends_a_call(product: Product, simulator: Simulator, twilio: Client) -> None:
    product.replies["/twilio/voice/incoming"] = twiml("<Say>Hello</Say><Pause length='600'/>")
    sid = simulator.dial()
    simulator.hears(sid, "Hello")
    assert twilio.calls(sid).update(status="completed").status == "completed"
    product.wait_for("/twilio/voice/status", CallSid=sid)


def test_rest_sends_a_call_elsewhere(product: Product, simulator: Simulator, twilio: Client) -> None:
    product.replies["/twilio/voice/incoming"] = twiml("<Say>Hello</Say><Pause length='600'/><Say>No</Say>")
    product.replies["/dropped"] = twiml("<Say>Sorry</Say><Pause length='600'/>")
    sid = simulator.dial()
    simulator.hears(sid, "Hello")
    twilio.calls(sid).update(url=f"{product.base_url}/dropped")
    simulator.hears(sid, "Sorry")
    twilio.calls(sid).update(twiml=twiml("<Say>At last</Say>"))
    simulator.reaches(sid, "ended")
    assert simulator.heard(sid) == ["Hello", "Sorry", "At last"]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ((500, "text/plain", "oops"), "11200"),  # https://www.twilio.com/docs/api/errors/11200
        ((404, "text/xml", twiml("")), "11200"),
        ((200, "text/xml", "<Response><Say>"), "12100"),  # https://www.twilio.com/docs/api/errors/12100
        ((200, "text/xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><Response/>"), "12100"),
        ((200, "text/xml", "<Answer/>"), "12100"),
        ((200, "application/json", "{}"), "12300"),  # https://www.twilio.com/docs/api/errors/12300
    ],
    ids=["500", "404", "broken", "doctype", "root", "json"],
)
def test_a_document_that_cannot_be_had_is_asked_of_the_fallback_url(
    product: Product, simulator: Simulator, reply: tuple[int, str, str], code: str
) -> None:
    """https://www.twilio.com/docs/usage/security/availability-reliability"""
    product.replies["/twilio/voice/incoming"] = reply
    product.replies["/twilio/voice/fallback"] = twiml("<Say>Call 988</Say>")
    sid = simulator.dial()
    simulator.hears(sid, "Call 988")
    hook = product.to("/twilio/voice/fallback")[0]
    assert hook.params["ErrorCode"] == code
    assert hook.params["ErrorUrl"] == f"{product.base_url}/twilio/voice/incoming"
    assert int(code) in simulator.error_codes()


def test_without_any_document_the_caller_hears_an_apology(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/incoming"] = product.replies["/twilio/voice/fallback"] = (
        500,
        "text/plain",
        "",
    )
    sid = simulator.dial()
    simulator.reaches(sid, "ended")
    assert "application error" in simulator.heard(sid)[0]
    product.wait_for("/twilio/voice/status")


def test_plain_text_is_spoken(product: Product, simulator: Simulator) -> None:
    """https://www.twilio.com/docs/voice/twiml#understanding-twiml-content-types"""
    product.replies["/twilio/voice/incoming"] = (200, "text/plain", "Just words")
    simulator.hears(simulator.dial(), "Just words")


def test_what_is_not_twiml_is_noted_and_passed_over(product: Product, simulator: Simulator) -> None:
    """https://www.twilio.com/docs/api/errors/12200: a warning"""
    product.replies["/twilio/voice/incoming"] = twiml("<say>No</say><Record/><Say tone='kind'>Yes</Say>")
    sid = simulator.dial()
    simulator.reaches(sid, "ended")
    assert simulator.heard(sid) == ["Yes"]
    assert sorted(map(str, simulator.error_codes())) == ["12200", "12200", "unsupported"]


def test_an_outbound_call_rings_until_it_is_answered(product: Product, simulator: Simulator, twilio: Client) -> None:
    product.replies["/screen"] = twiml("<Say>Press 1 to accept</Say><Pause length='600'/>")
    made = {"to": CALLER, "from_": GEORGIA, "url": f"{product.base_url}/screen"}
    call = twilio.calls.create(**made, timeout=600, status_callback=f"{product.base_url}/progress")
    assert (call.status, call.start_time) == ("queued", None), "it is not dialled yet"
    eventually(lambda: twilio.calls(call.sid).fetch().status == "ringing")
    simulator.ask("POST", f"/script/calls/{call.sid}/answer")
    simulator.hears(call.sid, "Press 1 to accept")
    assert product.to("/screen")[0].params["Direction"] == "outbound-api"
    simulator.hang_up(call.sid)
    assert product.wait_for("/progress").params["CallStatus"] == "completed"
    unanswered = twilio.calls.create(**made, timeout=5)
    eventually(lambda: twilio.calls(unanswered.sid).fetch().status == "no-answer")
    cancelled = twilio.calls.create(**made, timeout=600)
    assert twilio.calls(cancelled.sid).update(status="canceled").status == "canceled"


def test_the_simulator_says_what_it_does_not_do(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/voice/incoming"] = twiml("<Dial action='/after'><Number>+14045550199</Number></Dial>")
    simulator.dial()
    assert product.wait_for("/after").params["DialCallStatus"] == "failed"
    assert "unsupported" in simulator.error_codes()
