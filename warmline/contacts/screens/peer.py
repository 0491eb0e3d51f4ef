"""A peer's console."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from routing.allowance import NO_LIMIT, Left
from routing.facts import TIMES
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
from warmline.contacts import allowance, outbox
from warmline.contacts.referrals import CORRECTION
from warmline.contacts.screens import safety
from warmline.contacts.screens.referrals import Beside, beside
from warmline.contacts.screens.shared import OPEN_ENGAGEMENT, iso, resting_until, versioned
from warmline.errors import NotFound
from warmline.models import (
    AskedBy,
    Channel,
    Contact,
    Direction,
    Disposition,
    Engagement,
    Line,
    Message,
    Offer,
    Peer,
    Report,
    Shift,
)
from warmline.people import roster

LOGGED_SHOWN = 20  # contacts that the peer has logged stay in sight, in case a word must be added
LOGGED_FOR = CORRECTION
UNANSWERED = (OfferState.EXPIRED, OfferState.CANCELLED, OfferState.LOST)
ENDED_OFFER_SHOWN = timedelta(seconds=60)


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
    wish: str | None  # whom the caller wishes to talk with
    callback: bool  # the caller has hung up, and is called once the peer is there


@dataclass(frozen=True, slots=True)
class EndedOffer:
    """An offer that ended a moment ago without the peer's doing. `taken_by`: the peer who was quicker."""

    id: str
    channel: Channel
    line: str
    state: OfferState
    reason: str | None
    taken_by: str | None


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
    card: dict[str, str] | None  # the line's crisis card
    reason: str | None
    rings: bool  # the caller is being called
    limited: bool  # the line limits its callers
    left: Left  # for this caller today, of a contact that goes on

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
    paused: bool  # nobody is asked for it


@dataclass(frozen=True, slots=True)
class Text:
    """One message of a text thread."""

    id: str
    direction: Direction
    mine: bool
    lines: bool  # the line's own words
    unwanted: bool  # not sent, or not taken, because the caller asked for no more texts
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
    heavy: bool = False
    apart: AskedBy | None = None
    exempt: str | None = None


NO_DRAFT = Draft(None, (), "", text_ok=False)


@dataclass(frozen=True, slots=True)
class OpenContact:
    """The contact in the middle of the console, with its thread and its report."""

    entry: ContactEntry
    texts: tuple[Text, ...]
    report: Draft
    beside: Beside
    safety: safety.Safety


@dataclass(frozen=True, slots=True)
class Rest:
    """How long the peer rests after a heavy contact; the zone is that of the latest contact's line."""

    until: datetime
    zone: str


@dataclass(frozen=True, slots=True)
class Console:
    """All that one peer's console shows."""

    status: PeerStatus
    status_at: datetime
    status_reason: str | None
    rest: Rest | None
    activity: Activity
    offers: tuple[OfferCard, ...]
    ended_offer: EndedOffer | None
    contacts: tuple[ContactEntry, ...]
    shift: tuple[ShiftLine, ...]
    open: OpenContact | None
    alerts: dict[str, safety.PeerAlert]

    @property
    def call(self) -> ContactEntry | None:
        """The phone call that the peer is in, if there is one."""
        return next((entry for entry in self.contacts if entry.live and entry.channel is Channel.VOICE), None)

    @property
    def unlogged(self) -> tuple[ContactEntry, ...]:
        """What is over and still to be logged."""
        return tuple(entry for entry in self.contacts if not entry.logged and not entry.live)


def console_state(peer_id: str, now: datetime) -> dict[str, Any]:
    """The answer of `GET /console/state`; NotFound if there is no such peer."""
    with db.reading() as session:
        peer = _peer(session, peer_id)
        offers = _offers(session, peer_id)
        contacts = _contacts(session, peer_id, now)
    return versioned(
        {
            "status": peer.status,
            "rests_until": iso(resting_until(peer, now)),
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
        shift = _shift(session, peer_id, now)
        entry = _to_open(contacts, contact_id)
        return Console(
            status=peer.status,
            status_at=peer.status_at,
            status_reason=peer.status_reason,
            rest=_rest(peer, contacts, shift, now),
            activity=_activity(offers, contacts),
            offers=offers,
            ended_offer=_ended_offer(session, peer_id, now),
            contacts=contacts,
            shift=shift,
            open=_open(session, peer_id, entry, now) if entry else None,
            alerts=safety.peer_alerts(session, [each.id for each in contacts]),
        )


def _peer(session: Session, peer_id: str) -> Peer:
    peer = session.get(Peer, peer_id)
    if peer is None:
        raise NotFound
    return peer


def _activity(offers: tuple[OfferCard, ...], contacts: tuple[ContactEntry, ...]) -> Activity:
    return activity(offered=bool(offers), engagements=frozenset(entry.engagement for entry in contacts))


def _rest(peer: Peer, contacts: tuple[ContactEntry, ...], shift: tuple[ShiftLine, ...], now: datetime) -> Rest | None:
    until = resting_until(peer, now)
    zones = [*(entry.zone for entry in contacts), *(line.zone for line in shift), "UTC"]
    return Rest(until, zones[0]) if until is not None else None


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
            wish=contact.wish,
            callback=contact.callback_at is not None,
        )
        for offer_id, deadline, contact, line in rows
    )


