"""Conferences: who is in them, when they start and end, and what is told about it.

https://www.twilio.com/docs/voice/twiml/conference and
https://www.twilio.com/docs/voice/api/conference-participant-resource
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from simulator.call import Call, HungUp
from simulator.company import Company, now, rfc2822

EVENTS = {
    "conference-start": "start",
    "conference-end": "end",
    "participant-join": "join",
    "participant-leave": "leave",
    "participant-mute": "mute",
    "participant-unmute": "mute",
    "participant-hold": "hold",
    "participant-unhold": "hold",
    "participant-modify": "modify",
}


@dataclass
class Participant:
    """A call in a conference. `left` says why it is out, once it is."""

    call: Call
    label: str = ""
    muted: bool = False
    hold: bool = False
    hold_url: str = ""
    hold_method: str = "GET"
    starts: bool = True
    ends: bool = False
    status: str = "connected"
    left: str = ""
    joined: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)


class Conference:
    """Calls that hear each other, from the first that joins to the end; its name is free again afterwards."""

    def __init__(self, company: Company, name: str) -> None:
        self.company = company
        self.sid = company.new_sid("CF")
        self.name = name
        self.status = "init"
        self.created = self.updated = now()
        self.participants: dict[str, Participant] = {}
        self.callback, self.callback_method, self.callback_events = "", "POST", frozenset[str]()
        self.ended_by: str | None = None
        self.reason: str | None = None
        self._sequence = 0
        self._untouched = True
        company.conferences[self.sid] = self

    @classmethod
    def live(cls, company: Company, name: str) -> Conference | None:
        """The conference of that name that has not ended, if there is one."""
        return next((c for c in company.conferences.values() if c.name == name and c.status != "completed"), None)

    @classmethod
    def named(cls, company: Company, name: str) -> Conference:
        return cls.live(company, name) or cls(company, name)

    def listen(self, url: str, method: str, events: str) -> None:
        """The first participant sets where events go; what later ones say is ignored, as at Twilio."""
        if self._untouched:
            self._untouched = False
            self.callback, self.callback_method = url, method
            self.callback_events = frozenset(events.split())

    def join(self, participant: Participant) -> None:
        self.participants[participant.call.sid] = participant
        participant.call.conference_sid = self.sid
        participant.call.move("conference")
        self.tell("participant-join", participant)
        if self.status == "in-progress":
            participant.call.hear("Conference", "connected")
        else:
            self._start_if_due()

    def _start_if_due(self) -> None:
        """It starts with two participants, if one of them may start it."""
        here = [p for p in self.participants.values() if p.status == "connected"]
        if len(here) >= 2 and any(p.starts for p in here):
            self.status = "in-progress"
            self.updated = now()
            self.tell("conference-start")
            for participant in here:
                participant.call.hear("Conference", "connected")
                participant.call.wake()

    def leave(self, participant: Participant, reason: str, *, kicked: bool = False) -> None:
        """One is out; the conference ends with its last one, or with one whose exit ends it."""
        if not self._take_out(participant, reason):
            return
        how = "kicked" if kicked else "left"
        if participant.ends:
            self.end(f"participant-with-end-conference-on-exit-{how}", "moderator_ended_conference", participant)
        elif not self.participants:
            self.end(f"last-participant-{how}", "", participant)

    def end(self, reason: str, for_each: str, by: Participant | None = None) -> None:
        """All are out and go on to what follows their <Dial>."""
        if self.status == "completed":
            return
        self.status, self.reason, self.updated = "completed", reason, now()
        self.ended_by = by.call.sid if by else None
        for participant in list(self.participants.values()):
            self._take_out(participant, for_each)
        self.tell("conference-end", ending=by)

    def _take_out(self, participant: Participant, reason: str) -> bool:
        if self.participants.pop(participant.call.sid, None) is None:
            return False
        participant.left = reason
        participant.call.conference_sid = None
        if participant.status == "ringing":
            participant.call.interrupt(HungUp(by_rest=True))  # nobody to ring for any more
        self.tell("participant-leave", participant, reason)
        participant.call.wake()
        return True

    def tell(
        self,
        event: str,
        participant: Participant | None = None,
        reason: str = "",
        ending: Participant | None = None,
    ) -> None:
        """Send a status callback, if the first participant asked for events of that kind."""
        if EVENTS[event] not in self.callback_events:
            return
        params = {
            "ConferenceSid": self.sid,
            "FriendlyName": self.name,
            "AccountSid": self.company.settings.account_sid,
            "SequenceNumber": str(self._sequence),
            "Timestamp": rfc2822(now()),
            "StatusCallbackEvent": event,
        }
        if participant:
            params |= {
                "CallSid": participant.call.sid,
                "Muted": str(participant.muted).lower(),
                "Hold": str(participant.hold).lower(),
                "Coaching": "false",
                "EndConferenceOnExit": str(participant.ends).lower(),
                "StartConferenceOnEnter": str(participant.starts).lower(),
            }
            if participant.label:
                params["ParticipantLabel"] = participant.label
        if event == "participant-leave" and participant:
            params |= {"ReasonParticipantLeft": reason, "ParticipantCallStatus": participant.call.facing}
        if event == "conference-end":
            params["ReasonConferenceEnded"] = self.reason or ""
            if ending:
                params["CallSidEndingConference"] = ending.call.sid
                if ending.label:
                    params["ParticipantLabelEndingConference"] = ending.label
        self._sequence += 1
        self.company.webhooks.tell(self.callback, self.callback_method, params)
