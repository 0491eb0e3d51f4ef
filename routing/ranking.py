"""Who waits first and who is asked first, as sort keys."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from routing.facts import Peer, Waiting
from routing.policy import Strategy


class Priority(IntEnum):
    """Classes of waiting; within one, whoever has waited longest is first."""

    IN_ORDER = 0
    CALLBACK = 5  # a callback due at a time that was set: a further try, an opening; or in line again after taking it
    DROPPED = 10  # somebody whose peer was lost in the middle of a talk


NEVER = datetime.min.replace(tzinfo=UTC)


def first_in_line(contact: Waiting) -> tuple[int, datetime, str]:
    """Higher priority first, then the longest wait; the id only makes the order total."""
    return (-contact.priority, contact.queued_at, contact.id)


def longest_idle(peer: Peer) -> tuple[datetime]:
    return (peer.idle_since,)


def fewest_today(peer: Peer) -> tuple[int, datetime]:
    return (peer.today, peer.idle_since)


def round_robin(peer: Peer) -> tuple[datetime]:
    return (peer.asked_at or NEVER,)


STRATEGIES: Mapping[Strategy, Callable[[Peer], tuple[Any, ...]]] = {
    Strategy.LONGEST_IDLE: longest_idle,
    Strategy.FEWEST_TODAY: fewest_today,
    Strategy.ROUND_ROBIN: round_robin,
    Strategy.SAME_PEER: longest_idle,
    Strategy.RING_SEVERAL: longest_idle,
}


def asked_first(strategy: Strategy, contact: Waiting | None = None) -> Callable[[Peer], tuple[Any, ...]]:
    """The order in which peers are asked, by a line's strategy, for a contact (None: for one that is new).

    Never the latest asked while another is free; under SAME_PEER whom the caller knows; then who writes least, who was
    asked least for this contact, and what the strategy says. The id only makes the order total.
    """
    rank = STRATEGIES[strategy]
    asked = contact.asked if contact is not None else ()
    latest = asked[-1] if asked else None
    known = contact.same_peer if contact is not None and strategy is Strategy.SAME_PEER else None

    def key(peer: Peer) -> tuple[Any, ...]:
        return (peer.id == latest, peer.id != known, peer.threads, asked.count(peer.id), *rank(peer), peer.id)

    return key
