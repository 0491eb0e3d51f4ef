"""How much a caller has left today on a line that sets a limit; what does not count, and who calls without a limit.

A withheld number has none: nobody can know who calls. Whoever calls about a callback that they have booked goes on with
that contact, and is not asked (`calling_back.take_place`).
"""

from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from routing import allowance, policy
from routing.allowance import NO_LIMIT, Left, Talk
from routing.policy import Policy
from warmline.contacts import holding, news
from warmline.db import reading, transaction
from warmline.errors import Conflict, Invalid, NotFound
from warmline.models import Account, Caller, Contact, Disposition, Engagement, Line, Report
from warmline.models.history import record
from warmline.people import lines
from warmline.telephony import twiml

EXEMPT = ("relay", "interpreter")
LOST = ("peer_lost", "peer_gone")  # of an engagement that was cut off
LOOK_BACK = timedelta(days=7)  # a thread or a callback of today may have begun so long ago


def is_limited(line: Line) -> bool:
    """Whether this line limits anybody at all."""
    return allowance.has_limit(policy.read(line.policy))


def left(session: Session, contact: Contact, now: datetime) -> Left:
    """What the caller of a contact that goes on has left today, which it uses up as well."""
    chosen = _policy(contact, now)
    if chosen is None:
        return NO_LIMIT
    since, _ = allowance.day(contact.line.time_zone, now)
    return allowance.left(chosen, _talks(session, contact, since), since, now)


def on_arrival(session: Session, contact: Contact, now: datetime) -> Left:
    """What the caller of a contact that begins has left today."""
    chosen = _policy(contact, now)
    if chosen is None:
        return NO_LIMIT
    since, _ = allowance.day(contact.line.time_zone, now)
    return allowance.on_arrival(chosen, _talks(session, contact, since), since, now)


def in_advance(contact: Contact, now: datetime) -> str:
    """What a caller who arrives is told of today before they wait, in words; nothing while much is left."""
    if not is_limited(contact.line):
        return ""
    with reading() as session:
        return told(contact.language, on_arrival(session, session.get_one(Contact, contact.id), now))


def told(language: str, left: Left) -> str:
    """What is left in words, if it is little."""
    return twiml.left(language, left.few_minutes, last=left.contacts == 1)


def again(contact: Contact, language: str) -> str:
    """When a caller who was told so may call again, in words: tomorrow, or when the line opens then."""
    line, at = contact.line, contact.ended_at or contact.arrived_at
    _, tomorrow = allowance.day(line.time_zone, at)
    opens = tomorrow if lines.is_open(line, tomorrow) else lines.opens_next(line, tomorrow)
    return twiml.again(language, opens, at)


def mark(session: Session, contact: Contact, code: str | None, now: datetime) -> None:
    """What the report says: why the contact does not count, or "" if it does; None leaves it as it is.

    Raises Invalid for an unknown code.
    """
    if code is None or code == (contact.exempt or ""):
        return
    if code and code not in EXEMPT:
        raise Invalid("That is no reason for a contact not to count.", code="exempt_unknown")
    why = {"reason": code} if code else None
    record(session, contact, "exempt" if code else "counts", now, old=contact.exempt, new=code or None, why=why)
    contact.exempt = code or None


def lift(account: Account, contact_id: str, now: datetime) -> None:
    """The caller of this contact may call without a limit until the line's day ends. Again, it changes nothing.

    Raises NotFound for another organization's contact, Conflict for a withheld number.
    """
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if contact.organization_id != account.organization_id:
            raise NotFound
        if contact.caller_id is None:
            raise Conflict("The caller withheld the number, so there is no limit.", code="number_withheld")
        caller = session.get_one(Caller, contact.caller_id, with_for_update={"of": Caller}, populate_existing=True)
        _, until = allowance.day(contact.line.time_zone, now)
        if caller.allowance_free_until is None or caller.allowance_free_until < until:
            caller.allowance_free_until = until
            why = {"account": account.id, "until": until.isoformat()}
            record(session, contact, "allowance_lifted", now, why=why)
            news.for_organization(session, contact.organization_id)


def _policy(contact: Contact, now: datetime) -> Policy | None:
    """The line's policy, if it limits this caller in this contact."""
    chosen = policy.read(contact.line.policy)
    if not allowance.has_limit(chosen) or contact.exempt is not None or (caller := contact.caller) is None:
        return None
    is_free = caller.allowance_free_until is not None and now < caller.allowance_free_until
    return None if is_free else chosen


def _talks(session: Session, contact: Contact, since: datetime) -> list[Talk]:
    """The caller's talks on this line that ended after `since` or go on, of a week's contacts at most."""
    mine = and_(Report.contact_id == Engagement.contact_id, Report.peer_id == Engagement.peer_id)
    rows = session.execute(
        select(
            Engagement.contact_id,
            Engagement.active_at,
            Engagement.wrapping_at,
            Engagement.reason,
            Contact.exempt,
            Report.disposition,
        )
        .join(Contact, Contact.id == Engagement.contact_id)
        .outerjoin(Report, mine)
        .where(
            Contact.caller_id == contact.caller_id,
            Contact.line_id == contact.line_id,
            Contact.arrived_at > since - LOOK_BACK,
            Engagement.active_at.is_not(None),
            or_(Engagement.wrapping_at.is_(None), Engagement.wrapping_at > since),
        )
    )
    return [
        Talk(
            contact=row.contact_id,
            began_at=row.active_at,
            ended_at=row.wrapping_at,
            dropped=row.reason in LOST or row.disposition is Disposition.DROPPED,
            exempt=row.exempt is not None,
        )
        for row in rows
    ]
