"""The decision: which waiting contact is offered to which peer."""

from datetime import datetime

from routing.eligibility import why_not
from routing.facts import MakeOffer, Snapshot
from routing.ranking import first_in_line, longest_idle


def decide(snapshot: Snapshot, now: datetime) -> list[MakeOffer]:
    """Offers to make at `now`, first in line first; no peer and no contact appears twice.

    A contact whom nobody free may serve does not hold up the ones behind it.
    """
    decisions = []
    free = {peer.id: peer for peer in snapshot.peers}
    for contact in sorted(snapshot.waiting, key=first_in_line):
        refusals = []
        may_be_asked = []
        for peer in free.values():
            reasons = why_not(peer, contact, snapshot.policy, now)
            refusals += [(peer.id, reason.code) for reason in reasons]
            if not reasons:
                may_be_asked.append(peer)
        if may_be_asked:
            peer = min(may_be_asked, key=longest_idle(contact))
            del free[peer.id]
            decisions.append(MakeOffer(contact.id, peer.id, tuple(sorted(refusals))))
        if not free:
            break
    return decisions
