"""Why a caller still waits, and why a peer was not asked: the refusals of `why_not`, with what explains them."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from routing import eligibility
from routing.facts import Peer as PeerFacts
from routing.facts import Waiting
from routing.policy import StepKind
from routing.states import IN_QUEUE, ContactState, OfferState
from warmline import db
from warmline.contacts import dispatch, intake
from warmline.contacts.screens.passed_over import PassedOver, passed_over
from warmline.contacts.screens.scene import Against, LineFacts, Scene, read_scene
from warmline.errors import NotFound
from warmline.models import Channel, Contact, Offer, Shift
from warmline.people import lines, roster

MOST = 20  # contacts that wait, of those that are shown
PRIVATE = "private"  # stands for a wish of the caller's, or an agreement that two are not to meet
CONFIDED = (eligibility.WISH.code, eligibility.APART.code)


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
    not_before: datetime | None  # of a callback that is not due yet
    postponed: bool  # it is due when the line is open again
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
class NotAsked:
    """One peer. `since`: what is shown of the past begins there, if there is not more than fits."""

    id: str
    name: str
    zone: str
    since: datetime
    now: tuple[Now, ...]
    chances: tuple[Chance, ...]
    passed: tuple[PassedOver, ...]


def still_waits(organization_id: str, contact_id: str, now: datetime) -> StillWaits:
    """Why a contact still waits. NotFound for another organization's."""
    with db.reading() as session:
        contact = session.scalar(
            select(Contact).where(Contact.id == contact_id, Contact.organization_id == organization_id)
        )
        if contact is None or contact.queued_at is None:
            raise NotFound
        place = intake.place(session, contact) if contact.state in IN_QUEUE else None
        scene = read_scene(session, organization_id, now)
        (waiting,) = dispatch.facts(session, scene.policies, [Contact.id == contact_id])
        answers = session.execute(
            select(Offer.peer_id, Offer.made_at, Offer.state, Offer.reason)
            .where(Offer.contact_id == contact_id)
            .order_by(Offer.made_at.desc(), Offer.id)
            .limit(MOST)
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
        not_before=None if contact.is_in_line or contact.calling is not None else contact.callback_due_at,
        postponed=contact.callback_postponed,
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
        scene = read_scene(session, organization_id, now)
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
            MOST,
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
        passed = passed_over(session, scene, peer, reached, since)
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


def _now(scene: Scene, peer: PeerFacts) -> tuple[Now, ...]:
    """Lines for which the same is to say stand together."""
    together: dict[tuple[Against, ...], list[LineFacts]] = defaultdict(list)
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


def _chance(scene: Scene, peer: PeerFacts, contact: Waiting, asked: Collection[str], *, outside: bool) -> Chance:
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
