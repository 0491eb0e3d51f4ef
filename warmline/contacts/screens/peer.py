"""A peer's console."""

from collections import defaultdict
from collections.abc import Collection, Mapping
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
from warmline.contacts.screens.shared import OPEN_ENGAGEMENT, iso, resting_until, version, versioned
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

# A peer's id, and the contact that the page has open or is to open; None leaves it to us.
Asked = tuple[str, str | None]


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

    id: str
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
    def version(self) -> str:
        """Of all but the numbers of those who wait: they change with every caller, and are told by themselves."""
        return version(replace(self, shift=tuple(replace(line, waiting=0, longest_since=None) for line in self.shift)))

    @property
    def numbers(self) -> dict[str, list[int | str | None]]:
        """How many wait on each line, and since when the first of them, by the line's id: as in JSON."""
        return {line.id: [line.waiting, iso(line.longest_since)] for line in self.shift}

    @property
    def unlogged(self) -> tuple[ContactEntry, ...]:
        """What is over and still to be logged."""
        return tuple(entry for entry in self.contacts if not entry.logged and not entry.live)


def console_state(peer_id: str, now: datetime) -> dict[str, Any]:
    """The answer of `GET /console/state`; NotFound if there is no such peer."""
    with db.reading() as session:
        peer = _peers(session, [peer_id]).get(peer_id)
        if peer is None:
            raise NotFound
        offers = _offers(session, [peer_id])[peer_id]
        contacts = _contacts(session, [peer_id], now)[peer_id]
    return versioned(
        {
            "status": peer.status,
            "rests_until": iso(resting_until(peer.rests_until, now)),
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
    asked = (peer_id, contact_id or None)
    found = consoles([asked], now)
    if asked not in found:
        raise NotFound
    return found[asked]


def consoles(asked: Collection[Asked], now: datetime) -> dict[Asked, Console]:
    """Many consoles in about as many statements as one; without those for which `console` would raise NotFound."""
    peer_ids = {peer_id for peer_id, _ in asked}
    with db.reading() as session:
        peers = _peers(session, peer_ids)
        offers = _offers(session, peer_ids)
        contacts = _contacts(session, peer_ids, now)
        shifts = _shifts(session, peer_ids, now)
        ended = _ended_offers(session, peer_ids, now)
        alerts = safety.peer_alerts(session, {entry.id for peer_id in peers for entry in contacts[peer_id]})
        wanted = {each: _to_open(contacts[each[0]], each[1]) for each in asked if each[0] in peers}
        opened = _opened(session, {(peer_id, entry.id): entry for (peer_id, _), entry in wanted.items() if entry}, now)
    return {
        (peer_id, wish): Console(
            status=peers[peer_id].status,
            status_at=peers[peer_id].status_at,
            status_reason=peers[peer_id].status_reason,
            rest=_rest(peers[peer_id], contacts[peer_id], shifts[peer_id], now),
            activity=_activity(offers[peer_id], contacts[peer_id]),
            offers=offers[peer_id],
            ended_offer=ended.get(peer_id),
            contacts=contacts[peer_id],
            shift=shifts[peer_id],
            open=opened[peer_id, entry.id] if entry else None,
            alerts={each.id: alerts[each.id] for each in contacts[peer_id] if each.id in alerts},
        )
        for (peer_id, wish), entry in wanted.items()
        if entry is not None or wish is None
    }


def _peers(session: Session, peer_ids: Collection[str]) -> dict[str, Peer]:
    return {peer.id: peer for peer in session.scalars(select(Peer).where(Peer.id.in_(peer_ids)))}


def _activity(offers: tuple[OfferCard, ...], contacts: tuple[ContactEntry, ...]) -> Activity:
    return activity(offered=bool(offers), engagements=frozenset(entry.engagement for entry in contacts))


def _rest(peer: Peer, contacts: tuple[ContactEntry, ...], shift: tuple[ShiftLine, ...], now: datetime) -> Rest | None:
    until = resting_until(peer.rests_until, now)
    zones = [*(entry.zone for entry in contacts), *(line.zone for line in shift), "UTC"]
    return Rest(until, zones[0]) if until is not None else None


def _offers(session: Session, peer_ids: Collection[str]) -> defaultdict[str, tuple[OfferCard, ...]]:
    """What each peer is asked to take, by peer."""
    rows = session.execute(
        select(
            Offer.id,
            Offer.peer_id,
            Offer.deadline,
            Contact.id.label("contact"),
            Contact.channel,
            Contact.language,
            Contact.queued_at,
            Contact.arrived_at,
            Contact.wish,
            Contact.callback_at,
            Line.name.label("line"),
        )
        .join(Contact, Contact.id == Offer.contact_id)
        .join(Line, Line.id == Contact.line_id)
        .where(Offer.peer_id.in_(peer_ids), Offer.state == OfferState.PENDING)
        .order_by(Offer.made_at)
    )
    offers: defaultdict[str, tuple[OfferCard, ...]] = defaultdict(tuple)
    for row in rows:
        offers[row.peer_id] += (
            OfferCard(
                id=row.id,
                contact=row.contact,
                channel=row.channel,
                line=row.line,
                language=row.language,
                deadline=row.deadline,
                queued_at=row.queued_at or row.arrived_at,
                wish=row.wish,
                callback=row.callback_at is not None,
            ),
        )
    return offers


def _ended_offers(session: Session, peer_ids: Collection[str], now: datetime) -> dict[str, EndedOffer]:
    """Each peer's latest offer, if it ended within the last minute and by nothing that the peer did, by peer."""
    rows = session.execute(
        select(
            Offer.id,
            Offer.peer_id,
            Offer.state,
            Offer.reason,
            Offer.contact_id,
            Offer.decided_at,
            Contact.channel,
            Line.name,
        )
        .join(Contact, Contact.id == Offer.contact_id)
        .join(Line, Line.id == Contact.line_id)
        .where(Offer.peer_id.in_(peer_ids), Offer.made_at > now - ENDED_OFFER_SHOWN - TIMES.ring)
        .order_by(Offer.made_at)
    )
    latest = {row.peer_id: row for row in rows}
    return {
        peer_id: EndedOffer(
            id=row.id,
            channel=row.channel,
            line=row.name,
            state=row.state,
            reason=row.reason,
            taken_by=_taken_by(session, row.contact_id, row.decided_at) if row.state is OfferState.LOST else None,
        )
        for peer_id, row in latest.items()
        if row.state in UNANSWERED and row.reason != "status"
    }


def _taken_by(session: Session, contact_id: str, at: datetime) -> str | None:
    """The peer who took this contact at that moment."""
    taken = (Offer.contact_id == contact_id, Offer.state == OfferState.ACCEPTED, Offer.decided_at == at)
    return session.scalar(select(Peer.name).join(Offer, Offer.peer_id == Peer.id).where(*taken))


def _contacts(session: Session, peer_ids: Collection[str], now: datetime) -> defaultdict[str, tuple[ContactEntry, ...]]:
    """Open engagements, what is not logged, and what was logged lately; newest first, each contact once; by peer."""
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
            Engagement.peer_id.in_(peer_ids),
            Engagement.state != EngagementState.FAILED,
            or_(
                Engagement.state.in_(OPEN_ENGAGEMENT),
                Report.completed_at.is_(None),
                Report.completed_at > now - LOGGED_FOR,
            ),
        )
        .order_by(Engagement.began_at.desc(), Engagement.id)
    )
    entries: defaultdict[str, dict[str, ContactEntry]] = defaultdict(dict)
    logged_done: defaultdict[str, int] = defaultdict(int)
    for engagement, state, language, calling, line, completed_at in rows:
        theirs = entries[engagement.peer_id]
        if engagement.contact_id in theirs:
            continue  # the peer took this contact up again; the latest part is the one to show
        if completed_at and engagement.state is EngagementState.DONE:
            logged_done[engagement.peer_id] += 1
            if logged_done[engagement.peer_id] > LOGGED_SHOWN:
                continue
        theirs[engagement.contact_id] = ContactEntry(
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
    return defaultdict(tuple, {peer_id: tuple(theirs.values()) for peer_id, theirs in entries.items()})


def _left(session: Session, engagement: Engagement, now: datetime) -> Left:
    """What the caller has left today, while they talk."""
    if engagement.state is not EngagementState.ACTIVE:
        return NO_LIMIT
    return allowance.left(session, session.get_one(Contact, engagement.contact_id), now)


def _to_open(contacts: tuple[ContactEntry, ...], contact_id: str | None) -> ContactEntry | None:
    if contact_id:
        return next((entry for entry in contacts if entry.id == contact_id), None)
    current = [entry for entry in contacts if entry.engagement in OPEN_ENGAGEMENT]
    return min(current, key=lambda entry: OPEN_ENGAGEMENT.index(entry.engagement), default=None)


def _shifts(session: Session, peer_ids: Collection[str], now: datetime) -> defaultdict[str, tuple[ShiftLine, ...]]:
    """The lines that each peer is on shift for now, each once, by peer."""
    on_shift = (Shift.peer_id.in_(peer_ids), roster.on_now(now))
    waiting = (
        select(Contact.line_id, func.count().label("number"), func.min(Contact.queued_at).label("longest"))
        .where(Contact.line_id.in_(select(Shift.line_id).where(*on_shift)), Contact.state.in_(IN_QUEUE))
        .group_by(Contact.line_id)  # by an index that has all of it
        .subquery()
    )
    rows = session.execute(
        select(
            Shift.peer_id,
            Line.id,
            Line.name,
            Line.time_zone,
            Line.paused_at,
            Shift.ends_at,
            waiting.c.number,
            waiting.c.longest,
        )
        .join(Shift, Shift.line_id == Line.id)
        .outerjoin(waiting, waiting.c.line_id == Line.id)
        .where(*on_shift)
        .order_by(Line.name, Shift.ends_at)
    )
    lines: defaultdict[str, dict[str, ShiftLine]] = defaultdict(dict)
    for row in rows:
        lines[row.peer_id][row.name] = ShiftLine(
            row.id,
            row.name,
            row.time_zone,
            row.ends_at and row.ends_at.astimezone(ZoneInfo(row.time_zone)),
            row.number or 0,
            row.longest,
            paused=row.paused_at is not None,
        )
    return defaultdict(tuple, {peer_id: tuple(theirs.values()) for peer_id, theirs in lines.items()})


def _opened(
    session: Session, entries: Mapping[tuple[str, str], ContactEntry], now: datetime
) -> dict[tuple[str, str], OpenContact]:
    """Open contacts, by peer and contact."""
    if not entries:
        return {}
    ids = {contact_id for _, contact_id in entries}
    reports = {
        (report.peer_id, report.contact_id): report
        for report in session.scalars(select(Report).where(Report.contact_id.in_(ids)))
    }
    besides = beside(session, ids)
    safeties = safety.beside(session, entries, reports, now)
    texts = _texts(session, {entry.id for entry in entries.values() if entry.channel is Channel.TEXT})
    exempt = _exempt(session, {entry.id for entry in entries.values() if entry.limited})
    return {
        (peer_id, contact_id): OpenContact(
            entry=entry,
            texts=tuple(_text(message, peer_id) for message in texts[contact_id]),
            report=_draft(reports.get((peer_id, contact_id)), exempt.get(contact_id)),
            beside=besides[contact_id],
            safety=safeties[peer_id, contact_id],
        )
        for (peer_id, contact_id), entry in entries.items()
    }


def _texts(session: Session, contact_ids: Collection[str]) -> defaultdict[str, list[Message]]:
    """The threads of these contacts."""
    threads = defaultdict(list)
    if contact_ids:
        # The line's own answer bears the time of the text that it answers, and comes after it.
        in_order = (Message.at, Message.direction, Message.id)
        of_threads = (Message.contact_id.in_(contact_ids), Message.survey_id.is_(None))
        for message in session.scalars(select(Message).where(*of_threads).order_by(*in_order)):
            threads[message.contact_id].append(message)
    return threads


def _text(message: Message, peer_id: str) -> Text:
    return Text(
        id=message.id,
        direction=message.direction,
        mine=message.peer_id == peer_id,
        lines=message.direction is Direction.OUT and message.peer_id is None,
        unwanted=message.error_code == str(outbox.OPTED_OUT),
        state=message.state,
        body=message.body,
        at=message.at,
    )


def _exempt(session: Session, contact_ids: Collection[str]) -> dict[str, str | None]:
    """Why these contacts do not count for their callers' allowance, by contact."""
    if not contact_ids:
        return {}
    rows = session.execute(select(Contact.id, Contact.exempt).where(Contact.id.in_(contact_ids)))
    return {row.id: row.exempt for row in rows}


def _draft(report: Report | None, exempt: str | None) -> Draft:
    if report is None:
        return replace(NO_DRAFT, exempt=exempt)
    return Draft(
        report.disposition, tuple(report.reasons), report.notes, report.text_ok, report.heavy, report.apart, exempt
    )
