"""The decision: what is done now for those who wait, and why."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from heapq import merge

from routing.eligibility import is_present, why_not
from routing.facts import Alone, Close, Decision, Expire, MakeOffer, Overflow, Peer, Snapshot, Tell, Waiting
from routing.policy import Strategy
from routing.ranking import asked_first, first_in_line


def decide(snapshot: Snapshot, now: datetime) -> list[Decision]:
    """What is to be done at `now` about those in `snapshot`: a pure function, so the same facts decide the same.

    Offers that are over end first, then come overflow steps, words to those nobody can serve, and the offers, first in
    line first. No peer is offered two contacts; a contact is offered to one peer, or to several if its line rings
    several. A contact whom nobody free may serve does not hold up the ones behind it.

    Told, or closed, is whoever writes. A caller's telephone asks for what comes next, and the answer tells them.
    """
    return [
        *_expiries(snapshot, now),
        *_steps(snapshot, now),
        *_words(snapshot.alone),
        *_offers(snapshot, now),
    ]


def _expiries(snapshot: Snapshot, now: datetime) -> Iterator[Expire]:
    for offer in snapshot.ringing:
        if snapshot.deaf_until is not None and offer.deadline <= snapshot.deaf_until:
            yield Expire(offer.id, "outage")  # they may have pressed Accept, and been refused
        elif not is_present(offer.seen_at, now):  # also if it was we who could not be reached: nobody missed anything
            yield Expire(offer.id, "peer_gone")
        elif offer.deadline <= now:
            yield Expire(offer.id, "no_answer")


def _steps(snapshot: Snapshot, now: datetime) -> Iterator[Overflow]:
    for contact in snapshot.waiting:
        taken = snapshot.policy(contact.line).taken(now - contact.queued_at)
        if len(taken) > contact.steps:
            yield Overflow(contact.id, len(taken), tuple(step.kind for step in taken[contact.steps :]))


def _words(alone: Iterable[Alone]) -> Iterator[Close | Tell]:
    for contact in alone:
        yield Close(contact.id, "nobody") if contact.hopeless else Tell(contact.id, "nobody_speaks")


def _offers(snapshot: Snapshot, now: datetime) -> list[MakeOffer]:
    """One peer for each contact that has somebody; then, of whoever is left, more for those whose line rings several.

    Of a contact that rings already only the second is asked: a peer declined, came free, or a step of the line is due.

    Cost grows with the contacts and with the peers passed over for each, not with contacts times peers: the peers are
    sorted once for each strategy.
    """
    in_line = sorted(snapshot.waiting, key=first_in_line)
    rounds = [(contact, 1) for contact in in_line if not contact.ringing]
    rounds += ((contact, more) for contact in in_line if (more := _more(snapshot, contact, now)) > 0)
    sorted_once = {
        strategy: sorted(snapshot.peers, key=asked_first(strategy))
        for strategy in {snapshot.policy(contact.line).strategy for contact in in_line}
    }
    taken: set[str] = set()
    decisions: list[MakeOffer] = []
    for contact, wanted in rounds:
        strategy = snapshot.policy(contact.line).strategy
        order = _in_order(sorted_once[strategy], strategy, contact)
        made = _ring(snapshot, contact, wanted, (peer for peer in order if peer.id not in taken), now)
        taken.update(offer.peer for offer in made)
        decisions += made
    return decisions


def _in_order(peers: Sequence[Peer], strategy: Strategy, contact: Waiting) -> Iterable[Peer]:
    """The peers, sorted as for any contact, in the order for this one: only those whom it knows have other places."""
    known = {*contact.asked, contact.same_peer}
    if known == {None}:
        return peers
    order = asked_first(strategy, contact)
    others = (peer for peer in peers if peer.id not in known)
    return merge(others, sorted((peer for peer in peers if peer.id in known), key=order), key=order)


def _ring(snapshot: Snapshot, contact: Waiting, wanted: int, order: Iterable[Peer], now: datetime) -> list[MakeOffer]:
    """Offers to the first `wanted` peers of `order` who may be asked, with who was passed over before each."""
    policy = snapshot.policy(contact.line)
    refusals: list[tuple[str, str]] = []
    made: list[MakeOffer] = []
    for peer in order:
        if reasons := why_not(peer, contact, policy, now):
            refusals += ((peer.id, reason.code) for reason in reasons)
        else:
            made.append(MakeOffer(contact.id, peer.id, tuple(refusals), contact.ringing))
            if len(made) == wanted:
                break
    return made


def _more(snapshot: Snapshot, contact: Waiting, now: datetime) -> int:
    """How many peers are rung for this contact beside the first, or beside those at whom it rings already."""
    policy = snapshot.policy(contact.line)
    after = policy.rings_several_after()
    # A conversation in writing is read, not raced for.
    rings_several = contact.channel == "voice" and after is not None and now - contact.queued_at >= after
    return policy.several - max(contact.ringing, 1) if rings_several else 0
