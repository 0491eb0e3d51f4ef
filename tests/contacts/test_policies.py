"""What a line has chosen, through the real database: whom it asks, in which order, and what it does for long waits."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from routing.facts import MakeOffer
from routing.policy import Policy, Skill, Step, StepKind, Strategy
from routing.states import PeerStatus
from tests.contacts.world import CALLER, GEORGIA, OTHER_CALLER, QUEUE, World
from warmline import clock, db
from warmline.contacts import availability, dispatch, intake, offers, parting, texts, wrapup
from warmline.errors import Conflict
from warmline.models import Apart, AskedBy, Caller, Channel, Contact, Engagement, Line, Offer, Peer, Shift
from warmline.models.base import new_id

ILLINOIS = "+13125550102"


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def chooses(world: World, policy: Policy, number: str = GEORGIA, **columns: Any) -> None:
    """The line with this number has this policy."""
    with db.transaction() as session:
        line = session.scalars(select(Line).where(Line.numbers.any(number=number))).one()
        line.policy = policy.kept()
        for name, value in columns.items():
            setattr(line, name, value)


def line_id(number: str = GEORGIA) -> str:
    with db.reading() as session:
        return session.scalars(select(Line.id).where(Line.numbers.any(number=number))).one()


def sister(world: World) -> str:
    """Another line of the same organization; nobody is on shift for it yet. Its id."""
    with db.transaction() as session:
        line = Line(
            id=new_id(), organization_id=world.lantern, name="Illinois", time_zone="America/Chicago", languages=["en"],
            hours={},
        )  # fmt: skip
        session.add(line)
        return line.id


def moves(world: World, peer: Peer, line: str, ends_at: datetime | None = None) -> None:
    """The peer is on shift for this line and for no other."""
    with db.transaction() as session:
        shift = session.scalars(select(Shift).where(Shift.peer_id == peer.id)).one()
        shift.line_id, shift.ends_at = line, ends_at


def has(world: World, peer: Peer, *skills: Skill) -> None:
    with db.transaction() as session:
        session.get_one(Peer, peer.id).skills = list(skills)


def rung(world: World, contact_id: str) -> set[str]:
    """The peers at whom a contact rings now."""
    return {offer.peer_id for offer in world.all(Offer, contact_id=contact_id, state="pending")}


@pytest.fixture
def three(world: World) -> tuple[Peer, Peer, Peer]:
    """Three peers of one line, available in this order."""
    third = world.hires("peer3", ["en"])
    world.available(world.peer1, world.peer2, third)
    return world.peer1, world.peer2, third


class TestWhoIsAskedFirst:
    def test_fewest_contacts_today(self, world: World, three: tuple[Peer, Peer, Peer]) -> None:
        peer1, peer2, _ = three
        chooses(world, Policy(strategy=Strategy.FEWEST_TODAY))
        contact_id, *_ = world.talks(peer1)
        parting.end(peer1, contact_id, world.now)
        wrapup.report(peer1, contact_id, "support_given", ["social"], "", False, world.now)
        with db.transaction() as session:
            session.get_one(Peer, peer1.id).idle_since = world.now - timedelta(hours=1)
        waits, _ = world.waits(OTHER_CALLER)
        assert rung(world, waits) == {peer2.id}, "peer1 has been free for longer, and had one contact today"

    def test_what_was_yesterday_does_not_count(self, world: World, three: tuple[Peer, Peer, Peer]) -> None:
        peer1, *_ = three
        chooses(world, Policy(strategy=Strategy.FEWEST_TODAY))
        contact_id, *_ = world.talks(peer1)
        parting.end(peer1, contact_id, world.now)
        wrapup.report(peer1, contact_id, "support_given", ["social"], "", False, world.now)
        world.now += timedelta(hours=11)  # 18:00 UTC is 1 PM in Georgia
        with db.transaction() as session:
            session.get_one(Peer, peer1.id).idle_since = world.now - timedelta(hours=20)
        world.available(*three)
        waits, _ = world.waits(OTHER_CALLER)
        assert rung(world, waits) == {peer1.id}

    def test_an_offer_that_came_to_nothing_after_it_was_accepted_does_not_count(
        self, world: World, three: tuple[Peer, Peer, Peer]
    ) -> None:
        peer1, peer2, peer3 = three
        chooses(world, Policy(strategy=Strategy.FEWEST_TODAY))
        _, caller_sid = world.waits()
        world.accepts(peer1)
        parting.leg_ended(caller_sid, world.now)  # before they could talk
        for peer, idle in ((peer1, 3), (peer2, 2), (peer3, 1)):
            with db.transaction() as session:
                session.get_one(Peer, peer.id).idle_since = world.now - timedelta(hours=idle)
        waits, _ = world.waits(OTHER_CALLER)
        assert rung(world, waits) == {peer1.id}

    def test_in_turn(self, world: World, three: tuple[Peer, Peer, Peer]) -> None:
        chooses(world, Policy(strategy=Strategy.ROUND_ROBIN))
        asked: list[str] = []
        for number in range(5):
            waits, sid = world.waits(f"+1404555014{number}")
            asked += rung(world, waits)
            parting.leg_ended(sid, world.now)
            world.now += seconds(1)
        assert asked[:3] == [*dict.fromkeys(asked)], "everybody once before anybody twice"
        assert asked[3:] == asked[:2]

    @pytest.mark.parametrize("remembered", [True, False])
    def test_the_same_peer_as_last_time_if_the_caller_asked_to_be_remembered(
        self, world: World, three: tuple[Peer, Peer, Peer], remembered: bool
    ) -> None:
        chooses(world, Policy(strategy=Strategy.SAME_PEER))
        peer1, peer2, _ = three
        contact_id, *_ = world.talks(peer1)
        parting.end(peer1, contact_id, world.now)
        wrapup.report(peer1, contact_id, "support_given", ["social"], "", False, world.now)
        with db.transaction() as session:
            session.scalars(select(Caller)).one().remembered_at = world.now if remembered else None
        again, _ = world.waits(CALLER)
        assert rung(world, again) == {peer1.id if remembered else peer2.id}

    @pytest.mark.parametrize("talked", [True, False])
    def test_the_same_peer_is_whom_they_talked_to_last_and_not_who_only_accepted(
        self, world: World, three: tuple[Peer, Peer, Peer], talked: bool
    ) -> None:
        chooses(world, Policy(strategy=Strategy.SAME_PEER))
        peer1, peer2, peer3 = three
        for peer in (peer2, peer1):
            self.is_first(world, peer, *three)
            contact_id, caller_sid = world.waits(CALLER)
            engagement = world.accepts(peer)
            if peer is peer2 or talked:
                world.comes_up(engagement)
                world.caller_joins(engagement, caller_sid)
                parting.end(peer, contact_id, world.now)
                wrapup.report(peer, contact_id, "support_given", ["social"], "", False, world.now)
            else:
                parting.leg_ended(caller_sid, world.now)
            world.now += seconds(10)
        with db.transaction() as session:
            session.scalars(select(Caller)).one().remembered_at = world.now
        self.is_first(world, peer3, *three)
        again, _ = world.waits(CALLER)
        assert rung(world, again) == {peer1.id if talked else peer2.id}

    def test_of_two_who_shared_a_contact_the_same_peer_is_who_took_it_over(
        self, world: World, three: tuple[Peer, Peer, Peer]
    ) -> None:
        chooses(world, Policy(strategy=Strategy.SAME_PEER))
        peer1, peer2, peer3 = three
        contact_id, caller_sid, peer_sid, dropped = world.talks(peer1)
        world.now += seconds(1)
        parting.leg_ended(peer_sid, world.now)
        parting.caller_back(contact_id, world.now, dropped.id)
        intake.queued(contact_id, QUEUE, world.now)
        taken_over = world.accepts(peer2)
        world.comes_up(taken_over)
        world.caller_joins(taken_over, caller_sid)
        parting.end(peer2, contact_id, world.now)
        for peer in (peer1, peer2):
            wrapup.report(peer, contact_id, "support_given", ["social"], "", False, world.now)
        with db.transaction() as session:
            session.scalars(select(Caller)).one().remembered_at = world.now
        self.is_first(world, peer3, *three)
        again, _ = world.waits(CALLER)
        assert rung(world, again) == {peer2.id}

    def is_first(self, world: World, first: Peer, *peers: Peer) -> None:
        """This peer has been free for longest."""
        with db.transaction() as session:
            for peer in peers:
                session.get_one(Peer, peer.id).idle_since = world.now - timedelta(hours=2 if peer is first else 1)
        availability.all_seen(peers, world.now)


class TestRingingSeveral:
    @pytest.fixture
    def rings(self, world: World, three: tuple[Peer, Peer, Peer]) -> str:
        """A contact that rings at all three."""
        chooses(world, Policy(strategy=Strategy.RING_SEVERAL, several=3))
        contact_id, self.caller_sid = world.waits()
        assert rung(world, contact_id) == {peer.id for peer in three}
        return contact_id

    def test_the_first_to_accept_wins_and_the_others_are_free(
        self, world: World, three: tuple[Peer, Peer, Peer], rings: str
    ) -> None:
        peer1, peer2, peer3 = three
        theirs = world.offer_to(peer2)
        world.accepts(peer1)
        assert world.contact(rings).state == "connecting"
        ended = {offer.peer_id: (offer.state, offer.reason) for offer in world.all(Offer)}
        assert ended[peer2.id] == ended[peer3.id] == ("lost", "taken")
        assert {room for room, *_ in world.pushed} >= {f"peer:{peer2.id}", f"peer:{peer3.id}"}
        assert theirs is not None
        with pytest.raises(Conflict):
            offers.accept(peer2, theirs.id, world.now)
        second, _ = world.waits(OTHER_CALLER)
        assert rung(world, second) == {peer2.id, peer3.id}

    def test_whoever_was_less_quick_is_asked_for_the_next_at_once(
        self, world: World, three: tuple[Peer, Peer, Peer], rings: str
    ) -> None:
        peer1, peer2, peer3 = three
        second, _ = world.waits(OTHER_CALLER)
        assert rung(world, second) == set()
        world.accepts(peer1)
        assert rung(world, second) == {peer2.id, peer3.id}

    def test_one_who_declines_leaves_it_to_the_others(
        self, world: World, three: tuple[Peer, Peer, Peer], rings: str
    ) -> None:
        peer1, peer2, peer3 = three
        for peer, left in ((peer1, {peer2.id, peer3.id}), (peer2, {peer3.id})):
            offer = world.offer_to(peer)
            assert offer is not None
            offers.decline(peer, offer.id, world.now)
            assert world.contact(rings).state == "offered"
            assert rung(world, rings) == left

    @pytest.fixture
    def fourth(self, world: World) -> Peer:
        return world.hires("peer4", ["en"])

    def test_while_others_ring_the_next_is_asked_at_once_for_one_who_declines(
        self, world: World, three: tuple[Peer, Peer, Peer], fourth: Peer, rings: str
    ) -> None:
        peer1, peer2, peer3 = three
        world.available(fourth)
        assert rung(world, rings) == {peer1.id, peer2.id, peer3.id}, "three at once"
        offers.decline(peer1, world.rings_at(peer1).id, world.now)
        assert rung(world, rings) == {peer2.id, peer3.id, fourth.id}
        assert world.contact(rings).state == "offered"
        assert world.accepts(fourth).contact_id == rings
        assert {offer.state for offer in world.all(Offer)} == {"declined", "lost", "accepted"}

    def test_whoever_comes_free_while_it_rings_at_fewer_is_asked_as_well(
        self, world: World, three: tuple[Peer, Peer, Peer], fourth: Peer, rings: str
    ) -> None:
        peer1, peer2, peer3 = three
        offers.decline(peer1, world.rings_at(peer1).id, world.now)
        assert rung(world, rings) == {peer2.id, peer3.id}
        world.available(fourth)
        assert rung(world, rings) == {peer2.id, peer3.id, fourth.id}

    def test_a_step_that_is_due_while_it_rings_at_one_rings_at_more(
        self, world: World, three: tuple[Peer, Peer, Peer]
    ) -> None:
        chooses(world, Policy(steps=(Step(seconds(10), StepKind.SEVERAL),), several=2))
        contact_id, _ = world.waits()
        assert len(rung(world, contact_id)) == 1
        world.pass_time(10)
        assert len(rung(world, contact_id)) == 2
        assert world.contact(contact_id).state == "offered"

    def test_who_looked_before_another_was_asked_asks_nobody_more(
        self, world: World, three: tuple[Peer, Peer, Peer], fourth: Peer, rings: str
    ) -> None:
        peer1, *_ = three
        offers.decline(peer1, world.rings_at(peer1).id, world.now)
        seen = MakeOffer(rings, peer1.id, beside=2)
        world.available(fourth)
        assert len(rung(world, rings)) == 3
        assert dispatch.make([seen], world.now) == 0

    def test_when_all_have_declined_the_contact_waits_on(
        self, world: World, three: tuple[Peer, Peer, Peer], rings: str
    ) -> None:
        for peer in three:
            offer = world.offer_to(peer)
            assert offer is not None
            world.now += seconds(1)
            offers.decline(peer, offer.id, world.now)
        assert rung(world, rings) == set(), "each of them gets a breath, not only the latest"
        assert world.events(rings).count("unanswered") == 1
        world.pass_time(5)
        assert rung(world, rings) == {peer.id for peer in three}

    def test_a_caller_who_leaves_ends_all_of_it(self, world: World, three: tuple[Peer, Peer, Peer], rings: str) -> None:
        parting.leg_ended(self.caller_sid, world.now)
        assert world.contact(rings).state == "abandoned"
        assert {offer.state for offer in world.all(Offer)} == {"cancelled"}

    def test_whoever_was_only_less_quick_is_asked_at_once_if_the_winner_lets_go(
        self, world: World, three: tuple[Peer, Peer, Peer], rings: str
    ) -> None:
        peer1, peer2, peer3 = three
        world.accepts(peer1)
        parting.end(peer1, rings, world.now)
        assert rung(world, rings) == {peer2.id, peer3.id}

    def test_a_second_caller_is_not_left_out_for_it(
        self, world: World, three: tuple[Peer, Peer, Peer], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dispatch, "AT_A_TIME", 2)  # as many contacts, and yet more offers
        chooses(world, Policy(strategy=Strategy.RING_SEVERAL, several=3))
        with db.transaction() as session:
            for peer in three:
                session.get_one(Peer, peer.id).status = PeerStatus.BREAK
        first, _ = world.waits()
        world.now += timedelta(seconds=1)
        second, _ = world.waits(OTHER_CALLER)
        with db.transaction() as session:
            for peer in three:
                session.get_one(Peer, peer.id).status = PeerStatus.AVAILABLE
        assert dispatch.run(world.lantern, world.now) == 3
        assert (len(rung(world, first)), len(rung(world, second))) == (2, 1)


class TestMissed:
    def misses(self, world: World) -> Offer:
        offer = world.offer_to(world.peer1)
        assert offer is not None
        world.pass_time(21)
        return offer

    def test_who_misses_two_in_a_row_is_away_and_the_screen_says_why(self, world: World) -> None:
        world.available(world.peer1)
        world.waits()
        first = self.misses(world)
        assert world.peer(world.peer1).status == "available"
        world.pass_time(6)
        second = self.misses(world)
        assert first.id != second.id
        away = world.peer(world.peer1)
        assert (away.status, away.status_reason) == ("away", "missed")
        assert world.events(world.peer1.id) == ["status", "status"]

    def test_nobody_has_missed_what_rang_while_we_could_not_be_reached(self, world: World) -> None:
        world.available(world.peer1)
        world.waits()
        self.misses(world)
        world.pass_time(6)
        assert world.offer_to(world.peer1) is not None
        world.now += timedelta(seconds=25)  # the database is away: no heartbeat, no tick, no answer
        clock.tick(world.now)
        peer = world.peer(world.peer1)
        assert (peer.status, peer.status_reason) == ("available", None)

    @pytest.mark.parametrize(
        ("pauses", "reason", "status"),
        [((4, 4, 14), "outage", "available"), ((4, 4, 4, 4, 4, 4), "no_answer", "away")],
        ids=["outage", "no outage"],
    )
    def test_an_outage_is_nobody_s_miss_though_consoles_are_heard_before_the_clock_ticks(
        self, world: World, pauses: tuple[float, ...], reason: str, status: str
    ) -> None:
        world.available(world.peer1)
        contact_id, _ = world.waits()
        self.misses(world)
        world.pass_time(6)
        offer = world.rings_at(world.peer1)
        left = list(pauses)

        class Ticks(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                if not left:
                    self.set()
                    return True
                world.now += seconds(left.pop(0))
                availability.seen(world.peer1, world.now)
                return False

        clock.run(Ticks(), lambda: world.now)
        assert (world.get(Offer, offer.id).reason, world.peer(world.peer1).status) == (reason, status)
        world.pass_time(6)
        assert rung(world, contact_id) == ({world.peer1.id} if status == "available" else set())

    def test_not_now_between_them_is_a_sign_of_life(self, world: World) -> None:
        world.available(world.peer1)
        world.waits()
        self.misses(world)
        world.pass_time(6)
        offer = world.offer_to(world.peer1)
        assert offer is not None
        offers.decline(world.peer1, offer.id, world.now)
        world.pass_time(6)
        self.misses(world)
        assert world.peer(world.peer1).status == "available"

    def test_who_comes_back_begins_anew(self, world: World) -> None:
        world.available(world.peer1)
        world.waits()
        self.misses(world)
        world.pass_time(6)
        self.misses(world)
        world.available(world.peer1)
        world.pass_time(6)
        self.misses(world)
        assert world.peer(world.peer1).status == "available", "one missed since then"


class TestSteps:
    def test_a_sister_line_s_peers_are_asked_from_the_step_on(self, world: World) -> None:
        illinois = sister(world)
        chooses(world, Policy(steps=(Step(seconds(60), StepKind.SISTER, illinois),)))
        moves(world, world.peer1, illinois)
        world.available(world.peer1)
        contact_id, _ = world.waits()
        world.pass_time(58)
        assert rung(world, contact_id) == set()
        world.pass_time(5)
        assert rung(world, contact_id) == {world.peer1.id}
        assert world.contact(contact_id).steps == 1
        assert world.events(contact_id).count("overflow") == 1

    def test_a_sister_line_s_peer_who_becomes_free_is_asked_at_once(self, world: World) -> None:
        illinois = sister(world)
        chooses(world, Policy(steps=(Step(seconds(60), StepKind.SISTER, illinois),)))
        moves(world, world.peer1, illinois)
        contact_id, _ = world.waits()
        world.pass_time(65)
        world.available(world.peer1)
        assert rung(world, contact_id) == {world.peer1.id}

    def test_who_comes_when_a_sister_line_alone_has_peers_on_shift_waits_for_them(self, world: World) -> None:
        other = sister(world)
        moves(world, world.peer1, other)
        moves(world, world.peer2, other)
        chooses(world, Policy(steps=(Step(seconds(30), StepKind.SISTER, other),)))
        world.available(world.peer1, world.peer2)
        world.waits()
        texts.receive("SM1", OTHER_CALLER, GEORGIA, "hello", False, world.now)
        assert {contact.state for contact in world.all(Contact)} == {"waiting"}
        world.pass_time(31)
        assert {contact.state for contact in world.all(Contact)} == {"offered"}

    def test_who_waits_when_a_sister_line_alone_has_peers_left_is_not_sent_away(self, world: World) -> None:
        """The line's own last shift is over, and the line has closed: peers of the other one serve whoever is left."""
        other = sister(world)
        moves(world, world.peer1, other)
        chooses(world, Policy(steps=(Step(seconds(30), StepKind.SISTER, other),)))
        contact_id, _ = world.waits()
        texts.receive("SM1", OTHER_CALLER, GEORGIA, "hello", False, world.now)
        moves(world, world.peer2, other)
        chooses(world, Policy(steps=(Step(seconds(30), StepKind.SISTER, other),)), closed_at=world.now)
        clock.tick(world.now)
        assert not intake.nobody_left(contact_id, world.now)
        assert {contact.state for contact in world.all(Contact)} == {"waiting"}

    def test_whoever_waits_for_the_step_does_not_hide_those_behind(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dispatch, "AT_A_TIME", 2)
        illinois = sister(world)
        chooses(world, Policy(steps=(Step(seconds(600), StepKind.SISTER, illinois),)))
        for number in range(3):
            world.waits(f"+1404555014{number}")
            world.now += seconds(1)
        with db.transaction() as session:
            waits = session.scalars(select(Contact).order_by(Contact.queued_at).limit(1)).one()
            there = Contact(
                id=new_id(), organization_id=world.lantern, line_id=illinois, channel=Channel.VOICE, state="waiting",
                language="en", arrived_at=world.now, queued_at=world.now, queue_sid=waits.queue_sid,
            )  # fmt: skip
            session.add(there)
        moves(world, world.peer1, illinois)
        world.available(world.peer1)
        assert rung(world, there.id) == {world.peer1.id}

    def test_skills_and_the_end_of_a_shift_count_until_it_is_widened(self, world: World) -> None:
        policy = Policy(
            skills=frozenset({Skill.FAMILY}),
            usual_talk=timedelta(minutes=20),
            steps=(Step(seconds(60), StepKind.WIDEN),),
        )
        chooses(world, policy)
        moves(world, world.peer1, line_id(), ends_at=world.now + timedelta(minutes=10))
        world.available(world.peer1)
        contact_id, _ = world.waits()
        world.pass_time(55)
        assert rung(world, contact_id) == set()
        world.pass_time(10)
        assert rung(world, contact_id) == {world.peer1.id}

    def test_a_step_is_recorded_while_a_peer_is_rung(self, world: World) -> None:
        chooses(world, Policy(steps=(Step(seconds(10), StepKind.WIDEN),)))
        world.available(world.peer1)
        contact_id, _ = world.waits()
        world.pass_time(10)
        assert (world.contact(contact_id).state, world.contact(contact_id).steps) == ("offered", 1)

    def test_ringing_several_may_begin_with_the_wait(self, world: World, three: tuple[Peer, Peer, Peer]) -> None:
        chooses(world, Policy(several=2, steps=(Step(seconds(15), StepKind.SEVERAL),)))
        contact_id, _ = world.waits()
        assert len(rung(world, contact_id)) == 1
        world.pass_time(21)
        assert len(rung(world, contact_id)) == 2


