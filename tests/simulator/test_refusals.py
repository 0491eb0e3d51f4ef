"""What Twilio refuses, with the page that says so: the simulator must not grant what the product wishes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.simulator.world import CALLER, GEORGIA, Product, Simulator, client_for, twiml


def waiting(product: Product, simulator: Simulator, wait: str = "<Pause length='600'/>") -> tuple[str, str]:
    """A caller in a queue: its SID and the queue's."""
    product.replies["/twilio/voice/incoming"] = twiml("<Enqueue waitUrl='/wait' action='/left'>line</Enqueue>")
    product.replies["/wait"] = twiml(wait)
    product.replies["/join"] = twiml("<Say>Moved</Say><Pause length='600'/>")
    sid = simulator.dial()
    return sid, product.wait_for("/wait", CallSid=sid).params["QueueSid"]


def refused(request: Callable[..., object]) -> TwilioRestException:
    with pytest.raises(TwilioRestException) as refusal:
        request()
    return refusal.value


def test_the_second_update_of_a_queue_member_fails(product: Product, simulator: Simulator, twilio: Client) -> None:
    """https://www.twilio.com/docs/voice/api/member-resource#update-a-member-resource

    Only the first request to redirect a member succeeds; a second one gets a 400.
    """
    sid, queue = waiting(product, simulator)
    twilio.queues(queue).members(sid).update(url=f"{product.base_url}/join")
    refusal = refused(lambda: twilio.queues(queue).members(sid).update(url=f"{product.base_url}/join"))
    assert refusal.status == 400
    simulator.hears(sid, "Moved")
    assert len(product.to("/join")) == 1


def test_a_caller_who_is_not_in_the_queue_yet_is_no_member(
    product: Product, simulator: Simulator, twilio: Client
) -> None:
    """https://www.twilio.com/docs/voice/api/member-resource: a member is a call in a queue.

    An unknown instance is a 404 with code 20404: https://www.twilio.com/docs/api/errors/20404
    """
    _, queue = waiting(product, simulator)
    product.replies["/twilio/voice/incoming"] = twiml("<Say>Menu</Say><Pause length='600'/>")
    early = simulator.dial()
    simulator.hears(early, "Menu")
    refusal = refused(lambda: twilio.queues(queue).members(early).update(url=f"{product.base_url}/join"))
    assert (refusal.status, refusal.code) == (404, 20404)
    assert simulator.call(early)["where"] == "menu"


def test_a_verb_that_is_not_allowed_while_waiting_ends_the_wait(product: Product, simulator: Simulator) -> None:
    """https://www.twilio.com/docs/voice/twiml/enqueue#attributes-waiturl

    Play, Say, Pause, Hangup, Redirect, Leave and Gather are supported there, and no other; an error in the
    TwiML retrieved from a waitUrl is QueueResult "error".
    """
    product.replies["/left"] = twiml("<Say>Sorry</Say>")
    product.replies["/twilio/voice/incoming"] = twiml("<Enqueue waitUrl='/wait' action='/left'>line</Enqueue>")
    product.replies["/wait"] = twiml("<Say>Hello</Say><Dial><Conference>room</Conference></Dial>")
    sid = simulator.dial()
    assert product.wait_for("/left").params["QueueResult"] == "error"
    simulator.hears(sid, "Sorry")
    assert "Hello" not in simulator.heard(sid)
    assert 12200 in simulator.error_codes()


def test_a_conference_wait_document_allows_even_less(product: Product, simulator: Simulator) -> None:
    """https://www.twilio.com/docs/api/errors/13238: only Say, Play, Pause and Redirect.

    https://www.twilio.com/docs/voice/twiml/conference#attributes-waiturl: if it fails, the conference is not
    established, and the call goes on with the action.
    """
    product.replies["/twilio/voice/incoming"] = twiml(
        "<Dial action='/after'><Conference waitUrl='/quiet'>room</Conference></Dial>"
    )
    product.replies["/quiet"] = twiml("<Gather/>")
    simulator.dial()
    assert product.wait_for("/after").params["DialCallStatus"] == "failed"
    assert 13238 in simulator.error_codes()


