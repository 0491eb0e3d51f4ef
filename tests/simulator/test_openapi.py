"""Each operation of the simulator is one of Twilio's, and answers as Twilio's own description says.

So does every other answer in these tests: `world.client_for` looks at each.
"""

from __future__ import annotations

import re

from twilio.rest import Client

from simulator.app import create_app
from simulator.settings import Settings
from tests.simulator.world import (
    ACCOUNT,
    CALLER,
    GEORGIA,
    KEY,
    KEY_SECRET,
    OTHER,
    TOKEN,
    TWIML_APP,
    Product,
    Simulator,
    twiml,
)
from tests.telephony.openapi import HOST, operation


def built() -> set[str]:
    """The operations of the simulator, by Twilio's names."""
    app = create_app(
        Settings("http://localhost:5000", ACCOUNT, TOKEN, KEY, KEY_SECRET, TWIML_APP, {GEORGIA: "Georgia"})
    )
    found = set()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("rest.") and rule.endpoint != "rest._unknown":
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                known = operation(method, HOST + re.sub(r"<[^>]+>", "x", rule.rule))
                assert known, f"{method} {rule.rule} is none of Twilio's"
                found.add(known.id)
    return found


def test_each_operation_answers_as_twilio_describes(product: Product, simulator: Simulator, twilio: Client) -> None:
    product.replies["/twilio/voice/incoming"] = twiml("<Enqueue waitUrl='/wait' action='/left'>line</Enqueue>")
    product.replies["/wait"] = twiml("<Pause length='600'/>")
    product.replies["/join"] = twiml("<Dial><Conference participantLabel='caller'>room</Conference></Dial>")
    join = f"{product.base_url}/join"

    caller = simulator.dial()
    queue = twilio.queues(product.wait_for("/wait").params["QueueSid"])
    assert queue.fetch().sid == twilio.queues.list()[0].sid
    assert queue.members(caller).fetch().call_sid == queue.members.list()[0].call_sid == caller
    assert queue.members("Front").update(url=join).call_sid == caller
    simulator.reaches(caller, "conference")

    called = twilio.calls.create(to=OTHER, from_=GEORGIA, url=join)
    assert called.sid in {call.sid for call in twilio.calls.list()}
    twilio.calls(called.sid).update(status="canceled")
    assert twilio.calls(called.sid).fetch().status == "canceled"

    (conference,) = (twilio.conferences(each.sid) for each in twilio.conferences.list(friendly_name="room"))
    assert conference.fetch().reason_conference_ended is None
    third = conference.participants.create(from_=GEORGIA, to=OTHER, label="third").call_sid
    assert {each.call_sid for each in conference.participants.list()} == {caller, third}
    assert conference.participants("caller").update(muted=True, hold=True, hold_url=f"{product.base_url}/wait").muted
    assert conference.participants(caller).fetch().hold
    assert conference.participants(third).delete()
    assert conference.update(status="completed").reason_conference_ended == "conference-ended-via-api"

    text = twilio.messages.create(to=CALLER, from_=GEORGIA, body="Hi")
    assert [each.sid for each in twilio.messages.list()] == [text.sid] == [twilio.messages(text.sid).fetch().sid]

    assert {exchange.operation.id for exchange in twilio.http_client.exchanges} == built()