class TestWhoMayBeAsked:
    def test_nobody_while_the_line_is_paused_and_everybody_keeps_the_place(self, world: World) -> None:
        chooses(world, Policy(), paused_at=world.now)
        world.available(world.peer1)
        contact_id, _ = world.waits()
        world.pass_time(30)
        assert rung(world, contact_id) == set()
        chooses(world, Policy(), paused_at=None)
        world.pass_time(1)
        assert rung(world, contact_id) == {world.peer1.id}

    def test_a_line_that_is_paused_after_the_look_makes_no_offer(self, world: World) -> None:
        contact_id, _ = world.waits()
        chooses(world, Policy(), paused_at=world.now)
        world.available(world.peer1)
        assert dispatch.make([MakeOffer(contact_id, world.peer1.id)], world.now) == 0

    def test_whoever_rests_is_asked_when_the_rest_is_over(self, world: World) -> None:
        with db.transaction() as session:
            session.get_one(Peer, world.peer1.id).rests_until = world.now + seconds(60)
        world.available(world.peer1)
        contact_id, _ = world.waits()
        world.pass_time(50)
        assert rung(world, contact_id) == set()
        world.pass_time(10)
        assert rung(world, contact_id) == {world.peer1.id}

    def test_two_who_asked_not_to_meet_again_do_not(self, world: World) -> None:
        world.available(world.peer1)
        contact_id, *_ = world.talks(world.peer1)
        parting.end(world.peer1, contact_id, world.now)
        wrapup.report(world.peer1, contact_id, "support_given", ["social"], "", False, world.now)
        with db.transaction() as session:
            caller_id = session.scalars(select(Caller.id)).one()
            session.add(Apart(caller_id=caller_id, peer_id=world.peer1.id, asked_by=AskedBy.CALLER, asked_at=world.now))
        again, _ = world.waits(CALLER)
        other, _ = world.waits(OTHER_CALLER)
        assert (rung(world, again), rung(world, other)) == (set(), {world.peer1.id})
        world.available(world.peer2)
        assert rung(world, again) == {world.peer2.id}

    def test_many_whom_a_peer_is_not_to_meet_hide_nobody_behind(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dispatch, "AT_A_TIME", 2)
        for number in range(5):
            world.waits(f"+1404555014{number}")
            world.now += seconds(1)
        with db.transaction() as session:
            for caller_id in session.scalars(select(Caller.id)).all():
                session.add(
                    Apart(caller_id=caller_id, peer_id=world.peer1.id, asked_by=AskedBy.PEER, asked_at=world.now)
                )
        behind, _ = world.waits(OTHER_CALLER)
        world.available(world.peer1)
        assert rung(world, behind) == {world.peer1.id}

    @pytest.mark.parametrize("required", [True, False])
    def test_a_wish_is_waited_for_as_long_as_it_was_meant_to(self, world: World, required: bool) -> None:
        chooses(world, Policy(wishes=(Skill.VETERAN,), wish_for=seconds(30)))
        contact_id, _ = world.waits()
        with db.transaction() as session:
            contact = session.get_one(Contact, contact_id)
            contact.wish, contact.wish_required = Skill.VETERAN, required
        has(world, world.peer2, Skill.VETERAN)  # on shift, and away
        world.available(world.peer1)
        assert rung(world, contact_id) == set()
        world.pass_time(30)
        assert rung(world, contact_id) == (set() if required else {world.peer1.id})
        world.available(world.peer2)
        assert rung(world, contact_id) == ({world.peer2.id} if required else {world.peer1.id})

    def test_a_writer_with_room_for_texts_only_is_not_asked_for_calls(self, world: World) -> None:
        world.available(world.peer1)
        texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
        world.accepts(world.peer1)
        call, _ = world.waits(OTHER_CALLER)
        texts.receive("SM2", "+14045550125", GEORGIA, "hello", False, world.now)
        assert rung(world, call) == set()
        [text] = world.all(Contact, channel="text", state="offered")
        assert rung(world, text.id) == {world.peer1.id}


