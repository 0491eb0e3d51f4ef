"""Queues and the verb that enters them.

https://www.twilio.com/docs/voice/twiml/enqueue and https://www.twilio.com/docs/voice/api/member-resource
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime

from simulator.call import Call, HungUp, Redirected, Target
from simulator.company import Company, now
from simulator.flow import Hangup, Leave, Lost, perform, runs
from simulator.speech import SECONDS_OF_A_PLAY
from simulator.twiml import Document, Place, Verb

MOST = 1000  # calls in a queue unless it was told otherwise

# Seconds. A wait document without a word in it must not be asked for a thousand times a second.
SHORTEST_ROUND = 1.0


@dataclass
class Member:
    """A call while it waits."""

    call: Call
    queue: Queue
    since: datetime = field(default_factory=now)
    clock: float = field(default_factory=time.monotonic)

    @property
    def position(self) -> int:
        return list(self.queue.members).index(self.call.sid) + 1

    @property
    def waited(self) -> int:
        return self.call.company.elapsed(self.clock)


class Queue:
    """Calls that wait, longest first. Created by the first <Enqueue> of its name."""

    def __init__(self, company: Company, name: str, max_size: int = MOST) -> None:
        self.company = company
        self.sid = company.new_sid("QU")
        self.name = name
        self.max_size = max_size
        self.created = self.updated = now()
        self.members: dict[str, Member] = {}
        self.moved: set[str] = set()  # calls that REST has already taken out of this queue
        company.queues[self.sid] = self

    @classmethod
    def named(cls, company: Company, name: str) -> Queue:
        found = next((queue for queue in company.queues.values() if queue.name == name), None)
        return found or cls(company, name)

    @property
    def average(self) -> int:
        """Mean seconds that those who wait now have waited."""
        return sum(member.waited for member in self.members.values()) // max(1, len(self.members))

    def enter(self, call: Call) -> Member:
        member = self.members[call.sid] = Member(call, self)
        self.moved.discard(call.sid)
        call.queue_sid = self.sid
        call.move("queue")
        return member

    def leave(self, call: Call) -> None:
        """Whatever took the call out; harmless if it is out already."""
        self.members.pop(call.sid, None)
        call.queue_sid = None

    def move(self, member: Member, target: Target) -> None:
        """Take a member out by REST and send it to `target`: at once, so a second request finds nobody."""
        self.leave(member.call)
        self.moved.add(member.call.sid)
        member.call.interrupt(Redirected(target))

    def facts(self, member: Member) -> dict[str, str]:
        """What a wait request carries besides the call's own parameters."""
        return {
            "QueueSid": self.sid,
            "QueuePosition": str(member.position if member.call.sid in self.members else 0),
            "QueueTime": str(member.waited),
            "AvgQueueTime": str(self.average),
            "CurrentQueueSize": str(len(self.members)),
            "MaxQueueSize": str(self.max_size),
        }


@runs("Enqueue")
def enqueue(call: Call, verb: Verb, document: Document) -> Target | None:
    """Wait in the queue, hearing the wait document over and over, until something ends it.

    However it ends, the action is asked, with QueueResult. Its answer takes over only if the call is still
    here to follow it; a call that hung up or was sent elsewhere leaves the answer unheard.
    """
    call.answer()
    queue = Queue.named(call.company, verb.text)
    action = document.resolve(verb.get("action")) if verb.get("action") else ""
    method = verb.get("method", "POST").upper()
    if len(queue.members) >= verb.number("maxQueueSize", queue.max_size):
        return Target(action, method, {"QueueResult": "queue-full"}) if action else None
    member = queue.enter(call)

    def outcome(result: str) -> dict[str, str]:
        return {"QueueResult": result, "QueueSid": queue.sid, "QueueTime": str(member.waited)}

    def tell(result: str) -> None:
        call.company.webhooks.tell(action, method, call.facts() | outcome(result))

    result = "error"  # the wait document cannot be had or run
    try:
        _wait(call, member, verb, document)
    except Leave:
        result = "leave"
    except Lost:
        pass
    except Redirected:
        tell("redirected")
        raise
    except (HungUp, Hangup):
        tell("hangup")
        raise
    finally:
        queue.leave(call)
    call.move("menu")
    return Target(action, method, outcome(result)) if action else None


def _wait(call: Call, member: Member, verb: Verb, document: Document) -> None:
    """The wait document, again and again; without one, music."""
    wait_url = verb.attributes.get("waitUrl")
    while True:
        began = time.monotonic()
        if wait_url:
            target = Target(document.resolve(wait_url), verb.get("waitUrlMethod", "POST").upper())
            perform(call, target, Place.QUEUE, lambda: member.queue.facts(member))
        elif wait_url is None:
            call.hear("Play", "Twilio's own waiting music")
            call.wait(10 * SECONDS_OF_A_PLAY)
        else:
            call.wait()  # waitUrl="": silence
        took = (time.monotonic() - began) * call.company.settings.speed
        call.wait(max(0.0, SHORTEST_ROUND - took))


@runs("Leave")
def leave(call: Call, verb: Verb, document: Document) -> None:
    """Out of the queue: https://www.twilio.com/docs/voice/twiml/leave"""
    if call.queue_sid:
        raise Leave
