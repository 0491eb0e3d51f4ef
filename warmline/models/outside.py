"""What we ask of the phone company, and what it told us."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from routing.states import RequestState
from warmline.models.base import Base, UtcDateTime, id_column, state_column


class RequestKind(StrEnum):
    MOVE_CALLER = "move_caller"  # out of the queue, into the conference
    RECALL_CALLER = "recall_caller"  # the peer was lost: out of the empty conference, back to the queue
    END_CONFERENCE = "end_conference"
    HANG_UP = "hang_up"
    SEND_TEXT = "send_text"
    CALL_CALLER = "call_caller"  # back, as they asked


class OutsideRequest(Base):
    """The outbox: one outgoing request, committed with what caused it, done once, in order per contact."""

    __tablename__ = "outside_request"
    __table_args__ = (
        # One move per engagement, one hang-up per leg: whoever inserts the row has claimed the act.
        UniqueConstraint("key"),
        UniqueConstraint("contact_id", "sequence"),
        Index(None, "state", "due_at"),
    )

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    contact_id: Mapped[str] = mapped_column(ForeignKey("contact.id"))
    sequence: Mapped[int]
    key: Mapped[str] = mapped_column(String(80))
    kind: Mapped[RequestKind] = state_column(RequestKind)
    arguments: Mapped[dict[str, str]] = mapped_column(JSON)  # ids only: never a number, never a text's words
    state: Mapped[RequestState] = state_column(RequestState)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answer: Mapped[str | None] = mapped_column(String(60))  # HTTP status and Twilio's error code


class Callback(Base):
    """A status callback that was applied already. Twilio repeats and reorders them."""

    __tablename__ = "callback"

    key: Mapped[str] = mapped_column(String(120), primary_key=True)  # SID, kind and SequenceNumber
    at: Mapped[datetime] = mapped_column(UtcDateTime)