def _ended_offer(session: Session, peer_id: str, now: datetime) -> EndedOffer | None:
    """The peer's latest offer, if it ended within the last minute and by nothing that the peer did."""
    row = session.execute(
        select(Offer.id, Offer.state, Offer.reason, Offer.contact_id, Offer.decided_at, Contact.channel, Line.name)
        .join(Contact, Contact.id == Offer.contact_id)
        .join(Line, Line.id == Contact.line_id)
        .where(Offer.peer_id == peer_id, Offer.made_at > now - ENDED_OFFER_SHOWN - TIMES.ring)
        .order_by(Offer.made_at.desc())
        .limit(1)
    ).one_or_none()
    if row is None or row.state not in UNANSWERED or row.reason == "status":
        return None
    taken_by = None
    if row.state is OfferState.LOST:
        taken = (Offer.contact_id == row.contact_id, Offer.state == OfferState.ACCEPTED)
        taken_by = session.scalar(
            select(Peer.name).join(Offer, Offer.peer_id == Peer.id).where(*taken, Offer.decided_at == row.decided_at)
        )
    return EndedOffer(
        id=row.id, channel=row.channel, line=row.name, state=row.state, reason=row.reason, taken_by=taken_by
    )


def _contacts(session: Session, peer_id: str, now: datetime) -> tuple[ContactEntry, ...]:
    """Open engagements, what is not logged, and what was logged lately; newest first, each contact once."""
    mine = and_(Report.contact_id == Engagement.contact_id, Report.peer_id == Engagement.peer_id)
    rows = session.execute(
        select(
            Engagement,
            Contact.state,
            Contact.language,
            Contact.calling,
            Line,
            Report.completed_at,
        )
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
    for engagement, state, language, calling, line, completed_at in rows:
        if engagement.contact_id in entries:
            continue  # the peer took this contact up again; the latest part is the one to show
        if completed_at and engagement.state is EngagementState.DONE:
            logged_done += 1
            if logged_done > LOGGED_SHOWN:
                continue
        entries[engagement.contact_id] = ContactEntry(
            id=engagement.contact_id,
            channel=engagement.channel,
            line=line.name,
            zone=line.time_zone,
            language=language,
            state=state,
            logged=completed_at is not None,
            engagement=engagement.state,
            offer=engagement.offer_id,
            began_at=engagement.began_at,
            active_at=engagement.active_at,
            wrap_by=engagement.wrap_by,
            card=line.card,
            reason=engagement.reason,
            rings=calling == engagement.id,
            limited=(limited := allowance.is_limited(line)),
            left=_left(session, engagement, now) if limited else NO_LIMIT,
        )
    return tuple(entries.values())


def _left(session: Session, engagement: Engagement, now: datetime) -> Left:
    """What the caller has left today, while they talk."""
    if engagement.state is not EngagementState.ACTIVE:
        return NO_LIMIT
    return allowance.left(session, session.get_one(Contact, engagement.contact_id), now)


def _to_open(contacts: tuple[ContactEntry, ...], contact_id: str | None) -> ContactEntry | None:
    if contact_id:
        found = next((entry for entry in contacts if entry.id == contact_id), None)
        if found is None:
            raise NotFound
        return found
    current = [entry for entry in contacts if entry.engagement in OPEN_ENGAGEMENT]
    return min(current, key=lambda entry: OPEN_ENGAGEMENT.index(entry.engagement), default=None)


def _shift(session: Session, peer_id: str, now: datetime) -> tuple[ShiftLine, ...]:
    theirs = select(Shift.line_id).where(Shift.peer_id == peer_id, roster.on_now(now))
    waiting = (
        select(Contact.line_id, func.count().label("number"), func.min(Contact.queued_at).label("longest"))
        .where(Contact.line_id.in_(theirs), Contact.state.in_(IN_QUEUE))  # by an index that has all of it
        .group_by(Contact.line_id)
        .subquery()
    )
    rows = session.execute(
        select(Line.name, Line.time_zone, Line.paused_at, Shift.ends_at, waiting.c.number, waiting.c.longest)
        .join(Shift, Shift.line_id == Line.id)
        .outerjoin(waiting, waiting.c.line_id == Line.id)
        .where(Shift.peer_id == peer_id, roster.on_now(now))
        .order_by(Line.name, Shift.ends_at)
    )
    lines = {
        name: ShiftLine(
            name, zone, until and until.astimezone(ZoneInfo(zone)), number or 0, longest, paused=paused_at is not None
        )
        for name, zone, paused_at, until, number, longest in rows
    }
    return tuple(lines.values())


def _open(session: Session, peer_id: str, entry: ContactEntry, now: datetime) -> OpenContact:
    return OpenContact(
        entry=entry,
        texts=_texts(session, peer_id, entry),
        report=_draft(session, peer_id, entry),
        beside=beside(session, entry.id),
        safety=safety.beside(session, peer_id, entry.id, now),
    )


def _texts(session: Session, peer_id: str, entry: ContactEntry) -> tuple[Text, ...]:
    if entry.channel is not Channel.TEXT:
        return ()
    # The line's own answer bears the time of the text that it answers, and comes after it.
    in_order = (Message.at, Message.direction, Message.id)
    of_thread = (Message.contact_id == entry.id, Message.survey_id.is_(None))
    rows = session.scalars(select(Message).where(*of_thread).order_by(*in_order))
    return tuple(
        Text(
            id=message.id,
            direction=message.direction,
            mine=message.peer_id == peer_id,
            lines=message.direction is Direction.OUT and message.peer_id is None,
            unwanted=message.error_code == str(outbox.OPTED_OUT),
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
    exempt = session.scalar(select(Contact.exempt).where(Contact.id == entry.id)) if entry.limited else None
    if report is None:
        return replace(NO_DRAFT, exempt=exempt)
    return Draft(
        report.disposition, tuple(report.reasons), report.notes, report.text_ok, report.heavy, report.apart, exempt
    )
