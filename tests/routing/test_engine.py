"""The decision, by example and for any situation."""

from collections import Counter
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.eligibility import why_not
from routing.engine import decide
from routing.facts import Alone, Close, Expire, MakeOffer, Overflow, Peer, Ringing, Snapshot, Tell, Waiting
from routing.policy import UNCHOSEN, Policy, Step, StepKind, Strategy
from routing.ranking import STRATEGIES, asked_first, first_in_line, longest_idle
from tests.routing.situations import NOW, contact, peer, seconds, snapshots


def offers(snapshot: Snapshot, now: datetime = NOW) -> list[MakeOffer]:
    return [decision for decision in decide(snapshot, now) if isinstance(decision, MakeOffer)]


def pairs(waiting: list[Waiting], peers: list[Peer], policy: Policy = UNCHOSEN) -> list[tuple[str, str]]:
    snapshot = Snapshot(tuple(waiting), tuple(peers), {"georgia": policy})
    return [(offer.contact, offer.peer) for offer in offers(snapshot)]


def eligible(snapshot: Snapshot, whom: Waiting) -> list[Peer]:
    return [who for who in snapshot.peers if not why_not(who, whom, snapshot.policy(whom.line), NOW)]


def firsts(made: list[MakeOffer]) -> list[MakeOffer]:
    """The first offer of each contact: whoever rings beside it is extra."""
    found: dict[str, MakeOffer] = {}
    for offer in made:
        if not offer.beside:
            found.setdefault(offer.contact, offer)
    return [*found.values()]


def test_nobody_waits_and_nobody_is_free():
    assert pairs([], [peer()]) == []
    assert pairs([contact()], []) == []
    assert pairs([], []) == []


def test_the_longest_wait_meets_the_longest_idle():
    waiting = [contact("late", waited=10), contact("early", waited=90)]
    assert pairs(waiting, [peer("short", idle=5), peer("long", idle=500)]) == [("early", "long"), ("late", "short")]


def test_a_caller_whose_peer_was_lost_comes_first():
    waiting = [contact("patient", waited=900), contact("dropped", waited=30, priority=10)]
    assert pairs(waiting, [peer()]) == [("dropped", "a")]


def test_a_contact_whom_nobody_free_may_serve_does_not_hold_up_the_others():
    waiting = [contact("spanish", waited=900, language="es"), contact("english")]
    assert pairs(waiting, [peer()]) == [("english", "a")]


def test_peers_are_sorted_once_however_many_wait(monkeypatch: pytest.MonkeyPatch):
    rank = Mock(side_effect=longest_idle)
    monkeypatch.setitem(STRATEGIES, Strategy.LONGEST_IDLE, rank)
    peers = [peer(f"p{number}") for number in range(30)]
    assert len(pairs([contact(f"c{number}") for number in range(30)], peers)) == 30
    assert rank.call_count == 30


def test_an_offer_carries_who_was_passed_over_and_why():
    elsewhere = peer("b", idle=90, shifts={"illinois": None}, languages=frozenset({"es"}))
    asked = contact(asked=("c",), asked_until={"c": NOW})
    [offer] = offers(Snapshot((asked,), (peer(idle=70), elsewhere, peer("c", idle=99), peer("d"))))
    assert offer.peer == "a"
    assert offer.refusals == (("b", "not_on_shift"), ("b", "language")), "nobody behind was looked at"


def test_whoever_was_asked_last_is_passed_over_and_it_says_so():
    asked = contact(asked=("c", "a"), asked_until={"a": NOW})
    [offer] = offers(Snapshot((asked,), (peer("c", languages=frozenset()), peer("a"), peer("b", threads=1))))
    assert (offer.peer, offer.refusals) == ("b", (("c", "language"),))


def test_whoever_keeps_saying_not_now_is_asked_in_turn():
    peers = tuple(peer(id, idle=idle) for id, idle in {"a": 10, "b": 90, "c": 50}.items())
    whom, now, asked = contact(), NOW, []
    for _ in range(7):
        now += seconds(2)
        [offer] = offers(Snapshot((whom,), tuple(replace(who, seen_at=now) for who in peers)), now)
        asked.append(offer.peer)
        whom = replace(whom, asked=tuple(asked), asked_until={**whom.asked_until, offer.peer: now})
    assert asked == ["b", "c", "a", "b", "c", "a", "b"]


def test_the_only_peer_is_asked_again_but_not_in_the_same_breath():
    whom = contact(asked=("a",), asked_until={"a": NOW - seconds(4.9)})
    assert pairs([whom], [peer()]) == []
    assert pairs([replace(whom, asked_until={"a": NOW - seconds(5)})], [peer()]) == [("1", "a")]


