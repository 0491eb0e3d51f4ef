"""Today's answers to the survey, counted: never who gave them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from warmline.models import Survey


@dataclass(frozen=True, slots=True)
class SurveyToday:
    """Of those invited today: how many answered anything, and how many of `felt` felt supported."""

    invited: int
    answered: int
    felt_supported: int
    felt: int


NOBODY = SurveyToday(0, 0, 0, 0)


def survey_today(session: Session, organization_id: str, zones: Mapping[str, str], now: datetime) -> SurveyToday:
    """Over all lines of the organization, each since midnight in its own zone; `zones` by the line's id."""
    if not zones:
        return NOBODY
    since_midnight = [
        and_(Survey.line_id == line_id, Survey.invited_at >= _midnight(zone, now)) for line_id, zone in zones.items()
    ]
    any_answer = or_(Survey.felt_supported.is_not(None), Survey.feeling.is_not(None), Survey.otherwise.is_not(None))
    row = session.execute(
        select(
            func.count().label("invited"),
            func.count().filter(any_answer).label("answered"),
            func.count().filter(Survey.felt_supported.is_(True)).label("felt_supported"),
            func.count().filter(Survey.felt_supported.is_not(None)).label("felt"),
        ).where(Survey.organization_id == organization_id, Survey.invited_at <= now, or_(*since_midnight))
    ).one()
    return SurveyToday(row.invited, row.answered, row.felt_supported, row.felt)


def _midnight(zone: str, now: datetime) -> datetime:
    today = now.astimezone(ZoneInfo(zone)).date()
    return datetime.combine(today, time(), ZoneInfo(zone))
