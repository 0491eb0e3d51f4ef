"""Whether a peer may be asked, as a list of refusals: an empty list means yes.

The same function serves dispatch and the question "why was this peer not asked?".
"""

from dataclasses import dataclass
from datetime import datetime

from routing.facts import Limits, Peer, Policy, Waiting
from routing.states import Activity, PeerStatus


@dataclass(frozen=True, slots=True)
class Refusal:
    code: str
    sentence: str


NOT_ON_SHIFT = Refusal("not_on_shift", "is not on shift for this line")
NOT_AVAILABLE = Refusal("not_available", "has not chosen Available")
NOT_PRESENT = Refusal("not_present", "has no console open")
BUSY = Refusal("busy", "is busy with another contact")
LANGUAGE = Refusal("language", "does not speak the caller's language")
JUST_ASKED = Refusal("just_asked", "was asked for this contact a moment ago")


def why_not(peer: Peer, contact: Waiting, policy: Policy, now: datetime) -> list[Refusal]:
    """Every reason why `peer` may not be offered `contact` at `now`."""
    refusals = []
    if contact.line not in peer.lines:
        refusals.append(NOT_ON_SHIFT)
    if peer.status is not PeerStatus.AVAILABLE:
        refusals.append(NOT_AVAILABLE)
    if not is_present(peer.seen_at, policy, now):
        refusals.append(NOT_PRESENT)
    if not has_room(peer.activity, peer.threads, contact.channel, contact.limits):
        refusals.append(BUSY)
    if contact.language not in peer.languages:
        refusals.append(LANGUAGE)
    if _just_asked(peer, contact, policy, now):
        refusals.append(JUST_ASKED)
    return refusals


def has_room(activity: Activity, threads: int, channel: str, limits: Limits) -> bool:
    """Whether a peer does nothing, or only writes (`threads` > 0) and the contact's line lets that go together."""
    if activity is Activity.IDLE:
        return True
    if channel == "text":
        return 0 < threads < limits.texts
    return threads > 0 and limits.voice_with_texts


def is_present(seen_at: datetime | None, policy: Policy, now: datetime) -> bool:
    """Whether a console was heard from lately."""
    return seen_at is not None and now - seen_at <= policy.presence


def _just_asked(peer: Peer, contact: Waiting, policy: Policy, now: datetime) -> bool:
    # Without this breath the only free peer who says "Not now" would be rung again in the same instant.
    return bool(
        contact.asked
        and contact.asked[-1] == peer.id
        and contact.last_asked_until is not None
        and now - contact.last_asked_until < policy.breath
    )
