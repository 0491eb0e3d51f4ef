"""Time to recover after a contact that its peer marked as heavy."""

from datetime import datetime

from sqlalchemy.orm import Session

from warmline.contacts import dispatch, holding, news
from warmline.db import transaction
from warmline.models import Contact, Engagement, Peer
from warmline.models.history import record
from warmline.people import lines


def begin(session: Session, contact: Contact, engagement: Engagement, now: datetime) -> None:
    """The peer's part in a heavy contact is over: nothing rings for as long as the line's policy gives."""
    until = now + lines.policies_of(session, [contact.line_id])[contact.line_id].recovery
    peer = session.get_one(Peer, engagement.peer_id)
    if until > (peer.rests_until or now):
        peer.rests_until = until
        record(session, engagement, "rests", now, why={"until": until.isoformat()})
        _tell(session, peer)


def end(peer: Peer, now: datetime) -> None:
    """The peer is ready before the time is over. Of a peer who does not rest it changes nothing."""
    with transaction() as session:
        held = holding.peer(session, peer.id)
        if held.rests_until is not None and now < held.rests_until:
            record(session, held, "ready", now, why={"until": held.rests_until.isoformat()})
            held.rests_until = None
            _tell(session, held)
            dispatch.after(session, held.organization_id, now, peer_id=held.id)


def _tell(session: Session, peer: Peer) -> None:
    news.for_peer(session, peer.id)
    news.for_organization(session, peer.organization_id)
