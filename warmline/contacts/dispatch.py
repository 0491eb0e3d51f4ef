"""Who is asked next: read what the decision may know, decide, make the offers."""

from collections import defaultdict
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from routing.eligibility import has_room
from routing.engine import decide
from routing.facts import POLICY, Limits, MakeOffer, Snapshot, Waiting
from routing.states import Activity, ContactState, OfferState, PeerStatus
from warmline.contacts import holding, news
from warmline.db import after_commit, reading, transaction
from warmline.models import Channel, Contact, Line, Offer, Organization, Peer
from warmline.models.base import new_id
from warmline.models.history import advance, begin
from warmline.people import roster

AT_A_TIME = 100  # contacts looked at in one run; the clock runs again within a second


def run(organization_id: str, now: datetime) -> int:
    """Offer waiting contacts of an organization to its free peers; returns how many offers were made.

    Any number of these may run at once: each offer is its own transaction, and an offer that somebody else's run
    made impossible is simply not made.
    """
    with reading() as session:
        snapshot = look(session, organization_id, now)
    return sum(make(decision, now) for decision in decide(snapshot, now))


def after(session: Session, organization_id: str, now: datetime) -> None:
    """Run once this transaction is committed: it changed who waits or who is free."""
    after_commit(session, run, organization_id, now)


def organizations_waiting() -> list[str]:
    """Organizations in which somebody waits for an offer."""
    with reading() as session:
        # One look at the index for each, however many wait.
        waits = exists().where(Contact.organization_id == Organization.id, _offerable())
        return list(session.scalars(select(Organization.id).where(waits)))


def look(session: Session, organization_id: str, now: datetime) -> Snapshot:
    """What a decision may know: the peers who could take an offer, and, if there are any, who waits for one of them."""
    ready = roster.ready(session, organization_id, now)
    peers = [peer for peer in ready if peer.activity is Activity.IDLE or peer.threads]
    if not peers:
        return Snapshot((), ())
    rows = session.execute(
        select(
            Contact.id,
            Contact.line_id,
            Contact.channel,
            Contact.language,
            Contact.priority,
            Contact.queued_at,
            Line.texts_at_once,
            Line.voice_with_texts,
        )
        .join(Line, Line.id == Contact.line_id)
        .where(Contact.organization_id == organization_id, _offerable())
        # However many wait in front for somebody else, whoever these can serve is seen.
        .where(
            Contact.line_id.in_(frozenset().union(*(peer.lines for peer in peers))),
            Contact.language.in_(frozenset().union(*(peer.languages for peer in peers))),
        )
        .order_by(Contact.priority.desc(), Contact.queued_at, Contact.id)
        .limit(AT_A_TIME)
    ).all()
    asked = defaultdict(list)
    asked_until: dict[str, datetime | None] = {}
    for contact_id, peer_id, decided_at in session.execute(
        select(Offer.contact_id, Offer.peer_id, Offer.decided_at)
        .where(Offer.contact_id.in_([row.id for row in rows]))
        .order_by(Offer.made_at, Offer.id)
    ):
        asked[contact_id].append(peer_id)
        asked_until[contact_id] = decided_at
    waiting = (
        Waiting(
            id=row.id,
            line=row.line_id,
            channel=row.channel,
            language=row.language,
            priority=row.priority,
            queued_at=row.queued_at,
            limits=Limits(row.texts_at_once, row.voice_with_texts),
            asked=tuple(asked[row.id]),
            last_asked_until=asked_until.get(row.id),
        )
        for row in rows
    )
    return Snapshot(tuple(waiting), tuple(peers), POLICY)


def make(decision: MakeOffer, now: datetime) -> bool:
    """Offer a contact to a peer, as decided from a snapshot that may be old by now.

    1. Hold contact and peer, and look again at what may have changed meanwhile.
    2. contact waiting → offered, by conditional UPDATE.
    3. Insert the offer: the unique indexes allow one live offer a peer and one a contact.

    Returns whether the offer was made.
    """
    try:
        with transaction() as session:
            contact = holding.contact(session, decision.contact)
            peer = holding.peer(session, decision.peer)
            if peer.status is not PeerStatus.AVAILABLE:
                return False
            if not _has_room(session, peer, contact):
                return False
            if contact.channel is Channel.VOICE and contact.queue_sid is None:
                return False
            if not advance(session, contact, "offered", now, why={"peer": peer.id}):
                return False
            offer = Offer(
                id=new_id(),
                organization_id=contact.organization_id,
                contact_id=contact.id,
                peer_id=peer.id,
                state=OfferState.PENDING,
                made_at=now,
                deadline=now + POLICY.ring,
                refusals=[list(refusal) for refusal in decision.refusals],
            )
            begin(session, now, offer)
            news.for_peer(session, peer.id)
            news.for_line(session, contact.line_id)
    except IntegrityError:
        return False
    return True


def _has_room(session: Session, peer: Peer, contact: Contact) -> bool:
    doing = roster.activities(session, [peer.id])[peer.id]
    limits = Limits(contact.line.texts_at_once, contact.line.voice_with_texts)
    return has_room(doing.activity, doing.threads, contact.channel, limits)


def _offerable() -> ColumnElement[bool]:
    # A caller on the phone can be moved only while the phone company holds them in its queue.
    return and_(
        Contact.state == ContactState.WAITING,
        or_(Contact.channel == Channel.TEXT, Contact.queue_sid.is_not(None)),
    )
