"""The services beside an open contact: what was chosen, and what a text of it would be."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from routing.states import EngagementState, MessageState
from warmline import db
from warmline.contacts import referrals
from warmline.directory import search
from warmline.errors import NotFound
from warmline.models import Caller, Contact, Engagement, Message, Peer, Referral, Resource
from warmline.telephony import segments


@dataclass(frozen=True, slots=True)
class Given:
    """A service that was chosen for the caller."""

    id: str
    service: search.Service
    texted_at: datetime | None
    delivery: MessageState | None

    @property
    def fixed(self) -> bool:
        """Whether it is too late to remove it."""
        return self.delivery is not None and self.delivery is not MessageState.FAILED


@dataclass(frozen=True, slots=True)
class TextToSend:
    """What "Text them" would send, or why it cannot."""

    services: int
    segments: int
    hindrance: str | None  # a code


@dataclass(frozen=True, slots=True)
class Beside:
    """The directory's part of an open contact."""

    place: str  # where the search begins; "" is everywhere
    places: tuple[str, ...]
    given: tuple[Given, ...]
    text: TextToSend | None
    stopped: bool  # the caller asked for no texts


@dataclass(frozen=True, slots=True)
class Results:
    """What a search beside a contact found, and for what it was asked."""

    contact: str
    query: str
    place: str
    kind: str
    found: search.Found
    given: frozenset[str]  # services that the caller of this contact was given


def results(peer: Peer, contact_id: str, query: str, place: str, kind: str, shown: int) -> Results:
    """Search the directory for a contact; NotFound if this peer has no part in it."""
    with db.reading() as session:
        mine = session.scalar(
            select(Engagement.id)
            .where(
                Engagement.contact_id == search.clean(contact_id),
                Engagement.peer_id == peer.id,
                Engagement.state != EngagementState.FAILED,
            )
            .limit(1)
        )
        if mine is None:
            raise NotFound
        found = search.find(session, peer.organization_id, query, place, kind, shown)
        given = session.scalars(select(Referral.resource_id).where(Referral.contact_id == contact_id))
        return Results(contact_id, query, place, kind, found, frozenset(given))


def beside(session: Session, contact_ids: Collection[str]) -> dict[str, Beside]:
    """What stands beside each of these contacts, which the caller of this function knows to be the peer's own."""
    given = defaultdict(list)
    for referral, resource, state in session.execute(
        select(Referral, Resource, Message.state)
        .join(Resource, Resource.id == Referral.resource_id)
        .outerjoin(Message, Message.id == Referral.message_id)
        .where(Referral.contact_id.in_(contact_ids))
        .order_by(Referral.added_at, Referral.id)
    ):
        given[referral.contact_id].append((referral, resource, state))
    found = session.execute(
        select(Contact, Caller).outerjoin(Caller, Caller.id == Contact.caller_id).where(Contact.id.in_(contact_ids))
    ).all()
    places = {id: search.places(session, id) for id in {contact.organization_id for contact, _ in found}}
    return {
        contact.id: _beside(contact, caller, given[contact.id], places[contact.organization_id])
        for contact, caller in found
    }


def _beside(
    contact: Contact,
    caller: Caller | None,  # None: withheld
    rows: Sequence[tuple[Referral, Resource, MessageState | None]],
    places: tuple[str, ...],
) -> Beside:
    chosen = [search.service(resource) for referral, resource, _ in rows if referrals.unsent(referral, resource)]
    body = referrals.compose(contact.language, chosen)
    reason = referrals.hindrance(caller, body)
    return Beside(
        place=contact.line.place if contact.line.place in places else "",
        places=places,
        given=tuple(
            Given(given.id, search.service(resource), given.texted_at, state) for given, resource, state in rows
        ),
        text=TextToSend(len(chosen), segments.count(body), reason.code if reason else None) if chosen else None,
        stopped=caller is not None and caller.texts_stopped_at is not None,
    )
