"""Whether a peer may be asked, as a list of refusals: an empty list means yes.

The same function serves dispatch and the questions "why was this peer not asked?" and "why does this caller still
wait?".
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from routing.facts import TIMES, Peer, Waiting
from routing.policy import Policy, StepKind
from routing.states import Activity, PeerStatus


@dataclass(frozen=True, slots=True)
class Refusal:
    code: str
    sentence: str  # goes on after the peer's name


LINE_PAUSED = Refusal("line_paused", "is asked for nobody: a supervisor has paused the line")
NOT_ON_SHIFT = Refusal("not_on_shift", "is not on shift for this line")
SHIFT_ENDS = Refusal("shift_ends", "goes off shift before a usual talk would be over")
SKILLS = Refusal("skills", "has not every skill that this line asks for")
NOT_AVAILABLE = Refusal("not_available", "has not chosen Available")
NOT_PRESENT = Refusal("not_present", "has no console open")
RESTS = Refusal("rests", "rests after a heavy contact")
BUSY = Refusal("busy", "is busy with another contact")
LANGUAGE = Refusal("language", "does not speak the caller's language")
WISH = Refusal("wish", "is not whom the caller wished for")
APART = Refusal("apart", "is not to meet this caller again, as one of them asked")
JUST_ASKED = Refusal("just_asked", "was asked for this contact a moment ago")

EVERY_REFUSAL = (
    LINE_PAUSED, NOT_ON_SHIFT, SHIFT_ENDS, SKILLS, NOT_AVAILABLE, NOT_PRESENT, RESTS, BUSY, LANGUAGE, WISH, APART,
    JUST_ASKED,
)  # fmt: skip


def why_not(peer: Peer, contact: Waiting, policy: Policy, now: datetime) -> list[Refusal]:
    """Every reason why `peer` may not be offered `contact`, which waits on a line with `policy`, at `now`."""
    refusals = [LINE_PAUSED] if policy.paused else []
    waited = now - contact.queued_at
    refusals += _by_the_line(peer, contact.line, policy, waited, now)
    if peer.status is not PeerStatus.AVAILABLE:
        refusals.append(NOT_AVAILABLE)
    if not is_present(peer.seen_at, now):
        refusals.append(NOT_PRESENT)
    if peer.rests_until is not None and now < peer.rests_until:
        refusals.append(RESTS)
    if not has_room(peer.activity, peer.threads, contact.channel, policy):
        refusals.append(BUSY)
    if contact.language not in peer.languages:
        refusals.append(LANGUAGE)
    if contact.wish is not None and contact.wish not in peer.skills and _still_wished(contact, policy, waited):
        refusals.append(WISH)
    if peer.id in contact.apart:
        refusals.append(APART)
    if _just_asked(peer, contact, now):
        refusals.append(JUST_ASKED)
    return refusals


def asked_from(peer: Peer, line: str, policy: Policy, now: datetime) -> timedelta | None:
    """How long somebody must have waited on `line` before its policy lets `peer` be asked; None: however long."""
    waits = sorted({timedelta(), *(step.after for step in policy.steps)})
    return next((waited for waited in waits if not _by_the_line(peer, line, policy, waited, now)), None)


def has_room(activity: Activity, threads: int, channel: str, policy: Policy) -> bool:
    """Whether a peer does nothing, or only writes (`threads` > 0) and the contact's line lets that go together."""
    if activity is Activity.IDLE:
        return True
    if channel == "text":
        return 0 < threads < policy.texts
    return threads > 0 and policy.voice_with_texts


def is_present(seen_at: datetime | None, now: datetime) -> bool:
    """Whether a console was heard from lately."""
    return seen_at is not None and now - seen_at <= TIMES.presence


def _by_the_line(peer: Peer, line: str, policy: Policy, waited: timedelta, now: datetime) -> list[Refusal]:
    """Refusals that hold for everybody who has waited so long on this line. The longer the wait, the fewer."""
    steps = policy.taken(waited) if policy.steps else ()
    widened = any(step.kind is StepKind.WIDEN for step in steps)
    lines = [line, *(step.line for step in steps if step.kind is StepKind.SISTER)]
    ends = [peer.shifts[each] for each in lines if each in peer.shifts]
    refusals = []
    if not ends:
        refusals.append(NOT_ON_SHIFT)
    elif not widened and all(end is not None and end - now < policy.usual_talk for end in ends):
        refusals.append(SHIFT_ENDS)
    if not widened and not policy.skills <= peer.skills:
        refusals.append(SKILLS)
    return refusals


def _still_wished(contact: Waiting, policy: Policy, waited: timedelta) -> bool:
    patience = policy.patience()
    return contact.wish_required or (patience is not None and waited < patience)


def _just_asked(peer: Peer, contact: Waiting, now: datetime) -> bool:
    # Without this breath the only free peer who says "Not now" would be rung again in the same instant.
    until = contact.asked_until.get(peer.id)
    return until is not None and now - until < TIMES.breath
