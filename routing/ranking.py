"""Who waits first and who is asked first, as sort keys."""

from collections.abc import Callable
from datetime import datetime

from routing.facts import Peer, Waiting


def first_in_line(contact: Waiting) -> tuple[int, datetime, str]:
    """Higher priority first, then the longest wait; the id only makes the order total."""
    return (-contact.priority, contact.queued_at, contact.id)


def longest_idle(contact: Waiting) -> Callable[[Peer], tuple[bool, int, int, datetime, str]]:
    """Never the latest asked while another is free, then who writes least, was asked least, has been idle longest."""

    def key(peer: Peer) -> tuple[bool, int, int, datetime, str]:
        asked_last = bool(contact.asked) and contact.asked[-1] == peer.id
        return (asked_last, peer.threads, contact.asked.count(peer.id), peer.idle_since, peer.id)

    return key
