"""A person who calls or texts, known within one organization by a keyed hash of the number."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from warmline.models.base import Base, Encrypted, UtcDateTime, id_column


class Caller(Base):
    __tablename__ = "caller"
    __table_args__ = (UniqueConstraint("organization_id", "number_hash"),)

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    number_hash: Mapped[str] = mapped_column(String(64))
    number: Mapped[str] = mapped_column(Encrypted)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    texts_stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # STOP: nothing is sent any more
    allowance_free_until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # a supervisor's: no limit before
    remembered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # None: has not asked to be remembered
    remember_as: Mapped[str | None] = mapped_column(Encrypted)  # what to call them, what helps
