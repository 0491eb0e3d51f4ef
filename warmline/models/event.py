"""The append-only history: every transition writes one row, in the same transaction."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from warmline.models.base import Base, UtcDateTime


class Event(Base):
    __tablename__ = "event"
    __table_args__ = (Index(None, "contact_id", "id"), Index(None, "organization_id", "at"))

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    subject: Mapped[str] = mapped_column(String(20))  # contact, offer, engagement, leg, message, peer …
    subject_id: Mapped[str] = mapped_column(String(32))
    contact_id: Mapped[str | None] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(40))  # the event of routing.states
    old: Mapped[str | None] = mapped_column(String(20))
    new: Mapped[str | None] = mapped_column(String(20))
    why: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # ids and codes only
