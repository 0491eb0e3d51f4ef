"""To whom a caller was handed over, whether they agreed, and what came of it: as the peer records it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from warmline.models.base import Base, Encrypted, UtcDateTime, id_column, state_column


class GivenTo(StrEnum):
    LIFELINE = "988"
    CRISIS_CENTRE = "crisis_centre"
    MOBILE_CRISIS = "mobile_crisis"
    EMERGENCY = "911"
    OTHER = "other"  # named in words


class Agreement(StrEnum):
    """Whether the caller agreed."""

    YES = "yes"
    NO = "no"
    NOT_ASKED = "not_asked"


class Warmth(StrEnum):
    WARM = "warm"  # the peer stayed until somebody had taken over
    COLD = "cold"


class HandoffOutcome(StrEnum):
    CONNECTED = "connected"
    DECLINED = "declined"
    NO_ANSWER = "no_answer"
    OTHER = "other"


class Handoff(Base):
    __tablename__ = "handoff"
    __table_args__ = (UniqueConstraint("contact_id", "peer_id"),)

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    contact_id: Mapped[str] = mapped_column(ForeignKey("contact.id"))
    peer_id: Mapped[str] = mapped_column(ForeignKey("peer.id"))
    given_to: Mapped[GivenTo] = state_column(GivenTo)
    words: Mapped[str] = mapped_column(Encrypted, default="")  # who somebody else is
    agreed: Mapped[Agreement] = state_column(Agreement)
    warmth: Mapped[Warmth] = state_column(Warmth)
    outcome: Mapped[HandoffOutcome] = state_column(HandoffOutcome)
    notes: Mapped[str] = mapped_column(Encrypted, default="")
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
