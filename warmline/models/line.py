"""A warm line: its numbers, hours and languages."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from warmline.models.base import Base, UtcDateTime, id_column


class Line(Base):
    __tablename__ = "line"

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    time_zone: Mapped[str] = mapped_column(String(60))
    languages: Mapped[list[str]] = mapped_column(JSON)  # in the order of the menu's keys
    hours: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # routing.hours.WeeklyHours
    place: Mapped[str | None] = mapped_column(String(80))  # where the directory's search begins for its contacts
    holidays: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # routing.hours.Holidays
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # closed early, by a supervisor
    closed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # None: until somebody reopens it
    closed_words: Mapped[dict[str, str] | None] = mapped_column(JSON)  # why, as callers hear it, by language
    words: Mapped[dict[str, dict[str, str]] | None] = mapped_column(JSON)  # own greeting and closed, by language
    card: Mapped[dict[str, str] | None] = mapped_column(JSON)  # for a crisis: policy, centre, phone
    texts_at_once: Mapped[int] = mapped_column(default=2, server_default="2")  # that one peer may answer
    voice_with_texts: Mapped[bool] = mapped_column(default=False, server_default=false())  # calls beside texts
    policy: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # as routing.policy.Policy.kept() writes it
    paused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # by a supervisor: nobody is asked
    version: Mapped[int] = mapped_column(default=1, server_default="1")  # of the settings: each saving makes one more

    numbers: Mapped[list["LineNumber"]] = relationship(order_by="LineNumber.number")


class LineNumber(Base):
    """A public number of a line, in E.164: what callers dial."""

    __tablename__ = "line_number"

    number: Mapped[str] = mapped_column(String(20), primary_key=True)
    line_id: Mapped[str] = mapped_column(ForeignKey("line.id"), index=True)
