"""A peer wants a supervisor: one open alert a contact, on every board until somebody has it."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from routing.states import LIVE_ENGAGEMENT, EngagementState
from warmline.contacts import holding, news
from warmline.db import transaction
from warmline.errors import Conflict, Invalid, NotFound
from warmline.models import Account, Alert, Contact, Peer
from warmline.models.base import new_id
from warmline.models.history import record

LONGEST = 500  # characters
WHILE = (*LIVE_ENGAGEMENT, EngagementState.WRAPPING)


def ask(peer: Peer, contact_id: str, words: str, now: datetime, *, again: bool = False) -> Alert:
    """The peer asks for a supervisor; asking while an alert is open answers that one.

    Args:
        words: what it is about, if the peer finds the time; later words take the place of earlier ones.
        again: an alert that was acknowledged gives way to a new one, which sounds anew.

    Raises NotFound for a contact in which this peer has no part, Conflict when the peer's part is over, Invalid for
    too many words.
    """
    words = words.strip()
    if len(words) > LONGEST:
        raise Invalid("Please say it in {limit} characters at most.", code="alert_too_long", limit=LONGEST)
    with transaction() as session:
        contact = holding.own_contact(session, peer, contact_id)
        known = _open(session, contact.id)
        if known is not None and not (again and known.acknowledged_at is not None):
            if words and known.peer_id == peer.id and known.words != words:
                known.words = words
                _tell(session, contact, known)
            return known
        engagement = holding.latest_engagement(session, contact.id, peer.id)
        if engagement is None or engagement.state not in WHILE:
            raise Conflict("This contact is over.", code="contact_over")
        if known is not None:
            _end(session, known, "raised_again", now)
        alert = Alert(
            id=new_id(),
            organization_id=contact.organization_id,
            contact_id=contact.id,
            peer_id=peer.id,
            raised_at=now,
            words=words,
        )
        session.add(alert)
        session.flush()
        record(session, alert, "raised", now)
        _tell(session, contact, alert)
        return alert


def withdraw(peer: Peer, contact_id: str, now: datetime) -> None:
    """The peer needs no supervisor any more. Doing it again, or where there is no alert, does nothing.

    Raises NotFound for a contact in which this peer has no part.
    """
    with transaction() as session:
        contact = holding.own_contact(session, peer, contact_id)
        alert = _open(session, contact.id)
        if alert is not None:
            _end(session, alert, "withdrawn", now)
            _tell(session, contact, alert)


def acknowledge(account: Account, alert_id: str, now: datetime) -> str | None:
    """A supervisor takes an alert: one conditional UPDATE, the first wins.

    Returns the name of whoever has it; None for an alert that was taken back before anybody had it. Raises NotFound
    for another organization's.
    """
    with transaction() as session:
        alert = session.get(Alert, alert_id)
        if alert is None or alert.organization_id != account.organization_id:
            raise NotFound
        contact = holding.contact(session, alert.contact_id)
        won = session.scalar(
            update(Alert)
            .where(Alert.id == alert.id, Alert.acknowledged_at.is_(None), Alert.ended_at.is_(None))
            .values(acknowledged_at=now, acknowledged_by=account.id)
            .returning(Alert.id)
            .execution_options(synchronize_session=False)
        )
        session.refresh(alert)
        if won is not None:
            record(session, alert, "acknowledged", now, why={"account": account.id})
            _tell(session, contact, alert)
        return session.scalar(select(Account.name).where(Account.id == alert.acknowledged_by))


def _open(session: Session, contact_id: str) -> Alert | None:
    """The contact's open alert; the unique index allows one."""
    return session.scalar(select(Alert).where(Alert.contact_id == contact_id, Alert.ended_at.is_(None)))


def _end(session: Session, alert: Alert, event: str, now: datetime) -> None:
    alert.ended_at = now
    session.flush()
    record(session, alert, event, now)


def _tell(session: Session, contact: Contact, alert: Alert) -> None:
    """Every board, the peer who asked, and whoever has the caller now."""
    news.for_line(session, contact.line_id)
    news.for_peer(session, alert.peer_id)
    engagement = holding.live_engagement(session, contact.id)
    if engagement is not None:
        news.for_peer(session, engagement.peer_id)
