"""Two people in a room: who joins, who hears about it, and how it ends."""

from __future__ import annotations

import pytest
from twilio.rest import Client

from tests.simulator.world import OTHER, Product, Simulator, eventually, twiml

ALL = "start end join leave mute hold modify"


@pytest.fixture
def room(product: Product) -> Product:
    """The peer dials in first and sets the callback; the caller's exit ends the conference."""
    product.replies["/twilio/voice/client"] = twiml(
        f"<Dial action='/peer-ended'><Conference beep='false' waitUrl='/quiet' statusCallback='/events' "
        f"statusCallbackEvent='{ALL}' participantLabel='peer'>room</Conference></Dial>"
    )
    product.replies["/quiet"] = twiml("<Say>Quiet</Say>")
    product.replies["/twilio/voice/incoming"] = twiml(
        "<Dial action='/caller-after'><Conference endConferenceOnExit='true' statusCallback='/ignored' "
        "statusCallbackEvent='join'>room</Conference></Dial>"
    )
    product.replies["/peer-ended"] = product.replies["/caller-after"] = twiml("<Say>Alone</Say>")
    return product


def meet(room: Product, simulator: Simulator) -> tuple[str, str]:
    """Peer and caller in the room, the conference started."""
    peer = simulator.softphone("peer1", offer="1")
    room.wait_for("/events", StatusCallbackEvent="participant-join", CallSid=peer)
    caller = simulator.dial()
    room.wait_for("/events", StatusCallbackEvent="conference-start")
    return peer, caller


def told(room: Product) -> list[str]:
    """The events in their own order, which is not always that of their arrival."""
    return [
        hook.params["StatusCallbackEvent"]
        for hook in sorted(room.to("/events"), key=lambda hook: int(hook.params["SequenceNumber"]))
    ]


def test_one_alone_waits_and_two_begin(room: Product, simulator: Simulator, twilio: Client) -> None:
    peer = simulator.softphone("peer1")
    simulator.hears(peer, "Quiet")
    conference = simulator.reaches(peer, "conference")["conference"]
    assert conference["status"] == "init"
    caller = simulator.dial()
    room.wait_for("/events", StatusCallbackEvent="conference-start")
    eventually(lambda: told(room) == ["participant-join", "participant-join", "conference-start"])
    assert len(room.to("/quiet")) == 1  # it does not loop
    found = twilio.conferences.list(friendly_name="room", status="in-progress")
    assert [each.sid for each in found] == [conference["sid"]]
    here = twilio.conferences(conference["sid"]).participants.list()
    assert {each.call_sid: (each.label, each.end_conference_on_exit) for each in here} == {
        peer: ("peer", False),
        caller: (None, True),
    }


def test_only_the_first_participant_sets_the_callback(room: Product, simulator: Simulator) -> None:
    """https://www.twilio.com/docs/voice/twiml/conference#attributes-status-callback"""
    meet(room, simulator)
    assert not room.to("/ignored")


def test_a_callback_says_who_and_how(room: Product, simulator: Simulator) -> None:
    peer, _ = meet(room, simulator)
    joined = room.wait_for("/events", StatusCallbackEvent="participant-join", CallSid=peer)
    assert joined.signed
    assert joined.params["FriendlyName"] == "room"
    assert joined.params["ConferenceSid"].startswith("CF")
    assert joined.params["SequenceNumber"] == "0"
    assert joined.params["ParticipantLabel"] == "peer"
    flags = ("Muted", "Hold", "Coaching", "EndConferenceOnExit", "StartConferenceOnEnter")
    assert [joined.params[flag] for flag in flags] == ["false", "false", "false", "false", "true"]
    assert "+0000" in joined.params["Timestamp"]


def test_when_the_caller_leaves_the_peer_goes_on_alone(room: Product, simulator: Simulator) -> None:
    peer, caller = meet(room, simulator)
    simulator.hang_up(caller)
    ended = room.wait_for("/events", StatusCallbackEvent="conference-end")
    assert ended.params["ReasonConferenceEnded"] == "participant-with-end-conference-on-exit-left"
    assert ended.params["CallSidEndingConference"] == caller
    left = {
        sid: room.wait_for("/events", StatusCallbackEvent="participant-leave", CallSid=sid).params
        for sid in (peer, caller)
    }
    assert left[caller]["ReasonParticipantLeft"] == "participant_hung_up"
    assert left[caller]["ParticipantCallStatus"] == "completed"
    assert left[peer]["ReasonParticipantLeft"] == "moderator_ended_conference"
    assert room.wait_for("/peer-ended").params["DialCallStatus"] == "answered"
    simulator.hears(peer, "Alone")
    assert told(room)[-3:] == ["participant-leave", "participant-leave", "conference-end"]


