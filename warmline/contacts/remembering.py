"""A caller may ask to be remembered, by a name and what helps; and to be forgotten."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from warmline.errors import Invalid
from warmline.models import Caller, Contact, Report
from warmline.models.history import record

LONGEST = 200  # characters


@dataclass(frozen=True, slots=True)
class Wish:
    """What the report says about it: whether the caller may be remembered, and as whom."""

    remember: bool
    words: str = ""


def check(wish: Wish | None) -> None:
    """Raises Invalid for too many words."""
    if wish is not None and len(wish.words) > LONGEST:
        raise Invalid("What helps may have {limit} characters at most.", code="remember_too_long", limit=LONGEST)


def follow(
    session: Session, contact: Contact, report: Report, wish: Wish | None, now: datetime, *, complete: bool
) -> None:
    """Keep the wish with a draft; a finished report does it, and the latest finished one counts.

    The words then stand with the caller alone, so that forgetting forgets them everywhere.
    """
    if wish is None:
        return
    report.remember = wish.remember
    report.remember_as = wish.words.strip() or None if wish.remember and not complete else None
    if not complete or contact.caller_id is None:
        return
    caller = session.get_one(Caller, contact.caller_id, with_for_update={"of": Caller}, populate_existing=True)
    if wish.remember:
        if caller.remembered_at is None:
            record(session, caller, "remembered", now, why={"contact": contact.id})
        caller.remembered_at, caller.remember_as = caller.remembered_at or now, wish.words.strip() or None
    elif caller.remembered_at is not None:
        caller.remembered_at = caller.remember_as = None
        record(session, caller, "forgotten", now, why={"contact": contact.id})
