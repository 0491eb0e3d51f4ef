"""Whom a caller wishes to talk with: the menu, the choice, and its end when nobody is left who could grant it.

By voice only: whoever writes is asked nothing before somebody reads it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from routing.eligibility import asked_from
from routing.facts import Peer
from routing.policy import Policy
from routing.states import ContactState
from warmline.contacts import alike, dispatch, holding, news
from warmline.db import reading, transaction
from warmline.models import Apart, Contact, Event
from warmline.models.history import record
from warmline.people import lines, roster

ANYONE_KEY = "9"
_REQUIRED: tuple[Any, ...] = (
    Contact.state == ContactState.WAITING,
    Contact.wish.is_not(None),
    Contact.wish_required,
)
_KINDS = alike.kinds((Contact.line_id, Contact.language, Contact.wish), *_REQUIRED)

Coming = tuple[Peer, timedelta]  # a peer on shift, and how long somebody must have waited to have them asked


def menu(contact: Contact, now: datetime) -> dict[str, str]:
    """What an arriving caller may wish for, by key: what somebody on shift could grant while they wait for it.

    On most lines nothing. Who is asked by a later step counts if the wish still does by then.

    A wish has the same key however many others are left out.
    """
    with reading() as session:
        return _menu(session, contact, lines.policies_of(session, [contact.line_id]), now)


def choose(contact_id: str, key: str, now: datetime) -> tuple[Contact, bool]:
    """An arriving caller pressed a key of the menu; any other, or none, means anyone. Whether the key had a meaning."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        policies = lines.policies_of(session, [contact.line_id])
        wish = _menu(session, contact, policies, now).get(key)
        if contact.state is ContactState.ARRIVING and contact.wish != wish:
            contact.wish = wish
            contact.wish_required = wish is not None and policies[contact.line_id].wish_for is None
            record(session, contact, "wish", now, new=wish, why={"required": contact.wish_required})
        return contact, wish is not None or key in ("", ANYONE_KEY)


def stranded(session: Session, now: datetime, limit: int = 100) -> list[str]:
    """Contacts in line whose wish is required, and for whom nobody is on shift any more who could grant it.

    Who wishes alike, on one line and in one language, is looked at together, however many they are.
    """
    found: list[str] = []
    waiting = session.execute(_KINDS).all()
    if not waiting:
        return []
    policies = lines.policies_of(session, {line_id for line_id, _, _ in waiting})
    peers = _peers(session, policies, now)
    for line_id, language, wish in waiting:
        coming = _coming(peers, line_id, language, policies[line_id], now)
        left = {peer.id for peer, _ in coming if wish in peer.skills}
        these = (Contact.line_id == line_id, Contact.language == language, Contact.wish == wish)
        nobody = select(Contact.id).where(*_REQUIRED, *these)
        if left:
            meets_none = select(Apart.caller_id).where(Apart.peer_id.in_(left)).group_by(Apart.caller_id)
            nobody = nobody.where(Contact.caller_id.in_(meets_none.having(func.count() == len(left))))
        found += session.scalars(nobody.limit(limit - len(found)))
    return found


def lift(contact_id: str, now: datetime) -> None:
    """Nobody is left who could grant a wish that is required: the caller waits for anyone, in the same place."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if contact.state is not ContactState.WAITING or contact.wish is None or not contact.wish_required:
            return
        policies = lines.policies_of(session, [contact.line_id])
        if any(contact.wish in peer.skills for peer, _ in _for(session, contact, policies, now)):
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


def _menu(session: Session, contact: Contact, policies: Mapping[str, Policy], now: datetime) -> dict[str, str]:
    wishes = policies[contact.line_id].wishes
    if not wishes:
        return {}
    coming = _for(session, contact, policies, now)
    policy = policies[contact.line_id]
    granted = frozenset().union(*(peer.skills for peer, after in coming if policy.grants_after(after)))
    return {str(number): wish for number, wish in enumerate(wishes, 1) if wish in granted}


def _for(session: Session, contact: Contact, policies: Mapping[str, Policy], now: datetime) -> list[Coming]:
    apart = set(session.scalars(select(Apart.peer_id).where(Apart.caller_id == contact.caller_id)))
    peers = [peer for peer in _peers(session, policies, now) if peer.id not in apart]
    return _coming(peers, contact.line_id, contact.language, policies[contact.line_id], now)


def _peers(session: Session, policies: Mapping[str, Policy], now: datetime) -> list[Peer]:
    """The peers on shift for these lines, and for those that they may ever ask."""
    return roster.on_shift(session, {line for id, policy in policies.items() for line in policy.lines(id)}, now)


def _coming(peers: Iterable[Peer], line_id: str, language: str, policy: Policy, now: datetime) -> list[Coming]:
    """Who of these may be asked for somebody who waits on this line in this language."""
    return [
        (peer, after)
        for peer in peers
        if language in peer.languages and (after := asked_from(peer, line_id, policy, now)) is not None
    ]
