"""One peer asked to take one contact."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from routing.states import OfferState
from warmline.models.base import Base, UtcDateTime, id_column, state_column

_PENDING = text("state = 'pending'")


class Offer(Base):
    __tablename__ = "offer"
    __table_args__ = (
        Index("uq_offer_live_peer", "peer_id", unique=True, postgresql_where=_PENDING, sqlite_where=_PENDING),
        # A contact may ring at several peers; that only one takes it, uq_engagement_live_contact says.
        Index(None, "state", "deadline"),
        Index(None, "contact_id", "made_at"),
        Index(None, "peer_id", "made_at"),
    )

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    contact_id: Mapped[str] = mapped_column(ForeignKey("contact.id"))
    peer_id: Mapped[str] = mapped_column(ForeignKey("peer.id"))
    state: Mapped[OfferState] = state_column(OfferState)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deadline: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str | None] = mapped_column(String(40))  # why it ended: no_answer, outage, not_now …
    refusals: Mapped[list[list[str]]] = mapped_column(JSON, default=list)  # who was passed over, and why
