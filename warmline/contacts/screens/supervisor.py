"""The supervisors' board."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select, union_all
from sqlalchemy.orm import Session

from routing.eligibility import is_present
from routing.facts import Waiting
from routing.ranking import first_in_line
from routing.states import (
    IN_QUEUE,
    Activity,
    ContactState,
    EngagementState,
    OfferState,
    PeerStatus,
    activity,
)
from warmline import db
from warmline.contacts.screens.safety import BoardAlert, board_alerts
from warmline.contacts.screens.shared import OPEN_ENGAGEMENT, iso, resting_until, versioned
from warmline.contacts.screens.survey import SurveyToday, survey_today
from warmline.models import (
    Channel,
    Contact,
    Engagement,
    Line,
    Offer,
    Peer,
    Presence,
    Shift,
)
from warmline.people import lines, roster

MOST_SHOWN = 50  # of those who wait on a line; the others are counted


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A contact on the board. `whom` are the peers who are asked, or the one who is being connected."""

    contact: str
    line: str
    channel: Channel
    language: str
    state: ContactState
    place: int | None  # None: to be called later, and in nobody's way until then
    since: datetime
    whom: tuple[str, ...]
    callback: bool  # the caller has hung up and is to be called
    not_before: datetime | None  # of a callback that is not due yet
    postponed: bool  # it is due when the line is open again


@dataclass(frozen=True, slots=True)
class BoardLine:
    id: str
    name: str
    opening: lines.Opening
    waits: int
    since: datetime | None  # of the longest wait
    waiting: tuple[WaitingRow, ...]  # the first in line, MOST_SHOWN at most


@dataclass(frozen=True, slots=True)
class PeerRow:
    """A peer on the board. `present`: a console was heard from lately; `lines`: on shift for them now."""

    id: str
    name: str
    status: PeerStatus
    status_reason: str | None
    status_since: datetime
    activity: Activity
    activity_since: datetime
    present: bool
    rests_until: datetime | None
    lines: tuple[str, ...]

    @property
    def since(self) -> datetime:
        """When status or activity changed last."""
        return max(self.status_since, self.activity_since)


@dataclass(frozen=True, slots=True)
class Board:
    lines: tuple[BoardLine, ...]
    peers: tuple[PeerRow, ...]
    survey: SurveyToday
    alerts: tuple[BoardAlert, ...]

    @property
    def zones(self) -> tuple[str, ...]:
        """Where the lines are, each zone once, in the order of the lines."""
        return tuple(dict.fromkeys(line.opening.zone for line in self.lines)) or ("UTC",)


def board_state(organization_id: str, now: datetime) -> dict[str, Any]:
    """The answer of `GET /board/state`."""
    return state_of(board(organization_id, now))


def state_of(shown: Board) -> dict[str, Any]:
    """What there is on a board, as JSON."""
    return versioned(
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
            "lines": [{"name": line.name, "waiting": line.waits, "since": iso(line.since)} for line in shown.lines],
            "peers": [
                {
                    "name": row.name,
                    "status": row.status,
                    "activity": row.activity,
                    "since": row.since.isoformat(),
                    "rests_until": iso(row.rests_until),
                }
                for row in shown.peers
            ],
            "alerts": [
                {
                    "id": alert.id,
                    "contact": alert.contact,
                    "line": alert.line,
                    "channel": alert.channel,
                    "peer": alert.peer,
                    "since": alert.since.isoformat(),
                    "acknowledged_by": alert.seen_by,
                }
                for alert in shown.alerts
            ],
        }
    )


def board(organization_id: str, now: datetime) -> Board:
    """Every line of the organization with how many wait and who is first, and every peer."""
    with db.reading() as session:
        found = session.scalars(
            select(Line).where(Line.organization_id == organization_id).order_by(Line.name, Line.id)
        ).all()
        numbers = _numbers(session, [line.id for line in found])
        waiting = _waiting(session, organization_id, numbers)
        peers = peer_rows(session, organization_id, now)
        survey = survey_today(session, organization_id, {line.id: line.time_zone for line in found}, now)
        alerts = board_alerts(session, organization_id)
    return Board(
        lines=tuple(
            BoardLine(
                id=line.id,
                name=line.name,
                opening=lines.opening(line, now),
                waits=sum(number.waits for number in numbers[line.id]),
                since=min((number.since for number in numbers[line.id]), default=None),
                waiting=tuple(waiting[line.id][:MOST_SHOWN]),
            )
            for line in found
        ),
        peers=peers,
        survey=survey,
        alerts=alerts,
    )


