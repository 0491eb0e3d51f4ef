"""What the console and the board show: reading only, a fixed number of queries however many rows there are.

`console_state` and `board_state` are the JSON of docs/contract.md; `console` and `board` hold in addition
what only the pages show.
"""

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from routing.eligibility import is_present
from routing.facts import POLICY, Waiting
from routing.hours import is_open, opens_next
from routing.ranking import first_in_line
from routing.states import (
    IN_QUEUE,
    LIVE_ENGAGEMENT,
    Activity,
    ContactState,
    EngagementState,
    MessageState,
    OfferState,
    PeerStatus,
    activity,
)
from warmline import db
from warmline.errors import NotFound
from warmline.models import (
    Channel,
    Contact,
    Direction,
    Disposition,
    Engagement,
    Line,
    Message,
    Offer,
    Peer,
    Presence,
    Report,
    Shift,
)

LOGGED_SHOWN = 20  # contacts that the peer has logged stay in sight, in case a word must be added
LOGGED_FOR = timedelta(hours=12)
UNANSWERED = (OfferState.EXPIRED, OfferState.CANCELLED, OfferState.LOST)
ENDED_OFFER_SHOWN = timedelta(seconds=60)

OPEN_ENGAGEMENT = (*LIVE_ENGAGEMENT, EngagementState.WRAPPING)


@dataclass(frozen=True, slots=True)
class OfferCard:
    """A contact that the peer is asked to take."""

    id: str
    contact: str
    channel: Channel
    line: str
    language: str
    deadline: datetime
    queued_at: datetime


@dataclass(frozen=True, slots=True)
class EndedOffer:
    """An offer that ended a moment ago without the peer's doing."""

    id: str
    channel: Channel
    line: str
    state: OfferState
    reason: str | None


@dataclass(frozen=True, slots=True)
class ContactEntry:
    """A contact in which the peer has a part, or had; the times are those of the latest engagement."""

    id: str
    channel: Channel
    line: str
    zone: str
    language: str
    state: ContactState
    logged: bool
    engagement: EngagementState
    offer: str
    began_at: datetime
    active_at: datetime | None
    wrap_by: datetime | None

    @property
    def live(self) -> bool:
        return self.engagement in LIVE_ENGAGEMENT


@dataclass(frozen=True, slots=True)
class ShiftLine:
    """A line that the peer is on shift for now, with what waits on it."""

    name: str
    zone: str
    until: datetime | None
    waiting: int
    longest_since: datetime | None


@dataclass(frozen=True, slots=True)
class Text:
    """One message of a text thread."""

    id: str
    direction: Direction
    mine: bool
    state: MessageState
    body: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """The contact report as far as it is filled in."""

    disposition: Disposition | None
    reasons: tuple[str, ...]
    notes: str
    text_ok: bool


NO_DRAFT = Draft(None, (), "", text_ok=False)


@dataclass(frozen=True, slots=True)
class OpenContact:
    """The contact in the middle of the console, with its thread and its report."""

    entry: ContactEntry
    texts: tuple[Text, ...]
    report: Draft


