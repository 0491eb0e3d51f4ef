"""Text messages, in and out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from twilio.rest import Client

from simulator.messages import segments
from tests.simulator.world import CALLER, GEORGIA, ILLINOIS, OTHER, Product, Simulator, eventually, twiml


def text(simulator: Simulator, body: str, **more: object) -> None:
    simulator.ask("POST", "/script/texts", **{"from": CALLER, "to": GEORGIA, "body": body, **more})


def thread(simulator: Simulator, number: str = CALLER) -> list[tuple[str, str]]:
    found = simulator.ask("GET", f"/script/texts?number={number.replace('+', '%2B')}")["texts"]
    return [(each["direction"], each["body"]) for each in found]


def test_a_text_reaches_the_line_and_is_answered_by_twiml(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/sms/incoming"] = twiml(
        "<Message>Welcome</Message><Message><Body>Two\nlines</Body></Message>"
    )
    text(simulator, "Hello 🙂")
    hook = product.wait_for("/twilio/sms/incoming")
    assert hook.signed
    assert {key: hook.params[key] for key in ("From", "To", "Body", "NumMedia", "NumSegments")} == {
        "From": CALLER,
        "To": GEORGIA,
        "Body": "Hello 🙂",
        "NumMedia": "0",
        "NumSegments": "1",
    }
    assert hook.params["MessageSid"] == hook.params["SmsSid"] == hook.params["SmsMessageSid"]
    answers = [("outbound-reply", "Welcome"), ("outbound-reply", "Two\nlines")]
    eventually(lambda: thread(simulator) == [("inbound", "Hello 🙂"), *answers])


def test_an_outgoing_text_is_queued_sent_and_delivered(product: Product, simulator: Simulator, twilio: Client) -> None:
    callback = f"{product.base_url}/twilio/sms/status?message=7"
    message = twilio.messages.create(to=CALLER, from_=GEORGIA, body="Hi", status_callback=callback)
    assert (message.status, message.direction, message.num_segments) == ("queued", "outbound-api", "1")
    done = product.wait_for("/twilio/sms/status", MessageStatus="delivered")
    assert done.signed
    assert (done.params["message"], done.params["MessageSid"]) == ("7", message.sid)
    states = {hook.params["MessageStatus"] for hook in product.to("/twilio/sms/status")}
    assert states == {"queued", "sent", "delivered"}
    assert twilio.messages(message.sid).fetch().status == "delivered"


def test_a_text_may_not_arrive(product: Product, simulator: Simulator, twilio: Client) -> None:
    """https://www.twilio.com/docs/api/errors/30003"""
    simulator.fault(kind="undelivered", path="0123$", status=30003)
    message = twilio.messages.create(
        to=CALLER, from_=GEORGIA, body="Hi", status_callback=f"{product.base_url}/twilio/sms/status"
    )
    failed = product.wait_for("/twilio/sms/status", MessageStatus="undelivered")
    assert failed.params["ErrorCode"] == "30003"
    assert twilio.messages(message.sid).fetch().error_code == 30003


def test_texts_are_listed_by_number_and_day(simulator: Simulator, twilio: Client, product: Product) -> None:
    mine = twilio.messages.create(to=CALLER, from_=GEORGIA, body="one")
    other = twilio.messages.create(to=OTHER, from_=ILLINOIS, body="two")
    now = datetime.now(UTC)

    def sids(**filters: object) -> list[str | None]:
        return [each.sid for each in twilio.messages.list(**filters)]

    assert sids() == [other.sid, mine.sid]
    assert sids(to=CALLER) == [mine.sid]
    assert sids(from_=ILLINOIS) == [other.sid]
    assert sids(to=CALLER, date_sent_after=now - timedelta(minutes=5)) == [mine.sid]
    assert sids(date_sent_after=now + timedelta(minutes=5)) == []
    assert sids(date_sent_before=now - timedelta(minutes=5)) == []
    assert len(sids(date_sent=now)) == 2


def test_stop_is_answered_by_the_company_and_still_handed_over(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/sms/incoming"] = twiml("<Message>Refused</Message>")
    text(simulator, "STOP", params={"OptOutType": "STOP"})
    assert product.wait_for("/twilio/sms/incoming").params["OptOutType"] == "STOP"
    eventually(lambda: 21610 in simulator.error_codes())
    assert [direction for direction, _ in thread(simulator)] == ["inbound", "outbound-reply"]


def test_stop_within_a_sentence_is_an_ordinary_word(product: Product, simulator: Simulator) -> None:
    text(simulator, "I cannot stop crying")
    product.wait_for("/twilio/sms/incoming")
    assert len(thread(simulator)) == 1


def test_a_text_nobody_can_read_is_noted(product: Product, simulator: Simulator) -> None:
    product.replies["/twilio/sms/incoming"] = (500, "text/plain", "")
    text(simulator, "Hello")
    eventually(lambda: 11200 in simulator.error_codes())


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("’" * 70, 1),
        ("’" * 71, 2),
        ("🙂" * 35, 1),
    ],
)
def test_one_curly_quote_doubles_the_cost(body: str, count: int) -> None:
    """https://www.twilio.com/docs/glossary/what-sms-character-limit"""
    assert segments(body) == count
