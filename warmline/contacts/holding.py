"""Rows that a verb holds until its commit, always in the order contact, peer: so no two verbs wait for each other."""

from datetime import datetime

from sqlalchemy import bindparam, case, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from routing.states import LIVE_ENGAGEMENT, EngagementState, LegState, OfferState
from warmline.errors import NotFound
from warmline.models import Callback, Contact, Engagement, Leg, LegKind, Offer, Peer

# Built once: nearly every verb asks for some of these, and building a statement takes as long as its answer.
_HELD_CONTACT = (
    select(Contact)
    .with_for_update(of=Contact)
    .execution_options(populate_existing=True)
)  # fmt: skip
_CONTACT = _HELD_CONTACT.where(Contact.id == bindparam("id"))
_CONTACT_OF_LEG = _HELD_CONTACT.where(
    Contact.id == select(Leg.contact_id).where(Leg.call_sid == bindparam("call_sid")).scalar_subquery()
)
_PEER = (
    select(Peer)
    .where(Peer.id == bindparam("id"))
    .with_for_update(of=Peer)
    .execution_options(populate_existing=True)
)  # fmt: skip
_LEG = select(Leg).where(Leg.call_sid == bindparam("call_sid"))
# Of somebody who was called back there are several, one after the other.
_CALLER_LEG = (
    select(Leg)
    .where(Leg.contact_id == bindparam("contact_id"), Leg.kind == LegKind.CALLER)
    .order_by(case((Leg.state == LegState.ENDED, 1), else_=0), Leg.began_at.desc(), Leg.id)
    .limit(1)
)
_LIVE_LEGS = select(Leg).where(Leg.engagement_id == bindparam("engagement_id"), Leg.state != LegState.ENDED)
_LIVE_OFFERS = select(Offer).where(Offer.contact_id == bindparam("contact_id"), Offer.state == OfferState.PENDING)
_LIVE_ENGAGEMENT = select(Engagement).where(
    Engagement.contact_id == bindparam("contact_id"), Engagement.state.in_(LIVE_ENGAGEMENT)
)


def contact(session: Session, contact_id: str) -> Contact:
    """The contact, held; NotFound for an unknown id."""
    found = session.scalar(_CONTACT, {"id": contact_id})
    if found is None:
        raise NotFound
    return found


def contact_of_leg(session: Session, call_sid: str) -> tuple[Contact, Leg] | None:
    """The contact of a call, held, and that call; None for a call that is not ours."""
    held = session.scalar(_CONTACT_OF_LEG, {"call_sid": call_sid})
    return None if held is None else (held, session.scalars(_LEG, {"call_sid": call_sid}).one())


def peer(session: Session, peer_id: str) -> Peer:
    """The peer, held; NotFound for an unknown id."""
    found = session.scalar(_PEER, {"id": peer_id})
    if found is None:
        raise NotFound
    return found


def offer_of(session: Session, peer: Peer, offer_id: str) -> tuple[Contact, Offer]:
    """A peer's own offer with its contact, held; NotFound for anybody else's."""
    offer = session.get(Offer, offer_id)
    if offer is None or offer.peer_id != peer.id:
        raise NotFound
    held = contact(session, offer.contact_id)
    session.refresh(offer)
    return held, offer


def latest_engagement(session: Session, contact_id: str, peer_id: str | None = None) -> Engagement | None:
    """The newest engagement of a contact, or of one peer in it."""
    query = select(Engagement).where(Engagement.contact_id == contact_id)
    if peer_id is not None:
        query = query.where(Engagement.peer_id == peer_id)
    return session.scalars(query.order_by(Engagement.began_at.desc(), Engagement.id).limit(1)).first()


def live_engagement(session: Session, contact_id: str) -> Engagement | None:
    """The engagement that is connecting or active; the unique index allows one."""
    return session.scalar(_LIVE_ENGAGEMENT, {"contact_id": contact_id})


def engagement(
    session: Session, engagement_id: str, key: str | None, now: datetime
) -> tuple[Contact, Engagement] | None:
    """An engagement with its contact, held; None if it is unknown, or if the callback `key` was applied before."""
    found = session.get(Engagement, engagement_id)
    if found is None:
        return None
    held = contact(session, found.contact_id)
    session.refresh(found)
    if key is not None and not is_first(session, key, now):
        return None
    return held, found


def own_contact(session: Session, peer: Peer, contact_id: str) -> Contact:
    """A contact in which this peer has a part, held; NotFound for any other."""
    mine = session.scalar(
        select(Engagement.id)
        .where(
            Engagement.contact_id == contact_id,
            Engagement.peer_id == peer.id,
            Engagement.state != EngagementState.FAILED,
        )
        .limit(1)
    )
    if mine is None:
        raise NotFound
    return contact(session, contact_id)


def caller_leg(session: Session, contact_id: str) -> Leg | None:
    """The caller's leg: the live one, else the latest."""
    return session.scalar(_CALLER_LEG, {"contact_id": contact_id})


def live_legs(session: Session, engagement_id: str) -> list[Leg]:
    """The peer's legs of an engagement that are not known to have ended."""
    return list(session.scalars(_LIVE_LEGS, {"engagement_id": engagement_id}))


def live_offers(session: Session, contact_id: str) -> list[Offer]:
    """The offers of a contact that nobody has answered: one, or several if its line rings several peers."""
    return list(session.scalars(_LIVE_OFFERS, {"contact_id": contact_id}))


def is_first(session: Session, key: str, now: datetime) -> bool:
    """Whether a callback with this key is applied for the first time; the row is committed with what it causes."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    added = dialect.insert(Callback).values(key=key[:120], at=now).on_conflict_do_nothing().returning(Callback.key)
    return session.scalar(added) is not None