class TestRingingSeveral:
    policy = Policy(strategy=Strategy.RING_SEVERAL, several=3)

    def test_a_caller_rings_at_several_peers(self):
        peers = [peer(id, idle=idle) for id, idle in {"a": 10, "b": 90, "c": 50, "d": 70}.items()]
        assert pairs([contact()], peers, self.policy) == [("1", "b"), ("1", "d"), ("1", "c")]

    def test_but_first_everybody_rings_at_one(self):
        peers = [peer(id, idle=idle) for id, idle in {"a": 90, "b": 80, "c": 70}.items()]
        waiting = [contact("first", waited=60), contact("second", waited=30)]
        assert pairs(waiting, peers, self.policy) == [("first", "a"), ("second", "b"), ("first", "c")]

    def test_one_that_rings_at_fewer_rings_at_more_but_after_those_who_wait(self):
        peers = [peer(id, idle=idle) for id, idle in {"a": 90, "b": 80, "c": 70, "d": 60}.items()]
        rings, waits = contact("rings", waited=60, ringing=2), contact("waits", waited=30)
        assert pairs([rings, waits], peers, self.policy) == [
            ("waits", "a"),
            ("rings", "b"),
            ("waits", "c"),
            ("waits", "d"),
        ]
        assert pairs([replace(rings, ringing=3)], peers, self.policy) == []
        [offer] = offers(Snapshot((rings,), (peer(),), {"georgia": self.policy}))
        assert offer.beside == 2

    def test_a_text_is_one_peer_s(self):
        assert len(pairs([contact(channel="text")], [peer("a"), peer("b")], self.policy)) == 1

    def test_as_a_step_it_begins_with_the_wait(self):
        policy = Policy(steps=(Step(seconds(60), StepKind.SEVERAL),), several=2)
        assert len(pairs([contact(waited=59.999)], [peer("a"), peer("b"), peer("c")], policy)) == 1
        assert len(pairs([contact(waited=60)], [peer("a"), peer("b"), peer("c")], policy)) == 2
        assert len(pairs([contact(waited=60, ringing=1)], [peer("a"), peer("b"), peer("c")], policy)) == 1


class TestWhatIsDue:
    def test_an_offer_ends_when_its_time_is_over_or_nobody_is_there_to_answer(self):
        late, silent = Ringing("late", NOW, NOW), Ringing("silent", NOW + seconds(1), NOW - seconds(22.001))
        fine = Ringing("fine", NOW + seconds(0.001), NOW - seconds(22))
        assert decide(Snapshot(ringing=(late, silent, fine)), NOW) == [
            Expire("late", "no_answer"),
            Expire("silent", "peer_gone"),
        ]

    def test_nobody_missed_an_offer_who_was_not_heard_as_its_time_ended(self):
        unheard = Ringing("unheard", NOW - seconds(5), NOW - seconds(22.001))
        assert decide(Snapshot(ringing=(unheard,)), NOW) == [Expire("unheard", "peer_gone")]

    def test_nobody_missed_an_offer_that_ended_while_no_answer_could_be_heard(self):
        within, after = Ringing("within", NOW - seconds(1), NOW), Ringing("after", NOW - seconds(0.999), NOW)
        assert decide(Snapshot(ringing=(within, after), deaf_until=NOW - seconds(1)), NOW) == [
            Expire("within", "outage"),
            Expire("after", "no_answer"),
        ]

    def test_an_outage_ends_no_offer_that_has_time_left(self):
        fine = Ringing("fine", NOW + seconds(0.001), NOW)
        assert decide(Snapshot(ringing=(fine,), deaf_until=NOW), NOW) == []

    def test_a_step_is_taken_once_and_late_ones_together(self):
        steps = (
            Step(seconds(30), StepKind.WIDEN),
            Step(seconds(60), StepKind.SEVERAL),
            Step(seconds(90), StepKind.SEVERAL),
        )
        policies = {"georgia": Policy(steps=steps)}
        assert decide(Snapshot((contact(waited=29.999),), (), policies), NOW) == []
        assert decide(Snapshot((contact(waited=30),), (), policies), NOW) == [Overflow("1", 1, ("widen",))]
        assert decide(Snapshot((contact(waited=60, steps=1),), (), policies), NOW) == [Overflow("1", 2, ("several",))]
        assert decide(Snapshot((contact(waited=60),), (), policies), NOW) == [Overflow("1", 2, ("widen", "several"))]
        assert decide(Snapshot((contact(waited=60, steps=2),), (), policies), NOW) == []

    def test_who_writes_is_told_that_nobody_speaks_their_language_and_not_to_wait_for_nobody(self):
        alone = (Alone("new", hopeless=False), Alone("in vain", hopeless=True))
        assert decide(Snapshot(alone=alone), NOW) == [Tell("new", "nobody_speaks"), Close("in vain", "nobody")]


