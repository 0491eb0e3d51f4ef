"""Who may log in, and where they are logged in."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from warmline.models.base import Base, Encrypted, UtcDateTime, id_column, state_column
from warmline.models.peer import Peer


class Role(StrEnum):
    PEER = "peer"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"


class Account(Base):
    __tablename__ = "account"

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"), index=True)
    role: Mapped[Role] = state_column(Role)
    name: Mapped[str] = mapped_column(Encrypted)
    email: Mapped[str] = mapped_column(Encrypted)
    email_hash: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    language: Mapped[str | None] = mapped_column(String(8))  # of the pages; None: as the browser asks

    peer: Mapped[Peer | None] = relationship(lazy="joined")


class LoginSession(Base):
    """One browser's login: a row, so that it can be listed and revoked. Only the token's hash is kept."""

    __tablename__ = "login_session"

    id: Mapped[str] = id_column()
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