def test_a_finished_call_can_neither_be_redirected_nor_ended(
    product: Product, simulator: Simulator, twilio: Client
) -> None:
    """https://www.twilio.com/docs/api/errors/21220: calls that have completed cannot be redirected."""
    product.replies["/twilio/voice/incoming"] = twiml("<Say>Bye</Say>")
    sid = simulator.dial()
    simulator.reaches(sid, "ended")
    for change in ({"url": f"{product.base_url}/join"}, {"twiml": twiml("")}, {"status": "completed"}):
        refusal = refused(lambda change=change: twilio.calls(sid).update(**change))
        assert (refusal.status, refusal.code) == (400, 21220)


def test_canceled_does_not_touch_a_call_in_progress(product: Product, simulator: Simulator, twilio: Client) -> None:
    """https://www.twilio.com/docs/voice/api/call-resource#update-a-call-resource

    `canceled` hangs up calls that are queued or ringing, but does not affect calls in progress.
    """
    sid, _ = waiting(product, simulator)
    assert twilio.calls(sid).update(status="canceled").status == "in-progress"
    assert simulator.call(sid)["where"] == "queue"


def test_a_participant_for_an_unknown_conference_name_gets_a_new_conference(
    product: Product, simulator: Simulator, twilio: Client
) -> None:
    """https://www.twilio.com/docs/voice/api/conference-participant-resource#create-a-participant

    A friendly name without a conference in progress makes a new one, without a word.
    """
    product.replies["/twilio/voice/incoming"] = twiml("<Dial><Conference>room</Conference></Dial>")
    sid = simulator.dial()
    known = simulator.reaches(sid, "conference")["conference"]["sid"]
    third = "+13125550177"
    assert twilio.conferences("room").participants.create(from_=GEORGIA, to=third).conference_sid == known
    stray = twilio.conferences("rooom").participants.create(from_=GEORGIA, to=third)
    assert stray.conference_sid != known
    assert twilio.conferences(stray.conference_sid).fetch().friendly_name == "rooom"
    refusal = refused(lambda: twilio.conferences("CF" + "0" * 32).participants.create(from_=GEORGIA, to=third))
    assert refusal.status == 404


def test_a_call_is_redirected_by_url_or_by_twiml_but_not_both(
    product: Product, simulator: Simulator, twilio: Client
) -> None:
    """https://www.twilio.com/docs/voice/api/call-resource#update-a-call-resource

    An invalid URL is https://www.twilio.com/docs/api/errors/21205
    """
    sid, _ = waiting(product, simulator)
    both = {"url": f"{product.base_url}/join", "twiml": twiml("")}
    for change in (both, {}, {"url": "nowhere"}):
        assert refused(lambda change=change: twilio.calls(sid).update(**change)).code == 21205
    assert simulator.call(sid)["where"] == "queue"


def test_wrong_credentials_are_refused(simulator: Simulator, product: Product) -> None:
    """https://www.twilio.com/docs/api/errors/20003"""
    for user, password in (("AC" + "9" * 32, "x"), (f"{'AC'}{'1' * 32}", "wrong")):
        refusal = refused(lambda u=user, p=password: client_for(simulator.url, u, p).calls("CA").fetch())
        assert (refusal.status, refusal.code) == (401, 20003)


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"to": "12"}, 21211),  # https://www.twilio.com/docs/api/errors/21211
        ({"from_": "Lantern!"}, 21212),  # https://www.twilio.com/docs/api/errors/21212
        ({"from_": "+12025550199"}, 21606),  # https://www.twilio.com/docs/api/errors/21606
        ({"body": "x" * 1601}, 21617),  # https://www.twilio.com/docs/api/errors/21617
        ({"body": ""}, 21602),  # https://www.twilio.com/docs/api/errors/21602
        ({"to": ""}, 21604),  # https://www.twilio.com/docs/api/errors/21604
        ({"from_": ""}, 21603),  # https://www.twilio.com/docs/api/errors/21603
    ],
)
def test_a_text_that_cannot_be_sent_is_refused(twilio: Client, wish: dict[str, str], code: int) -> None:
    refusal = refused(lambda: twilio.messages.create(**{"to": CALLER, "from_": GEORGIA, "body": "Hi", **wish}))
    assert (refusal.status, refusal.code) == (400, code)


