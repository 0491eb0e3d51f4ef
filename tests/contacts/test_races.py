"""Many hands at once: one winner, answers that agree, and nobody stuck afterwards.

The races are run by real threads, once by real processes, each with a connection of its own. Where one guard would hide
another, the hidden one is tried by itself: a twin row is inserted, an old look is acted upon.
"""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from routing.facts import MakeOffer
from routing.states import PeerStatus
from tests.contacts.world import CALLER, FIELD_KEY, GEORGIA, ILLINOIS, OTHER_CALLER, World, prepare
from warmline import clock, db
from warmline.contacts import (
    availability,
    connect,
    dispatch,
    holding,
    intake,
    messages,
    offers,
    outbox,
    parting,
    texts,
    wrapup,
)
from warmline.errors import Conflict, NotFound
from warmline.models import (
    Callback,
    Caller,
    Contact,
    Engagement,
    Leg,
    Line,
    Message,
    Offer,
    OutsideRequest,
    Peer,
    Presence,
    Report,
)  # fmt: skip
from warmline.models.base import Keys, keyed_hash, new_id
from warmline.models.history import advance
from warmline.telephony.gateway import Membership

pytestmark = pytest.mark.both

ROOT = Path(__file__).parent.parent.parent
ROUNDS = 3  # a race that is lost once in a while is lost
PATIENCE_SECONDS = 60
LONGEST_SECONDS = 150  # wrap-up, and a little


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do all of this at the same moment, each in a thread; what each returned or raised, in order."""
    outcomes: list[Any] = [None] * len(acts)
    start = threading.Barrier(len(acts))

    def run(place: int, act: Callable[[], Any]) -> None:
        start.wait(PATIENCE_SECONDS)
        try:
            outcomes[place] = act()
        except Exception as error:
            outcomes[place] = error

    threads = [threading.Thread(target=run, args=(place, act), daemon=True) for place, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), "somebody waits forever"
    return outcomes


def times(count: int, act: Callable[..., Any], *arguments: Any) -> list[Callable[[], Any]]:
    return [partial(act, *arguments)] * count


def crowd(world: World, size: int) -> list[Peer]:
    """So many peers of Lantern."""
    more = [world.hires(f"peer{number}", ["en"]) for number in range(3, size + 1)]
    return [world.peer1, world.peer2, *more]


def present(world: World, *peers: Peer) -> None:
    """These peers are available and present from now on, and nobody has looked yet who might be offered what."""
    with db.transaction() as session:
        for peer in peers:
            session.get_one(Peer, peer.id).status = PeerStatus.AVAILABLE
            session.add(Presence(peer_id=peer.id, seen_at=world.now))


def nobody_is_stuck(world: World, *peers: Peer) -> None:
    """Minutes later everything is over, or waits for a reason: a caller in the queue, an offer within its time."""
    minutes_pass(world)
    states = [contact.state for contact in world.all(Contact)]
    assert {"connecting"}.isdisjoint(states)
    waiting = [row for row in world.all(Contact, channel="voice") if row.state in ("waiting", "offered")]
    assert all(contact.queue_sid for contact in waiting), "whoever is outside the queue will never be offered"
    pending = world.all(Offer, state="pending")
    assert all(offer.deadline > world.now for offer in pending)
    assert {offer.contact_id for offer in pending} == {row.id for row in world.all(Contact, state="offered")}
    active = world.all(Engagement, state="active")
    assert {row.contact_id for row in active} == {row.id for row in world.all(Contact, state="connected")}
    assert {row.state for row in world.all(Engagement)} <= {"active", "done", "failed"}
    live_legs = [leg for leg in world.all(Leg, kind="peer") if leg.state != "ended"]
    assert {leg.engagement_id for leg in live_legs} <= {row.id for row in active}
    assert {request.state for request in world.all(OutsideRequest)} <= {"done", "refused", "unknown"}
    busy = {row.peer_id for row in [*active, *pending]}
    everybody = peers or (world.peer1, world.peer2)
    assert {peer.id for peer in everybody if world.activity(peer) != "idle"} == busy


def minutes_pass(world: World) -> None:
    end = world.now + timedelta(seconds=LONGEST_SECONDS)
    while world.now < end:
        for asked in world.company.asked:
            if asked[0] == "hang up":  # what was asked for has happened
                world.company.whereabouts[asked[1]] = Membership(finished=True)
        world.now += timedelta(seconds=15)
        for peer in (world.peer1, world.peer2):
            if world.is_present(peer):
                availability.seen(peer, world.now)
        clock.tick(world.now)


# Accepting


def test_ten_accepts_of_one_offer_are_one_engagement(world: World) -> None:
    world.available(world.peer1)
    contact_id, _ = world.waits()
    offer = world.offer_to(world.peer1)
    assert offer is not None
    answers = at_once(*times(10, offers.accept, world.peer1, offer.id, world.now))
    assert len({answer.id for answer in answers}) == 1
    assert [row.id for row in world.all(Engagement)] == [answers[0].id]
    assert world.contact(contact_id).state == "connecting"
    assert world.events(offer.id) == ["began", "accepted"]
    nobody_is_stuck(world)


def test_of_ten_peers_who_accept_only_the_one_who_was_asked_can(world: World) -> None:
    peers = crowd(world, 9)
    world.available(world.peer1)
    world.waits()
    offer = world.offer_to(world.peer1)
    assert offer is not None
    answers = at_once(*(partial(offers.accept, peer, offer.id, world.now) for peer in [*peers, world.outsider]))
    assert isinstance(answers[0], Engagement)
    assert [type(answer) for answer in answers[1:]] == [NotFound] * 9
    assert [row.peer_id for row in world.all(Engagement)] == [world.peer1.id]
    nobody_is_stuck(world, *peers)


@pytest.mark.parametrize("rival", ["caller leaves", "time runs out", "decline", "steps away"])
def test_an_accept_meets_its_rival_and_one_of_the_two_counts(world: World, rival: str) -> None:
    world.available(world.peer1)
    for number in range(ROUNDS):
        contact_id, caller_sid = world.waits(f"+1404555014{number}")
        offer = world.offer_to(world.peer1)
        assert offer is not None
        against = {
            "caller leaves": partial(parting.leg_ended, caller_sid, world.now),
            "time runs out": partial(offers.expire, offer.id, "no_answer", offer.deadline),
            "decline": partial(offers.decline, world.peer1, offer.id, world.now),
            "steps away": partial(availability.choose, world.peer1, "break", world.now),
        }[rival]
        answer, other = at_once(partial(offers.accept, world.peer1, offer.id, world.now), against)
        offer = world.get(Offer, offer.id)
        if isinstance(answer, Engagement):
            assert offer.state == "accepted"
            assert isinstance(other, Conflict) is (rival == "decline")
            assert len(world.all(Engagement, contact_id=contact_id)) == 1
        else:
            assert isinstance(answer, Conflict), answer
            assert other is None
            assert offer.state in ("cancelled", "expired", "declined")
            assert world.all(Engagement, contact_id=contact_id) == []
        gone = rival == "caller leaves"
        assert world.contact(contact_id).state in (("abandoned",) if gone else ("connecting", "waiting"))
        parting.leg_ended(caller_sid, world.now)
        assert world.activity(world.peer1) == "idle"
        availability.choose(world.peer1, "available", world.now)
    nobody_is_stuck(world)


# Offering


def test_many_dispatches_at_once_make_one_offer_a_contact_and_one_a_peer(world: World) -> None:
    for number in range(3):
        world.waits(f"+1404555014{number}")
    peers = crowd(world, 5)
    present(world, *peers[:2])
    made = at_once(*times(8, dispatch.run, world.lantern, world.now))
    pending = world.all(Offer, state="pending")
    assert sum(made) == len(pending) == 2
    assert {offer.peer_id for offer in pending} == {peer.id for peer in peers[:2]}
    assert len({offer.contact_id for offer in pending}) == 2
    assert len(world.all(Contact, state="offered")) == 2
    nobody_is_stuck(world)


def test_two_contacts_for_one_peer_are_one_offer(world: World) -> None:
    contacts = [world.waits(f"+1404555014{number}")[0] for number in range(ROUNDS)]
    present(world, world.peer1)
    made = at_once(*(partial(dispatch.make, [MakeOffer(one, world.peer1.id)], world.now) for one in contacts))
    assert sorted(made) == [False] * (ROUNDS - 1) + [True]
    assert [offer.peer_id for offer in world.all(Offer)] == [world.peer1.id]
    assert len(world.all(Contact, state="offered")) == 1
    nobody_is_stuck(world)


def test_two_peers_for_one_contact_are_one_offer(world: World) -> None:
    peers = crowd(world, 6)
    contact_id, _ = world.waits()
    present(world, *peers)
    made = at_once(*(partial(dispatch.make, [MakeOffer(contact_id, peer.id)], world.now) for peer in peers))
    assert sorted(made) == [False] * 5 + [True]
    assert len(world.all(Offer)) == 1
    nobody_is_stuck(world, *peers)


# Connecting


def test_two_legs_for_one_offer_are_one_leg(world: World) -> None:
    world.available(world.peer1)
    world.waits()
    engagement = world.accepts(world.peer1)
    come = partial(connect.peer_leg, world.peer1.identity, engagement.offer_id)
    answers = at_once(*(partial(come, f"CA{number}", world.now) for number in range(6)))
    assert [type(answer) for answer in answers if isinstance(answer, Exception)] == [Conflict] * 5
    assert len(world.all(Leg, kind="peer")) == 1
    nobody_is_stuck(world)


def test_the_same_leg_again_and_again_is_one_leg_and_one_answer(world: World) -> None:
    world.available(world.peer1)
    world.waits()
    engagement = world.accepts(world.peer1)
    answers = at_once(*times(6, connect.peer_leg, world.peer1.identity, engagement.offer_id, "CA1", world.now))
    assert {answer.id for answer in answers} == {engagement.id}
    assert len(world.all(Leg, kind="peer")) == 1


def test_a_leg_in_the_conference_moves_the_caller_once_however_often_it_is_told(world: World) -> None:
    world.available(world.peer1)
    world.waits()
    engagement = world.accepts(world.peer1)
    connect.peer_leg(world.peer1.identity, engagement.offer_id, "CA1", world.now)
    told = [partial(connect.joined, engagement.id, "CA1", "CF1", world.now, f"CF1:{n}") for n in (1, 1, 2, 3, 4)]
    assert at_once(*told, *times(3, clock.tick, world.now)) == [None] * 8
    assert [asked[0] for asked in world.company.asked] == ["move"]
    assert len(world.requests("move_caller")) == 1


@pytest.mark.parametrize("rival", ["caller leaves", "peer is lost", "time runs out", "End"])
def test_a_caller_who_joins_meets_an_end_and_the_story_is_one(world: World, rival: str) -> None:
    world.available(world.peer1)
    for number in range(ROUNDS):
        contact_id, caller_sid = world.waits(f"+1404555014{number}")
        engagement = world.accepts(world.peer1)
        peer_sid = world.comes_up(engagement)
        connect.caller_may_join(contact_id, world.now)
        joins = partial(connect.joined, engagement.id, caller_sid, "CF1", world.now)
        against = {
            "caller leaves": partial(parting.leg_ended, caller_sid, world.now),
            "peer is lost": partial(parting.leg_ended, peer_sid, world.now),
            "time runs out": partial(connect.give_up, engagement.id, engagement.connect_by),
            "End": partial(parting.end, world.peer1, contact_id, world.now),
        }[rival]
        assert at_once(joins, against) == [None, None]
        contact, engagement = world.contact(contact_id), world.get(Engagement, engagement.id)
        allowed = {
            "caller leaves": {("abandoned", "failed"), ("closed", "wrapping")},
            "peer is lost": {("waiting", "failed"), ("waiting", "wrapping")},
            "time runs out": {("connected", "active")},  # the leg was up: it is not the peer's fault
            "End": {("closed", "wrapping"), ("waiting", "failed")},
        }[rival]
        assert (contact.state, engagement.state) in allowed
        if contact.state == "waiting":
            assert contact.queue_sid is None, "no offer before the caller is back in the queue"
            assert ("redirect", caller_sid) in [asked[:2] for asked in world.company.asked]
        parting.leg_ended(caller_sid, world.now)
        parting.leg_ended(peer_sid, world.now)
        world.now += timedelta(seconds=130)
        availability.seen(world.peer1, world.now)
        clock.tick(world.now)
        assert world.activity(world.peer1) == "idle"
    nobody_is_stuck(world)


def test_end_pressed_while_the_caller_hangs_up_is_one_end(world: World) -> None:
    world.available(world.peer1)
    for number in range(ROUNDS):
        contact_id, caller_sid, peer_sid, engagement = world.talks(world.peer1, f"+1404555014{number}")
        assert (
            at_once(
                *times(3, parting.end, world.peer1, contact_id, world.now),
                *times(3, parting.leg_ended, caller_sid, world.now),
            )
            == [None] * 6
        )
        assert world.contact(contact_id).state == "closed"
        assert world.events(engagement.id) == ["began", "joined", "ended"]
        parting.leg_ended(peer_sid, world.now)
        wrapup.report(world.peer1, contact_id, "information", ["social"], "", False, world.now)
    nobody_is_stuck(world)


def test_a_report_meets_the_end_of_wrap_up_and_a_second_click(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid, _, engagement = world.talks(world.peer1)
    parting.leg_ended(caller_sid, world.now)
    world.now += timedelta(seconds=120)
    save = partial(wrapup.report, world.peer1, contact_id, "information", ["social"], "kept", False, world.now)
    drafts = times(2, wrapup.draft, world.peer1, contact_id, "", [], "half", False, world.now)
    assert at_once(save, save, *drafts, *times(3, wrapup.expire, engagement.id, world.now)) == [None] * 7
    assert [report.notes for report in world.all(Report)] == ["kept"]
    assert len(world.events(engagement.id)) == 4, "it ended once"


# Arriving


def test_one_call_that_is_told_ten_times_at_once_is_one_contact(world: World) -> None:
    for number in range(ROUNDS):
        contacts = at_once(*times(10, intake.receive, f"CA{number}", CALLER, GEORGIA, world.now))
        assert len({contact.id for contact in contacts}) == 1
        assert len(world.all(Contact)) == len(world.all(Leg)) == number + 1
    assert len(world.all(Caller)) == 1


ANOTHER_PROCESS = """
import datetime, os, sys
from warmline import db
from warmline.contacts import intake
from warmline.models.base import Keys
Keys.use([os.environ["KEY"]], os.environ["INDEX"])
db.bind(db.connect(os.environ["URL"]))
now = datetime.datetime.fromisoformat(os.environ["NOW"])
print("ready", flush=True)
sys.stdin.readline()
for number in range(10):
    print(intake.receive(f"CA{number}", os.environ["FROM"], os.environ["TO"], now).id)
