"""A peer's chosen status and their console's heartbeat: both decide who may be offered what."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from routing.eligibility import is_present
from routing.facts import TIMES
from routing.states import EngagementState, PeerStatus
from warmline.contacts import dispatch, holding, news, offers
from warmline.db import transaction
from warmline.errors import Invalid
from warmline.models import Channel, Engagement, Peer, Presence
from warmline.models.history import record

OFTEN_ENOUGH = timedelta(seconds=5)  # a heartbeat sooner than this after the latest writes nothing


def choose(peer: Peer, status: str, now: datetime) -> None:
    """The peer chooses a status. Whoever is not available loses a live offer; it goes to somebody else.

    Raises Invalid for an unknown status.
    """
    try:
        chosen = PeerStatus(status)
    except ValueError:
        raise Invalid("That is not a status.", code="status_unknown") from None
    with transaction() as session:
        held = holding.peer(session, peer.id)
        if held.status is not chosen or held.status_reason is not None:
            record(session, held, "status", now, old=held.status, new=chosen)
            if chosen is PeerStatus.AVAILABLE and held.status is not chosen:
                held.idle_since = now
            held.status, held.status_at, held.status_reason = chosen, now, None
            news.for_peer(session, held.id)
            news.for_organization(session, held.organization_id)
            dispatch.after(session, held.organization_id, now, peer_id=held.id)
    if chosen is not PeerStatus.AVAILABLE:
        offers.withdraw_from(peer.id, "status", now)


def left_behind(session: Session, now: datetime, heard_since: datetime, limit: int = 100) -> list[str]:
    """Text conversations whose peer's console has been silent for TIMES.leave: ids of engagements.

    None of them while consoles could be heard only since `heard_since`, later than that: the silence was ours.
    """
    if heard_since > now - TIMES.leave:
        return []
    return list(
        session.scalars(
            select(Engagement.id)
            .join(Presence, Presence.peer_id == Engagement.peer_id)
            .where(
                Engagement.state == EngagementState.ACTIVE,
                Engagement.channel == Channel.TEXT,
                Presence.seen_at < now - TIMES.leave,
            )
            .limit(limit)
        )
    )


def seen(peer: Peer, now: datetime) -> None:
    """A heartbeat of the peer's console: present for TIMES.presence from now."""
    all_seen([peer], now)


def all_seen(peers: Iterable[Peer], now: datetime) -> None:
    """Heartbeats of many consoles, in one transaction: a thousand of them are a hundred heartbeats a second."""
    with transaction() as session:
        known = {peer.id: peer for peer in peers}
        before = {
            row.peer_id: row.seen_at for row in session.scalars(select(Presence).where(Presence.peer_id.in_(known)))
        }
        # In one order: another process may hear of the same peers, and neither may wait for the other.
        due = sorted(id for id in known if id not in before or now - before[id] >= OFTEN_ENOUGH)
        if not due:
            return
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        session.execute(
            dialect.insert(Presence)
            .values([{"peer_id": id, "seen_at": now} for id in due])
            .on_conflict_do_update(index_elements=[Presence.peer_id], set_={"seen_at": now})
        )
        back = [known[id] for id in due if id not in before or not is_present(before[id], now)]
        for organization_id in {peer.organization_id for peer in back}:
            news.for_organization(session, organization_id)
        for peer in back:
            dispatch.after(session, peer.organization_id, now, peer_id=peer.id)
