"""Conferences and their participants.

https://www.twilio.com/docs/voice/api/conference-resource and
https://www.twilio.com/docs/voice/api/conference-participant-resource
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape, quoteattr

from flask import request

from simulator.call import Target
from simulator.company import now, rfc2822
from simulator.conferences import Conference, Participant
from simulator.outbound import ring
from simulator.rest import ROOT, Refusal, api, base_uri, find, form, listing, not_found
from simulator.rest.calls import outgoing
from simulator.web import company


def shape(conference: Conference) -> dict[str, Any]:
    uri = f"{base_uri()}/Conferences/{conference.sid}"
    return {
        "sid": conference.sid,
        "account_sid": company().settings.account_sid,
        "api_version": "2010-04-01",
        "friendly_name": conference.name,
        "status": conference.status,
        "region": "us1",
        "reason_conference_ended": conference.reason,
        "call_sid_ending_conference": conference.ended_by,
        "date_created": rfc2822(conference.created),
        "date_updated": rfc2822(conference.updated),
        "uri": f"{uri}.json",
        "subresource_uris": {
            "participants": f"{uri}/Participants.json",
            "recordings": f"{uri}/Recordings.json",
        },
    }


def shape_participant(conference: Conference, participant: Participant) -> dict[str, Any]:
    return {
        "account_sid": company().settings.account_sid,
        "call_sid": participant.call.sid,
        "call_sid_to_coach": None,
        "coaching": False,
        "conference_sid": conference.sid,
        "date_created": rfc2822(participant.joined),
        "date_updated": rfc2822(participant.updated),
        "end_conference_on_exit": participant.ends,
        "hold": participant.hold,
        "label": participant.label or None,
        "muted": participant.muted,
        "queue_time": None,
        "start_conference_on_enter": participant.starts,
        "status": participant.status,
        "uri": f"{base_uri()}/Conferences/{conference.sid}/Participants/{participant.call.sid}.json",
    }


@api.get(f"{ROOT}/Conferences.json")
def list_conferences(account: str) -> dict[str, Any]:
    name, status = request.args.get("FriendlyName"), request.args.get("Status")
    return listing(
        "conferences",
        (
            conference
            for conference in reversed(company().conferences.values())
            if name in (None, conference.name) and status in (None, conference.status)
        ),
        shape,
    )


@api.get(f"{ROOT}/Conferences/<sid>.json")
def fetch_conference(account: str, sid: str) -> dict[str, Any]:
    return shape(find(company().conferences, sid))


@api.post(f"{ROOT}/Conferences/<sid>.json")
def update_conference(account: str, sid: str) -> dict[str, Any]:
    """End it for all. One that has ended already cannot be updated: it is not found."""
    conference, asked = find(company().conferences, sid), form()
    if conference.status == "completed":
        raise not_found()
    if asked.get("AnnounceUrl"):
        company().note("unsupported", "announcements to a conference", level="warning", url=asked["AnnounceUrl"])
    if status := asked.get("Status"):
        if status != "completed":
            raise Refusal(400, 20001, f"Status {status} is not one that a conference can be given")
        conference.end("conference-ended-via-api", "conference_ended_via_api")
    return shape(conference)


def _live(sid: str) -> Conference:
    """A conference that has participants to speak of; a completed one lists none."""
    return find(company().conferences, sid)


def _participant(conference: Conference, key: str) -> Participant:
    """By call SID or by label."""
    for participant in conference.participants.values():
        if key in (participant.call.sid, participant.label or None):
            return participant
    raise not_found()


@api.get(f"{ROOT}/Conferences/<sid>/Participants.json")
def list_participants(account: str, sid: str) -> dict[str, Any]:
    conference = _live(sid)
    wanted = request.args
    return listing(
        "participants",
        (
            participant
            for participant in conference.participants.values()
            if wanted.get("Muted") in (None, str(participant.muted).lower())
            and wanted.get("Hold") in (None, str(participant.hold).lower())
        ),
        lambda participant: shape_participant(conference, participant),
    )


@api.get(f"{ROOT}/Conferences/<sid>/Participants/<key>.json")
def fetch_participant(account: str, sid: str, key: str) -> dict[str, Any]:
    conference = _live(sid)
    return shape_participant(conference, _participant(conference, key))


@api.post(f"{ROOT}/Conferences/<sid>/Participants/<key>.json")
def update_participant(account: str, sid: str, key: str) -> dict[str, Any]:
    """Mute, hold, and what happens to the others when this one goes."""
    conference, asked = _live(sid), form()
    participant = _participant(conference, key)
    held = participant.hold

    def flag(name: str) -> bool:
        return asked[name].lower() == "true"

    if "EndConferenceOnExit" in asked and not held:  # ignored, without a word, while on hold
        participant.ends = flag("EndConferenceOnExit")
        conference.tell("participant-modify", participant)
    if "Muted" in asked:
        participant.muted = flag("Muted")
        conference.tell("participant-mute" if participant.muted else "participant-unmute", participant)
    if "Hold" in asked:
        participant.hold = flag("Hold")
        participant.hold_url = asked.get("HoldUrl", "")
        participant.hold_method = asked.get("HoldMethod", "GET").upper()
        conference.tell("participant-hold" if participant.hold else "participant-unhold", participant)
        participant.call.wake()
    for name in ("AnnounceUrl", "Coaching", "CallSidToCoach", "WaitUrl", "BeepOnExit"):
        if asked.get(name):
            company().note("unsupported", f"{name} of a participant", level="warning", call=participant.call.sid)
    participant.updated = now()
    return shape_participant(conference, participant)


@api.delete(f"{ROOT}/Conferences/<sid>/Participants/<key>.json")
def delete_participant(account: str, sid: str, key: str) -> tuple[str, int]:
    """Kick one out; its call goes on with what follows its <Dial>."""
    conference = _live(sid)
    conference.leave(_participant(conference, key), "participant_updated_via_api", kicked=True)
    return "", 204


@api.post(f"{ROOT}/Conferences/<sid>/Participants.json")
def create_participant(account: str, sid: str) -> tuple[dict[str, Any], int]:
    """Call somebody into a conference.

    The trap: `sid` may be a friendly name, and if no live conference has it, one is made without a word.
    """
    asked = form()
    conference = company().conferences.get(sid)
    if sid.startswith("CF") and len(sid) == 34 and (conference is None or conference.status == "completed"):
        raise not_found()
    call = outgoing(asked)
    conference = conference or Conference.named(company(), sid)
    waiting = Participant(call, asked.get("Label", ""), status="ringing")
    conference.participants[call.sid] = waiting
    attributes = {
        "participantLabel": asked.get("Label", ""),
        "startConferenceOnEnter": asked.get("StartConferenceOnEnter", "true"),
        "endConferenceOnExit": asked.get("EndConferenceOnExit", "false"),
        "muted": asked.get("Muted", "false"),
        "statusCallback": asked.get("ConferenceStatusCallback", ""),
        "statusCallbackEvent": asked.get("ConferenceStatusCallbackEvent", ""),
        "waitUrl": asked.get("WaitUrl"),
    }
    words = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items() if value is not None)
    document = f"<Response><Dial><Conference {words}>{escape(conference.name)}</Conference></Dial></Response>"

    def answered() -> None:
        conference.participants.pop(call.sid, None)

    def unanswered() -> None:
        conference.leave(waiting, "participant_add_failed")

    seconds = float(asked.get("Timeout", 60))
    call.company.spawn(ring, call, seconds, Target(twiml=document), answered, unanswered)
    return shape_participant(conference, waiting), 201
