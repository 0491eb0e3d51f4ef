"""Callers who hang up, keep the place and are called: what they, their peers and the phone company do."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from tests.contacts.world import CALLER, World
from warmline import clock, db
from warmline.contacts import calling_back, parting
from warmline.models import Engagement, Line, OutsideRequest, Peer, Shift
from warmline.telephony.gateway import Membership, Uncertain

STEP = {"steps": [{"after": 60, "kind": "callback"}]}
OFFICE = {str(day): [["09:00", "17:00"]] for day in range(7)}  # the world begins at 13:00 in New York
UNTIL_FIVE = 4 * 3600
LOST = f"CA7{1:031d}"  # of a call that was made, though we have not heard the answer


def promises(world: World, policy: dict[str, Any] = STEP, **columns: Any) -> None:
    """Georgia calls back whoever has waited for a minute."""
    with db.transaction() as session:
        session.execute(update(Line).where(Line.organization_id == world.lantern).values(policy=policy, **columns))


def nobody_on_shift(world: World) -> None:
    with db.transaction() as session:
        session.execute(update(Shift).values(ends_at=world.now))


def books(world: World, number: str = CALLER, typed: str = "", *, later: bool = False) -> tuple[str, str]:
    """A caller who has waited a minute presses 2, confirms, and hangs up: the contact's id, and the call's SID."""
    contact_id, sid = world.waits(number)
    world.now += timedelta(seconds=61)
    wants(world, contact_id)
    if typed:
        assert calling_back.note_number(contact_id, typed, world.now)
    calling_back.book(contact_id, world.now, later=later)
    hangs_up(world, sid)
    world.pass_time(2)
    return contact_id, sid


def wants(world: World, contact_id: str) -> None:
    clock.tick(world.now)
    assert calling_back.ask(world.contact(contact_id), 61, world.now)
    assert calling_back.wish(contact_id, world.now)


def hangs_up(world: World, sid: str) -> None:
    parting.leg_ended(sid, world.now)
    world.company.whereabouts[sid] = Membership(finished=True)


def is_rung(world: World, peer: Peer) -> tuple[Engagement, str]:
    """The peer accepts, their phone comes up, and the caller's rings: the engagement, and that call's SID."""
    engagement = world.accepts(peer)
    world.comes_up(engagement)
    return engagement, f"CA8{world.company.calls:031d}"


def takes(world: World, engagement: Engagement, sid: str) -> None:
    """The caller picks up, presses 1, and is in the conference."""
    assert calling_back.heard(engagement.contact_id, engagement.id, sid, world.now) is not None
    calling_back.take(engagement.contact_id, sid, world.now)
    world.caller_joins(engagement, sid)


def lets_ring(world: World, sid: str) -> None:
    """Nobody presses a key, busy, or nobody is there: the phone company says that it is over, and says it twice."""
    hangs_up(world, sid)
    hangs_up(world, sid)


def calls_made(world: World) -> int:
    return [asked[0] for asked in world.company.asked].count("call")


def words_sent(world: World) -> list[str]:
    return [asked[2] for asked in world.company.asked if asked[0] == "text"]


def is_rung_perhaps(world: World, peer: Peer | None = None, *, how: str = "answer lost") -> tuple[str, Engagement]:
    """The request to call the caller goes out, and nobody hears what became of it: the contact and the engagement."""
    if peer is None:
        promises(world)
        books(world)
        world.available(peer := world.peer1)
    engagement = world.accepts(peer)
    if how == "killed":
        with world.we_die_asking():
            world.comes_up(engagement)
    else:
        world.company.failures = [Uncertain("timeout")]
        world.comes_up(engagement)
    return engagement.contact_id, engagement


def is_asked(world: World) -> int:
    """How often the phone company was asked about calls of ours."""
    return [asked[0] for asked in world.company.asked].count("calls made")


def the_request(world: World) -> OutsideRequest:
    (request,) = world.requests("call_caller")
    return request
