"""A peer's call for a supervisor, about one contact."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from warmline.models.base import Base, Encrypted, UtcDateTime, id_column

_OPEN = text("ended_at IS NULL")


class Alert(Base):
    __tablename__ = "alert"
    __table_args__ = (
        # However often and in however many tabs the button is pressed, supervisors hear of a contact once.
        Index("uq_alert_open_contact", "contact_id", unique=True, postgresql_where=_OPEN, sqlite_where=_OPEN),
        Index("ix_alert_open", "organization_id", "raised_at", postgresql_where=_OPEN, sqlite_where=_OPEN),
        Index(None, "contact_id"),
    )

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    contact_id: Mapped[str] = mapped_column(ForeignKey("contact.id"))
    peer_id: Mapped[str] = mapped_column(ForeignKey("peer.id"))
    raised_at: Mapped[datetime] = mapped_column(UtcDateTime)
    words: Mapped[str] = mapped_column(Encrypted, default="")
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_by: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # taken back, or raised again
