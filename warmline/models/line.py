"""A warm line: its numbers, hours and languages."""

from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from warmline.models.base import Base, id_column


class Line(Base):
    __tablename__ = "line"

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    time_zone: Mapped[str] = mapped_column(String(60))
    languages: Mapped[list[str]] = mapped_column(JSON)  # in the order of the menu's keys
    hours: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # routing.hours.WeeklyHours
    place: Mapped[str | None] = mapped_column(String(80))  # where the directory's search begins for its contacts

    numbers: Mapped[list["LineNumber"]] = relationship(order_by="LineNumber.number")


class LineNumber(Base):
    """A public number of a line, in E.164: what callers dial."""

    __tablename__ = "line_number"

    number: Mapped[str] = mapped_column(String(20), primary_key=True)
    line_id: Mapped[str] = mapped_column(ForeignKey("line.id"), index=True)
