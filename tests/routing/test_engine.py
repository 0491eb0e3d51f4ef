"""The decision, by example and for any situation."""

from dataclasses import replace
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from routing.eligibility import why_not
from routing.engine import decide
from routing.facts import Peer, Snapshot, Waiting
from routing.ranking import first_in_line, longest_idle
from tests.routing.situations import NOW, contact, peer, seconds, snapshots


def pairs(waiting: list[Waiting], peers: list[Peer]) -> list[tuple[str, str]]:
    return [(offer.contact, offer.peer) for offer in decide(Snapshot(tuple(waiting), tuple(peers)), NOW)]


def eligible(snapshot: Snapshot, whom: Waiting) -> list[Peer]:
    return [who for who in snapshot.peers if not why_not(who, whom, snapshot.policy, NOW)]


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


def test_an_offer_carries_who_was_passed_over_and_why():
    elsewhere = peer("b", lines=frozenset({"illinois"}), languages=frozenset({"es"}))
    asked = contact(asked=("c",), last_asked_until=NOW)
    [offer] = decide(Snapshot((asked,), (peer(), elsewhere, peer("c"))), NOW)
    assert offer.peer == "a"
    assert set(offer.refusals) == {("b", "not_on_shift"), ("b", "language"), ("c", "just_asked")}


def test_whoever_keeps_saying_not_now_is_asked_in_turn():
    peers = tuple(peer(id, idle=idle) for id, idle in {"a": 10, "b": 90, "c": 50}.items())
    whom, now, asked = contact(), NOW, []
    for _ in range(7):
        now += seconds(1)
        [offer] = decide(Snapshot((whom,), tuple(replace(who, seen_at=now) for who in peers)), now)
        asked.append(offer.peer)
        whom = replace(whom, asked=tuple(asked), last_asked_until=now)
    assert asked == ["b", "c", "a", "b", "c", "a", "b"]


def test_the_only_peer_is_asked_again_but_not_in_the_same_breath():
    whom = contact(asked=("a",), last_asked_until=NOW - seconds(4.9))
    assert pairs([whom], [peer()]) == []
    assert pairs([replace(whom, last_asked_until=NOW - seconds(5))], [peer()]) == [("1", "a")]


@given(snapshots)
def test_no_peer_and_no_contact_appears_twice(snapshot: Snapshot):
    offers = decide(snapshot, NOW)
    assert len({offer.peer for offer in offers}) == len(offers)
    assert len({offer.contact for offer in offers}) == len(offers)


@given(snapshots)
def test_nobody_is_offered_what_they_may_not_be_offered(snapshot: Snapshot):
    peers = {who.id: who for who in snapshot.peers}
    contacts = {whom.id: whom for whom in snapshot.waiting}
    for offer in decide(snapshot, NOW):
        assert why_not(peers[offer.peer], contacts[offer.contact], snapshot.policy, NOW) == []


@given(snapshots)
def test_nobody_free_is_left_while_somebody_waits_whom_they_may_serve(snapshot: Snapshot):
    offers = decide(snapshot, NOW)
    served, busy = {offer.contact for offer in offers}, {offer.peer for offer in offers}
    for whom in snapshot.waiting:
        if whom.id not in served:
            assert {who.id for who in eligible(snapshot, whom)} <= busy


@given(snapshots)
def test_nobody_waits_for_a_peer_who_was_given_to_somebody_behind(snapshot: Snapshot):
    contacts = {whom.id: whom for whom in snapshot.waiting}
    given_to = {offer.peer: contacts[offer.contact] for offer in decide(snapshot, NOW)}
    served = {whom.id for whom in given_to.values()}
    for whom in snapshot.waiting:
        if whom.id not in served:
            for who in eligible(snapshot, whom):
                assert first_in_line(given_to[who.id]) < first_in_line(whom)


@given(snapshots)
def test_the_first_in_line_gets_the_longest_idle_of_those_who_are_left(snapshot: Snapshot):
    contacts = {whom.id: whom for whom in snapshot.waiting}
    taken: set[str] = set()
    offers = decide(snapshot, NOW)
    assert [offer.contact for offer in offers] == sorted(
        (offer.contact for offer in offers), key=lambda id: first_in_line(contacts[id])
    )
    for offer in offers:
        whom = contacts[offer.contact]
        left = [who for who in eligible(snapshot, whom) if who.id not in taken]
        assert offer.peer == min(left, key=longest_idle(whom)).id
        if len(left) > 1 and whom.asked:
            assert offer.peer != whom.asked[-1], "never twice in a row while another is free"
        taken.add(offer.peer)


@given(snapshots, st.randoms(use_true_random=False))
def test_the_order_of_what_is_known_decides_nothing(snapshot: Snapshot, chance):
    def shuffled(facts: tuple) -> tuple:
        return tuple(chance.sample(facts, len(facts)))

    other = Snapshot(shuffled(snapshot.waiting), shuffled(snapshot.peers), snapshot.policy)
    assert decide(snapshot, NOW) == decide(other, NOW)


@given(snapshots)
def test_stored_refusals_are_the_true_ones(snapshot: Snapshot):
    peers = {who.id: who for who in snapshot.peers}
    contacts = {whom.id: whom for whom in snapshot.waiting}
    for offer in decide(snapshot, NOW):
        assert offer.peer not in {who for who, _ in offer.refusals}
        for who, codes in groupby(offer.refusals, key=lambda refusal: refusal[0]):
            true = why_not(peers[who], contacts[offer.contact], snapshot.policy, NOW)
            assert [code for _, code in codes] == sorted(refusal.code for refusal in true)


@given(snapshots)
def test_what_is_decided_leaves_nothing_to_decide(snapshot: Snapshot):
    offers = decide(snapshot, NOW)
    served, busy = {offer.contact for offer in offers}, {offer.peer for offer in offers}
    rest = replace(
        snapshot,
        waiting=tuple(whom for whom in snapshot.waiting if whom.id not in served),
        peers=tuple(who for who in snapshot.peers if who.id not in busy),
    )
    assert decide(rest, NOW) == []
