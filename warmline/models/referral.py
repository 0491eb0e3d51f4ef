"""A service that was given to the caller of one contact."""

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from warmline.models.base import Base, UtcDateTime, id_column, state_column
from warmline.models.contact import Channel


class Referral(Base):
    __tablename__ = "referral"
    __table_args__ = (UniqueConstraint("contact_id", "resource_id"),)

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    contact_id: Mapped[str] = mapped_column(ForeignKey("contact.id"))
    resource_id: Mapped[str] = mapped_column(ForeignKey("resource.id"), index=True)
    peer_id: Mapped[str] = mapped_column(ForeignKey("peer.id"))
    given_by: Mapped[Channel] = state_column(Channel)  # as in the contact; TEXT once it was texted
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)
    texted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # with the caller's yes; the event says so
    message_id: Mapped[str | None] = mapped_column(ForeignKey("message.id"))