@dataclass(frozen=True, slots=True)
class Console:
    """All that one peer's console shows."""

    status: PeerStatus
    status_at: datetime
    status_reason: str | None
    activity: Activity
    offers: tuple[OfferCard, ...]
    ended_offer: EndedOffer | None
    contacts: tuple[ContactEntry, ...]
    shift: tuple[ShiftLine, ...]
    open: OpenContact | None

    @property
    def call(self) -> ContactEntry | None:
        """The phone call that the peer is in, if there is one."""
        return next((entry for entry in self.contacts if entry.live and entry.channel is Channel.VOICE), None)

    @property
    def unlogged(self) -> tuple[ContactEntry, ...]:
        """What is over and still to be logged."""
        return tuple(entry for entry in self.contacts if not entry.logged and not entry.live)


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A contact on the board. `whom` is the peer who is asked, or who is being connected."""

    contact: str
    line: str
    channel: Channel
    language: str
    state: ContactState
    place: int
    since: datetime
    whom: str | None


@dataclass(frozen=True, slots=True)
class BoardLine:
    name: str
    zone: str
    open: bool
    opens: datetime | None
    waiting: tuple[WaitingRow, ...]


@dataclass(frozen=True, slots=True)
class PeerRow:
    """A peer on the board. `present`: a console was heard from lately; `lines`: on shift for them now."""

    name: str
    status: PeerStatus
    status_reason: str | None
    status_since: datetime
    activity: Activity
    activity_since: datetime
    present: bool
    lines: tuple[str, ...]

    @property
    def since(self) -> datetime:
        """When status or activity changed last."""
        return max(self.status_since, self.activity_since)


@dataclass(frozen=True, slots=True)
class Board:
    lines: tuple[BoardLine, ...]
    peers: tuple[PeerRow, ...]


def console_state(peer_id: str, now: datetime) -> dict[str, Any]:
    """The answer of `GET /console/state`; NotFound if there is no such peer."""
    with db.reading() as session:
        peer = _peer(session, peer_id)
        offers = _offers(session, peer_id)
        contacts = _contacts(session, peer_id, now)
    return _versioned(
        {
            "status": peer.status,
            "activity": _activity(offers, contacts),
            "offers": [
                {
                    "id": offer.id,
                    "contact": offer.contact,
                    "channel": offer.channel,
                    "line": offer.line,
                    "deadline": offer.deadline.isoformat(),
                }
                for offer in offers
            ],
            "contacts": [
                {
                    "id": entry.id,
                    "state": entry.state,
                    "channel": entry.channel,
                    "line": entry.line,
                    "logged": entry.logged,
                }
                for entry in contacts
            ],
        }
    )


def console(peer_id: str, now: datetime, contact_id: str | None = None) -> Console:
    """The peer's console with one contact open: `contact_id`, else the live one, else the one in wrap-up.

    NotFound if the peer has no part in that contact.
    """
    with db.reading() as session:
        peer = _peer(session, peer_id)
        offers = _offers(session, peer_id)
        contacts = _contacts(session, peer_id, now)
        entry = _to_open(contacts, contact_id)
        return Console(
            status=peer.status,
            status_at=peer.status_at,
            status_reason=peer.status_reason,
            activity=_activity(offers, contacts),
            offers=offers,
            ended_offer=_ended_offer(session, peer_id, now),
            contacts=contacts,
            shift=_shift(session, peer_id, now),
            open=_open(session, peer_id, entry) if entry else None,
        )


def board_state(organization_id: str, now: datetime) -> dict[str, Any]:
    """The answer of `GET /board/state`."""
    shown = board(organization_id, now)
    return _versioned(
        {
            "waiting": [
                {
                    "contact": row.contact,
                    "line": row.line,
                    "channel": row.channel,
                    "state": row.state,
                    "place": row.place,
                    "since": row.since.isoformat(),
                }
                for line in shown.lines
                for row in line.waiting
            ],
            "peers": [
                {
                    "name": row.name,
                    "status": row.status,
                    "activity": row.activity,
                    "since": row.since.isoformat(),
                }
                for row in shown.peers
            ],
        }
    )


def board(organization_id: str, now: datetime) -> Board:
    """Every line of the organization with what waits on it, and every peer."""
    with db.reading() as session:
        lines = session.execute(
            select(Line.id, Line.name, Line.time_zone, Line.hours)
            .where(Line.organization_id == organization_id)
            .order_by(Line.name, Line.id)
        ).all()
        waiting = _waiting(session, organization_id)
        peers = _peers(session, organization_id, now)
    return Board(
        lines=tuple(
            BoardLine(
                name=line.name,
                zone=line.time_zone,
                open=is_open(line.hours, line.time_zone, now),
                opens=opens_next(line.hours, line.time_zone, now),
                waiting=tuple(waiting[line.id]),
            )
            for line in lines
        ),
        peers=peers,
    )


def version(shown: Any) -> str:
    """An opaque hash of what a page shows."""
    return hashlib.sha256(repr(shown).encode()).hexdigest()


def _versioned(answer: dict[str, Any]) -> dict[str, Any]:
    canonical = json.dumps(answer, sort_keys=True, separators=(",", ":"))
    return {"version": hashlib.sha256(canonical.encode()).hexdigest(), **answer}


def _peer(session: Session, peer_id: str) -> Peer:
    peer = session.get(Peer, peer_id)
    if peer is None:
        raise NotFound
    return peer


def _activity(offers: tuple[OfferCard, ...], contacts: tuple[ContactEntry, ...]) -> Activity:
    return activity(offered=bool(offers), engagements=frozenset(entry.engagement for entry in contacts))


def _offers(session: Session, peer_id: str) -> tuple[OfferCard, ...]:
    rows = session.execute(
        select(Offer.id, Offer.deadline, Contact, Line.name)
        .join(Contact, Contact.id == Offer.contact_id)
        .join(Line, Line.id == Contact.line_id)
        .where(Offer.peer_id == peer_id, Offer.state == OfferState.PENDING)
        .order_by(Offer.made_at)
    )
    return tuple(
        OfferCard(
            id=offer_id,
            contact=contact.id,
            channel=contact.channel,
            line=line,
            language=contact.language,
            deadline=deadline,
            queued_at=contact.queued_at or contact.arrived_at,
        )
        for offer_id, deadline, contact, line in rows
    )


def _ended_offer(session: Session, peer_id: str, now: datetime) -> EndedOffer | None:
    """The peer's latest offer, if it ended within the last minute and by nothing that the peer did."""
    row = session.execute(
        select(Offer.id, Offer.state, Offer.reason, Contact.channel, Line.name)
        .join(Contact, Contact.id == Offer.contact_id)
        .join(Line, Line.id == Contact.line_id)
        .where(Offer.peer_id == peer_id, Offer.made_at > now - ENDED_OFFER_SHOWN - POLICY.ring)
        .order_by(Offer.made_at.desc())
        .limit(1)
    ).one_or_none()
    if row is None or row.state not in UNANSWERED or row.reason == "status":
        return None
    return EndedOffer(id=row.id, channel=row.channel, line=row.name, state=row.state, reason=row.reason)


