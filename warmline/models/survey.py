"""The survey after a contact: what was asked, and what the caller answered. One a contact at most."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from routing.states import SurveyState
from routing.survey import Otherwise, Question
from warmline.models.base import Base, UtcDateTime, id_column, state_column

_UNDER_WAY = text("state IN ('invited', 'answering')")


class Survey(Base):
    __tablename__ = "survey"
    __table_args__ = (
        # Which survey an incoming text answers is never in doubt.
        Index("uq_survey_under_way", "caller_id", unique=True, postgresql_where=_UNDER_WAY, sqlite_where=_UNDER_WAY),
        Index(None, "state", "due_at"),
        Index(None, "state", "lapses_at"),
        Index(None, "caller_id", "invited_at"),
        Index(None, "organization_id", "invited_at"),
    )

    id: Mapped[str] = id_column()
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    contact_id: Mapped[str] = mapped_column(ForeignKey("contact.id"), unique=True)
    line_id: Mapped[str] = mapped_column(ForeignKey("line.id"))
    caller_id: Mapped[str] = mapped_column(ForeignKey("caller.id"))
    state: Mapped[SurveyState] = state_column(SurveyState)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    invited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lapses_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # set anew with each question
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    question: Mapped[Question] = state_column(Question, default=Question.FELT_SUPPORTED)  # the one that is asked
    asked_again: Mapped[bool] = mapped_column(default=False)  # the question, because its answer was malformed
    paused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the caller wrote to a person instead
    felt_supported: Mapped[bool | None]
    feeling: Mapped[int | None] = mapped_column(SmallInteger)  # from 1, very bad, to 5, very good
    otherwise: Mapped[Otherwise | None] = state_column(Otherwise, nullable=True)
