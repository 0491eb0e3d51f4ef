"""Who is on shift, and what each peer is seen to do."""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BindParameter, ColumnElement, Text, and_, bindparam, cast, exists, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from routing.facts import POLICY
from routing.facts import Peer as PeerFacts
from routing.states import Activity, EngagementState, OfferState, PeerStatus, activity
from warmline.models import Channel, Engagement, Offer, Peer, Presence, Shift

NOT_OVER = (EngagementState.CONNECTING, EngagementState.ACTIVE, EngagementState.WRAPPING)


@dataclass(frozen=True, slots=True)
class Doing:
    """What a peer is seen to do; `threads` counts text conversations if there is nothing beside them."""

    activity: Activity
    threads: int


def activities(session: Session, peer_ids: Collection[str]) -> dict[str, Doing]:
    """What each of these peers is seen to do, derived from live offers and engagements."""
    offered = set(
        session.scalars(select(Offer.peer_id).where(Offer.peer_id.in_(peer_ids), Offer.state == OfferState.PENDING))
    )
    engaged = defaultdict(list)
    for peer_id, state, channel in session.execute(
        select(Engagement.peer_id, Engagement.state, Engagement.channel).where(
            Engagement.peer_id.in_(peer_ids), Engagement.state.in_(NOT_OVER)
        )
    ):
        engaged[peer_id].append((state, channel))
    return {peer_id: _doing(engaged[peer_id], offered=peer_id in offered) for peer_id in peer_ids}


def ready(session: Session, organization_id: str, now: datetime) -> list[PeerFacts]:
    """Peers who chose Available and whose console was heard from, with their lines and what they do."""
    rows = session.execute(
        select(Peer.id, Peer.status, Peer.idle_since, Peer.languages, Presence.seen_at)
        .join(Presence, Presence.peer_id == Peer.id)
        .where(
            Peer.organization_id == organization_id,
            Peer.status == PeerStatus.AVAILABLE,
            Presence.seen_at >= now - POLICY.presence,
        )
    ).all()
    ids = [peer.id for peer in rows]
    if not ids:
        return []
    lines = defaultdict(set)
    for peer_id, line_id in session.execute(
        select(Shift.peer_id, Shift.line_id).where(Shift.peer_id.in_(ids), on_now(now))
    ):
        lines[peer_id].add(line_id)
    seen = activities(session, ids)
    return [
        PeerFacts(
            id=peer.id,
            status=peer.status,
            activity=seen[peer.id].activity,
            threads=seen[peer.id].threads,
            seen_at=peer.seen_at,
            idle_since=peer.idle_since,
            lines=frozenset(lines[peer.id]),
            languages=frozenset(peer.languages),
        )
        for peer in rows
    ]


def _doing(engaged: Sequence[tuple[EngagementState, Channel]], *, offered: bool) -> Doing:
    only_texts = not offered and all(part == (EngagementState.ACTIVE, Channel.TEXT) for part in engaged)
    states = frozenset(state for state, _ in engaged)
    return Doing(activity(offered=offered, engagements=states), len(engaged) if only_texts else 0)


def spoken_on_shift(session: Session, line_id: str, now: datetime) -> frozenset[str]:
    """The languages of the peers rostered on a line now, whatever their status; empty if nobody is on shift."""
    rows = session.scalars(_SPOKEN, {"line_id": line_id, "now": now})
    return frozenset(language for row in rows for language in json.loads(row))


def speaks(
    line_id: InstrumentedAttribute[str], language: InstrumentedAttribute[str], now: datetime | BindParameter[datetime]
) -> ColumnElement[bool]:
    """The condition that a peer on shift on that line speaks that language, whatever their status."""
    is_among = cast(Peer.languages, Text).like(literal('%"') + language + '"%')
    return exists().where(Shift.line_id == line_id, on_now(now), Peer.id == Shift.peer_id, is_among)


def on_now(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """The condition that a shift covers `now`."""
    return and_(Shift.starts_at <= now, or_(Shift.ends_at.is_(None), Shift.ends_at > now))


# Built once, for every call asks. As text, for PostgreSQL cannot compare JSON: a few rows, however many are on shift.
_SPOKEN = (
    select(cast(Peer.languages, Text))
    .join(Shift, Shift.peer_id == Peer.id)
    .where(Shift.line_id == bindparam("line_id"), on_now(bindparam("now")))
    .distinct()
)
