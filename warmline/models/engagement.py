"""A peer's part in a contact. A transfer, or the peer who follows a dropped one, is another row."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from routing.states import EngagementState
from warmline.models.base import Base, UtcDateTime, id_column, state_column
from warmline.models.contact import Channel

_LIVE = text("state IN ('connecting', 'active')")
_VOICE = text("channel = 'voice' AND state IN ('connecting', 'active')")


class Engagement(Base):
    __tablename__ = "engagement"
    __table_args__ = (
        # The last word on double booking: one winner a contact, one call a peer.
        Index(
            "uq_engagement_live_contact",
            "contact_id",
            unique=True,
            postgresql_where=_LIVE,
            sqlite_where=_LIVE,
        ),
        Index("uq_engagement_live_call", "peer_id", unique=True, postgresql_where=_VOICE, sqlite_where=_VOICE),
        # What is open is found by the state, however many are over; SQLite uses no partial index for `state IN (…)`.
        Index(None, "state", "peer_id"),
        Index(None, "peer_id", "began_at"),
        Index(None, "contact_id"),
    )

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    contact_id: Mapped[str] = mapped_column(ForeignKey("contact.id"))
    peer_id: Mapped[str] = mapped_column(ForeignKey("peer.id"))
    offer_id: Mapped[str] = mapped_column(ForeignKey("offer.id"), unique=True)
    channel: Mapped[Channel] = state_column(Channel)
    state: Mapped[EngagementState] = state_column(EngagementState)
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    connect_by: Mapped[datetime] = mapped_column(UtcDateTime)  # the peer's leg must be up by then
    active_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    wrapping_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    wrap_by: Mapped[datetime | None] = mapped_column(UtcDateTime)
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str | None] = mapped_column(String(40))  # why it ended: peer_ended, caller_left, peer_lost …
    conference_name: Mapped[str] = mapped_column(String(64), unique=True)  # random: names hold no personal data
    conference_sid: Mapped[str | None] = mapped_column(String(34))