"""


def test_ten_calls_that_are_told_to_two_processes_are_ten_contacts(world: World, engine: Engine) -> None:
    assert Keys.index
    environment = {
        "URL": engine.url.render_as_string(hide_password=False), "KEY": FIELD_KEY, "INDEX": Keys.index.decode(),
        "NOW": world.now.isoformat(), "FROM": CALLER, "TO": GEORGIA, "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = [sys.executable, "-c", ANOTHER_PROCESS]
    processes = [
        subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        assert [process.stdout.readline() for process in processes if process.stdout] == ["ready\n"] * 2
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        told = {process.communicate(timeout=PATIENCE_SECONDS)[0] for process in processes}
    finally:
        for process in processes:
            process.kill()
    assert len(told) == 1, "they agree"
    assert set(told.pop().split()) == {contact.id for contact in world.all(Contact)}
    assert len(world.all(Contact)) == len(world.all(Leg)) == 10
    assert len(world.all(Caller)) == 1


def test_first_calls_of_one_number_are_one_caller(world: World) -> None:
    for number in range(ROUNDS):
        told = [partial(intake.receive, f"CA{number}{n}", f"+1404555014{number}", GEORGIA, world.now) for n in range(3)]
        contacts = at_once(*told)
        assert len({contact.id for contact in contacts}) == 3
        assert len({contact.caller_id for contact in contacts}) == 1
        assert len(world.all(Caller)) == number + 1


def test_a_first_call_and_a_first_text_of_one_number_are_one_caller(world: World) -> None:
    for number in range(ROUNDS):
        one = f"+1404555014{number}"
        call, text = at_once(
            partial(intake.receive, f"CA{number}", one, GEORGIA, world.now),
            partial(texts.receive, f"SM{number}", one, GEORGIA, "hello", False, world.now),
        )
        assert isinstance(call, Contact)
        assert text is True
        assert len(world.all(Caller)) == number + 1


def test_one_text_that_is_told_ten_times_at_once_is_one_text_and_one_answer(world: World) -> None:
    for number in range(ROUNDS):
        told = times(6, texts.receive, f"SM{number}", f"+1404555014{number}", GEORGIA, "hello", False, world.now)
        assert at_once(*told) == [True] * 6
        assert len(world.all(Contact)) == len(world.all(Message, direction="in")) == number + 1
        assert [asked[0] for asked in world.company.asked] == ["text"] * (number + 1)


def test_a_text_that_a_full_line_is_told_ten_times_at_once_is_answered_once(world: World) -> None:
    with db.transaction() as session:
        session.execute(update(Line).where(Line.organization_id == world.lantern).values(policy={"most_waiting": 1}))
    texts.receive("SM-waits", CALLER, GEORGIA, "hello", False, world.now)
    told = times(10, texts.receive, "SM-late", OTHER_CALLER, GEORGIA, "English", False, world.now)
    assert at_once(*told) == [True] * 10
    assert sorted(row.state for row in world.all(Contact)) == ["missed", "waiting"]
    assert len(world.requests("send_text")) == 2


def test_stop_meets_an_accept_and_one_of_the_two_counts(world: World) -> None:
    world.available(world.peer1)
    for number in range(ROUNDS):
        caller = f"+1404555014{number}"
        texts.receive(f"SM{number}", caller, GEORGIA, "hello", False, world.now)
        offer = world.rings_at(world.peer1)
        accepted, told = at_once(
            partial(offers.accept, world.peer1, offer.id, world.now),
            partial(texts.receive, f"SM{number}-stop", caller, GEORGIA, "STOP", False, world.now),
        )
        assert told is True
        contact = world.contact(offer.contact_id)
        if isinstance(accepted, Engagement):
            assert contact.state == "connected"
            parting.end(world.peer1, contact.id, world.now)
            wrapup.report(world.peer1, contact.id, "support_given", ["social"], "", False, world.now)
        else:
            assert isinstance(accepted, Conflict), accepted
            assert contact.state == "abandoned"
        assert world.activity(world.peer1) == "idle"
    nobody_is_stuck(world)


def test_stop_to_two_lines_at_once_ends_both_waits(world: World) -> None:
    world.opens_line("Illinois", ILLINOIS)
    for number in range(ROUNDS):
        caller = f"+1404555014{number}"
        for dialled in (GEORGIA, ILLINOIS):
            texts.receive(world.sid("SM"), caller, dialled, "START", False, world.now)
            texts.receive(world.sid("SM"), caller, dialled, "hello", False, world.now)
        stops = [(world.sid("SM"), caller, dialled, "STOP", False, world.now) for dialled in (GEORGIA, ILLINOIS)]
        assert at_once(*(partial(texts.receive, *stop) for stop in stops)) == [True, True]
    assert {row.state for row in world.all(Contact)} == {"missed", "abandoned"}


def test_two_first_texts_at_once_are_one_thread(world: World) -> None:
    for number in range(ROUNDS):
        one = f"+1404555014{number}"
        told = [partial(texts.receive, f"SM{number}{n}", one, GEORGIA, "hello", False, world.now) for n in range(3)]
        assert at_once(*told) == [True] * 3
        assert len(world.all(Contact)) == number + 1
        assert len(world.all(Message, direction="in")) == 3 * (number + 1)
    nobody_is_stuck(world)


# Asking the phone company


def test_many_deliveries_at_once_send_each_request_once_and_in_order(
    world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    world.available(world.peer1)
    contact_id = world.accepts(world.peer1).contact_id
    with not_followed(engine):
        for number in range(4):
            messages.write(world.peer1, contact_id, f"text {number}", world.now)
    assert len(world.company.asked) == 1, "the line's own answer"
    # Everybody finds the same request before anybody claims it.
    found = threading.Barrier(4)

    def advance_together(*arguments: Any, **options: Any) -> bool:
        with suppress(threading.BrokenBarrierError):
            found.wait(0.2)  # on SQLite one looks at a time
        return advance(*arguments, **options)

    monkeypatch.setattr(outbox, "advance", advance_together)
    assert at_once(*times(4, outbox.deliver, contact_id)) == [None] * 4
    for _ in range(4):
        outbox.deliver(contact_id)
    assert [asked[2] for asked in world.company.asked[1:]] == [f"text {number}" for number in range(4)]
    assert {request.state for request in world.all(OutsideRequest)} == {"done"}


@contextmanager
def not_followed(engine: Engine) -> Iterator[None]:
    """As if the process died at each commit: what follows it is left to others."""
    db.bind(engine, spawn=lambda *work: None)
    yield
    db.bind(engine)


def test_the_clocks_lease_has_one_holder(world: World) -> None:
    for _ in range(ROUNDS):
        holders = [new_id() for _ in range(6)]
        held = at_once(*(partial(clock.hold_lease, holder, world.now) for holder in holders))
        assert sorted(held) == [False] * 5 + [True]
        holder = holders[held.index(True)]
        again = at_once(*(partial(clock.hold_lease, one, world.now + timedelta(seconds=4)) for one in holders))
        assert [one for one, holds in zip(holders, again, strict=True) if holds] == [holder], "it keeps the lease"
        world.now += timedelta(seconds=10)


def test_clocks_that_tick_at_once_do_everything_once(world: World) -> None:
    world.available(world.peer1, world.peer2)
    contact_id, _ = world.waits()
    offer = world.offer_to(world.peer1)
    assert offer is not None
    world.now += timedelta(seconds=20)
    for peer in (world.peer1, world.peer2):
        availability.seen(peer, world.now)
    assert at_once(*times(5, clock.tick, world.now)) == [None] * 5
    assert world.events(offer.id) == ["began", "expired"]
    assert len(world.all(Offer, contact_id=contact_id)) == 2
    assert len(world.all(Offer, state="pending")) == 1
    nobody_is_stuck(world)


# The last word: each guard alone


class Rows:
    """Rows made by hand, past every verb."""

    def __init__(self, world: World) -> None:
        self.world = world
        with db.reading() as session:
            line = intake.line_of(session, GEORGIA)
        assert line is not None
        self.line = line
        self.caller_id = self.add(self.caller("a")).id
        self.a, self.b = (self.add(self.contact()).id for _ in "ab")
        self.offers = [self.add(self.offer(state="declined")).id for _ in range(3)]
        self.live = self.add(self.engagement(self.offers[0], contact_id=self.b, peer_id=world.peer2.id)).id

    def add(self, row: Any) -> Any:
        with db.transaction() as session:
            session.add(row)
        return row

    def caller(self, number_hash: str, organization_id: str | None = None) -> Caller:
        return Caller(
            id=new_id(), organization_id=organization_id or self.world.lantern, number_hash=keyed_hash(number_hash),
            number=CALLER, first_seen_at=self.world.now,
        )  # fmt: skip

    def contact(self, channel: str = "voice", state: str = "waiting") -> Contact:
        return Contact(
            id=new_id(), organization_id=self.world.lantern, line_id=self.line.id, caller_id=self.caller_id,
            channel=channel, state=state, language="en", arrived_at=self.world.now,
        )  # fmt: skip

    def offer(self, contact_id: str | None = None, peer_id: str | None = None, state: str = "pending") -> Offer:
        return Offer(
            id=new_id(), organization_id=self.world.lantern, contact_id=contact_id or self.a,
            peer_id=peer_id or self.world.peer1.id, state=state, made_at=self.world.now, deadline=self.world.now,
        )  # fmt: skip

    def engagement(self, offer_id: str, **columns: Any) -> Engagement:
        values = {"contact_id": self.a, "peer_id": self.world.peer1.id, "state": "connecting", "channel": "voice"}
        return Engagement(
            id=new_id(), organization_id=self.world.lantern, offer_id=offer_id, began_at=self.world.now,
            connect_by=self.world.now, conference_name=new_id(), **values | columns,
        )  # fmt: skip

    def leg(self, call_sid: str, kind: str = "peer", state: str = "started", **columns: Any) -> Leg:
        return Leg(
            id=new_id(), organization_id=self.world.lantern, contact_id=self.b, kind=kind, call_sid=call_sid,
            state=state, began_at=self.world.now, checked_at=self.world.now, **columns,
        )  # fmt: skip

    def request(self, key: str, sequence: int) -> OutsideRequest:
        return OutsideRequest(
            id=new_id(), organization_id=self.world.lantern, contact_id=self.a, sequence=sequence, key=key,
            kind="move_caller", arguments={}, state="pending", due_at=self.world.now,
        )  # fmt: skip

    def message(self, message_sid: str | None) -> Message:
        return Message(
            id=new_id(), organization_id=self.world.lantern, contact_id=self.a, direction="in", state="received",
            body="hello", line_number=GEORGIA, message_sid=message_sid, at=self.world.now,
        )  # fmt: skip

    def callback(self, key: str) -> Callback:
        return Callback(key=key, at=self.world.now)

    def report(self, peer: Peer) -> Report:
        return Report(
            id=new_id(), organization_id=self.world.lantern, contact_id=self.a, peer_id=peer.id, saved_at=self.world.now
        )


# What there is, its twin that must be refused, and its neighbour that must not be.
TWINS: dict[str, Callable[[Rows], tuple[Any, Any, Any]]] = {
    "a peer's live offer": lambda rows: (
        rows.offer(rows.a), rows.offer(rows.b), rows.offer(rows.b, rows.world.peer2.id),
    ),
    "a contact's live engagement": lambda rows: (
        rows.engagement(rows.offers[1], channel="text"),
        rows.engagement(rows.offers[2], channel="text", state="active"),
        rows.engagement(rows.offers[2], channel="text", state="wrapping"),
    ),
    "a peer's live call": lambda rows: (
        rows.engagement(rows.offers[1]),
        rows.engagement(rows.offers[2], contact_id=rows.add(rows.contact()).id, state="active"),
        rows.engagement(rows.offers[2], contact_id=rows.add(rows.contact()).id, channel="text", state="active"),
    ),
    "an offer's engagement": lambda rows: (
        rows.engagement(rows.offers[1], state="failed"),
        rows.engagement(rows.offers[1], state="failed"),
        rows.engagement(rows.offers[2], state="failed"),
    ),
    "a call's leg": lambda rows: (rows.leg("CA1"), rows.leg("CA1"), rows.leg("CA2")),
    "an engagement's live leg": lambda rows: (
        rows.leg("CA1", engagement_id=rows.live),
        rows.leg("CA2", engagement_id=rows.live),
        rows.leg("CA2", engagement_id=rows.live, state="ended"),
    ),
    "a contact's live caller": lambda rows: (
        rows.leg("CA1", "caller"), rows.leg("CA2", "caller", "joined"), rows.leg("CA2", "caller", "ended"),
    ),
    "a caller's open thread": lambda rows: (
        rows.contact("text"), rows.contact("text", "arriving"), rows.contact("text", "closed"),
    ),
    "an act that is claimed": lambda rows: (rows.request("act", 1), rows.request("act", 2), rows.request("other", 2)),
    "a contact's order": lambda rows: (rows.request("one", 1), rows.request("two", 1), rows.request("two", 2)),
    "a number in an organization": lambda rows: (
        rows.caller("b"), rows.caller("b"), rows.caller("b", rows.world.outsider.organization_id),
    ),
    "a text": lambda rows: (rows.message("SM1"), rows.message("SM1"), rows.message(None)),
    "a peer's report": lambda rows: (
        rows.report(rows.world.peer1), rows.report(rows.world.peer1), rows.report(rows.world.peer2),
    ),
    "a callback": lambda rows: (rows.callback("1"), rows.callback("1"), rows.callback("2")),
}  # fmt: skip


@pytest.mark.parametrize("what", TWINS)
def test_the_database_itself_refuses_the_twin_of(world: World, what: str) -> None:
    rows = Rows(world)
    row, twin, neighbour = TWINS[what](rows)
    rows.add(row)
    with pytest.raises(IntegrityError):
        rows.add(twin)
    rows.add(neighbour)


def test_of_two_who_saw_the_same_state_one_moves_it(world: World) -> None:
    world.available(world.peer1)
    world.waits()
    offer = world.offer_to(world.peer1)
    assert offer is not None
    for number, event in enumerate(("accepted", "declined", "accepted")):
        with db.transaction() as session:
            seen = session.merge(offer, load=False)  # as it was before any of these looked again
            assert advance(session, seen, event, world.now) is (number == 0)
            assert seen.state == "accepted"
    assert world.events(offer.id) == ["began", "accepted"]


def test_who_holds_a_contact_holds_off_everybody_else(world: World) -> None:
    contact_id, _ = world.waits()
    holds, lets_go, held_too = (threading.Event() for _ in range(3))

    def hold() -> None:
        with db.transaction() as session:
            holding.contact(session, contact_id)
            holds.set()
            lets_go.wait(PATIENCE_SECONDS)

    def hold_too() -> None:
        holds.wait(PATIENCE_SECONDS)
        with db.transaction() as session:
            holding.contact(session, contact_id)
            held_too.set()

    def watch() -> bool:
        holds.wait(PATIENCE_SECONDS)
        early = held_too.wait(0.3)
        lets_go.set()
        return early

    assert at_once(hold, hold_too, watch) == [None, None, False]
    assert held_too.is_set()


def test_whoever_waited_for_a_contact_sees_what_was_done_meanwhile(world: World) -> None:
    contact_id, _ = world.waits()
    with db.transaction() as session:
        seen = session.get_one(Contact, contact_id)
        session.expunge(seen)
    with db.transaction() as session:
        holding.contact(session, contact_id).language = "es"
    with db.transaction() as session:
        kept = session.merge(seen, load=False)
        assert holding.contact(session, contact_id) is kept
        assert kept.language == "es"


def test_a_transaction_inside_another_is_refused_at_once(world: World) -> None:
    def nest() -> None:
        with db.transaction(), db.transaction():
            pass

    assert isinstance(at_once(nest)[0], RuntimeError)
    with db.transaction():
        pass  # and the refused one holds nothing


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An SQLite database that refuses at once whatever it is busy for."""
    monkeypatch.setattr(db, "SQLITE_BUSY_SECONDS", 0)
    engine = db.connect(f"sqlite:///{tmp_path / 'impatient.db'}")
    prepare(engine)
    yield engine
    engine.dispose()


def test_writers_of_one_process_take_turns_and_never_meet_a_busy_sqlite(impatient: Engine) -> None:
    World(impatient)
    at = clock.now()

    def write(number: int) -> None:
        for again in range(5):
            intake.receive(f"CA{number}{again}", OTHER_CALLER, GEORGIA, at)

    assert at_once(*(partial(write, number) for number in range(8))) == [None] * 8


def test_a_transaction_on_sqlite_holds_the_one_writers_place_from_its_start(impatient: Engine) -> None:
    World(impatient)
    other = create_engine(impatient.url, connect_args={"timeout": 0})
    with db.transaction(), pytest.raises(OperationalError, match="locked"), other.connect() as stranger:
        stranger.exec_driver_sql("BEGIN IMMEDIATE")
    with db.reading() as session, other.connect() as stranger:  # who only looks keeps nobody out
        session.scalars(select(Contact)).all()
        stranger.exec_driver_sql("BEGIN IMMEDIATE")
    other.dispose()
