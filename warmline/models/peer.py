"""A peer: who answers, when they are on shift, and whether their console was heard from."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from routing.states import PeerStatus
from warmline.models.base import Base, Encrypted, UtcDateTime, UtcDateTimeOrNever, id_column, state_column


class Peer(Base):
    __tablename__ = "peer"

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"), index=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), unique=True)
    name: Mapped[str] = mapped_column(Encrypted)  # as colleagues see it on the board
    languages: Mapped[list[str]] = mapped_column(JSON)
    skills: Mapped[list[str] | None] = mapped_column(JSON)  # routing.policy.Skill; None: nobody has written any down
    status: Mapped[PeerStatus] = state_column(PeerStatus, default=PeerStatus.OFF)
    status_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status_reason: Mapped[str | None] = mapped_column(String(40))  # a code, set only when the system chose
    idle_since: Mapped[datetime] = mapped_column(UtcDateTime)
    rests_until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # after a heavy contact

    @property
    def identity(self) -> str:
        """What the softphone is called at the phone company: `[A-Za-z0-9_]`, at most 121 characters."""
        return f"peer_{self.id}"


class Presence(Base):
    """The latest heartbeat of a peer's console; a table of its own because it changes every few seconds."""

    __tablename__ = "presence"

    peer_id: Mapped[str] = mapped_column(ForeignKey("peer.id"), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Shift(Base):
    """Rostered time of a peer on a line; `ends_at` None means until further notice."""

    __tablename__ = "shift"
    # By the end: shifts that are over become ever more.
    __table_args__ = (Index(None, "peer_id", "ends_at"), Index(None, "line_id", "ends_at"))

    id: Mapped[str] = id_column()
    peer_id: Mapped[str] = mapped_column(ForeignKey("peer.id"))
    line_id: Mapped[str] = mapped_column(ForeignKey("line.id"))
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # A default, for the ORM leaves None out of what it adds in bulk.
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTimeOrNever, nullable=False, default=lambda: None)
