"""One telephone connection: the caller's or a peer's."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from routing.states import LegState
from warmline.models.base import Base, UtcDateTime, id_column, new_id, state_column
from warmline.models.contact import Contact

_LIVE = text("state != 'ended'")
_LIVE_CALLER = text("kind = 'caller' AND state != 'ended'")


class LegKind(StrEnum):
    CALLER = "caller"
    PEER = "peer"


class Leg(Base):
    __tablename__ = "leg"
    __table_args__ = (
        # A second tab, or a retry under another CallSid, cannot bring a second leg for one accepted offer.
        Index("uq_leg_live_engagement", "engagement_id", unique=True, postgresql_where=_LIVE, sqlite_where=_LIVE),
        Index(
            "uq_leg_live_caller",
            "contact_id",
            unique=True,
            postgresql_where=_LIVE_CALLER,
            sqlite_where=_LIVE_CALLER,
        ),
        Index("ix_leg_unchecked", "checked_at", postgresql_where=_LIVE, sqlite_where=_LIVE),
    )

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    contact_id: Mapped[str] = mapped_column(ForeignKey("contact.id"), index=True)
    engagement_id: Mapped[str | None] = mapped_column(ForeignKey("engagement.id"))  # None: the caller's own leg
    kind: Mapped[LegKind] = state_column(LegKind)
    call_sid: Mapped[str] = mapped_column(String(34), unique=True)
    state: Mapped[LegState] = state_column(LegState)
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    checked_at: Mapped[datetime] = mapped_column(UtcDateTime)  # when the phone company was last heard of it
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @classmethod
    def of_caller(cls, contact: Contact, call_sid: str, now: datetime) -> "Leg":
        """The call in which a contact's caller is on the phone; it has just begun."""
        return cls(
            id=new_id(),
            organization_id=contact.organization_id,
            contact_id=contact.id,
            kind=LegKind.CALLER,
            call_sid=call_sid,
            state=LegState.STARTED,
            began_at=now,
            checked_at=now,
        )
