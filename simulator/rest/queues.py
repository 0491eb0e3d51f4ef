"""Queues and their members.

https://www.twilio.com/docs/voice/api/queue-resource and https://www.twilio.com/docs/voice/api/member-resource
"""

from __future__ import annotations

from typing import Any

from simulator.call import Target
from simulator.company import rfc2822
from simulator.queues import Member, Queue
from simulator.rest import ROOT, Refusal, api, base_uri, find, form, listing, not_found
from simulator.web import company


def shape(queue: Queue) -> dict[str, Any]:
    return {
        "sid": queue.sid,
        "account_sid": company().settings.account_sid,
        "friendly_name": queue.name,
        "current_size": len(queue.members),
        "max_size": queue.max_size,
        "average_wait_time": queue.average,
        "date_created": rfc2822(queue.created),
        "date_updated": rfc2822(queue.updated),
        "uri": f"{base_uri()}/Queues/{queue.sid}.json",
    }


def shape_member(member: Member) -> dict[str, Any]:
    return {
        "call_sid": member.call.sid,
        "queue_sid": member.queue.sid,
        "date_enqueued": rfc2822(member.since),
        "position": member.position,
        "wait_time": member.waited,
        "uri": f"{base_uri()}/Queues/{member.queue.sid}/Members/{member.call.sid}.json",
    }


@api.get(f"{ROOT}/Queues.json")
def list_queues(account: str) -> dict[str, Any]:
    return listing("queues", company().queues.values(), shape)


@api.get(f"{ROOT}/Queues/<sid>.json")
def fetch_queue(account: str, sid: str) -> dict[str, Any]:
    return shape(find(company().queues, sid))


@api.get(f"{ROOT}/Queues/<sid>/Members.json")
def list_members(account: str, sid: str) -> dict[str, Any]:
    return listing("queue_members", find(company().queues, sid).members.values(), shape_member)


def _member(sid: str, call_sid: str) -> Member:
    """A member by its call, or the one at the Front."""
    queue = find(company().queues, sid)
    if call_sid == "Front":
        first = next(iter(queue.members.values()), None)
        if first is None:
            raise not_found()
        return first
    return find(queue.members, call_sid)


@api.get(f"{ROOT}/Queues/<sid>/Members/<call_sid>.json")
def fetch_member(account: str, sid: str, call_sid: str) -> dict[str, Any]:
    return shape_member(_member(sid, call_sid))


@api.post(f"{ROOT}/Queues/<sid>/Members/<call_sid>.json")
def update_member(account: str, sid: str, call_sid: str) -> dict[str, Any]:
    """Take a caller out of the queue and send it to Url: once. "A second request will fail" with a 400."""
    queue, asked = find(company().queues, sid), form()
    if call_sid in queue.moved and call_sid not in queue.members:
        raise Refusal(400, 20009, "Cannot update this resource in its current state: the call has left the queue")
    member = _member(sid, call_sid)
    if not asked.get("Url", "").startswith(("http://", "https://")):
        raise Refusal(400, 21205, "Url is required")
    found = shape_member(member)
    queue.move(member, Target(asked["Url"], asked.get("Method", "POST").upper()))
    return found
