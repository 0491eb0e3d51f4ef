"""A peer and a caller who are not to meet again, because one of them asked."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from warmline.models.base import Base, UtcDateTime, state_column


class AskedBy(StrEnum):
    PEER = "peer"
    CALLER = "caller"


class Apart(Base):
    __tablename__ = "apart"

    caller_id: Mapped[str] = mapped_column(ForeignKey("caller.id"), primary_key=True)
    peer_id: Mapped[str] = mapped_column(ForeignKey("peer.id"), primary_key=True, index=True)
    asked_by: Mapped[AskedBy] = state_column(AskedBy)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
