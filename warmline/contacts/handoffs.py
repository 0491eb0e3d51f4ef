"""A caller was handed over to crisis help: to whom, whether they agreed, and what came of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import select

from warmline.contacts import holding, news
from warmline.db import transaction
from warmline.errors import Invalid
from warmline.models import Agreement, GivenTo, Handoff, HandoffOutcome, Peer, Warmth
from warmline.models.base import new_id
from warmline.models.history import record

LONGEST = 200  # characters of a name
NOTES_LIMIT = 5_000

Code = TypeVar("Code", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Said:
    """What the form says, as it came."""

    given_to: str
    words: str
    agreed: str
    warmth: str
    outcome: str
    notes: str


def keep(peer: Peer, contact_id: str, said: Said, now: datetime) -> Handoff:
    """Record a hand-off, or correct what was recorded: one for each peer of a contact, at any time.

    Raises NotFound for a contact in which this peer has no part, Invalid where something is missing, unknown or too
    long.
    """
    given_to = _code(GivenTo, said.given_to)
    agreed, warmth = _code(Agreement, said.agreed), _code(Warmth, said.warmth)
    outcome = _code(HandoffOutcome, said.outcome)
    words = said.words.strip() if given_to is GivenTo.OTHER else ""
    if given_to is GivenTo.OTHER and not words:
        raise Invalid("Say in a few words who it was.", code="handoff_missing")
    if len(words) > LONGEST or len(said.notes) > NOTES_LIMIT:
        raise Invalid("Notes may have {limit} characters at most.", code="notes_too_long", limit=NOTES_LIMIT)
    with transaction() as session:
        contact = holding.own_contact(session, peer, contact_id)
        handoff = session.scalar(select(Handoff).where(Handoff.contact_id == contact.id, Handoff.peer_id == peer.id))
        asked = {"given_to": given_to, "words": words, "agreed": agreed, "warmth": warmth, "outcome": outcome}
        changes = {**asked, "notes": said.notes.strip()}
        if handoff is None:
            handoff = Handoff(
                id=new_id(), organization_id=contact.organization_id, contact_id=contact.id, peer_id=peer.id
            )
            session.add(handoff)
        elif all(getattr(handoff, key) == value for key, value in changes.items()):
            return handoff  # a double click
        for key, value in changes.items():
            setattr(handoff, key, value)
        handoff.recorded_at = now
        session.flush()
        record(session, handoff, "recorded", now, new=given_to, why={"agreed": agreed, "outcome": outcome})
        news.for_peer(session, peer.id)
        return handoff


def _code(kind: type[Code], code: str) -> Code:
    if not code:
        raise Invalid(
            "Say to whom, whether the caller agreed, whether you stayed, and what came of it.", code="handoff_missing"
        )
    try:
        return kind(code)
    except ValueError:
        raise Invalid("That is not one of the choices.", code="handoff_unknown") from None
