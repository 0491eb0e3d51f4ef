"""The contact report: what a peer records about one contact."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from warmline.models.apart import AskedBy
from warmline.models.base import Base, Encrypted, UtcDateTime, id_column, state_column


class Disposition(StrEnum):
    SUPPORT_GIVEN = "support_given"
    INFORMATION = "information"
    HANDED_OFF = "handed_off"
    SUPERVISOR_TOOK_OVER = "supervisor_took_over"
    LIMIT_REACHED = "limit_reached"
    BOUNDARY = "boundary"
    DROPPED = "dropped"
    NOT_A_CONVERSATION = "not_a_conversation"


class Reason(StrEnum):
    """SAMHSA's eight dimensions of wellness ("Creating a Healthier Life", SMA16-4958)."""

    EMOTIONAL = "emotional"
    ENVIRONMENTAL = "environmental"
    FINANCIAL = "financial"
    INTELLECTUAL = "intellectual"
    OCCUPATIONAL = "occupational"
    PHYSICAL = "physical"
    SOCIAL = "social"
    SPIRITUAL = "spiritual"


class Report(Base):
    __tablename__ = "report"
    __table_args__ = (UniqueConstraint("contact_id", "peer_id"),)

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    contact_id: Mapped[str] = mapped_column(ForeignKey("contact.id"))
    peer_id: Mapped[str] = mapped_column(ForeignKey("peer.id"), index=True)
    disposition: Mapped[Disposition | None] = state_column(Disposition, nullable=True)
    reasons: Mapped[list[str]] = mapped_column(JSON, default=list)
    notes: Mapped[str] = mapped_column(Encrypted, default="")
    text_ok: Mapped[bool] = mapped_column(default=False)
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # None: a draft
    heavy: Mapped[bool] = mapped_column(default=False, server_default=false())  # the peer asks for time to recover
    apart: Mapped[AskedBy | None] = mapped_column(String(10))  # who asked not to meet the other again
    remember: Mapped[bool | None]  # may the caller be remembered? None: the report does not say
    remember_as: Mapped[str | None] = mapped_column(Encrypted)  # of a draft; the finished report hands it to the caller
