"""Services that a peer gives to a caller: chosen beside the contact, said aloud, and texted with the caller's yes."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from routing.states import MessageState
from warmline.contacts import holding, messages, news
from warmline.db import transaction
from warmline.directory import search
from warmline.errors import Conflict, Invalid, NotFound
from warmline.models import Caller, Channel, Contact, Message, Peer, Referral, Report, Resource
from warmline.models.base import new_id
from warmline.models.history import record
from warmline.telephony import segments, twiml

CORRECTION = timedelta(hours=12)  # what is logged stays open in the console that long


def add(peer: Peer, contact_id: str, resource_id: str, now: datetime) -> str:
    """The service is given to this contact's caller; the referral's id. Adding it again changes nothing.

    Raises NotFound for a contact that is not this peer's own or a service that is not in its organization's
    directory, Conflict for a service that is not active, or a contact that was logged too long ago.
    """
    with transaction() as session:
        contact = _own(session, peer, contact_id, now)
        resource = session.scalar(
            select(Resource).where(
                Resource.id == search.clean(resource_id), Resource.organization_id == contact.organization_id
            )
        )
        if resource is None:
            raise NotFound
        known = session.scalar(
            select(Referral.id).where(Referral.contact_id == contact.id, Referral.resource_id == resource.id)
        )
        if known is not None:
            return known
        if resource.status not in search.TO_BE_GIVEN:
            raise Conflict("This service is not active any more.", code="service_inactive")
        referral = Referral(
            id=new_id(),
            organization_id=contact.organization_id,
            contact_id=contact.id,
            resource_id=resource.id,
            peer_id=peer.id,
            given_by=contact.channel,
            added_at=now,
        )
        session.add(referral)
        session.flush()
        record(session, referral, "added", now, why={"resource": resource.id, "peer": peer.id})
        news.for_peer(session, peer.id)
        return referral.id


def remove(peer: Peer, contact_id: str, referral_id: str, now: datetime) -> None:
    """Take a service back that was not texted. What is gone already stays gone.

    Raises NotFound for a contact that is not this peer's own, Conflict once it was texted and may have arrived.
    """
    with transaction() as session:
        contact = _own(session, peer, contact_id, now)
        found = _referrals(session, contact.id, Referral.id == search.clean(referral_id))
        for referral, _, message in found:
            if message is not None and message.state is not MessageState.FAILED:
                raise Conflict("The caller has it in a text already.", code="texted")
            record(session, referral, "removed", now, why={"resource": referral.resource_id, "peer": peer.id})
            session.delete(referral)
            news.for_peer(session, peer.id)


def text(peer: Peer, contact_id: str, agreed: bool, now: datetime) -> str:
    """One text with every chosen service that was not texted yet; the message's id. Pressing twice sends once.

    `agreed` says that the caller said yes to this very text; the history keeps it. Raises NotFound for a contact that
    is not this peer's own, Invalid without a yes, without a service, or if it is too long, Conflict if no text can
    reach the caller.
    """
    if not agreed:
        raise Invalid("Ask the caller first: a text can be seen by others.", code="yes_missing")
    with transaction() as session:
        contact = _own(session, peer, contact_id, now)
        found = _referrals(session, contact.id)
        chosen = [(referral, resource) for referral, resource, _ in found if unsent(referral, resource)]
        if not chosen:
            latest = max((referral for referral, _, message in found if message), key=_texted_at, default=None)
            if latest is None or latest.message_id is None:
                raise Invalid("Add a service first.", code="referrals_missing")
            return latest.message_id
        body = compose(contact.language, [search.service(resource) for _, resource in chosen])
        reason = hindrance(contact.caller, body)
        if reason is not None:
            raise reason
        message = messages.send(session, contact, messages.latest_number(session, contact), body, now, peer_id=peer.id)
        for referral, _ in chosen:
            referral.texted_at, referral.message_id, referral.given_by = now, message.id, Channel.TEXT
            record(session, referral, "texted", now, why={"message": message.id, "caller_agreed": True})
        news.for_peer(session, peer.id)
        return message.id


def unsent(referral: Referral, resource: Resource) -> bool:
    """Whether the next text would hold this service."""
    return referral.message_id is None and resource.status in search.TO_BE_GIVEN


def hindrance(caller: Caller | None, body: str) -> Conflict | None:
    """Why this text cannot be sent; None if it can. The console shows it in place of the button."""
    if caller is None:
        return Conflict("The caller's number is withheld, so no text can be sent.", code="number_withheld")
    if caller.texts_stopped_at is not None:
        return Conflict("The caller asked for no more texts, so none can be sent.", code="texts_stopped")
    if len(body) > messages.LONGEST:
        return Conflict("This is too much for one text. Remove a service, and text it afterwards.", code="too_long")
    return None


def compose(language: str, services: Iterable[search.Service]) -> str:
    """What the caller will read: a line for each service, in plain signs, so that it travels in few segments."""
    lines = [twiml.sentence(language, "referrals_begin")]
    for service in services:
        told = [f"{service.name}, {service.organization_name}", service.number, service.schedule]
        if service.status not in search.OPEN:
            told.append(twiml.sentence(language, "referrals_closed"))
        lines.append("- " + ". ".join(part for part in told if part))
    return segments.plain("\n".join([*lines, twiml.sentence(language, "referrals_end")]))


def _own(session: Session, peer: Peer, contact_id: str, now: datetime) -> Contact:
    contact = holding.own_contact(session, peer, contact_id)
    logged = session.scalar(
        select(Report.completed_at).where(Report.contact_id == contact.id, Report.peer_id == peer.id)
    )
    if logged is not None and logged <= now - CORRECTION:
        raise Conflict("This contact was logged too long ago to be changed.", code="logged_long_ago")
    return contact


def _referrals(
    session: Session, contact_id: str, *more: ColumnElement[bool]
) -> Sequence[tuple[Referral, Resource, Message | None]]:
    rows = session.execute(
        select(Referral, Resource, Message)
        .join(Resource, Resource.id == Referral.resource_id)
        .outerjoin(Message, Message.id == Referral.message_id)
        .where(Referral.contact_id == contact_id, *more)
        .order_by(Referral.added_at, Referral.id)
    )
    return [(referral, resource, message) for referral, resource, message in rows]


def _texted_at(referral: Referral) -> datetime:
    return referral.texted_at or referral.added_at
