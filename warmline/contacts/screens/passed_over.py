"""The latest offers to others, and why this peer was passed over for them then."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from routing import eligibility
from routing.eligibility import why_not
from routing.facts import TIMES, Waiting
from routing.facts import Peer as PeerFacts
from routing.policy import Strategy
from routing.states import Activity, PeerStatus
from warmline.contacts import dispatch
from warmline.contacts.screens.scene import Scene
from warmline.models import Apart, Channel, Contact, Engagement, Event, Offer

MOST = 20  # offers that are shown
LONGEST_PART = timedelta(days=1)  # a conversation that began before that is not looked for
FOREVER = datetime.max.replace(tzinfo=UTC)


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


def passed_over(
    session: Session, scene: Scene, peer: PeerFacts, reached: Sequence[str], since: datetime
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
        .limit(MOST)
    ).all()
    if not rows:
        return ()
    ids = {row.contact_id for row in rows}
    past = _past(session, scene.organization_id, peer, ids, rows[-1].made_at)
    contacts = {contact.id: contact for contact in dispatch.facts(session, scene.policies, [Contact.id.in_(ids)])}
    found = []
    for row in rows:
        if past.was_asked(row.contact_id, row.made_at):
            continue  # it rang at several, this peer among them
        line = scene.lines[row.line_id]
        policy = replace(line.policy, paused=False)
        contact = past.contact(contacts[row.contact_id], row.made_at)
        codes = {code for id, code in row.refusals if id == peer.id} or {
            refusal.code for refusal in why_not(past.peer(row.made_at), contact, policy, row.made_at)
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
    offers: tuple[Offer, ...]
    rests: tuple[tuple[datetime, datetime], ...]  # from when until when
    apart: Mapping[str, datetime]  # contacts of callers whom the peer is not to meet: since when

    def peer(self, at: datetime) -> PeerFacts:
        """The peer as a decision saw them then. Nobody remembers heartbeats: the console counts as open."""
        parts = [part for part in self.parts if part.began_at <= at and (part.done_at is None or at < part.done_at)]
        rings = any(
            offer.made_at <= at and (offer.decided_at is None or at < offer.decided_at) for offer in self.offers
        )
        only_texts = not rings and all(
            part.channel is Channel.TEXT and (part.wrapping_at is None or at < part.wrapping_at) for part in parts
        )
        return replace(
            self.present,
            status=next(status for until, status in self.statuses if at < until),
            activity=Activity.TALKING if parts or rings else Activity.IDLE,
            threads=len(parts) if only_texts else 0,
            seen_at=at,
            rests_until=max((until for began, until in self.rests if began <= at), default=None),
        )

    def contact(self, contact: Waiting, at: datetime) -> Waiting:
        """A contact as it then stood to this peer."""
        mine = [offer for offer in self.offers if offer.contact_id == contact.id and offer.made_at < at]
        ended = [offer.decided_at for offer in mine if offer.decided_at is not None and offer.decided_at <= at]
        is_apart = contact.id in self.apart and self.apart[contact.id] <= at
        return replace(
            contact,
            asked_until={self.present.id: max(ended)} if ended else {},
            apart=frozenset({self.present.id} if is_apart else ()),
        )

    def was_asked(self, contact_id: str, at: datetime) -> bool:
        """Whether it rang at this peer as well, at the same moment."""
        return any(offer.contact_id == contact_id and offer.made_at == at for offer in self.offers)


def _past(session: Session, organization_id: str, peer: PeerFacts, contacts: Collection[str], begin: datetime) -> _Past:
    parts = session.scalars(
        select(Engagement).where(Engagement.peer_id == peer.id, Engagement.began_at > begin - LONGEST_PART)
    ).all()
    offers = session.scalars(select(Offer).where(Offer.peer_id == peer.id, Offer.made_at > begin - 2 * TIMES.ring))
    apart = session.execute(
        select(Contact.id, Apart.asked_at)
        .join(Apart, Apart.caller_id == Contact.caller_id)
        .where(Apart.peer_id == peer.id, Contact.id.in_(contacts))
    )
    rests = session.execute(
        select(Event.at, Event.why).where(
            Event.contact_id.in_([part.contact_id for part in parts]),
            Event.name == "rests",
            Event.subject_id.in_([part.id for part in parts]),
        )
    )
    rested = [(at, datetime.fromisoformat(why["until"])) for at, why in rests]
    changes = session.execute(
        select(Event.at, Event.name, Event.old)
        .where(
            Event.organization_id == organization_id,
            Event.at > min([begin, *(at for at, until in rested if until > begin)]),
            Event.subject == "peer",
            Event.subject_id == peer.id,
            Event.name.in_(("status", "ready")),
        )
        .order_by(Event.id)
    ).all()
    ready = [change.at for change in changes if change.name == "ready"]
    statuses = [(change.at, PeerStatus(change.old)) for change in changes if change.name == "status"]
    return _Past(
        present=peer,
        statuses=(*statuses, (FOREVER, peer.status)),
        parts=tuple(parts),
        offers=tuple(offers),
        rests=tuple((began, min([until, *(at for at in ready if at > began)])) for began, until in rested),
        apart={row.id: row.asked_at for row in apart},
    )
