"""Waiting: the wait document, the ways out, and what the action is told."""

from __future__ import annotations

import pytest
from twilio.rest import Client

from tests.simulator.world import CALLER, OTHER, Product, Simulator, eventually, twiml


@pytest.fixture
def lines(product: Product) -> Product:
    product.replies["/twilio/voice/incoming"] = twiml(
        "<Enqueue waitUrl='/wait?contact=7' action='/left'>line</Enqueue><Say>After the queue</Say>"
    )
    product.replies["/wait"] = twiml("<Say>Please wait</Say><Pause length='10'/>")
    product.replies["/left"] = twiml("<Say>Left</Say>")
    return product


def test_the_wait_document_is_asked_again_and_again(lines: Product, simulator: Simulator) -> None:
    sid = simulator.dial()
    first, third = lines.wait_for("/wait"), lines.wait_for("/wait", 3)
    assert first.signed
    assert first.params["contact"] == "7"
    assert first.params["QueueSid"].startswith("QU")
    assert (first.params["QueuePosition"], first.params["CurrentQueueSize"]) == ("1", "1")
    assert first.params["QueueTime"] == "0"
    assert int(third.params["QueueTime"]) >= 20
    assert simulator.heard(sid)[:2] == ["Please wait", "Please wait"]
    assert simulator.call(sid)["queue"]["name"] == "line"


def test_members_are_listed_in_the_order_in_which_they_came(
    lines: Product, simulator: Simulator, twilio: Client
) -> None:
    first = simulator.dial(from_=CALLER)
    queue = lines.wait_for("/wait", CallSid=first).params["QueueSid"]
    second = simulator.dial(from_=OTHER)
    assert lines.wait_for("/wait", CallSid=second).params["QueuePosition"] == "2"
    assert [member.call_sid for member in twilio.queues(queue).members.list()] == [first, second]
    assert twilio.queues(queue).members("Front").fetch().call_sid == first
    found = twilio.queues(queue).fetch()
    assert (found.friendly_name, found.current_size, found.max_size) == ("line", 2, 1000)
    assert [each.sid for each in twilio.queues.list()] == [queue]
    simulator.hang_up(first)
    eventually(lambda: twilio.queues(queue).members(second).fetch().position == 1)


def test_a_member_is_moved_to_another_document(lines: Product, simulator: Simulator, twilio: Client) -> None:
    """The action is asked right away, and what it answers does not matter to a call that went elsewhere.

    https://www.twilio.com/docs/voice/twiml/enqueue#attributes-action
    """
    lines.replies["/join"] = twiml("<Say>Moved</Say><Pause length='600'/>")
    sid = simulator.dial()
    queue = lines.wait_for("/wait").params["QueueSid"]
    moved = twilio.queues(queue).members(sid).update(url=f"{lines.base_url}/join", method="POST")
    assert (moved.call_sid, moved.position) == (sid, 1)
    left = lines.wait_for("/left")
    assert (left.params["QueueResult"], left.params["QueueSid"]) == ("redirected", queue)
    simulator.hears(sid, "Moved")
    assert "Left" not in simulator.heard(sid)
    assert simulator.call(sid)["queue"] is None


def test_a_redirected_call_leaves_its_queue(lines: Product, simulator: Simulator, twilio: Client) -> None:
    lines.replies["/elsewhere"] = twiml("<Say>Elsewhere</Say><Pause length='600'/>")
    sid = simulator.dial()
    queue = lines.wait_for("/wait").params["QueueSid"]
    twilio.calls(sid).update(url=f"{lines.base_url}/elsewhere")
    assert lines.wait_for("/left").params["QueueResult"] == "redirected"
    simulator.hears(sid, "Elsewhere")
    assert twilio.queues(queue).members.list() == []


def test_a_caller_who_hangs_up_leaves_the_queue(lines: Product, simulator: Simulator) -> None:
    sid = simulator.dial()
    simulator.hears(sid, "Please wait")
    simulator.hang_up(sid)
    left = lines.wait_for("/left")
    assert (left.params["QueueResult"], left.params["CallStatus"]) == ("hangup", "completed")
    lines.wait_for("/twilio/voice/status", CallStatus="completed")
    assert simulator.heard(sid) == ["Please wait"]


def test_leave_goes_to_the_action(lines: Product, simulator: Simulator) -> None:
    lines.replies["/wait"] = twiml("<Leave/>")
    sid = simulator.dial()
    simulator.hears(sid, "Left")
    assert lines.to("/left")[0].params["QueueResult"] == "leave"


