"""What a caller in line is told of the place and of the wait that is left: honestly, and not too often."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from routing.eligibility import why_not
from routing.estimates import ENOUGH, Minutes, expected_wait
from routing.facts import Peer
from routing.states import Activity, ContactState, EngagementState, OfferState
from routing.telling import Heard, is_time
from warmline.contacts import dispatch
from warmline.db import reading, transaction
from warmline.models import Contact, Engagement, Offer
from warmline.people import lines, roster

OF_LATE = timedelta(days=28)
TALKS = 3 * ENOUGH  # the latest ones, from which the time of one is taken


@dataclass(frozen=True, slots=True)
class Told:
    """The place, from 1, and how long it will be; None: not known."""

    place: int
    minutes: Minutes | None


def tell(contact: Contact, place: int, waited: int, now: datetime) -> Told | None:
    """What this wait document, after `waited` seconds in the queue, tells the caller; None: nothing that is new."""
    heard = (
        Heard(contact.told_place, contact.told_wait) if contact.told_place and contact.told_wait is not None else None
    )
    if not is_time(place, waited, heard):
        return None
    with reading() as session:
        minutes = _expected(session, contact, now)
    if heard != Heard(place, waited):
        with transaction() as session:
            session.execute(update(Contact).where(Contact.id == contact.id).values(told_place=place, told_wait=waited))
    return Told(place, minutes)


def _expected(session: Session, contact: Contact, now: datetime) -> Minutes | None:
    """From the peers who can really serve this caller, and from how long the line's latest talks took."""
    if contact.queued_at is None:
        return None
    policies = lines.policies(session, contact.organization_id)
    policy = policies[contact.line_id]
    [waiting] = dispatch.facts(session, policies, [Contact.id == contact.id]) or [None]
    if waiting is None:
        return None
    unasked = replace(waiting, asked_until={})
    on_shift = roster.on_shift(session, policy.lines(contact.line_id), now)
    serve = [
        peer
        for peer in on_shift
        if not why_not(replace(peer, activity=Activity.IDLE, threads=0, rests_until=None), unasked, policy, now)
    ]
    # Whoever rings is about to take somebody: this caller, or another with whom they leave the line together.
    rings = _rings(session, serve)
    free = sum(1 for peer in serve if peer.id in rings or not why_not(peer, waiting, policy, now))
    # Whoever has somebody ringing for them waits for nobody before, who may be in a breath after "Not now".
    rung = {*rings.values()}
    ahead = 0 if contact.id in rung else _waiting_ahead(session, contact, serve) + len(rung)
    spans = session.execute(
        select(Engagement.active_at, Engagement.done_at)
        .join(Contact, Contact.id == Engagement.contact_id)
        .where(
            Contact.organization_id == contact.organization_id,
            Contact.line_id == contact.line_id,
            Contact.channel == contact.channel,
            Contact.arrived_at >= now - OF_LATE,
            Engagement.state == EngagementState.DONE,
            Engagement.active_at.is_not(None),
        )
        .order_by(Contact.arrived_at.desc())
        .limit(TALKS)
    ).all()
    took = [(done_at - active_at).total_seconds() for active_at, done_at in spans if active_at and done_at]
    handle = sum(took) / len(took) if took else None
    return expected_wait(ahead + 1, len(serve), free, handle, len(took))


def _rings(session: Session, peers: Collection[Peer]) -> dict[str, str]:
    """Which of these peers ring, and for which contact."""
    rings: dict[str, str] = dict(
        session.execute(
            select(Offer.peer_id, Offer.contact_id).where(
                Offer.state == OfferState.PENDING, Offer.peer_id.in_([peer.id for peer in peers])
            )
        ).all()
    )
    return rings


def _waiting_ahead(session: Session, contact: Contact, peers: Collection[Peer]) -> int:
    """For how many before this contact one of these peers is still to be found: who waits for others is no matter."""
    earlier = tuple_(Contact.queued_at, Contact.id) < (contact.queued_at, contact.id)
    return session.scalars(
        select(func.count())
        .select_from(Contact)
        .where(
            Contact.organization_id == contact.organization_id,
            Contact.line_id.in_({line for peer in peers for line in peer.shifts}),
            Contact.language.in_({language for peer in peers for language in peer.languages}),
            Contact.state == ContactState.WAITING,
            Contact.is_in_line,
            or_(Contact.priority > contact.priority, and_(Contact.priority == contact.priority, earlier)),
        )
    ).one()
