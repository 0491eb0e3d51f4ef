"""Whom a caller wishes to talk with: the menu, the choice, and its end when nobody is left who could grant it.

By voice only: whoever writes is asked nothing before somebody reads it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from routing.eligibility import asked_from
from routing.policy import Policy
from routing.states import ContactState
from warmline.contacts import dispatch, holding, news
from warmline.db import reading, transaction
from warmline.models import Apart, Contact, Event
from warmline.models.history import record
from warmline.people import lines, roster

ANYONE_KEY = "9"


def menu(contact: Contact, now: datetime) -> dict[str, str]:
    """What an arriving caller may wish for, by key: what somebody on shift could grant now. On most lines nothing.

    A wish has the same key however many others are left out.
    """
    with reading() as session:
        return _menu(session, contact, _policy(session, contact), now)


def choose(contact_id: str, key: str, now: datetime) -> Contact:
    """An arriving caller pressed a key of the menu; another one, or none, means anyone."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        policy = _policy(session, contact)
        wish = _menu(session, contact, policy, now).get(key)
        if contact.state is ContactState.ARRIVING and contact.wish != wish:
            contact.wish, contact.wish_required = wish, wish is not None and policy.wish_for is None
            record(session, contact, "wish", now, new=wish, why={"required": contact.wish_required})
        return contact


def stranded(now: datetime) -> list[str]:
    """Contacts in line whose wish is required, and for whom nobody is on shift any more who could grant it."""
    required = (Contact.state == ContactState.WAITING, Contact.wish.is_not(None), Contact.wish_required)
    with reading() as session:
        waiting = list(session.scalars(select(Contact).where(*required)))
        if not waiting:
            return []
        coming = _coming(session, waiting, now)
        return [contact.id for contact in waiting if not _is_left(contact, coming[contact.id])]


def lift(contact_id: str, now: datetime) -> None:
    """Nobody is left who could grant a wish that is required: the caller waits for anyone, in the same place."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if contact.state is not ContactState.WAITING or contact.wish is None or not contact.wish_required:
            return
        if _is_left(contact, _coming(session, [contact], now)[contact.id]):
            return  # somebody came meanwhile
        record(session, contact, "wish_lifted", now, old=contact.wish)
        contact.wish = None  # while wish_required stays: it was lifted, see `tell`
        news.for_line(session, contact.line_id)
        dispatch.after(session, contact.organization_id, now, contact_id=contact.id)


def tell(contact: Contact, waited: int, now: datetime) -> str | None:
    """The wish that was lifted, if this wait document, after `waited` seconds in the queue, is to say so.

    Only one does; the same request asked again is answered alike.
    """
    was_lifted = contact.wish is None and contact.wish_required
    if not was_lifted or contact.state not in (ContactState.WAITING, ContactState.OFFERED):
        return None
    with transaction() as session:
        holding.contact(session, contact.id)
        events = select(Event).where(Event.contact_id == contact.id, Event.name.in_(("wish_lifted", "wish_told")))
        happened = {event.name: event for event in session.scalars(events)}
        if "wish_told" not in happened:
            record(session, contact, "wish_told", now, why={"waited": waited})
        elif happened["wish_told"].why["waited"] != waited:
            return None
        return happened["wish_lifted"].old


def _menu(session: Session, contact: Contact, policy: Policy, now: datetime) -> dict[str, str]:
    if not policy.wishes:
        return {}
    coming = _coming(session, [contact], now)[contact.id]
    granted = frozenset().union(*(skills for after, skills in coming if not after))
    return {str(number): wish for number, wish in enumerate(policy.wishes, 1) if wish in granted}


def _policy(session: Session, contact: Contact) -> Policy:
    return lines.policies_of(session, [contact.line_id])[contact.line_id]


def _is_left(contact: Contact, coming: Sequence[tuple[timedelta, frozenset[str]]]) -> bool:
    return any(contact.wish in skills for _, skills in coming)


def _coming(
    session: Session, contacts: Sequence[Contact], now: datetime
) -> dict[str, list[tuple[timedelta, frozenset[str]]]]:
    """By contact the peers on shift who may be asked for it: from how long a wait on, and their skills."""
    policies = lines.policies_of(session, {contact.line_id for contact in contacts})
    peers = roster.on_shift(session, {line for id, policy in policies.items() for line in policy.lines(id)}, now)
    callers = {contact.caller_id for contact in contacts if contact.caller_id is not None}
    apart = set(session.execute(select(Apart.caller_id, Apart.peer_id).where(Apart.caller_id.in_(callers))).all())
    return {
        contact.id: [
            (after, peer.skills)
            for peer in peers
            if contact.language in peer.languages and (contact.caller_id, peer.id) not in apart
            if (after := asked_from(peer, contact.line_id, policies[contact.line_id], now)) is not None
        ]
        for contact in contacts
    }
