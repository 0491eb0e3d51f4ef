"""A peer and a caller who are not to be connected again. The report says so, and the caller is told nothing of it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from warmline.errors import Invalid
from warmline.models import Apart, AskedBy, Caller, Contact, Report
from warmline.models.history import record


def asked(code: str) -> AskedBy | None:
    """Who asked for it, as a form says it: nobody if it is empty. Raises Invalid for an unknown code."""
    if not code:
        return None
    try:
        return AskedBy(code)
    except ValueError:
        raise Invalid("That is not one of the choices.", code="apart_unknown") from None


def follow(
    session: Session, contact: Contact, report: Report, asked_by: AskedBy | None, now: datetime, *, complete: bool
) -> None:
    """Keep it with a draft; a finished report does it. They are kept apart as long as any report of the peer says so.

    Of a caller whose number is withheld nobody can know that it is them.
    """
    report.apart = asked_by if contact.caller_id is not None else None
    if not complete or contact.caller_id is None:
        return
    known = session.get(Apart, (contact.caller_id, report.peer_id))
    if known is None and asked_by is None:
        return
    # Two reports about one caller: the second waits for the first.
    session.get_one(Caller, contact.caller_id, with_for_update={"of": Caller}, populate_existing=True)
    known = session.get(Apart, (contact.caller_id, report.peer_id), populate_existing=True)
    if known is None and asked_by is not None:
        session.add(Apart(caller_id=contact.caller_id, peer_id=report.peer_id, asked_by=asked_by, asked_at=now))
        _record(session, report, "apart", asked_by, now)
    elif known is not None and asked_by is not None and known.asked_by is not asked_by:
        known.asked_by, known.asked_at = asked_by, now
        _record(session, report, "apart", asked_by, now)
    elif known is not None and asked_by is None and not _said_elsewhere(session, contact.caller_id, report):
        session.delete(known)
        record(session, report, "apart_no_more", now, old=known.asked_by)


def _said_elsewhere(session: Session, caller_id: str, report: Report) -> bool:
    others = (
        select(Report.id)
        .join(Contact, Contact.id == Report.contact_id)
        .where(
            Contact.caller_id == caller_id,
            Report.peer_id == report.peer_id,
            Report.id != report.id,
            Report.apart.is_not(None),
            Report.completed_at.is_not(None),
        )
    )
    return session.scalar(others.limit(1)) is not None


def _record(session: Session, report: Report, event: str, asked_by: AskedBy, now: datetime) -> None:
    record(session, report, event, now, new=asked_by, why={"reason": f"{asked_by}_asked"})
