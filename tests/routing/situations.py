"""Peers and contacts for tests of the routing: ready to talk unless told otherwise, or any at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from routing.facts import Peer, Snapshot, Waiting
from routing.policy import Policy, Skill, Step, StepKind, Strategy
from routing.ranking import Priority
from routing.states import Activity, PeerStatus

NOW = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
LINES = ("georgia", "illinois")
LANGUAGES = ("en", "es")
SKILLS = (Skill.FAMILY, Skill.VETERAN)
IDS = tuple("abcdefg")


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def peer(id: str = "a", idle: float = 60, seen: float | None = 3, **facts: Any) -> Peer:
    """Who may be offered anything in English on the Georgia line; `idle` and `seen` are seconds ago."""
    ready = Peer(
        id=id,
        status=PeerStatus.AVAILABLE,
        activity=Activity.IDLE,
        threads=0,
        seen_at=None if seen is None else NOW - seconds(seen),
        idle_since=NOW - seconds(idle),
        shifts={"georgia": None},
        languages=frozenset({"en"}),
    )
    return replace(ready, **facts)


def contact(id: str = "1", waited: float = 60, **facts: Any) -> Waiting:
    """Who waits in English on the Georgia line and was offered to nobody yet; `waited` is seconds."""
    fresh = Waiting(id=id, line="georgia", channel="voice", language="en", priority=0, queued_at=NOW - seconds(waited))
    return replace(fresh, **facts)


# Few values of each kind, so that peers and contacts meet, and ties and edges are common. A single refusal is enough,
# so each is rare: in most situations somebody is offered.
_ago = st.sampled_from([0, 1, 4, 5, 21, 22, 23, 60]).map(lambda number: NOW - seconds(number))
_soon = st.sampled_from([-60, 0, 60, 3600]).map(lambda number: NOW + seconds(number))
_rather = {
    words: st.sampled_from([words] * 3 + [words[:1], words[1:], ()]).map(frozenset) for words in (LANGUAGES, SKILLS)
}


def _mostly(usual: Any, else_: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 7).flatmap(lambda chance: else_ if chance == 7 else st.just(usual))


peers = st.builds(
    Peer,
    id=st.sampled_from(IDS),
    status=st.sampled_from([PeerStatus.AVAILABLE] * 12 + [PeerStatus.BREAK, PeerStatus.OFF]),
    activity=st.sampled_from([Activity.IDLE] * 12 + [Activity.OFFERED, Activity.TALKING]),
    threads=st.just(0),
    seen_at=_mostly(NOW, _ago | st.none()),
    idle_since=_ago,
    shifts=_mostly(dict.fromkeys(LINES), st.dictionaries(st.sampled_from(LINES), st.none() | _soon, max_size=2)),
    languages=_rather[LANGUAGES],
    skills=_rather[SKILLS],
    rests_until=_mostly(None, _soon),
    asked_at=st.none() | _ago,
    today=st.integers(0, 2),
)
contacts = st.builds(
    Waiting,
    id=st.sampled_from([f"contact-{id}" for id in IDS]),
    line=st.sampled_from(LINES),
    channel=st.sampled_from(["voice", "text"]),
    language=st.sampled_from(LANGUAGES),
    priority=st.sampled_from([0, 0, *Priority]),
    queued_at=_ago,
    asked=st.lists(st.sampled_from(IDS), max_size=5).map(tuple),
    asked_until=st.dictionaries(st.sampled_from(IDS), _ago | st.none(), max_size=2),
    wish=_mostly(None, st.sampled_from(SKILLS)),
    wish_required=st.booleans(),
    apart=_mostly(frozenset(), st.frozensets(st.sampled_from(IDS), max_size=2)),
    same_peer=st.none() | st.sampled_from(IDS),
    ringing=st.sampled_from([0, 0, 0, 1, 2]),
)
_steps = st.lists(
    st.builds(
        Step,
        after=st.sampled_from([seconds(number) for number in (1, 5, 30)]),
        kind=st.sampled_from([StepKind.WIDEN, StepKind.SISTER, StepKind.SEVERAL]),
        line=st.sampled_from(LINES),
    ),
    max_size=3,
)
policies = st.builds(
    Policy,
    strategy=st.sampled_from([*Strategy, Strategy.RING_SEVERAL]),
    several=st.integers(2, 3),
    skills=_mostly(frozenset(), _rather[SKILLS]),
    wishes=st.just(SKILLS),
    wish_for=st.sampled_from([None, seconds(0), seconds(5), seconds(30)]),
    usual_talk=_mostly(seconds(0), st.just(seconds(600))),
    steps=_steps.map(lambda steps: tuple(sorted(steps, key=lambda step: step.after))),
    paused=st.sampled_from([False] * 11 + [True]),
)
snapshots = st.builds(
    Snapshot,
    waiting=st.lists(contacts, unique_by=lambda contact: contact.id, min_size=1, max_size=5).map(tuple),
    peers=st.lists(peers, unique_by=lambda peer: peer.id, min_size=2, max_size=7).map(tuple),
    policies=st.fixed_dictionaries(dict.fromkeys(LINES, policies)) | st.just({}),
)
