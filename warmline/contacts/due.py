"""What is due for those who wait and for those who are asked: the facts, the decision, and who acts upon it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CompoundSelect, select, union_all
from sqlalchemy.orm import Session

from routing.engine import decide
from routing.facts import Close, Decision, Expire, MakeOffer, Overflow, Snapshot, Tell
from routing.policy import Policy
from routing.states import ContactState
from warmline.contacts import dispatch, holding, news, offers, texts
from warmline.db import transaction
from warmline.models import Contact, Line
from warmline.models.history import record
from warmline.people import lines

NOT_TAKEN = (ContactState.WAITING, ContactState.OFFERED)


def decisions(session: Session, now: datetime, deaf_until: datetime | None = None) -> Sequence[Decision]:
    """Everything that is to be done at `now` for somebody who waits, but for offers: those are dispatch's.

    Nobody has missed an offer that ended by `deaf_until`, the end of an outage.
    """
    chosen = session.scalars(select(Line.id).where(Line.policy.is_not(None))).all()
    policies = lines.policies_of(session, chosen) if chosen else {}
    late = [
        contact
        for line_id, policy in policies.items()
        if policy.steps
        for contact in session.scalars(_late(line_id, policy, now))
    ]
    waiting = dispatch.facts(session, policies, [Contact.id.in_(late)]) if late else ()
    ringing, alone = offers.ringing(session, now), texts.alone(session, now)
    found = Snapshot(waiting, policies=policies, ringing=tuple(ringing), alone=tuple(alone), deaf_until=deaf_until)
    return decide(found, now)


def act(decision: Decision, now: datetime) -> None:
    """Do what was decided; each verb looks again at what may have changed meanwhile."""
    match decision:
        case Expire():
            offers.expire(decision.offer, decision.reason, now)
        case Overflow():
            take_step(decision, now)
        case Tell() | Close():
            texts.nobody_left(decision.contact, now)
        case MakeOffer():
            dispatch.make([decision], now)


def take_step(decision: Overflow, now: datetime) -> None:
    """Record that steps of the line are taken for a contact; from then on whoever they reach is asked as well."""
    with transaction() as session:
        contact = holding.contact(session, decision.contact)
        if contact.state in NOT_TAKEN and contact.steps < decision.steps:
            contact.steps = decision.steps
            record(session, contact, "overflow", now, why={"steps": list(decision.kinds)})
            news.for_line(session, contact.line_id)


def _late(line_id: str, policy: Policy, now: datetime) -> CompoundSelect[Any]:
    """Contacts of a line whose next step is due, as many of each as one look of dispatch holds."""
    return union_all(
        *(
            select(
                select(Contact.id)
                .where(
                    Contact.state == state,
                    Contact.line_id == line_id,
                    Contact.steps == taken,
                    Contact.queued_at <= now - step.after,
                    Contact.ended_at.is_(None),
                )
                .order_by(Contact.queued_at)
                .limit(dispatch.AT_A_TIME)
                .subquery()
            )
            for taken, step in enumerate(policy.steps)
            for state in NOT_TAKEN
        )
    )
