"""Why a caller still waits, and why a peer was not asked: the refusals of `why_not`, with what explains them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from routing import eligibility
from routing.eligibility import Refusal, why_not
from routing.facts import TIMES, Waiting
from routing.facts import Peer as PeerFacts
from routing.policy import Policy, Step, StepKind, Strategy
from routing.ranking import asked_first
from routing.states import IN_QUEUE, Activity, ContactState, OfferState, PeerStatus
from warmline import db
from warmline.contacts import dispatch, intake
from warmline.contacts.screens.supervisor import PeerRow, peer_rows
from warmline.errors import NotFound
from warmline.models import Channel, Contact, Engagement, Event, Line, Offer, Shift
from warmline.people import lines, roster

SHOWN = 20  # of each kind: contacts that wait, offers
LONGEST_PART = timedelta(days=1)  # a conversation that began before that is not looked for
FOREVER = datetime.max.replace(tzinfo=UTC)
PRIVATE = "private"  # stands for a wish of the caller's, or an agreement that two are not to meet
CONFIDED = (eligibility.WISH.code, eligibility.APART.code)


@dataclass(frozen=True, slots=True)
class Against:
    """One refusal, by its code. Which of the rest is known depends on the code.

    Attributes:
        words: further codes: a status and its reason, an activity, languages, skills; or the name of a line.
        threads: text conversations that the peer has.
        since: since when it is so.
        ends: when the peer's shift ends.
        until: when it counts no more by itself.
    """

    code: str
    words: tuple[str, ...] = ()
    threads: int = 0
    since: datetime | None = None
    ends: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A peer on shift for a line whose peers may be asked. Nothing in `against`: may be asked at once."""

    id: str
    name: str
    asked: bool  # for this contact, now
    against: tuple[Against, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A peer who was asked, and what came of it."""

    peer: str
    at: datetime
    state: OfferState
    reason: str | None


@dataclass(frozen=True, slots=True)
class DueStep:
    """What the line does for those who wait from `at` on."""

    kind: StepKind
    line: str | None
    at: datetime
    taken: bool


@dataclass(frozen=True, slots=True)
class StillWaits:
    """One contact. `place` is None if it waits no more; `outside`: nobody is asked until the phone company holds it."""

    contact: str
    channel: Channel
    line: str
    zone: str
    language: str
    state: ContactState
    place: int | None
    since: datetime
    outside: bool
    callback: bool
    wish: str | None
    wish_until: datetime | None
    steps: tuple[DueStep, ...]
    answers: tuple[Answer, ...]
    candidates: tuple[Candidate, ...]
    others: int  # peers who are on shift for none of these lines

    @property
    def asked(self) -> tuple[str, ...]:
        """At whom it rings."""
        return tuple(peer.name for peer in self.candidates if peer.asked)

    @property
    def accepted_by(self) -> str | None:
        """Who took it last."""
        return next((answer.peer for answer in self.answers if answer.state is OfferState.ACCEPTED), None)

    @property
    def next(self) -> str | None:
        """Who will be asked, if somebody may be."""
        return next((peer.name for peer in self.candidates if not peer.against and not peer.asked), None)

    @property
    def next_step(self) -> DueStep | None:
        return next((step for step in self.steps if not step.taken), None)


@dataclass(frozen=True, slots=True)
class Now:
    """What would happen now on lines of the peer's if somebody called in a language that the peer speaks."""

    lines: tuple[str, ...]
    zone: str
    against: tuple[Against, ...]


@dataclass(frozen=True, slots=True)
class Chance:
    """A contact that waits on a line whose peers this one is among.

    Attributes:
        asked: at whom it rings; `rings` says that without names.
        before: who comes first if nothing is against this peer; `behind` says that without names.
    """

    contact: str
    channel: Channel
    line: str
    zone: str
    since: datetime
    outside: bool  # as of StillWaits
    rings: bool
    asked: tuple[str, ...]
    mine: bool  # rings at this peer
    against: tuple[Against, ...]
    behind: bool
    before: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An offer to somebody else, and the codes of what spoke against this peer; none: somebody else came first."""

    contact: str
    channel: Channel
    line: str
    zone: str
    at: datetime
    asked: str
    codes: tuple[str, ...]
    strategy: Strategy


@dataclass(frozen=True, slots=True)
class NotAsked:
    """One peer. `since`: what is shown of the past begins there, if there is not more than fits."""

    id: str
    name: str
    zone: str
    since: datetime
    now: tuple[Now, ...]
    chances: tuple[Chance, ...]
    passed: tuple[PassedOver, ...]


@dataclass(frozen=True, slots=True)
class _LineFacts:
    name: str
    zone: str
    paused_at: datetime | None
    policy: Policy


@dataclass(frozen=True, slots=True)
class _Scene:
    """An organization as a decision would see it now, with the names of everybody."""

    organization_id: str
    lines: Mapping[str, _LineFacts]
    peers: Mapping[str, PeerFacts]
    rows: Mapping[str, PeerRow]
    now: datetime

    @property
    def policies(self) -> dict[str, Policy]:
        return {id: line.policy for id, line in self.lines.items()}

    def refusals(self, peer: PeerFacts, contact: Waiting) -> list[Refusal]:
        return why_not(peer, contact, self.lines[contact.line].policy, self.now)

    def in_order(self, contact: Waiting) -> list[PeerFacts]:
        """Everybody, whoever would be asked first in front."""
        return sorted(self.peers.values(), key=asked_first(self.lines[contact.line].policy.strategy, contact))

    def against(self, peer: PeerFacts, contact: Waiting) -> tuple[Against, ...]:
        refusals = self.refusals(peer, contact)
        explained = self._explained(peer, contact) if refusals else {}
        return tuple(replace(explained[refusal], code=refusal.code) for refusal in refusals)

    def _explained(self, peer: PeerFacts, contact: Waiting) -> Mapping[Refusal, Against]:
        """What there is to say to each refusal, for a peer and a contact of which it holds."""
        line, row = self.lines[contact.line], self.rows[peer.id]
        ends = [end for id, end in peer.shifts.items() if id in line.policy.lines(contact.line) and end]
        sister = [(step, at) for step, at in self.steps(contact, StepKind.SISTER) if step.line in peer.shifts]
        bare = Against("")
        return {
            eligibility.LINE_PAUSED: replace(bare, since=line.paused_at),
            eligibility.NOT_ON_SHIFT: next(
                (replace(bare, words=(self.lines[step.line].name,), until=at) for step, at in sister), bare
            ),
            eligibility.SHIFT_ENDS: replace(bare, ends=max(ends, default=None), until=self._widened(contact)),
            eligibility.SKILLS: replace(
                bare, words=tuple(sorted(line.policy.skills - peer.skills)), until=self._widened(contact)
            ),
            eligibility.NOT_AVAILABLE: replace(
                bare, words=(row.status, row.status_reason or ""), since=row.status_since
            ),
            eligibility.NOT_PRESENT: replace(bare, since=peer.seen_at),
            eligibility.RESTS: replace(bare, until=peer.rests_until),
            eligibility.BUSY: replace(bare, words=(peer.activity,), threads=peer.threads, since=row.activity_since),
            eligibility.LANGUAGE: replace(bare, words=tuple(sorted(peer.languages))),
            eligibility.WISH: replace(bare, words=(contact.wish or "",), until=self.wished_until(contact)),
            eligibility.APART: bare,
            eligibility.JUST_ASKED: bare,
        }

    def steps(self, contact: Waiting, *kinds: StepKind) -> list[tuple[Step, datetime]]:
        """The overflow steps of the contact's line, of these kinds if any are given, each with when it is due."""
        return [
            (step, contact.queued_at + step.after)
            for step in self.lines[contact.line].policy.steps
            if not kinds or step.kind in kinds
        ]

    def wished_until(self, contact: Waiting) -> datetime | None:
        """When a wish that is only preferred counts no more."""
        patience = self.lines[contact.line].policy.patience()
        return None if contact.wish_required or patience is None else contact.queued_at + patience

    def _widened(self, contact: Waiting) -> datetime | None:
        return next((at for _, at in self.steps(contact, StepKind.WIDEN)), None)


def still_waits(organization_id: str, contact_id: str, now: datetime) -> StillWaits:
    """Why a contact still waits. NotFound for another organization's."""
    with db.reading() as session:
        contact = session.scalar(
            select(Contact).where(Contact.id == contact_id, Contact.organization_id == organization_id)
        )
        if contact is None or contact.queued_at is None:
            raise NotFound
        place = intake.place(session, contact) if contact.state in IN_QUEUE else None
        scene = _scene(session, organization_id, now)
        (waiting,) = dispatch.facts(session, scene.policies, [Contact.id == contact_id])
        answers = session.execute(
            select(Offer.peer_id, Offer.made_at, Offer.state, Offer.reason)
            .where(Offer.contact_id == contact_id)
            .order_by(Offer.made_at.desc(), Offer.id)
            .limit(SHOWN)
        ).all()
    line = scene.lines[contact.line_id]
    reached = [peer for peer in scene.in_order(waiting) if peer.shifts.keys() & line.policy.lines(contact.line_id)]
    rings = {answer.peer_id for answer in answers if answer.state is OfferState.PENDING}
    candidates = [
        Candidate(
            id=peer.id,
            name=scene.rows[peer.id].name,
            asked=peer.id in rings,
            against=scene.against(peer, waiting),
        )
        for peer in reached
    ]
    return StillWaits(
        contact=contact.id,
        channel=contact.channel,
        line=line.name,
        zone=line.zone,
        language=contact.language,
        state=contact.state,
        place=place,
        since=waiting.queued_at,
        outside=_is_outside(contact.channel, contact.queue_sid, called=_is_called(contact)),
        callback=contact.callback_at is not None,
        wish=contact.wish,
        wish_until=scene.wished_until(waiting),
        steps=tuple(
            DueStep(step.kind, scene.lines[step.line].name if step.line else None, at, taken=at <= now)
            for step, at in scene.steps(waiting)
        ),
        answers=tuple(Answer(scene.rows[row.peer_id].name, row.made_at, row.state, row.reason) for row in answers),
        candidates=tuple(sorted(candidates, key=lambda peer: (not peer.asked, len(peer.against)))),
        others=len(scene.peers) - len(reached),
    )


def not_asked(organization_id: str, peer_id: str, now: datetime) -> NotAsked:
    """Why a peer is not asked now, and was not asked lately. NotFound for another organization's."""
    with db.reading() as session:
        scene = _scene(session, organization_id, now)
        if peer_id not in scene.peers:
            raise NotFound
        peer = scene.peers[peer_id]
        reached = [id for id, line in scene.lines.items() if peer.shifts.keys() & line.policy.lines(id)]
        waiting = dispatch.facts(
            session,
            scene.policies,
            [
                Contact.organization_id == organization_id,
                Contact.state.in_((ContactState.WAITING, ContactState.OFFERED)),
                Contact.line_id.in_(reached),
            ],
            SHOWN,
        )
        rings, outside = defaultdict(list), set()
        for row in session.execute(
            select(
                Contact.id,
                Contact.channel,
                Contact.queue_sid,
                Contact.callback_at,
                Contact.callback_due_at,
                Offer.peer_id,
            )
            .outerjoin(Offer, and_(Offer.contact_id == Contact.id, Offer.state == OfferState.PENDING))
            .where(Contact.id.in_([contact.id for contact in waiting]))
        ):
            if row.peer_id is not None:
                rings[row.id].append(row.peer_id)
            elif _is_outside(row.channel, row.queue_sid, called=_is_called(row)):
                outside.add(row.id)
        since = _since(session, peer.id, now, lines.today(session, organization_id, now))
        passed = _passed_over(session, scene, peer, reached, since)
    mine = [line for id, line in scene.lines.items() if id in peer.shifts]
    return NotAsked(
        id=peer.id,
        name=scene.rows[peer.id].name,
        zone=next((line.zone for line in (*mine, *scene.lines.values())), "UTC"),
        since=since,
        now=_now(scene, peer),
        chances=tuple(
            _chance(scene, peer, contact, rings[contact.id], outside=contact.id in outside) for contact in waiting
        ),
        passed=passed,
    )


def for_themselves(view: NotAsked) -> NotAsked:
    """What the peer may see of it: nothing about callers beyond channel, line and time, nothing about colleagues."""
    return replace(
        view,
        chances=tuple(
            replace(chance, contact="", asked=(), before=(), against=_discreet(chance.against))
            for chance in view.chances
        ),
        passed=tuple(
            replace(one, contact="", asked="", codes=tuple(each.code for each in _discreet(map(Against, one.codes))))
            for one in view.passed
        ),
    )


def _discreet(against: Iterable[Against]) -> tuple[Against, ...]:
    """Without what a caller has confided, of which there is one mention at most."""
    return tuple(dict.fromkeys(Against(PRIVATE) if one.code in CONFIDED else one for one in against))


def _scene(session: Session, organization_id: str, now: datetime) -> _Scene:
    """The organization's lines and peers: a fixed number of queries."""
    policies = lines.policies(session, organization_id)
    rows = session.execute(
        select(Line.id, Line.name, Line.time_zone, Line.paused_at)
        .where(Line.organization_id == organization_id)
        .order_by(Line.name, Line.id)
    )
    peers = roster.everybody(session, organization_id, now)
    strategies = {policy.strategy for policy in policies.values()}
    if Strategy.FEWEST_TODAY in strategies:
        peers = roster.with_today(session, peers, lines.today(session, organization_id, now))
    if Strategy.ROUND_ROBIN in strategies:
        peers = roster.with_asked(session, peers)
    return _Scene(
        organization_id=organization_id,
        lines={row.id: _LineFacts(row.name, row.time_zone, row.paused_at, policies[row.id]) for row in rows},
        peers={peer.id: peer for peer in peers},
        rows={row.id: row for row in peer_rows(session, organization_id, now)},
        now=now,
    )


def _now(scene: _Scene, peer: PeerFacts) -> tuple[Now, ...]:
    """Lines for which the same is to say stand together."""
    together: dict[tuple[Against, ...], list[_LineFacts]] = defaultdict(list)
    for id, line in scene.lines.items():
        if id in peer.shifts:
            together[scene.against(peer, _somebody(id, peer, scene.now))].append(line)
    return tuple(Now(tuple(line.name for line in alike), alike[0].zone, against) for against, alike in together.items())


def _somebody(line_id: str, peer: PeerFacts, now: datetime) -> Waiting:
    """Whoever might call this line now, speaking as the peer does and wishing for nobody."""
    language = min(peer.languages, default="")
    return Waiting(id="", line=line_id, channel=Channel.VOICE, language=language, priority=0, queued_at=now)


def _is_outside(channel: Channel, queue_sid: str | None, *, called: bool) -> bool:
    """That a caller cannot be moved to a peer just now, because the phone company does not hold them in its queue."""
    return channel is Channel.VOICE and queue_sid is None and not called


def _is_called(contact: Any) -> bool:
    """That the caller has hung up and is called as soon as a peer has accepted."""
    return contact.callback_at is not None and contact.callback_due_at is None


def _chance(scene: _Scene, peer: PeerFacts, contact: Waiting, asked: Collection[str], *, outside: bool) -> Chance:
    against = scene.against(peer, contact)
    before = []
    if not against:
        for other in scene.in_order(contact):
            if other.id == peer.id:
                break
            if not scene.refusals(other, contact):
                before.append(scene.rows[other.id].name)
    line = scene.lines[contact.line]
    return Chance(
        contact=contact.id,
        channel=Channel(contact.channel),
        line=line.name,
        zone=line.zone,
        since=contact.queued_at,
        outside=outside,
        rings=bool(asked),
        asked=tuple(sorted(scene.rows[id].name for id in asked)),
        mine=peer.id in asked,
        against=against,
        behind=bool(before),
        before=tuple(before),
    )


def _since(session: Session, peer_id: str, now: datetime, today: datetime) -> datetime:
    """When the peer's present shift began, or the day if that was later."""
    began = session.scalar(select(func.min(Shift.starts_at)).where(Shift.peer_id == peer_id, roster.on_now(now)))
    return max(today, began) if began else today


def _passed_over(
    session: Session, scene: _Scene, peer: PeerFacts, reached: Sequence[str], since: datetime
) -> tuple[PassedOver, ...]:
    """The latest offers that others were made.

    An offer has written down who was passed over for it, of those whom dispatch had read. For everybody else the same
    refusals are worked out anew, from what the peer did then; what cannot be known any more speaks for them.
    """
    # By the peers' own index: however many offers there ever were, only those since then are read.
    rows = session.execute(
        select(Offer.contact_id, Offer.peer_id, Offer.made_at, Offer.refusals, Contact.channel, Contact.line_id)
        .join(Contact, Contact.id == Offer.contact_id)
        .where(
            Offer.peer_id.in_(scene.peers.keys() - {peer.id}),
            Offer.made_at >= since,
            Contact.line_id.in_(reached),
        )
        .order_by(Offer.made_at.desc(), Offer.id)
        .limit(SHOWN)
    ).all()
    if not rows:
        return ()
    past = _past(session, scene.organization_id, peer, rows[-1].made_at)
    contacts = {
        contact.id: replace(contact, asked=())  # it says who was asked until now
        for contact in dispatch.facts(session, scene.policies, [Contact.id.in_({row.contact_id for row in rows})])
    }
    found = []
    for row in rows:
        if (row.contact_id, row.made_at) in past.asked:
            continue  # it rang at several, this peer among them
        line = scene.lines[row.line_id]
        policy = replace(line.policy, paused=False)
        codes = {code for id, code in row.refusals if id == peer.id}
        codes |= {
            refusal.code for refusal in why_not(past.peer(row.made_at), contacts[row.contact_id], policy, row.made_at)
        }
        found.append(
            PassedOver(
                contact=row.contact_id,
                channel=row.channel,
                line=line.name,
                zone=line.zone,
                at=row.made_at,
                asked=scene.rows[row.peer_id].name,
                codes=tuple(refusal.code for refusal in eligibility.EVERY_REFUSAL if refusal.code in codes),
                strategy=line.policy.strategy,
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Past:
    """What a peer chose and did."""

    present: PeerFacts
    statuses: tuple[tuple[datetime, PeerStatus], ...]  # until when each was so, in order
    parts: tuple[Engagement, ...]
    offers: tuple[tuple[datetime, datetime | None], ...]  # from when until when each rang; None: it rings
    asked: frozenset[tuple[str, datetime]]  # (contact, moment)

    def peer(self, at: datetime) -> PeerFacts:
        """The peer as a decision saw them then. Nobody remembers heartbeats: the console counts as open."""
        parts = [part for part in self.parts if part.began_at <= at and (part.done_at is None or at < part.done_at)]
        rings = any(made <= at and (over is None or at < over) for made, over in self.offers)
        only_texts = not rings and all(
            part.channel is Channel.TEXT and (part.wrapping_at is None or at < part.wrapping_at) for part in parts
        )
        rested = any(part.done_at is not None and part.done_at <= at for part in self.parts)
        return replace(
            self.present,
            status=next(status for until, status in self.statuses if at < until),
            activity=Activity.TALKING if parts or rings else Activity.IDLE,
            threads=len(parts) if only_texts else 0,
            seen_at=at,
            rests_until=self.present.rests_until if rested else None,
        )


def _past(session: Session, organization_id: str, peer: PeerFacts, begin: datetime) -> _Past:
    changes = session.execute(
        select(Event.at, Event.old)
        .where(
            Event.organization_id == organization_id,
            Event.at > begin,
            Event.subject == "peer",
            Event.subject_id == peer.id,
            Event.name == "status",
        )
        .order_by(Event.id)
    )
    parts = session.scalars(
        select(Engagement).where(Engagement.peer_id == peer.id, Engagement.began_at > begin - LONGEST_PART)
    )
    offers = session.execute(
        select(Offer.contact_id, Offer.made_at, Offer.decided_at).where(
            Offer.peer_id == peer.id, Offer.made_at > begin - 2 * TIMES.ring
        )
    ).all()
    return _Past(
        present=peer,
        statuses=(*((change.at, PeerStatus(change.old)) for change in changes), (FOREVER, peer.status)),
        parts=tuple(parts),
        offers=tuple((offer.made_at, offer.decided_at) for offer in offers),
        asked=frozenset((offer.contact_id, offer.made_at) for offer in offers),
    )
