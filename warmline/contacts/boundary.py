"""A peer keeps a boundary: the caller hears or reads one kind sentence, and the conversation is over."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from routing.states import EngagementState
from warmline.contacts import holding, legs, messages, news, wrapup
from warmline.db import transaction
from warmline.errors import Conflict, NotFound
from warmline.models import Channel, Contact, Disposition, Peer, Report
from warmline.models.base import new_id
from warmline.models.history import advance

WORDS = "boundary"  # the prompt


def end(peer: Peer, contact_id: str, now: datetime) -> None:
    """End a conversation with the line's own sentence, and have the report say so.

    How it ended is kept with the contact: what the call asks for next, however often, is answered from there. A text
    is one last message. Ending what is over does nothing.

    Raises NotFound for a contact that is not this peer's, Conflict while the two are not connected yet.
    """
    with transaction() as session:
        contact = holding.own_contact(session, peer, contact_id)
        engagement = holding.latest_engagement(session, contact.id, peer.id)
        if engagement is None:
            raise NotFound
        if engagement.state is EngagementState.CONNECTING:
            raise Conflict("You are not connected yet.", code="not_connected")
        if engagement.state is not EngagementState.ACTIVE:
            return
        if not advance(session, contact, "ended", now, why={"reason": WORDS}, ended_at=now, ended_how=WORDS):
            return
        _preset(session, contact, peer, now)
        wrapup.begin(session, engagement, WORDS, now)
        if contact.channel is Channel.TEXT:
            messages.last_words(session, contact, WORDS, now)
        legs.end_conference(session, contact, engagement, now)
        news.for_line(session, contact.line_id)


def _preset(session: Session, contact: Contact, peer: Peer, now: datetime) -> None:
    """The report's outcome, unless the peer has chosen one."""
    report = session.scalar(select(Report).where(Report.contact_id == contact.id, Report.peer_id == peer.id))
    if report is None:
        report = Report(
            id=new_id(), organization_id=contact.organization_id, contact_id=contact.id, peer_id=peer.id, saved_at=now
        )
        session.add(report)
    if report.disposition is None:
        report.disposition = Disposition.BOUNDARY
    session.flush()