def _contacts(session: Session, peer_id: str, now: datetime) -> tuple[ContactEntry, ...]:
    """Open engagements, what is not logged, and what was logged lately; newest first, each contact once."""
    mine = and_(Report.contact_id == Engagement.contact_id, Report.peer_id == Engagement.peer_id)
    rows = session.execute(
        select(Engagement, Contact.state, Contact.language, Line.name, Line.time_zone, Report.completed_at)
        .join(Contact, Contact.id == Engagement.contact_id)
        .join(Line, Line.id == Contact.line_id)
        .outerjoin(Report, mine)
        .where(
            Engagement.peer_id == peer_id,
            Engagement.state != EngagementState.FAILED,
            or_(
                Engagement.state.in_(OPEN_ENGAGEMENT),
                Report.completed_at.is_(None),
                Report.completed_at > now - LOGGED_FOR,
            ),
        )
        .order_by(Engagement.began_at.desc(), Engagement.id)
    )
    entries: dict[str, ContactEntry] = {}
    logged_done = 0
    for engagement, state, language, line, zone, completed_at in rows:
        if engagement.contact_id in entries:
            continue  # the peer took this contact up again; the latest part is the one to show
        if completed_at and engagement.state is EngagementState.DONE:
            logged_done += 1
            if logged_done > LOGGED_SHOWN:
                continue
        entries[engagement.contact_id] = ContactEntry(
            id=engagement.contact_id,
            channel=engagement.channel,
            line=line,
            zone=zone,
            language=language,
            state=state,
            logged=completed_at is not None,
            engagement=engagement.state,
            offer=engagement.offer_id,
            began_at=engagement.began_at,
            active_at=engagement.active_at,
            wrap_by=engagement.wrap_by,
        )
    return tuple(entries.values())


def _to_open(contacts: tuple[ContactEntry, ...], contact_id: str | None) -> ContactEntry | None:
    if contact_id:
        found = next((entry for entry in contacts if entry.id == contact_id), None)
        if found is None:
            raise NotFound
        return found
    current = [entry for entry in contacts if entry.engagement in OPEN_ENGAGEMENT]
    return min(current, key=lambda entry: OPEN_ENGAGEMENT.index(entry.engagement), default=None)


def _on_shift(now: datetime) -> ColumnElement[bool]:
    return and_(Shift.starts_at <= now, or_(Shift.ends_at.is_(None), Shift.ends_at > now))


def _shift(session: Session, peer_id: str, now: datetime) -> tuple[ShiftLine, ...]:
    organization_id = select(Peer.organization_id).where(Peer.id == peer_id).scalar_subquery()
    waiting = (
        select(Contact.line_id, func.count().label("number"), func.min(Contact.queued_at).label("longest"))
        .where(Contact.organization_id == organization_id, Contact.state.in_(IN_QUEUE))
        .group_by(Contact.line_id)
        .subquery()
    )
    rows = session.execute(
        select(Line.name, Line.time_zone, Shift.ends_at, waiting.c.number, waiting.c.longest)
        .join(Shift, Shift.line_id == Line.id)
        .outerjoin(waiting, waiting.c.line_id == Line.id)
        .where(Shift.peer_id == peer_id, _on_shift(now))
        .order_by(Line.name, Shift.ends_at)
    )
    lines = {
        name: ShiftLine(name, zone, until and until.astimezone(ZoneInfo(zone)), number or 0, longest)
        for name, zone, until, number, longest in rows
    }
    return tuple(lines.values())


def _open(session: Session, peer_id: str, entry: ContactEntry) -> OpenContact:
    return OpenContact(entry, _texts(session, peer_id, entry), _draft(session, peer_id, entry))


def _texts(session: Session, peer_id: str, entry: ContactEntry) -> tuple[Text, ...]:
    if entry.channel is not Channel.TEXT:
        return ()
    # The line's own answer bears the time of the text that it answers, and comes after it.
    in_order = (Message.at, Message.direction, Message.id)
    rows = session.scalars(select(Message).where(Message.contact_id == entry.id).order_by(*in_order))
    return tuple(
        Text(
            id=message.id,
            direction=message.direction,
            mine=message.peer_id == peer_id,
            state=message.state,
            body=message.body,
            at=message.at,
        )
        for message in rows
    )


