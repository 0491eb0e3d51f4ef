"""A service that somebody can be sent to. Names follow Open Referral's HSDS 3 where it has them."""

from datetime import date
from enum import StrEnum

from sqlalchemy import Date, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from warmline.models.base import Base, id_column, state_column


class ResourceStatus(StrEnum):
    """https://docs.openreferral.org/en/v3.0.1/hsds/schema_reference.html#service"""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DEFUNCT = "defunct"
    TEMPORARILY_CLOSED = "temporarily closed"


class ResourceKind(StrEnum):
    """Our own short taxonomy: published ones need a licence, or hold thousands of terms."""

    FOOD = "food"
    HOUSING = "housing"
    TRANSPORT = "transport"
    PEER_SUPPORT = "peer_support"
    RESPITE = "respite"
    CLINIC = "clinic"
    RECOVERY = "recovery"
    LEGAL = "legal"
    BENEFITS = "benefits"
    WORK = "work"
    FAMILY = "family"
    YOUTH = "youth"
    OTHER = "other"


class Resource(Base):
    __tablename__ = "resource"
    __table_args__ = (
        Index(None, "organization_id", "status"),
        Index(None, "organization_id", "place"),
        Index(None, "organization_id", "kind"),
    )

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))  # whose directory, not who serves
    organization_name: Mapped[str] = mapped_column(String(120))  # who serves
    name: Mapped[str] = mapped_column(String(120))
    description: Mapped[str] = mapped_column(Text)
    status: Mapped[ResourceStatus] = state_column(ResourceStatus)
    kind: Mapped[ResourceKind] = state_column(ResourceKind)
    place: Mapped[str] = mapped_column(String(80))  # city or county
    phone: Mapped[str] = mapped_column(String(20))  # E.164 or a short number; "" if it has none
    schedule: Mapped[str] = mapped_column(String(200))
    eligibility_description: Mapped[str] = mapped_column(String(500))
    cost: Mapped[str] = mapped_column(String(200))
    languages: Mapped[str] = mapped_column(String(120))
    assured_date: Mapped[date | None] = mapped_column(Date)  # when somebody last made sure that all this is so
    words: Mapped[str] = mapped_column(Text)  # what the search reads: no case, no accents; see directory/search.py
