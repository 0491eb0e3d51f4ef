"""A caller hangs up, keeps the place, and is called when it comes up: booked, rung, taken, or not reached."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.contacts.world import CALLER, GEORGIA, OTHER_CALLER, QUEUE, World
from warmline import db
from warmline.contacts import calling_back, connect, intake, offers, parting, wrapup
from warmline.models import Contact, Engagement, Leg, Line, Message, Peer
from warmline.telephony.gateway import Membership, NotTaken, Refused, Uncertain

STEP = {"steps": [{"after": 60, "kind": "callback"}]}
OFFICE = {str(day): [["09:00", "17:00"]] for day in range(7)}  # the world begins at 13:00 in New York


def promises(world: World, policy: dict[str, Any] = STEP, **columns: Any) -> None:
    """Georgia calls back whoever has waited for a minute."""
    with db.transaction() as session:
        session.execute(update(Line).where(Line.organization_id == world.lantern).values(policy=policy, **columns))


def books(world: World, number: str = CALLER, typed: str = "", *, later: bool = False) -> tuple[str, str]:
    """A caller who has waited a minute presses 2, confirms, and hangs up: the contact's id, and the call's SID."""
    contact_id, sid = world.waits(number)
    world.now += timedelta(seconds=61)
    wants(world, contact_id)
    if typed:
        assert calling_back.note_number(contact_id, typed, world.now)
    calling_back.book(contact_id, world.now, later=later)
    hangs_up(world, sid)
    return contact_id, sid


def wants(world: World, contact_id: str) -> None:
    assert calling_back.ask(world.contact(contact_id), 61, world.now)
    assert calling_back.wish(contact_id, world.now)


def hangs_up(world: World, sid: str) -> None:
    parting.leg_ended(sid, world.now)
    world.company.whereabouts[sid] = Membership(finished=True)


def comes_due(world: World) -> None:
    world.pass_time(2)


def is_rung(world: World, peer: Peer) -> tuple[Engagement, str]:
    """The peer accepts, their phone comes up, and the caller's rings: the engagement, and that call's SID."""
    engagement = world.accepts(peer)
    world.comes_up(engagement)
    return engagement, rung(world)[-1]


def rung(world: World) -> list[str]:
    """The SIDs of the calls that we have made."""
    return [f"CA8{number:031d}" for number in range(1, world.company.calls + 1)]


def presses_1(world: World, contact_id: str, engagement: Engagement, sid: str) -> None:
    assert calling_back.heard(contact_id, engagement.id, sid, world.now) is not None
    calling_back.take(contact_id, sid, world.now)
    world.caller_joins(engagement, sid)


def calls_made(world: World) -> int:
    return [asked[0] for asked in world.company.asked].count("call")


def test_a_caller_who_hangs_up_is_called_when_the_place_comes_up(world: World) -> None:
    promises(world)
    contact_id, _ = books(world)
    queued_at = world.contact(contact_id).queued_at
    assert world.contact(contact_id).state == "waiting"
    comes_due(world)
    world.available(world.peer1)
    engagement, sid = is_rung(world, world.peer1)
    call = next(asked for asked in world.company.asked if asked[0] == "call")
    base = f"/twilio/voice/contacts/{contact_id}"
    query = f"?call={engagement.id}"
    assert call == ("call", GEORGIA, CALLER, f"{base}/called{query}", f"{base}/call{query}")
    assert world.contact(contact_id).state == "connecting"

    presses_1(world, contact_id, engagement, sid)
    assert world.contact(contact_id).state == "connected"
    assert world.activity(world.peer1) == "talking"
    parting.end(world.peer1, contact_id, world.now)
    wrapup.report(world.peer1, contact_id, "support_given", ["emotional"], "We talked.", False, world.now)
    assert world.contact(contact_id).state == "closed"
    assert world.contact(contact_id).queued_at == queued_at
    assert calls_made(world) == 1
    assert world.events(contact_id) == [
        "began", "queued", "callback_wished", "callback_booked", "overflow", "callback_due", "offered", "accepted",
        "callback_taken", "joined", "ended",
    ]  # fmt: skip
