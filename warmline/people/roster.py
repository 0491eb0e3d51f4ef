"""Who is on shift, and what each peer is seen to do."""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from routing import policy
from routing.facts import TIMES
from routing.facts import Peer as PeerFacts
from routing.states import Activity, EngagementState, OfferState, PeerStatus, activity
from warmline.models import Channel, Engagement, Line, Offer, Peer, Presence, Shift
from warmline.models.history import record

NOT_OVER = (EngagementState.CONNECTING, EngagementState.ACTIVE, EngagementState.WRAPPING)


@dataclass(frozen=True, slots=True)
class Doing:
    """What a peer is seen to do; `threads` counts text conversations if there is nothing beside them."""

    activity: Activity
    threads: int


def activities(session: Session, peer_ids: Collection[str]) -> dict[str, Doing]:
    """What each of these peers is seen to do, derived from live offers and engagements."""
    ids = {"ids": list(peer_ids)}
    offered = set(session.scalars(_OFFERED, ids))
    engaged = defaultdict(list)
    for peer_id, state, channel in session.execute(_ENGAGED, ids):
        engaged[peer_id].append((state, channel))
    return {peer_id: _doing(engaged[peer_id], offered=peer_id in offered) for peer_id in peer_ids}


def free(
    session: Session,
    organization_id: str,
    now: datetime,
    *,
    peer_id: str | None = None,
    line_ids: Collection[str] | None = None,
) -> list[PeerFacts]:
    """Peers on shift who chose Available, whose console was heard from, and who do nothing or only write.

    Only this peer, or only those on shift for one of these lines, if that is given: what changed concerns no others.
    Each comes with their shifts on every line: somebody may wait there who was first.
    """
    query = _FREE.where(Peer.id == peer_id) if peer_id is not None else _FREE
    if line_ids is not None:
        there = select(Shift.peer_id).where(Shift.line_id.in_(line_ids), on_now(bindparam("now")))
        query = query.where(Peer.id.in_(there.correlate(None)))
    rows = session.execute(
        query, {"organization_id": organization_id, "now": now, "heard_since": now - TIMES.presence}
    ).all()
    return _as_facts(rows)


def on_shift(session: Session, line_ids: Collection[str], now: datetime) -> list[PeerFacts]:
    """Every peer on shift for one of these lines, whatever their status and whatever they do."""
    rows = session.execute(_ON_SHIFT.where(Shift.line_id.in_(line_ids)), {"now": now}).all()
    return _doing_now(session, rows)


def everybody(session: Session, organization_id: str, now: datetime) -> list[PeerFacts]:
    """Every peer of an organization, as `free` would see them if they were free: on shift or not, whatever they do."""
    rows = session.execute(_EVERYBODY, {"organization_id": organization_id, "now": now}).all()
    return _doing_now(session, rows)


def with_today(session: Session, peers: Sequence[PeerFacts], since: datetime) -> list[PeerFacts]:
    """The same peers with the number of contacts that each has taken `since`."""
    taken: dict[str, int] = dict(
        session.execute(
            select(Engagement.peer_id, func.count())
            .where(
                Engagement.peer_id.in_([peer.id for peer in peers]),
                Engagement.began_at >= since,
                Engagement.state != EngagementState.FAILED,
            )
            .group_by(Engagement.peer_id)
        ).all()
    )
    return [replace(peer, today=taken.get(peer.id, 0)) for peer in peers]


def with_asked(session: Session, peers: Sequence[PeerFacts]) -> list[PeerFacts]:
    """The same peers with when each was asked last."""
    # One look at the index for each peer, however often they were asked; grouped, it would be all of it.
    latest = select(func.max(Offer.made_at)).where(Offer.peer_id == Peer.id).correlate(Peer).scalar_subquery()
    asked: dict[str, datetime] = dict(
        session.execute(select(Peer.id, latest).where(Peer.id.in_([peer.id for peer in peers]))).all()
    )
    return [replace(peer, asked_at=asked.get(peer.id)) for peer in peers]


def send_away(session: Session, peer: Peer, reason: str, now: datetime) -> None:
    """Set a peer, whom the caller of this holds, to Away, with the reason that their screen shows."""
    if peer.status is PeerStatus.AVAILABLE:
        record(session, peer, "status", now, old=peer.status, new=PeerStatus.AWAY, why={"reason": reason})
        peer.status, peer.status_at, peer.status_reason = PeerStatus.AWAY, now, reason


def _as_facts(rows: Sequence[Any]) -> list[PeerFacts]:
    """One row a shift → one peer with all of them."""
    shifts: dict[str, dict[str, datetime | None]] = defaultdict(dict)
    peers: dict[str, PeerFacts] = {}
    # Taken apart and not by name: of a thousand free peers that is half of the time.
    for id, status, idle_since, languages, skills, rests_until, seen_at, threads, line_id, ends_at in rows:
        if line_id is not None:
            before = shifts[id].get(line_id, ends_at)
            # Two shifts at once: the one that ends later, or never.
            shifts[id][line_id] = None if None in (before, ends_at) else max(before, ends_at)
        if id not in peers:
            peers[id] = PeerFacts(
                id=id,
                status=status,
                activity=Activity.TALKING if threads else Activity.IDLE,
                threads=threads,
                seen_at=seen_at,
                idle_since=idle_since,
                shifts=shifts[id],
                languages=_listed(languages),
                skills=_listed(skills),
                rests_until=rests_until,
            )
    return list(peers.values())


