"""What a caller in line is told: the place, and an honest interval."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from routing.estimates import ENOUGH, Minutes
from routing.policy import Policy, Skill, Step, StepKind, Strategy
from tests.contacts.test_policies import chooses, has, line_id, moves, sister
from tests.contacts.world import CALLER, OTHER_CALLER, World
from warmline import db
from warmline.contacts import offers, parting, telling
from warmline.contacts.telling import Told
from warmline.models import Apart, AskedBy, Channel, Contact, Engagement, Offer, Peer
from warmline.models.base import new_id


def talked(world: World, times: int, minutes: float = 10, channel: Channel = Channel.VOICE) -> None:
    """So many talks of this length are over on the line, the latest an hour ago."""
    with db.transaction() as session:
        for number in range(times):
            began = world.now - timedelta(hours=1, minutes=number)
            contact = Contact(
                id=new_id(), organization_id=world.lantern, line_id=line_id(), channel=channel, state="closed",
                language="en", arrived_at=began,
            )  # fmt: skip
            session.add(contact)
            session.flush()
            offer = Offer(
                id=new_id(), organization_id=world.lantern, contact_id=contact.id, peer_id=world.peer1.id,
                state="accepted", made_at=began, deadline=began,
            )  # fmt: skip
            session.add(offer)
            session.flush()
            session.add(
                Engagement(
                    id=new_id(), organization_id=world.lantern, contact_id=contact.id, peer_id=world.peer1.id,
                    offer_id=offer.id, channel=channel, state="done", began_at=began, connect_by=began,
                    active_at=began, done_at=began + timedelta(minutes=minutes), conference_name=new_id(),
                )
            )  # fmt: skip


def hears(world: World, contact_id: str, place: int = 1, waited: int = 0) -> Told | None:
    return telling.tell(world.contact(contact_id), place, waited, world.now)


@pytest.fixture
def busy(world: World) -> World:
    """The line knows how long a talk takes, and its one peer who is there is talking."""
    talked(world, ENOUGH)
    world.available(world.peer1)
    world.talks(world.peer1)
    return world


def test_nobody_knows_before_enough_talks_are_over(world: World) -> None:
    talked(world, ENOUGH - 1)
    world.available(world.peer1)
    world.talks(world.peer1)
    contact_id, _ = world.waits(OTHER_CALLER)
    assert hears(world, contact_id) == Told(1, None)


def test_nobody_knows_where_nobody_is_there(world: World) -> None:
    talked(world, ENOUGH)
    contact_id, _ = world.waits()
    assert hears(world, contact_id) == Told(1, None)


def test_texts_say_nothing_of_calls(world: World) -> None:
    talked(world, ENOUGH, channel=Channel.TEXT)
    world.available(world.peer1)
    contact_id, _ = world.waits()
    assert hears(world, contact_id) == Told(1, None)


def test_talks_of_long_ago_say_nothing_of_today(world: World) -> None:
    talked(world, ENOUGH)
    world.now += timedelta(days=28)
    world.available(world.peer1)
    world.talks(world.peer1)
    contact_id, _ = world.waits(OTHER_CALLER)
    assert hears(world, contact_id) == Told(1, None)


def expects(world: World, contact_id: str, waited: int = 0) -> Minutes:
    told = hears(world, contact_id, waited=waited)
    assert told is not None
    assert told.minutes is not None
    return told.minutes


def test_whoever_stands_behind_others_waits_longer(busy: World) -> None:
    first, _ = busy.waits(OTHER_CALLER)
    busy.now += timedelta(seconds=1)
    busy.waits("+14045550141")
    busy.now += timedelta(seconds=1)
    behind, _ = busy.waits("+14045550142")
    assert expects(busy, first).low < 10 < expects(busy, first).high
    assert expects(busy, behind).low > expects(busy, first).low
    assert expects(busy, behind).high > expects(busy, first).high


def test_who_waits_for_other_peers_makes_nobody_s_wait_longer(busy: World) -> None:
    for number in range(5):
        busy.waits(f"+1404555014{number}", language="es")
    busy.now += timedelta(seconds=1)
    english, _ = busy.waits(OTHER_CALLER)
    alone = expects(busy, english)
    busy.now += timedelta(seconds=1)
    another, _ = busy.waits("+14045550149")
    assert alone.low < expects(busy, another).low
    with db.transaction() as session:
        for contact in session.scalars(select(Contact).where(Contact.language == "es")):
            contact.language = "en"
    assert expects(busy, english, waited=120).low > alone.low, "the same five, were they English"


def test_somebody_free_makes_it_short(busy: World) -> None:
    busy.available(busy.peer2)
    contact_id, _ = busy.waits(OTHER_CALLER)
    assert busy.rings_at(busy.peer2).contact_id == contact_id
    assert hears(busy, contact_id) == Told(1, Minutes(0, 1))


def test_a_peer_who_rings_for_the_caller_before_takes_that_one(busy: World) -> None:
    busy.available(busy.peer2)
    busy.waits(OTHER_CALLER)
    busy.now += timedelta(seconds=1)
    behind, _ = busy.waits("+14045550141")
    while_it_rings = expects(busy, behind)
    busy.accepts(busy.peer2)
    assert while_it_rings == expects(busy, behind, waited=120), "the one before and the peer leave the line together"
    assert while_it_rings.high > 1


def test_a_peer_who_rings_for_the_caller_behind_is_not_free(busy: World) -> None:
    """Who said "Not now" has a breath before this caller, and rings for the next one meanwhile."""
    busy.available(busy.peer2)
    first, _ = busy.waits(OTHER_CALLER)
    busy.now += timedelta(seconds=1)
    behind, _ = busy.waits("+14045550141")
    offers.decline(busy.peer2, busy.rings_at(busy.peer2).id, busy.now)
    assert busy.rings_at(busy.peer2).contact_id == behind
    assert expects(busy, first).high > 1
    assert expects(busy, behind) == Minutes(0, 1)


def test_whoever_rings_at_a_peer_who_is_not_for_this_caller_is_not_before_them(busy: World) -> None:
    busy.available(busy.peer2)
    ringing, _ = busy.waits(OTHER_CALLER)
    busy.now += timedelta(seconds=1)
    behind, _ = busy.waits("+14045550141")
    with db.transaction() as session:
        caller_id = session.get_one(Contact, behind).caller_id
        session.add(Apart(caller_id=caller_id, peer_id=busy.peer2.id, asked_by=AskedBy.CALLER, asked_at=busy.now))
    assert busy.rings_at(busy.peer2).contact_id == ringing
    while_it_rings = expects(busy, behind)
    busy.accepts(busy.peer2)
    assert while_it_rings == expects(busy, behind, waited=120)


def test_whoever_said_not_now_or_rests_is_there_all_the_same(world: World) -> None:
    talked(world, ENOUGH)
    world.available(world.peer1)
    contact_id, _ = world.waits()
    offers.decline(world.peer1, world.rings_at(world.peer1).id, world.now)
    assert expects(world, contact_id).high > 1, "in a breath"
    world.now += timedelta(seconds=5)
    with db.transaction() as session:
        session.get_one(Peer, world.peer1.id).rests_until = world.now + timedelta(minutes=5)
    assert expects(world, contact_id, waited=120).high > 1
    with db.transaction() as session:
        session.get_one(Peer, world.peer1.id).rests_until = None
    assert expects(world, contact_id, waited=240) == Minutes(0, 1)


def test_a_caller_before_who_rings_at_several_takes_one_of_them(busy: World) -> None:
    chooses(busy, Policy(strategy=Strategy.RING_SEVERAL, several=2))
    third = busy.hires("peer3", ["en"])
    busy.available(busy.peer2, third)
    busy.waits(OTHER_CALLER)
    busy.now += timedelta(seconds=1)
    behind, _ = busy.waits("+14045550141")
    assert busy.offer_to(busy.peer2) is not None
    assert busy.offer_to(third) is not None
    assert expects(busy, behind) == Minutes(0, 1), "the other of the two is free for this one"


def test_what_it_asks_the_database_does_not_grow(busy: World) -> None:
    from tests.web.walk import counted

    def asks(contact_id: str) -> int:
        with counted() as statements:
            expects(busy, contact_id)
        return len([statement for statement in statements if statement.startswith("SELECT")])

    busy.available(busy.peer2)
    busy.waits(OTHER_CALLER)
    asked = []
    for number in range(5):
        busy.now += timedelta(seconds=1)
        behind, _ = busy.waits(f"+1404555014{number}")
        asked.append(asks(behind))
    assert len(set(asked)) == 1


def test_whoever_is_not_in_line_yet_is_told_the_place_alone(busy: World) -> None:
    contact, _ = busy.arrives(OTHER_CALLER)
    assert hears(busy, contact.id) == Told(1, None)


def test_only_who_can_really_serve_the_caller_counts(busy: World) -> None:
    contact_id, _ = busy.waits(OTHER_CALLER, language="es")
    assert hears(busy, contact_id) == Told(1, None), "peer1 speaks no Spanish, and peer2 is not there"


def test_a_sister_line_s_peers_count_from_their_step_on(busy: World) -> None:
    illinois = sister(busy)
    chooses(busy, Policy(steps=(Step(timedelta(seconds=60), StepKind.SISTER, illinois),)))
    moves(busy, busy.peer1, illinois)
    contact_id, _ = busy.waits(OTHER_CALLER)
    assert hears(busy, contact_id) == Told(1, None)
    busy.pass_time(60)
    told = hears(busy, contact_id, waited=120)
    assert told is not None
    assert told.minutes is not None


def test_a_wish_that_nobody_can_grant_yet_makes_it_unknown(busy: World) -> None:
    chooses(busy, Policy(wishes=(Skill.VETERAN,), wish_for=None))
    contact_id, _ = busy.waits(OTHER_CALLER)
    with db.transaction() as session:
        contact = session.get_one(Contact, contact_id)
        contact.wish, contact.wish_required = Skill.VETERAN, True
    assert hears(busy, contact_id) == Told(1, None)
    has(busy, busy.peer1, Skill.VETERAN)
    told = hears(busy, contact_id, waited=120)
    assert told is not None
    assert told.minutes is not None


def test_the_same_is_not_told_twice_but_a_repeated_request_is_answered_alike(busy: World) -> None:
    contact_id, _ = busy.waits(OTHER_CALLER)
    first = hears(busy, contact_id, place=2)
    assert first is not None
    assert hears(busy, contact_id, place=2) == first
    assert hears(busy, contact_id, place=2, waited=25) is None
    assert hears(busy, contact_id, place=1, waited=50) is not None
    assert hears(busy, contact_id, place=1, waited=75) is None
    assert hears(busy, contact_id, place=1, waited=170) is not None


def test_a_caller_who_was_dropped_is_told_anew(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid = world.waits(CALLER)
    hears(world, contact_id, waited=40)
    engagement = world.accepts(world.peer1)
    peer_sid = world.comes_up(engagement)
    world.caller_joins(engagement, caller_sid)
    parting.leg_ended(peer_sid, world.now)
    assert hears(world, contact_id, waited=0) is not None