def test_a_shift_that_begins_is_seen_within_a_second(world: World) -> None:
    with db.transaction() as session:
        for shift in session.scalars(select(Shift).where(Shift.peer_id == world.peer1.id)):
            shift.starts_at = world.now + seconds(30)
    world.available(world.peer1, world.peer2)
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    world.accepts(world.peer2)
    contact_id, _ = world.waits(OTHER_CALLER)
    assert rung(world, contact_id) == set()
    world.pass_time(30)
    assert rung(world, contact_id) == {world.peer1.id}


def test_of_two_shifts_at_once_the_longer_one_counts(world: World) -> None:
    chooses(world, Policy(usual_talk=timedelta(minutes=20)))
    moves(world, world.peer1, line_id(), ends_at=world.now + timedelta(minutes=5))
    with db.transaction() as session:
        ends_at = world.now + timedelta(hours=4)
        session.add(Shift(id=new_id(), peer_id=world.peer1.id, line_id=line_id(), starts_at=world.now, ends_at=ends_at))
    world.available(world.peer1)
    contact_id, _ = world.waits()
    assert rung(world, contact_id) == {world.peer1.id}


def test_a_policy_is_kept_as_little_as_it_differs() -> None:
    assert Policy().kept() == {}
    assert replace(Policy(), strategy=Strategy.ROUND_ROBIN).kept() == {"strategy": "round_robin"}


def test_everything_that_was_dispatched_has_one_winner(world: World, three: tuple[Peer, Peer, Peer]) -> None:
    chooses(world, Policy(strategy=Strategy.RING_SEVERAL))
    world.waits()
    world.accepts(three[2])
    assert len(world.all(Engagement)) == 1
