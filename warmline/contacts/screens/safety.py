"""What both screens show of alerts, hand-offs, and callers who asked to be remembered."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from routing.states import LIVE_CONTACT
from warmline.models import (
    Account,
    Agreement,
    Alert,
    Caller,
    Channel,
    Contact,
    Disposition,
    GivenTo,
    Handoff,
    HandoffOutcome,
    Line,
    Peer,
    Report,
    Warmth,
)

EARLIER_SHOWN = 5


@dataclass(frozen=True, slots=True)
class PeerAlert:
    """The open alert of a contact, as its peer sees it. `seen_by`: the supervisor who has it."""

    since: datetime
    words: str
    seen_at: datetime | None
    seen_by: str | None


@dataclass(frozen=True, slots=True)
class BoardAlert:
    """An alert on the board."""

    id: str
    contact: str
    line: str
    channel: Channel
    peer: str
    since: datetime
    words: str
    seen_at: datetime | None
    seen_by: str | None
    zone: str


@dataclass(frozen=True, slots=True)
class HandoffShown:
    """A hand-off as it was recorded."""

    given_to: GivenTo
    words: str
    agreed: Agreement
    warmth: Warmth
    outcome: HandoffOutcome
    notes: str


@dataclass(frozen=True, slots=True)
class EarlierContact:
    """An earlier contact of a caller who is remembered. `notes` are the peer's own, or nothing."""

    at: datetime
    zone: str
    line: str
    disposition: Disposition | None
    reasons: tuple[str, ...]
    notes: str


@dataclass(frozen=True, slots=True)
class CallerShown:
    """Who calls, as far as they asked us to know. `this_year` counts earlier contacts that were answered."""

    remembered: bool
    words: str
    this_year: int
    latest: tuple[EarlierContact, ...]


@dataclass(frozen=True, slots=True)
class Safety:
    """What the console shows beside an open contact. `caller` None: the number is withheld."""

    handoff: HandoffShown | None
    caller: CallerShown | None
    remember: bool
    remember_as: str


def peer_alerts(session: Session, contact_ids: Iterable[str]) -> dict[str, PeerAlert]:
    """The open alerts of these contacts, by contact."""
    rows = session.execute(
        select(Alert, Account.name)
        .outerjoin(Account, Account.id == Alert.acknowledged_by)
        .where(Alert.contact_id.in_(list(contact_ids)), Alert.ended_at.is_(None))
        .order_by(Alert.contact_id)
    )
    return {
        alert.contact_id: PeerAlert(alert.raised_at, alert.words, alert.acknowledged_at, name) for alert, name in rows
    }


def board_alerts(session: Session, organization_id: str) -> tuple[BoardAlert, ...]:
    """What a supervisor must look at: nobody's first, then what somebody has while its contact goes on."""
    rows = session.execute(
        select(Alert, Contact.channel, Line.name, Line.time_zone, Peer.name, Account.name)
        .join(Contact, Contact.id == Alert.contact_id)
        .join(Line, Line.id == Contact.line_id)
        .join(Peer, Peer.id == Alert.peer_id)
        .outerjoin(Account, Account.id == Alert.acknowledged_by)
        .where(
            Alert.organization_id == organization_id,
            Alert.ended_at.is_(None),
            or_(Alert.acknowledged_at.is_(None), Contact.state.in_(LIVE_CONTACT)),
        )
        .order_by(Alert.raised_at, Alert.id)
    )
    shown = [
        BoardAlert(
            id=alert.id,
            contact=alert.contact_id,
            line=line,
            channel=channel,
            peer=peer,
            since=alert.raised_at,
            words=alert.words,
            seen_at=alert.acknowledged_at,
            seen_by=name,
            zone=zone,
        )
        for alert, channel, line, zone, peer, name in rows
    ]
    return tuple(sorted(shown, key=lambda alert: alert.seen_at is not None))


def beside(
    session: Session,
    parts: Collection[tuple[str, str]],
    reports: Mapping[tuple[str, str], Report],
    now: datetime,
) -> dict[tuple[str, str], Safety]:
    """What stands beside each open contact; `parts`, `reports` and the answer are by peer and contact."""
    ids = {contact_id for _, contact_id in parts}
    contacts = {contact.id: contact for contact in session.scalars(select(Contact).where(Contact.id.in_(ids)))}
    known = {contact.caller_id for contact in contacts.values()}
    callers = {caller.id: caller for caller in session.scalars(select(Caller).where(Caller.id.in_(known)))}
    handoffs = {
        (kept.peer_id, kept.contact_id): kept
        for kept in session.scalars(select(Handoff).where(Handoff.contact_id.in_(ids)))
    }
    found = {}
    for part in parts:
        contact = contacts[part[1]]
        caller = callers[contact.caller_id] if contact.caller_id is not None else None
        remember, words = _remember(caller, reports.get(part))
        found[part] = Safety(
            handoff=_handoff(handoffs.get(part)),
            caller=_caller(session, part[0], contact, caller, now) if caller is not None else None,
            remember=remember,
            remember_as=words,
        )
    return found


def _remember(caller: Caller | None, report: Report | None) -> tuple[bool, str]:
    """Whether the caller is to be remembered, and how: as the peer has it in the report, else as it is."""
    if report is not None and report.completed_at is None and report.remember is not None:
        return report.remember, report.remember_as or ""
    if caller is None:
        return False, ""
    return caller.remembered_at is not None, caller.remember_as or ""


def _handoff(kept: Handoff | None) -> HandoffShown | None:
    if kept is None:
        return None
    return HandoffShown(kept.given_to, kept.words, kept.agreed, kept.warmth, kept.outcome, kept.notes)


def _caller(session: Session, peer_id: str, contact: Contact, caller: Caller, now: datetime) -> CallerShown:
    if caller.remembered_at is None:
        return CallerShown(remembered=False, words="", this_year=0, latest=())
    earlier = (
        Contact.organization_id == contact.organization_id,
        Contact.caller_id == caller.id,
        Contact.id != contact.id,
        Contact.answered_at.is_not(None),
    )
    new_year = now.astimezone(ZoneInfo(contact.line.time_zone)).replace(
        month=1, day=1, hour=0, minute=0, second=0, microsecond=0
    )
    number = session.scalar(select(func.count()).select_from(Contact).where(*earlier, Contact.arrived_at >= new_year))
    rows = session.execute(
        select(Contact.id, Contact.arrived_at, Line.name, Line.time_zone)
        .join(Line, Line.id == Contact.line_id)
        .where(*earlier)
        .order_by(Contact.arrived_at.desc(), Contact.id)
        .limit(EARLIER_SHOWN)
    ).all()
    reports = defaultdict(list)
    for report in session.scalars(
        select(Report)
        .where(Report.contact_id.in_([row.id for row in rows]), Report.completed_at.is_not(None))
        .order_by(Report.completed_at)
    ):
        reports[report.contact_id].append(report)
    return CallerShown(
        remembered=True,
        words=caller.remember_as or "",
        this_year=number or 0,
        latest=tuple(_earlier(row.arrived_at, row.time_zone, row.name, reports[row.id], peer_id) for row in rows),
    )


def _earlier(at: datetime, zone: str, line: str, reports: list[Report], peer_id: str) -> EarlierContact:
    return EarlierContact(
        at=at,
        zone=zone,
        line=line,
        disposition=reports[-1].disposition if reports else None,
        reasons=tuple(sorted({reason for report in reports for reason in report.reasons})),
        notes="\n".join(report.notes for report in reports if report.peer_id == peer_id and report.notes),
    )
