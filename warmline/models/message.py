"""One text of a conversation, in or out."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from routing.states import MessageState
from warmline.models.base import Base, Encrypted, UtcDateTime, id_column, state_column


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


class Message(Base):
    __tablename__ = "message"
    __table_args__ = (Index(None, "contact_id", "at"),)

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    contact_id: Mapped[str] = mapped_column(ForeignKey("contact.id"))
    peer_id: Mapped[str | None] = mapped_column(ForeignKey("peer.id"))  # None: the caller's, or the line's own words
    direction: Mapped[Direction] = state_column(Direction)
    state: Mapped[MessageState] = state_column(MessageState)
    body: Mapped[str] = mapped_column(Encrypted)
    line_number: Mapped[str] = mapped_column(String(20))
    message_sid: Mapped[str | None] = mapped_column(String(34), unique=True)
    error_code: Mapped[str | None] = mapped_column(String(10))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    survey_id: Mapped[str | None] = mapped_column(String(32))  # of a survey: then no peer sees it