def test_leave_without_an_action_goes_on_after_the_queue(lines: Product, simulator: Simulator) -> None:
    """https://www.twilio.com/docs/voice/twiml/leave"""
    lines.replies["/twilio/voice/incoming"] = twiml("<Enqueue waitUrl='/wait'>line</Enqueue><Say>After</Say>")
    lines.replies["/wait"] = twiml("<Leave/>")
    simulator.hears(simulator.dial(), "After")


def test_a_hangup_while_waiting_ends_the_call(lines: Product, simulator: Simulator) -> None:
    lines.replies["/wait"] = twiml("<Hangup/>")
    sid = simulator.dial()
    assert lines.wait_for("/left").params["QueueResult"] == "hangup"
    simulator.reaches(sid, "ended")


def test_keys_work_while_waiting(lines: Product, simulator: Simulator) -> None:
    """A gathered key stays in the queue; when its document is through, the wait document is asked again."""
    lines.replies["/wait"] = twiml("<Gather action='/key' numDigits='1' timeout='600'><Say>Press 1</Say></Gather>")
    lines.replies["/key"] = twiml("<Say>Noted</Say>")
    sid = simulator.dial()
    simulator.hears(sid, "Press 1")
    simulator.press(sid, "1")
    key = lines.wait_for("/key")
    assert (key.params["Digits"], "QueueSid" in key.params) == ("1", True)
    lines.wait_for("/wait", 2)
    eventually(lambda: simulator.heard(sid)[:3] == ["Press 1", "Noted", "Press 1"])
    assert simulator.call(sid)["where"] == "queue"


def test_a_question_while_waiting_costs_no_place(lines: Product, simulator: Simulator, twilio: Client) -> None:
    """Silence: the wait document goes on after its Gather. A key: what the action answers is heard in the queue."""

    def wait(form: dict[str, str]) -> str:
        if "Digits" in form:
            return twiml("<Say>Noted</Say>")
        seconds = 3 if form["QueueTime"] == "0" else 600
        question = f"<Gather action='/wait?key=1' numDigits='1' timeout='{seconds}'><Say>Press 1</Say></Gather>"
        return twiml(question + "<Play>/music.wav</Play>")

    lines.replies["/wait"] = wait
    first = simulator.dial(from_=CALLER)
    queue = lines.wait_for("/wait", CallSid=first).params["QueueSid"]
    second = simulator.dial(from_=OTHER)
    lines.wait_for("/wait", 2, CallSid=first)
    eventually(lambda: simulator.heard(first).count("Press 1") == 2)
    assert simulator.heard(first)[0] == "Press 1"
    assert simulator.heard(first)[1].endswith("/music.wav")
    simulator.press(first, "1")
    noted = lines.wait_for("/wait", Digits="1")
    assert noted.params["key"] == "1"
    assert (noted.params["QueueSid"], noted.params["QueuePosition"]) == (queue, "1")
    assert int(noted.params["QueueTime"]) > 0
    simulator.hears(first, "Noted")
    eventually(lambda: simulator.heard(first).count("Press 1") == 3, "the wait document was not asked again")
    assert [member.call_sid for member in twilio.queues(queue).members.list()] == [first, second]
    assert not lines.to("/left")


def test_a_wait_document_that_fails_hands_the_caller_to_the_action(lines: Product, simulator: Simulator) -> None:
    lines.replies["/wait"] = (503, "text/plain", "")
    lines.replies["/left"] = twiml("<Enqueue waitUrl='/better' action='/left'>line</Enqueue>")
    lines.replies["/better"] = twiml("<Say>Still in line</Say><Pause length='600'/>")
    sid = simulator.dial()
    simulator.hears(sid, "Still in line")
    assert lines.to("/left")[0].params["QueueResult"] == "error"


def test_a_full_queue_turns_callers_away(lines: Product, simulator: Simulator) -> None:
    lines.replies["/twilio/voice/incoming"] = twiml(
        "<Enqueue maxQueueSize='1' waitUrl='/wait' action='/left'>line</Enqueue>"
    )
    lines.wait_for("/wait", CallSid=simulator.dial())
    simulator.dial()
    full = lines.wait_for("/left")
    assert full.params["QueueResult"] == "queue-full"
    assert "QueueSid" not in full.params


@pytest.mark.parametrize(("attribute", "heard"), [("", ["Twilio's own waiting music"]), ("waitUrl=''", [])])
def test_without_a_wait_document_there_is_music_or_silence(
    lines: Product, simulator: Simulator, attribute: str, heard: list[str]
) -> None:
    lines.replies["/twilio/voice/incoming"] = twiml(f"<Enqueue {attribute} action='/left'>line</Enqueue>")
    sid = simulator.dial()
    simulator.reaches(sid, "queue")
    eventually(lambda: simulator.heard(sid) == heard)
    simulator.hang_up(sid)
    lines.wait_for("/left")