def test_when_the_peer_leaves_the_caller_stays(room: Product, simulator: Simulator, twilio: Client) -> None:
    peer, caller = meet(room, simulator)
    simulator.hang_up(peer)
    room.wait_for("/events", StatusCallbackEvent="participant-leave", CallSid=peer)
    conference = simulator.call(caller)["conference"]
    assert conference["status"] == "in-progress"
    room.replies["/dropped"] = twiml("<Say>Press 1</Say><Pause length='600'/>")
    twilio.calls(caller).update(url=f"{room.base_url}/dropped")
    simulator.hears(caller, "Press 1")
    left = room.wait_for("/events", StatusCallbackEvent="participant-leave", CallSid=caller)
    assert left.params["ReasonParticipantLeft"] == "participant_updated_via_api"
    assert not room.to("/caller-after")
    assert twilio.conferences(conference["sid"]).fetch().status == "completed"


def test_rest_ends_a_conference_for_all(room: Product, simulator: Simulator, twilio: Client) -> None:
    peer, caller = meet(room, simulator)
    sid = simulator.call(peer)["conference"]["sid"]
    ended = twilio.conferences(sid).update(status="completed")
    assert (ended.status, ended.reason_conference_ended) == ("completed", "conference-ended-via-api")
    room.wait_for("/peer-ended")
    room.wait_for("/caller-after")
    simulator.hears(peer, "Alone")
    simulator.hears(caller, "Alone")
    assert twilio.conferences(sid).participants.list() == []


def test_a_name_is_free_again_when_its_conference_has_ended(
    room: Product, simulator: Simulator, twilio: Client
) -> None:
    peer, caller = meet(room, simulator)
    first = simulator.call(peer)["conference"]["sid"]
    simulator.hang_up(caller)
    simulator.reaches(peer, "ended")
    again = simulator.dial()
    assert simulator.reaches(again, "conference")["conference"]["sid"] != first
    assert len(twilio.conferences.list(friendly_name="room")) == 2


def test_mute_and_hold(room: Product, simulator: Simulator, twilio: Client) -> None:
    peer, caller = meet(room, simulator)
    room.replies["/hold"] = twiml("<Say>One moment</Say>")
    conference = twilio.conferences(simulator.call(peer)["conference"]["sid"])
    assert conference.participants(peer).update(muted=True).muted
    assert conference.participants(caller).update(hold=True, hold_url=f"{room.base_url}/hold").hold
    simulator.hears(caller, "One moment")
    conference.participants("peer").update(muted=False)  # a label does as well
    conference.participants(caller).update(hold=False)
    room.wait_for("/events", StatusCallbackEvent="participant-unhold")
    order = ["participant-mute", "participant-hold", "participant-unmute", "participant-unhold"]
    eventually(lambda: told(room)[-4:] == order)


def test_a_participant_is_kicked_and_goes_on(room: Product, simulator: Simulator, twilio: Client) -> None:
    peer, caller = meet(room, simulator)
    conference = twilio.conferences(simulator.call(peer)["conference"]["sid"])
    assert conference.participants(peer).delete()
    simulator.hears(peer, "Alone")
    assert [each.call_sid for each in conference.participants.list()] == [caller]


def test_the_time_limit_ends_the_stay(room: Product, simulator: Simulator) -> None:
    room.replies["/twilio/voice/client"] = twiml(
        "<Dial timeLimit='5' action='/peer-ended'><Conference>room</Conference></Dial>"
    )
    simulator.softphone("peer1")
    simulator.dial()
    room.wait_for("/peer-ended")


def test_a_third_party_is_called_in(room: Product, simulator: Simulator, twilio: Client) -> None:
    peer, _ = meet(room, simulator)
    conference = twilio.conferences(simulator.call(peer)["conference"]["sid"])
    third = conference.participants.create(from_="+14045550101", to=OTHER, label="third", timeout=600)
    assert third.status == "ringing"
    simulator.ask("POST", f"/script/calls/{third.call_sid}/answer")
    room.wait_for("/events", StatusCallbackEvent="participant-join", CallSid=third.call_sid)
    assert conference.participants("third").fetch().status == "connected"
    other = conference.participants.create(from_="+14045550101", to=OTHER, timeout=600)
    simulator.hang_up(other.call_sid)
    left = room.wait_for("/events", StatusCallbackEvent="participant-leave", CallSid=other.call_sid)
    assert left.params["ReasonParticipantLeft"] == "participant_add_failed"