@lru_cache
def _listed(written: str | None) -> frozenset[str]:
    """A list that is kept as JSON. Peers have few different ones."""
    return frozenset((written and json.loads(written)) or ())


def _doing_now(session: Session, rows: Sequence[Any]) -> list[PeerFacts]:
    """The same as facts, with what each peer is seen to do."""
    doing = activities(session, {row.id for row in rows})
    return [replace(peer, activity=doing[peer.id].activity, threads=doing[peer.id].threads) for peer in _as_facts(rows)]


def _doing(engaged: Sequence[tuple[EngagementState, Channel]], *, offered: bool) -> Doing:
    only_texts = not offered and all(part == (EngagementState.ACTIVE, Channel.TEXT) for part in engaged)
    states = frozenset(state for state, _ in engaged)
    return Doing(activity(offered=offered, engagements=states), len(engaged) if only_texts else 0)


def spoken_on_shift(session: Session, line: Line, now: datetime) -> frozenset[str]:
    """The languages of the peers rostered now on this line, or on one that it asks for help, whatever their status.

    Empty if nobody is on shift.
    """
    line_ids = policy.read(line.policy).lines(line.id)
    rows = session.scalars(_SPOKEN, {"line_ids": list(line_ids), "now": now})
    return frozenset().union(*map(_listed, rows))


def speaks(
    line_id: InstrumentedAttribute[str], language: InstrumentedAttribute[str], now: datetime | BindParameter[datetime]
) -> ColumnElement[bool]:
    """The condition that a peer on shift on that line speaks that language, whatever their status."""
    is_among = cast(Peer.languages, Text).like(literal('%"') + language + '"%')
    return exists().where(Shift.line_id == line_id, on_now(now), Peer.id == Shift.peer_id, is_among)


def on_now(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """The condition that a shift covers `now`."""
    return and_(Shift.starts_at <= now, Shift.ends_at > now)


# Built once, for every call asks. As text, for PostgreSQL cannot compare JSON: a few rows, however many are on shift.
_SPOKEN = (
    select(cast(Peer.languages, Text))
    .join(Shift, Shift.peer_id == Peer.id)
    .where(Shift.line_id.in_(bindparam("line_ids", expanding=True)), on_now(bindparam("now")))
    .distinct()
)

_OFFERED = select(Offer.peer_id).where(
    Offer.peer_id.in_(bindparam("ids", expanding=True)), Offer.state == OfferState.PENDING
)
_ENGAGED = select(Engagement.peer_id, Engagement.state, Engagement.channel).where(
    Engagement.peer_id.in_(bindparam("ids", expanding=True)), Engagement.state.in_(NOT_OVER)
)


def _ours(kind: type[Offer] | type[Engagement]) -> ColumnElement[bool]:
    return kind.organization_id == bindparam("organization_id")


_writes = and_(Engagement.state == EngagementState.ACTIVE, Engagement.channel == Channel.TEXT)
_theirs = Engagement.peer_id == Peer.id
_threads = select(func.count()).where(_theirs, _writes).correlate(Peer).scalar_subquery()
_FACTS = select(  # in the order in which _as_facts takes a row apart
    Peer.id,
    Peer.status,
    Peer.idle_since,
    cast(Peer.languages, Text),
    cast(Peer.skills, Text),
    Peer.rests_until,
    Presence.seen_at,
    _threads,
    Shift.line_id,
    Shift.ends_at,
)
_FREE = (
    _FACTS.join(Presence, Presence.peer_id == Peer.id)
    .join(Shift, Shift.peer_id == Peer.id)
    .where(
        Peer.organization_id == bindparam("organization_id"),
        Peer.status == PeerStatus.AVAILABLE,
        Presence.seen_at >= bindparam("heard_since"),
        or_(Peer.rests_until.is_(None), Peer.rests_until <= bindparam("now")),
        on_now(bindparam("now")),
        # As lists, which are read once: PostgreSQL, if it expects few peers to be free, looks for EXISTS among all
        # live offers again for each of them.
        Peer.id.not_in(select(Offer.peer_id).where(Offer.state == OfferState.PENDING, _ours(Offer))),
        Peer.id.not_in(select(Engagement.peer_id).where(Engagement.state.in_(NOT_OVER), ~_writes, _ours(Engagement))),
    )
)
_ON_SHIFT = (
    _FACTS.join(Shift, Shift.peer_id == Peer.id)
    .outerjoin(Presence, Presence.peer_id == Peer.id)
    .where(on_now(bindparam("now")))
)
_EVERYBODY = (
    _FACTS.select_from(Peer)
    .outerjoin(Presence, Presence.peer_id == Peer.id)
    .outerjoin(Shift, and_(Shift.peer_id == Peer.id, on_now(bindparam("now"))))
    .where(Peer.organization_id == bindparam("organization_id"))
)
