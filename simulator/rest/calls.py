"""Calls: https://www.twilio.com/docs/voice/api/call-resource"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gevent
from flask import request

from simulator.call import Call, HungUp, Redirected, Target
from simulator.company import rfc2822
from simulator.outbound import ring
from simulator.rest import ROOT, Refusal, api, base_uri, find, form, listing
from simulator.settings import E164
from simulator.web import company


def shape(call: Call) -> dict[str, Any]:
    uri = f"{base_uri()}/Calls/{call.sid}"
    return {
        "sid": call.sid,
        "account_sid": company().settings.account_sid,
        "api_version": "2010-04-01",
        "date_created": rfc2822(call.created),
        "date_updated": rfc2822(call.ended_at or call.answered_at or call.created),
        "start_time": None if call.status == "queued" else rfc2822(call.answered_at or call.created),
        "end_time": rfc2822(call.ended_at) if call.ended_at else None,
        "duration": None if call.duration is None else str(call.duration),
        "direction": call.direction,
        "from": call.from_,
        "from_formatted": call.from_,
        "to": call.to,
        "to_formatted": call.to,
        "status": call.facing,
        "answered_by": None,
        "annotation": None,
        "caller_name": None,
        "forwarded_from": None,
        "group_sid": None,
        "parent_call_sid": None,
        "phone_number_sid": None,
        "price": None,
        "price_unit": "USD",
        "queue_time": "0",
        "trunk_sid": None,
        "uri": f"{uri}.json",
        "subresource_uris": {
            name: f"{uri}/{path}.json"
            for name, path in (
                ("notifications", "Notifications"),
                ("recordings", "Recordings"),
                ("payments", "Payments"),
                ("events", "Events"),
                ("siprec", "Siprec"),
                ("streams", "Streams"),
                ("transcriptions", "Transcriptions"),
                ("user_defined_messages", "UserDefinedMessages"),
                ("user_defined_message_subscriptions", "UserDefinedMessageSubscriptions"),
            )
        },
    }


@api.get(f"{ROOT}/Calls/<sid>.json")
def fetch_call(account: str, sid: str) -> dict[str, Any]:
    return shape(find(company().calls, sid))


@api.get(f"{ROOT}/Calls.json")
def list_calls(account: str) -> dict[str, Any]:
    wanted = request.args
    return listing(
        "calls",
        (
            call
            for call in reversed(company().calls.values())
            if wanted.get("To") in (None, call.to)
            and wanted.get("From") in (None, call.from_)
            and wanted.get("Status") in (None, call.facing)
        ),
        shape,
    )


@api.post(f"{ROOT}/Calls/<sid>.json")
def update_call(account: str, sid: str) -> dict[str, Any]:
    """End a call, or send it to another document."""
    call, asked = find(company().calls, sid), form()
    if call.over:
        raise Refusal(400, 21220, "Call is not in-progress. Cannot redirect.")
    if status := asked.get("Status"):
        if status not in ("canceled", "completed"):
            raise Refusal(400, 21218, f"Invalid ApplicationStatus or Status: {status}")
        # canceled only stops a call that is still queued or ringing; an answered one goes on
        if status == "completed" or not call.answered_at:
            call.interrupt(HungUp(by_rest=True))
            gevent.sleep(0)
        return shape(call)
    target = _target(asked)
    if not call.answered_at:
        raise Refusal(400, 21220, "Call is not in-progress. Cannot redirect.")
    if queue := company().queues.get(call.queue_sid or ""):
        queue.leave(call)
    call.interrupt(Redirected(target))
    gevent.sleep(0)
    return shape(call)


def _target(asked: dict[str, str]) -> Target:
    """Url or Twiml, one of them."""
    if ("Url" in asked) == ("Twiml" in asked):
        raise Refusal(400, 21205, "Either Url or Twiml is required, and not both")
    if "Twiml" in asked:
        return Target(twiml=asked["Twiml"])
    if not asked["Url"].startswith(("http://", "https://")):
        raise Refusal(400, 21205, f"Url is not a valid URL: {asked['Url']}")
    return Target(asked["Url"], asked.get("Method", "POST").upper())


@api.post(f"{ROOT}/Calls.json")
def create_call(account: str) -> tuple[dict[str, Any], int]:
    """Call somebody from one of the lines."""
    asked = form()
    call = outgoing(asked)
    call.company.spawn(ring, call, float(asked.get("Timeout", 60)), _target(asked))
    return shape(call), 201


def outgoing(asked: dict[str, str]) -> Call:
    """An outbound call that does not ring yet; raises Refusal where Twilio would refuse."""
    to, from_ = asked.get("To", ""), asked.get("From", "")
    if not to:
        raise Refusal(400, 21201, "No 'To' number is specified")
    if not from_:
        raise Refusal(400, 21213, "'From' number is not specified")
    if not E164.fullmatch(to):
        raise Refusal(400, 21211, f"Invalid 'To' Phone Number: {to}")
    line = company().lines.get(from_)
    if line is None:
        raise Refusal(400, 21210, f"'From' phone number not verified: {from_}")
    line = replace(
        line,
        status_callback=asked.get("StatusCallback", ""),
        voice_fallback_url=asked.get("FallbackUrl", ""),
    )
    call = Call(company(), line, from_=from_, to=to, direction="outbound-api")
    call.events = frozenset(request.form.getlist("StatusCallbackEvent")) or call.events
    call.status = "queued"
    return call
