"""History: contacts page by page, and everything that happened with one of them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, or_, select, tuple_
from sqlalchemy.orm import Session

from routing.states import ContactState, EngagementState
from warmline import db
from warmline.contacts import allowance
from warmline.contacts.screens.safety import HandoffShown
from warmline.errors import NotFound
from warmline.models import (
    Account,
    Alert,
    Channel,
    Contact,
    Disposition,
    Engagement,
    Event,
    Handoff,
    Leg,
    Line,
    Message,
    Offer,
    OutsideRequest,
    Peer,
    Referral,
    Report,
)

ROWS = 50
MOMENTS = 1000  # a thread of weeks is cut here, and says so


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which contacts; `before` is time and id of the last row above."""

    line: str | None = None
    channel: Channel | None = None
    state: ContactState | None = None
    day: date | None = None
    before: tuple[datetime, str] | None = None


@dataclass(frozen=True, slots=True)
class PastContact:
    """One row. `talked` adds up every peer's part; None: nobody talked.

    Each peer stands there once, in the order in which they took the contact; `dispositions` are theirs, in that order.
    """

    id: str
    at: datetime
    zone: str
    line: str
    channel: Channel
    language: str
    state: ContactState
    waited: timedelta | None
    talked: timedelta | None
    peers: tuple[str, ...]
    dispositions: tuple[Disposition | None, ...]
    alert: bool
    handoff: bool


@dataclass(frozen=True, slots=True)
class History:
    """A page of rows, the lines to choose from, and where the next page begins (None: there is none)."""

    lines: tuple[tuple[str, str], ...]
    rows: tuple[PastContact, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Moment:
    """One row of the history. `code` is subject and event; `who` a peer or a supervisor; `detail` a further code."""

    at: datetime
    code: str
    subject: str
    name: str
    who: str
    detail: str


@dataclass(frozen=True, slots=True)
class Part:
    """One peer's engagement."""

    peer: str
    state: EngagementState
    began_at: datetime
    talked: timedelta | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class PastReport:
    """A report without its notes."""

    peer: str
    disposition: Disposition | None
    reasons: tuple[str, ...]
    completed_at: datetime | None
    has_notes: bool


@dataclass(frozen=True, slots=True)
class PastHandoff:
    """Who handed the caller over, and the record without its notes."""

    peer: str
    kept: HandoffShown


@dataclass(frozen=True, slots=True)
class WholeContact:
    """All of one contact. `limited`: the line limits its caller; `free_until`: but not before, says a supervisor."""

    row: PastContact
    limited: bool
    free_until: datetime | None
    parts: tuple[Part, ...]
    reports: tuple[PastReport, ...]
    handoffs: tuple[PastHandoff, ...]
    moments: tuple[Moment, ...]
    cut: bool


def contacts(organization_id: str, wanted: Wanted, now: datetime) -> History:
    """One page of an organization's contacts, newest first. NotFound for a line that is not theirs."""
    with db.reading() as session:
        lines = session.execute(
            select(Line.id, Line.name, Line.time_zone)
            .where(Line.organization_id == organization_id)
            .order_by(Line.name, Line.id)
        ).all()
        zones = {line.id: line.time_zone for line in lines}
        if wanted.line is not None and wanted.line not in zones:
            raise NotFound
        found = list(
            session.scalars(
                select(Contact)
                .where(Contact.organization_id == organization_id, *_conditions(wanted, zones))
                .order_by(Contact.arrived_at.desc(), Contact.id.desc())
                .limit(ROWS + 1)
            )
        )
        shown = found[:ROWS]
        rows = _rows(session, shown, now)
    last = shown[-1] if len(found) > ROWS else None
    return History(
        lines=tuple((line.id, line.name) for line in lines),
        rows=rows,
        next=f"{last.arrived_at.isoformat()}~{last.id}" if last else None,
    )


def contact(organization_id: str, contact_id: str) -> WholeContact:
    """Everything about one contact but the notes. NotFound for another organization's."""
    with db.reading() as session:
        one = session.scalar(
            select(Contact).where(Contact.id == contact_id, Contact.organization_id == organization_id)
        )
        if one is None:
            raise NotFound
        (row,) = _rows(session, [one], one.ended_at or one.arrived_at)
        engagements = session.execute(
            select(Engagement, Peer.name)
            .join(Peer, Peer.id == Engagement.peer_id)
            .where(Engagement.contact_id == one.id)
            .order_by(Engagement.began_at, Engagement.id)
        ).all()
        reports = session.execute(
            select(Report, Peer.name).join(Peer, Peer.id == Report.peer_id).where(Report.contact_id == one.id)
        ).all()
        handoffs = session.execute(
            select(Handoff, Peer.name).join(Peer, Peer.id == Handoff.peer_id).where(Handoff.contact_id == one.id)
        ).all()
        moments = _moments(session, one)
        caller = one.caller
    turns = list(dict.fromkeys(part.peer_id for part, _ in engagements))
    return WholeContact(
        row=row,
        limited=allowance.is_limited(one.line) and caller is not None,
        free_until=caller.allowance_free_until if caller is not None else None,
        parts=tuple(Part(name, part.state, part.began_at, _talked(part), part.reason) for part, name in engagements),
        reports=tuple(
            PastReport(name, report.disposition, tuple(report.reasons), report.completed_at, bool(report.notes))
            for report, name in sorted(reports, key=lambda row: turns.index(row[0].peer_id))
        ),
        handoffs=tuple(
            PastHandoff(name, HandoffShown(kept.given_to, kept.words, kept.agreed, kept.warmth, kept.outcome, notes=""))
            for kept, name in handoffs
        ),
        moments=tuple(moments[:MOMENTS]),
        cut=len(moments) > MOMENTS,
    )


def _conditions(wanted: Wanted, zones: dict[str, str]) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = []
    if wanted.line is not None:
        chosen.append(Contact.line_id == wanted.line)
    if wanted.channel is not None:
        chosen.append(Contact.channel == wanted.channel)
    if wanted.state is not None:
        chosen.append(Contact.state == wanted.state)
    if wanted.day is not None:
        # The day of each line begins and ends where that line is.
        there = defaultdict(list)
        for line_id, zone in zones.items():
            there[zone].append(line_id)
        chosen.append(or_(False, *(_on(wanted.day, zone, line_ids) for zone, line_ids in there.items())))
    if wanted.before is not None:
        chosen.append(tuple_(Contact.arrived_at, Contact.id) < wanted.before)
    return chosen


def _on(day: date, zone: str, line_ids: list[str]) -> ColumnElement[bool]:
    midnight = datetime.combine(day, time(), ZoneInfo(zone))
    next_day = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone))
    return and_(Contact.line_id.in_(line_ids), Contact.arrived_at >= midnight, Contact.arrived_at < next_day)


