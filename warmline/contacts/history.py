"""What was confided is opened by name: reading it leaves a row of history."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from warmline.contacts import holding
from warmline.db import transaction
from warmline.errors import NotFound
from warmline.models import Account, Alert, Handoff, Peer, Report
from warmline.models.history import record


@dataclass(frozen=True, slots=True)
class Note:
    """Words that a peer wrote about a contact. `kind`: report, handoff or alert."""

    kind: str
    by: str
    words: str


def open_notes(account: Account, contact_id: str, now: datetime) -> tuple[Note, ...]:
    """All notes of a contact, for a supervisor; that they were opened, and by whom, is committed with the reading.

    Raises NotFound for another organization's contact.
    """
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if contact.organization_id != account.organization_id:
            raise NotFound
        found = [
            Note(kind, name, words)
            for kind, column, owner, at in (
                ("report", Report.notes, Report, Report.saved_at),
                ("handoff", Handoff.notes, Handoff, Handoff.recorded_at),
                ("alert", Alert.words, Alert, Alert.raised_at),
            )
            for name, words in session.execute(
                select(Peer.name, column)
                .select_from(owner)
                .join(Peer, Peer.id == owner.peer_id)
                .where(owner.contact_id == contact.id)
                .order_by(at)
            )
            if words
        ]
        record(session, contact, "notes_opened", now, why={"account": account.id})
        return tuple(found)