@given(snapshots)
def test_no_peer_is_asked_for_two_and_no_contact_rings_more_often_than_its_line_says(snapshot: Snapshot):
    made = offers(snapshot)
    assert len({offer.peer for offer in made}) == len(made)
    rings = Counter(offer.contact for offer in made)
    for whom in snapshot.waiting:
        policy = snapshot.policy(whom.line)
        several = policy.strategy is Strategy.RING_SEVERAL or any(
            step.kind is StepKind.SEVERAL for step in policy.steps
        )
        assert rings[whom.id] <= max((policy.several if several else 1) - whom.ringing, 0)


@given(snapshots)
def test_nobody_is_offered_what_they_may_not_be_offered(snapshot: Snapshot):
    peers = {who.id: who for who in snapshot.peers}
    contacts = {whom.id: whom for whom in snapshot.waiting}
    for offer in offers(snapshot):
        assert (
            why_not(peers[offer.peer], contacts[offer.contact], snapshot.policy(contacts[offer.contact].line), NOW)
            == []
        )


@given(snapshots)
def test_nobody_free_is_left_while_somebody_waits_whom_they_may_serve(snapshot: Snapshot):
    made = offers(snapshot)
    served, busy = {offer.contact for offer in made}, {offer.peer for offer in made}
    for whom in snapshot.waiting:
        if whom.id not in served and not whom.ringing:
            assert {who.id for who in eligible(snapshot, whom)} <= busy


@given(snapshots)
def test_nobody_waits_for_a_peer_who_was_given_to_somebody_behind(snapshot: Snapshot):
    contacts = {whom.id: whom for whom in snapshot.waiting}
    given_to = {offer.peer: contacts[offer.contact] for offer in firsts(offers(snapshot))}
    served = {whom.id for whom in given_to.values()}
    for whom in snapshot.waiting:
        if whom.id not in served and not whom.ringing:
            for who in eligible(snapshot, whom):
                assert first_in_line(given_to[who.id]) < first_in_line(whom), "and none rings there as an extra"


@given(snapshots)
def test_the_first_in_line_gets_whom_the_line_asks_first_of_those_who_are_left(snapshot: Snapshot):
    contacts = {whom.id: whom for whom in snapshot.waiting}
    taken: set[str] = set()
    made = firsts(offers(snapshot))
    assert [offer.contact for offer in made] == sorted(
        (offer.contact for offer in made), key=lambda id: first_in_line(contacts[id])
    )
    for offer in made:
        whom = contacts[offer.contact]
        left = [who for who in eligible(snapshot, whom) if who.id not in taken]
        assert offer.peer == min(left, key=asked_first(snapshot.policy(whom.line).strategy, whom)).id
        if len(left) > 1 and whom.asked:
            assert offer.peer != whom.asked[-1], "never twice in a row while another is free"
        taken.add(offer.peer)


@given(snapshots, st.randoms(use_true_random=False))
def test_the_order_of_what_is_known_decides_nothing(snapshot: Snapshot, chance):
    def shuffled(facts: tuple) -> tuple:
        return tuple(chance.sample(facts, len(facts)))

    other = Snapshot(shuffled(snapshot.waiting), shuffled(snapshot.peers), snapshot.policies)
    assert offers(snapshot) == offers(other)


@given(snapshots)
def test_stored_refusals_are_the_true_ones_of_all_who_came_before(snapshot: Snapshot):
    peers = {who.id: who for who in snapshot.peers}
    contacts = {whom.id: whom for whom in snapshot.waiting}
    made = offers(snapshot)
    for offer in firsts(made):
        whom = contacts[offer.contact]
        policy = snapshot.policy(whom.line)
        passed_over = {
            who: [code for _, code in codes] for who, codes in groupby(offer.refusals, key=lambda refusal: refusal[0])
        }
        for who, codes in passed_over.items():
            assert codes == [refusal.code for refusal in why_not(peers[who], whom, policy, NOW)]
        order = asked_first(policy.strategy, whom)
        before = {who.id for who in snapshot.peers if order(who) < order(peers[offer.peer])}
        taken = {earlier.peer for earlier in made[: made.index(offer)]}
        assert set(passed_over) == {id for id in before - taken if why_not(peers[id], whom, policy, NOW)}


@given(snapshots)
def test_what_is_decided_leaves_nothing_to_decide(snapshot: Snapshot):
    made = offers(snapshot)
    served, busy = {offer.contact for offer in made}, {offer.peer for offer in made}
    rest = replace(
        snapshot,
        waiting=tuple(whom for whom in snapshot.waiting if whom.id not in served),
        peers=tuple(who for who in snapshot.peers if who.id not in busy),
    )
    assert offers(rest) == []