def test_nobody_who_said_stop_is_texted(product: Product, simulator: Simulator, twilio: Client) -> None:
    """https://www.twilio.com/docs/api/errors/21610"""
    simulator.ask("POST", "/script/texts", **{"from": CALLER, "to": GEORGIA, "body": " Stop "})
    refusal = refused(lambda: twilio.messages.create(to=CALLER, from_=GEORGIA, body="Hi"))
    assert (refusal.status, refusal.code) == (400, 21610)
    simulator.ask("POST", "/script/texts", **{"from": CALLER, "to": GEORGIA, "body": "START"})
    assert twilio.messages.create(to=CALLER, from_=GEORGIA, body="Hi").status == "queued"


def test_a_change_of_end_conference_on_exit_is_ignored_while_on_hold(
    product: Product, simulator: Simulator, twilio: Client
) -> None:
    """https://www.twilio.com/docs/voice/api/conference-participant-resource#update-a-participant"""
    product.replies["/twilio/voice/incoming"] = twiml("<Dial><Conference>room</Conference></Dial>")
    sid = simulator.dial()
    conference = twilio.conferences(simulator.reaches(sid, "conference")["conference"]["sid"])
    conference.participants(sid).update(hold=True)
    assert conference.participants(sid).update(end_conference_on_exit=True).end_conference_on_exit is False
    conference.participants(sid).update(hold=False)
    assert conference.participants(sid).update(end_conference_on_exit=True).end_conference_on_exit is True


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"to": ""}, 21201),  # https://www.twilio.com/docs/api/errors/21201
        ({"from_": ""}, 21213),  # https://www.twilio.com/docs/api/errors/21213
        ({"to": "12"}, 21211),  # https://www.twilio.com/docs/api/errors/21211
        ({"from_": CALLER}, 21210),  # https://www.twilio.com/docs/api/errors/21210
    ],
)
def test_a_call_that_cannot_be_made_is_refused(
    product: Product, twilio: Client, wish: dict[str, str], code: int
) -> None:
    wishes = {"to": CALLER, "from_": GEORGIA, "url": f"{product.base_url}/screen", **wish}
    refusal = refused(lambda: twilio.calls.create(**wishes))
    assert (refusal.status, refusal.code) == (400, code)
    assert twilio.calls.list() == []


def test_a_status_that_nobody_can_set_is_refused(product: Product, simulator: Simulator, twilio: Client) -> None:
    """https://www.twilio.com/docs/api/errors/21218; a parameter is wrong: https://www.twilio.com/docs/api/errors/20001"""
    product.replies["/twilio/voice/incoming"] = twiml("<Dial><Conference>room</Conference></Dial>")
    sid = simulator.dial()
    conference = simulator.reaches(sid, "conference")["conference"]["sid"]
    assert refused(lambda: twilio.calls(sid).update(status="ringing")).code == 21218
    assert refused(lambda: twilio.conferences(conference).update(status="init")).code == 20001
    assert simulator.call(sid)["where"] == "conference"


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ("maxParticipants='1'", 16020),  # https://www.twilio.com/docs/api/errors/16020
        ("participantLabel='caller'", 16025),  # https://www.twilio.com/docs/api/errors/16025
    ],
)
def test_a_conference_or_a_label_that_is_taken_is_not_given_twice(
    product: Product, simulator: Simulator, attributes: str, code: int
) -> None:
    product.replies["/twilio/voice/incoming"] = twiml(
        f"<Dial action='/after'><Conference {attributes}>room</Conference></Dial>"
    )
    simulator.reaches(simulator.dial(), "conference")
    second = simulator.dial(from_="+13125550142")
    assert product.wait_for("/after", CallSid=second).params["DialCallStatus"] == "failed"
    assert code in simulator.error_codes()