def _rows(session: Session, found: list[Contact], now: datetime) -> tuple[PastContact, ...]:
    """The contacts as rows, with five queries however many they are."""
    ids = [each.id for each in found]
    parts = defaultdict(list)
    for engagement, name in session.execute(
        select(Engagement, Peer.name)
        .join(Peer, Peer.id == Engagement.peer_id)
        .where(Engagement.contact_id.in_(ids), Engagement.state != EngagementState.FAILED)
        .order_by(Engagement.began_at, Engagement.id)
    ):
        parts[engagement.contact_id].append((engagement, name))
    logged: dict[tuple[str, str], Disposition | None] = {
        (contact_id, peer_id): disposition
        for contact_id, peer_id, disposition in session.execute(
            select(Report.contact_id, Report.peer_id, Report.disposition).where(
                Report.contact_id.in_(ids), Report.completed_at.is_not(None)
            )
        )
    }
    alerted = set(session.scalars(select(Alert.contact_id).where(Alert.contact_id.in_(ids))))
    given = set(session.scalars(select(Handoff.contact_id).where(Handoff.contact_id.in_(ids))))
    peers = {each.id: {part.peer_id: name for part, name in parts[each.id]} for each in found}
    return tuple(
        PastContact(
            id=each.id,
            at=each.arrived_at,
            zone=each.line.time_zone,
            line=each.line.name,
            channel=each.channel,
            language=each.language,
            state=each.state,
            waited=_waited(each, now),
            talked=_sum(_talked(part) for part, _ in parts[each.id]),
            peers=tuple(peers[each.id].values()),
            dispositions=tuple(logged.get((each.id, peer_id)) for peer_id in peers[each.id]),
            alert=each.id in alerted,
            handoff=each.id in given,
        )
        for each in found
    )


def _waited(contact: Contact, now: datetime) -> timedelta | None:
    """From the queue to the first answer, or to the end without one."""
    if contact.queued_at is None:
        return None
    return (contact.answered_at or contact.ended_at or now) - contact.queued_at


def _talked(part: Engagement) -> timedelta | None:
    """How long a peer talked; None while they still talk, or never did."""
    if part.active_at is None or part.wrapping_at is None:
        return None
    return part.wrapping_at - part.active_at


def _sum(spans: Iterable[timedelta | None]) -> timedelta | None:
    known = [span for span in spans if span is not None]
    return sum(known, timedelta()) if known else None


def _moments(session: Session, contact: Contact) -> list[Moment]:
    """The contact's events, each with whom it is about, as far as ids lead there: a fixed number of queries."""
    events = session.scalars(
        select(Event).where(Event.contact_id == contact.id).order_by(Event.id).limit(MOMENTS + 1)
    ).all()
    who: dict[str, str] = {}
    for kind in (Engagement, Offer, Alert, Handoff, Referral, Report, Message):
        rows = session.execute(
            select(kind.id, Peer.name).join(Peer, Peer.id == kind.peer_id).where(kind.contact_id == contact.id)
        )
        who.update((id, name) for id, name in rows)
    detail: dict[str, str] = dict(
        session.execute(
            select(OutsideRequest.id, OutsideRequest.kind).where(OutsideRequest.contact_id == contact.id)
        ).all()
    )
    detail.update(session.execute(select(Leg.id, Leg.kind).where(Leg.contact_id == contact.id)).all())
    detail.update(session.execute(select(Message.id, Message.direction).where(Message.contact_id == contact.id)).all())
    accounts = {event.why["account"] for event in events if "account" in event.why}
    names: dict[str, str] = dict(
        session.execute(select(Account.id, Account.name).where(Account.id.in_(accounts))).all()
    )
    return [
        Moment(
            at=event.at,
            code=f"{event.subject}.{event.name}",
            subject=event.subject,
            name=event.name,
            who=names.get(event.why.get("account", ""), who.get(event.subject_id, "")),
            detail=str(detail.get(event.subject_id, event.why.get("reason", ""))),
        )
        for event in events
    ]