def _numbers(session: Session, line_ids: Collection[str]) -> defaultdict[str, list[Any]]:
    """How many wait in each state, and since when the first of them, by line id: only the index is read."""
    numbers = defaultdict(list)
    for row in session.execute(
        select(Contact.line_id, Contact.state, func.count().label("waits"), func.min(Contact.queued_at).label("since"))
        .where(Contact.line_id.in_(line_ids), Contact.state.in_(IN_QUEUE))
        .group_by(Contact.line_id, Contact.state)
    ):
        numbers[row.line_id].append(row)
    return numbers


def _waiting(
    session: Session, organization_id: str, numbers: Mapping[str, list[Any]]
) -> defaultdict[str, list[WaitingRow]]:
    """Who is first in each line of `numbers`, by line id, in the order in which they will be served."""
    waiting: defaultdict[str, list[WaitingRow]] = defaultdict(list)
    if not numbers:
        return waiting
    # The order is the index's within a state.
    foremost = union_all(
        *(
            select(
                select(Contact.id)
                .where(
                    Contact.state == number.state,
                    Contact.organization_id == organization_id,
                    Contact.line_id == line_id,
                )
                .order_by(Contact.priority.desc(), Contact.queued_at, Contact.id)
                .limit(MOST_SHOWN)
                .subquery()
            )
            for line_id, states in numbers.items()
            for number in states
        )
    )
    asked = and_(Offer.contact_id == Contact.id, Offer.state == OfferState.PENDING)
    taken = and_(Engagement.contact_id == Contact.id, Engagement.state == EngagementState.CONNECTING)
    rows = session.execute(
        select(
            Contact.id,
            Contact.line_id,
            Contact.channel,
            Contact.language,
            Contact.state,
            Contact.priority,
            Contact.queued_at,
            Contact.arrived_at,
            Contact.callback_at,
            Contact.callback_due_at,
            Contact.callback_postponed,
            Contact.calling,
            Contact.is_in_line,
            Line.name.label("line"),
            Peer.name.label("whom"),
        )
        .join(Line, Line.id == Contact.line_id)
        .outerjoin(Offer, asked)
        .outerjoin(Engagement, taken)
        .outerjoin(Peer, Peer.id == func.coalesce(Engagement.peer_id, Offer.peer_id))
        .where(Contact.id.in_(foremost))
    )
    found, whom = {}, defaultdict(set)
    for contact in rows:  # one for each peer at whom it rings
        found[contact.id] = contact
        if contact.whom is not None:
            whom[contact.id].add(contact.whom)
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
            for contact in found.values()
        ),
        key=first_in_line,
    )
    places: defaultdict[str, int] = defaultdict(int)
    for first in in_order:
        contact = found[first.id]
        places[first.line] += contact.is_in_line
        waiting[first.line].append(
            WaitingRow(
                contact=contact.id,
                line=contact.line,
                channel=contact.channel,
                language=contact.language,
                state=contact.state,
                place=places[first.line] if contact.is_in_line else None,
                since=first.queued_at,
                whom=tuple(sorted(whom[contact.id])),
                callback=contact.callback_at is not None,
                not_before=contact.callback_due_at if contact.calling is None else None,
                postponed=contact.callback_postponed,
            )
        )
    return waiting


def peer_rows(session: Session, organization_id: str, now: datetime) -> tuple[PeerRow, ...]:
    """Every peer of the organization, by name."""
    peers = session.execute(
        select(
            Peer.id,
            Peer.name,
            Peer.status,
            Peer.status_reason,
            Peer.status_at,
            Peer.idle_since,
            Peer.rests_until,
            Presence.seen_at,
        )
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
        .where(Line.organization_id == organization_id, roster.on_now(now))
    ):
        lines[peer_id].add(line)
    rows = [
        _peer_row(
            peer,
            engagements[peer.id],
            offers.get(peer.id),
            present=is_present(peer.seen_at, now),
            rests_until=resting_until(peer.rests_until, now),
            lines=tuple(sorted(lines[peer.id])),
        )
        for peer in peers
    ]
    return tuple(sorted(rows, key=lambda row: row.name))


def _peer_row(
    peer: Any,
    engagements: list[Engagement],
    offered_at: datetime | None,
    *,
    present: bool,
    rests_until: datetime | None,
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
        id=peer.id,
        name=peer.name,
        status=peer.status,
        status_reason=peer.status_reason,
        status_since=peer.status_at,
        activity=doing,
        # Of several texts the first began the talking.
        activity_since=min((at for at in began[doing] if at), default=peer.status_at),
        present=present,
        rests_until=rests_until,
        lines=lines,
    )
