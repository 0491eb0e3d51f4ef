"""An organization runs lines; it is the wall between tenants."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from warmline.models.base import Base, id_column


class Organization(Base):
    __tablename__ = "organization"

    id: Mapped[str] = id_column()
    name: Mapped[str] = mapped_column(String(120))
