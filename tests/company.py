"""A small phone company in memory, for tests that decide what it tells us, when, how often, and what it fails at.

It follows our documents truthfully, and takes none that Twilio would not understand there. Who is in which queue or
conference is decided by it alone, and by nobody's clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit
from xml.etree import ElementTree

from tests.contacts.world import QUEUE
from tests.telephony.grammar import Place, faults
from warmline import db
from warmline.models import Engagement
from warmline.telephony.gateway import Membership, NotTaken, Refused, Uncertain

Telling = tuple[str, dict[str, str]]  # a path of ours, and the form that is posted to it
Post = Callable[[Telling], str]  # tells it to us; our document


class Killed(BaseException):
    """Our process has died in the middle of what it did."""


class Time(Protocol):
    """Whose clock it is, and who gives SIDs."""

    now: datetime

    def sid(self, prefix: str = "CA") -> str: ...


@dataclass
class Call:
    """A call, as the phone company knows it."""

    sid: str
    asks: Telling | None  # the document that it waits for
    place: str = "document"  # document, queue, conference, over
    room: str = ""
    wait_path: str = ""
    action_path: str = ""  # of the Enqueue or the Dial that it is in
    ends_room: bool = False
    queued_at: datetime | None = None
    status_path: str = "/twilio/voice/status"
    made: tuple[str, str, datetime] | None = None  # by us: from, to, when


@dataclass
class Room:
    sid: str
    callback_path: str
    members: list[Call] = field(default_factory=list)
    sequence: int = 0


class Company:
    """A phone company: follows documents, keeps its word, and forgets or repeats what it has to tell."""

    def __init__(self, post: Post, time: Time) -> None:
        self.post = post
        self.time = time
        self.calls: dict[str, Call] = {}
        self.rooms: dict[str, Room] = {}
        self.untold: list[Telling] = []
        self.told: list[Telling] = []
        self.troubles: list[str] = []
        self.wrong: list[str] = []  # what we were asked and never should be
        self.moved: set[str] = set()  # engagements whose move reached us
        self.rung: set[str] = set()  # engagements for which we were asked to call somebody
        self.called_queued: set[str] = set()  # calls of which we said, since their last move, that they are queued
        self.sent: list[tuple[str, str, str]] = []  # texts: to whom, our id, words
        self.keys: Callable[[], str] = lambda: "1"

    # Calls

    def begins(self, path: str, **form: str) -> Call:
        call = Call(self.time.sid(), None)
        self.calls[call.sid] = call
        self._ask(call, path, **form)
        return call

    def fetch(self, call: Call) -> None:
        """The call gets the document that it asks for, and follows it as far as it goes."""
        assert call.asks
        asked, call.asks = call.asks, None
        try:
            document = self.tell(asked)
        except Killed:
            self._keep_asking(call, asked)
            raise
        assert faults(document, Place.QUEUE if call.place == "queue" else Place.CALL) == []
        if call.place == "queue":
            if "<Leave" in document:
                action = self._out_of_queue(call)
                self._ask(call, action, QueueResult="leave")
            elif "callback=1" in document and self.keys() == "2":
                menu = ElementTree.fromstring(document).find("Gather")
                assert menu is not None
                self._ask(call, menu.attrib["action"], Digits="2", QueueSid=QUEUE)
        else:
            self._follow(call, ElementTree.fromstring(document))

    def loop(self, call: Call) -> None:
        """The wait document is over: it is asked for again."""
        waited = (self.time.now - (call.queued_at or self.time.now)).total_seconds()
        self._ask(call, call.wait_path, QueueSid=QUEUE, QueuePosition="1", QueueTime=str(int(waited)))

    def hangs_up(self, call: Call) -> None:
        """Whoever is on the phone hangs up."""
        self._leave(call, "participant_hung_up", "hangup", CallStatus="completed")
        self._over(call)

    def _follow(self, call: Call, document: ElementTree.Element) -> None:
        for verb in document:
            match verb.tag:
                case "Gather" if key := self.keys():
                    return self._ask(call, verb.attrib["action"], Digits=key)
                case "Redirect":
                    return self._ask(call, str(verb.text))
                case "Enqueue":
                    call.place, call.action_path = "queue", verb.attrib["action"]
                    call.queued_at = self.time.now
                    call.wait_path = verb.attrib["waitUrl"]
                    return self.loop(call)
                case "Dial":
                    call.action_path = verb.attrib["action"]
                    return self._into_conference(call, verb[0])
                case "Hangup":
                    break
        return self._over(call)

    def _into_conference(self, call: Call, conference: ElementTree.Element) -> None:
        call.place, call.room = "conference", str(conference.text)
        call.ends_room = conference.attrib["endConferenceOnExit"] == "true"
        if call.room not in self.rooms:
            self.rooms[call.room] = Room(self.time.sid("CF"), conference.attrib["statusCallback"])
        room = self.rooms[call.room]
        room.members.append(call)
        self._report(room, "participant-join", call)
        if len(room.members) == 2:
            self._report(room, "conference-start")

    def _out_of_queue(self, call: Call) -> str:
        call.place, action = "document", call.action_path
        call.asks = None
        return action

    def _out_of_conference(self, call: Call, reason: str) -> str:
        room = self.rooms[call.room]
        room.members.remove(call)
        call.place = "document"
        self._report(room, "participant-leave", call, ReasonParticipantLeft=reason)
        if call.ends_room and room.members:
            self._end(room, "moderator_ended_conference")
        elif not room.members:
            self._report(room, "conference-end")
            del self.rooms[call.room]
        return call.action_path

    def _end(self, room: Room, reason: str) -> None:
        for member in [*room.members]:
            member.ends_room = False
            self._ask(member, self._out_of_conference(member, reason), DialCallStatus="completed")

    def _leave(self, call: Call, reason: str, result: str, **form: str) -> None:
        """Out of queue or conference, to somewhere else: the answer of the verb's action is not followed."""
        if call.place == "queue":
            self._later(self._out_of_queue(call), CallSid=call.sid, QueueResult=result, **form)
        elif call.place == "conference":
            action = self._out_of_conference(call, reason)
            if form:
                self._later(action, CallSid=call.sid, **form)

    def _over(self, call: Call) -> None:
        call.place, call.asks = "over", None
        self._later(call.status_path, CallSid=call.sid, CallStatus="completed")

    # Telling

    def tell(self, telling: Telling) -> str:
        """Post it to us."""
        self.told.append(telling)
        path, form = telling
        self.time.now += timedelta(milliseconds=20)
        if path.endswith("/wait"):
            self.called_queued.add(form["CallSid"])  # late or not, it is our word
        return self.post(telling)

    def _ask(self, call: Call, url: str, **form: str) -> None:
        call.asks = (_path(url), {"CallSid": call.sid, "CallStatus": "in-progress", **form})

    def _later(self, url: str, **form: str) -> None:
        self.untold.append((_path(url), form))

    def _keep_asking(self, call: Call, asked: Telling) -> None:
        if call.asks is None and call.place != "over":  # and not sent elsewhere meanwhile
            call.asks = asked

    def _report(self, room: Room, event: str, call: Call | None = None, **form: str) -> None:
        about = {"ConferenceSid": room.sid, "SequenceNumber": str(room.sequence), "StatusCallbackEvent": event}
        room.sequence += 1
        self._later(room.callback_path, **about, CallSid=call.sid if call else "", **form)

    # What we are asked for: telephony.gateway.Gateway

    def sign_in(self) -> None: ...

    def move_caller(self, queue_sid: str, call_sid: str, path: str) -> None:
        with self._trouble():
            contact_id = path.split("/")[4]
            with db.reading() as session:
                connecting = session.query(Engagement).filter_by(state="connecting", contact_id=contact_id)
                engagement = connecting.one_or_none()
            if engagement is not None:
                again = engagement.id in self.moved
                if again and call_sid not in self.called_queued:
                    self.wrong.append("a second move, though nobody said that the caller is still queued")
                self.moved.add(engagement.id)
                self.called_queued.discard(call_sid)
            call = self.calls[call_sid]
            if call.place != "queue":
                raise Refused("404 20404", 404, 20404)
            self._redirect(call, path)

    def call(self, sender: str, recipient: str, path: str, status_path: str, seconds: int) -> str:
        """Somebody picks up at once, which is not yet to press the key."""
        with self._trouble():
            engagement_id = path.rpartition("=")[2]
            if engagement_id in self.rung:
                self.wrong.append("a second call for one engagement")
            self.rung.add(engagement_id)
            call = Call(self.time.sid(), None, status_path=status_path, made=(sender, recipient, self.time.now))
            self.calls[call.sid] = call
            self._later(status_path, CallSid=call.sid, CallStatus="initiated")
            self._ask(call, path)
            return call.sid
        raise AssertionError

    def calls_made(self, sender: str, recipient: str, since: datetime) -> list[str]:
        with self._trouble():
            made = [(call.sid, *call.made) for call in reversed(self.calls.values()) if call.made]
            return [sid for sid, of, to, at in made if (of, to) == (sender, recipient) and at >= since]
        raise AssertionError

    def redirect(self, call_sid: str, path: str) -> None:
        with self._trouble():
            self._redirect(self._living(call_sid), path)

    def hang_up(self, call_sid: str) -> None:
        with self._trouble():
            call = self._living(call_sid)
            self._leave(call, "participant_updated_via_api", "hangup", CallStatus="completed")
            self._over(call)

    def end_conference(self, conference_sid: str) -> None:
        with self._trouble():
            room = next((room for room in self.rooms.values() if room.sid == conference_sid), None)
            if room is None:
                raise Refused("404 20404", 404, 20404)
            self._end(room, "conference_ended_via_api")

    def send_text(self, sender: str, recipient: str, body: str, message_id: str) -> str:
        with self._trouble():
            self.sent.append((recipient, message_id, body))
            return self.time.sid("SM")

    def locate(self, call_sid: str, queue_sid: str | None, conference: str | None) -> Membership:
        call = self.calls[call_sid]
        room = self.rooms.get(call.room) if call.place == "conference" else None
        with self._trouble():
            in_queue = queue_sid is not None and call.place == "queue"
            if in_queue:
                self.called_queued.add(call_sid)
            in_room = room is not None and conference in (room.sid, call.room)
            return Membership(call.place == "over", in_queue, room.sid if room and in_room else None)

    def _redirect(self, call: Call, path: str) -> None:
        self._leave(call, "participant_updated_via_api", "redirected")
        self._ask(call, path)

    def _living(self, call_sid: str) -> Call:
        call = self.calls[call_sid]
        if call.place == "over":
            raise Refused("400 21220", 400, 21220)
        return call

    def _trouble(self) -> Any:
        return _Trouble(self.troubles.pop(0) if self.troubles else "")


class _Trouble:
    """A request that is not taken, is lost on its way, or is done and its answer lost; or we die before or after it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __enter__(self) -> None:
        if self.kind == "not taken":
            raise NotTaken("429 20429")
        if self.kind == "lost":
            raise Uncertain("ReadTimeout")
        if self.kind == "killed before":
            raise Killed

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None or isinstance(error, Refused):
            if self.kind == "answer lost":
                raise Uncertain("ReadTimeout")
            if self.kind == "killed after":
                raise Killed


def _path(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")