def _draft(session: Session, peer_id: str, entry: ContactEntry) -> Draft:
    report = session.scalars(
        select(Report).where(Report.contact_id == entry.id, Report.peer_id == peer_id)
    ).one_or_none()
    if report is None:
        return NO_DRAFT
    return Draft(report.disposition, tuple(report.reasons), report.notes, text_ok=report.text_ok)


def _waiting(session: Session, organization_id: str) -> defaultdict[str, list[WaitingRow]]:
    """What waits, by line id, in the order in which it will be served."""
    asked = and_(Offer.contact_id == Contact.id, Offer.state == OfferState.PENDING)
    taken = and_(Engagement.contact_id == Contact.id, Engagement.state == EngagementState.CONNECTING)
    rows = session.execute(
        select(Contact, Line.name, Peer.name)
        .join(Line, Line.id == Contact.line_id)
        .outerjoin(Offer, asked)
        .outerjoin(Engagement, taken)
        .outerjoin(Peer, Peer.id == func.coalesce(Engagement.peer_id, Offer.peer_id))
        .where(Contact.organization_id == organization_id, Contact.state.in_(IN_QUEUE))
    )
    found = {contact.id: (contact, line, whom) for contact, line, whom in rows}
    in_order = sorted(
        (
            Waiting(
                id=contact.id,
                line=contact.line_id,
                channel=contact.channel,
                language=contact.language,
                priority=contact.priority,
                queued_at=contact.queued_at or contact.arrived_at,
            )
            for contact, _, _ in found.values()
        ),
        key=first_in_line,
    )
    waiting: defaultdict[str, list[WaitingRow]] = defaultdict(list)
    for first in in_order:
        contact, line, whom = found[first.id]
        waiting[first.line].append(
            WaitingRow(
                contact=contact.id,
                line=line,
                channel=contact.channel,
                language=contact.language,
                state=contact.state,
                place=len(waiting[first.line]) + 1,
                since=first.queued_at,
                whom=whom,
            )
        )
    return waiting


def _peers(session: Session, organization_id: str, now: datetime) -> tuple[PeerRow, ...]:
    peers = session.execute(
        select(Peer, Presence.seen_at)
        .outerjoin(Presence, Presence.peer_id == Peer.id)
        .where(Peer.organization_id == organization_id)
    ).all()
    offered = session.execute(
        select(Offer.peer_id, Offer.made_at)
        .join(Peer, Peer.id == Offer.peer_id)
        .where(Peer.organization_id == organization_id, Offer.state == OfferState.PENDING)
    )
    offers: dict[str, datetime] = dict(offered.all())
    engagements = defaultdict(list)
    for engagement in session.scalars(
        select(Engagement)
        .join(Peer, Peer.id == Engagement.peer_id)
        .where(Peer.organization_id == organization_id, Engagement.state.in_(OPEN_ENGAGEMENT))
    ):
        engagements[engagement.peer_id].append(engagement)
    lines = defaultdict(set)
    for peer_id, line in session.execute(
        select(Shift.peer_id, Line.name)
        .join(Line, Line.id == Shift.line_id)
        .where(Line.organization_id == organization_id, _on_shift(now))
    ):
        lines[peer_id].add(line)
    rows = [
        _peer_row(
            peer,
            engagements[peer.id],
            offers.get(peer.id),
            present=is_present(seen_at, POLICY, now),
            lines=tuple(sorted(lines[peer.id])),
        )
        for peer, seen_at in peers
    ]
    return tuple(sorted(rows, key=lambda row: row.name))


def _peer_row(
    peer: Peer,
    engagements: list[Engagement],
    offered_at: datetime | None,
    *,
    present: bool,
    lines: tuple[str, ...],
) -> PeerRow:
    states = frozenset(engagement.state for engagement in engagements)
    doing = activity(offered=offered_at is not None, engagements=states)
    began: dict[Activity, list[datetime | None]] = {
        Activity.TALKING: [e.active_at for e in engagements if e.state is EngagementState.ACTIVE],
        Activity.CONNECTING: [e.began_at for e in engagements if e.state is EngagementState.CONNECTING],
        Activity.WRAPPING: [e.wrapping_at for e in engagements if e.state is EngagementState.WRAPPING],
        Activity.OFFERED: [offered_at],
        Activity.IDLE: [peer.idle_since],
    }
    return PeerRow(
        name=peer.name,
        status=peer.status,
        status_reason=peer.status_reason,
        status_since=peer.status_at,
        activity=doing,
        # Of several texts the first began the talking.
        activity_since=min((at for at in began[doing] if at), default=peer.status_at),
        present=present,
        lines=lines,
    )
