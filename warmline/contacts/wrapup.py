"""After the talk: the peer's time for the contact report, the report itself, and idle again."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from routing.facts import TIMES
from routing.states import EngagementState
from warmline.contacts import allowance, apart, dispatch, holding, legs, news, remembering, resting, survey
from warmline.db import transaction
from warmline.errors import Invalid
from warmline.models import Contact, Disposition, Engagement, Peer, Reason, Report
from warmline.models.base import new_id
from warmline.models.history import advance, record

NOTES_LIMIT = 20_000  # characters
WITHOUT_REASON = {Disposition.NOT_A_CONVERSATION, Disposition.DROPPED}


@dataclass(frozen=True, slots=True)
class Afterwards:
    """What the report says about the peer's next contacts: time to rest, and never this caller, if somebody asked."""

    heavy: bool = False
    apart: str = ""  # a code of AskedBy
    exempt: str | None = None  # a code of allowance.EXEMPT: this contact does not count; None: not said


def begin(session: Session, engagement: Engagement, reason: str, now: datetime) -> None:
    """A peer's talk is over: time to write the report, at most TIMES.wrap_up; none if it is written already."""
    advance(
        session,
        engagement,
        "ended",
        now,
        why={"reason": reason},
        wrapping_at=now,
        wrap_by=now + TIMES.wrap_up,
        reason=reason,
    )
    report = _report_of(session, engagement.contact_id, engagement.peer_id)
    if report is not None and report.completed_at is not None:
        finish(session, engagement, "reported", now)
    news.for_peer(session, engagement.peer_id)


def reopen(session: Session, engagement: Engagement, now: datetime) -> None:
    """The peer talks with somebody again whose contact they had logged, as dropped perhaps: a draft from now on."""
    report = _report_of(session, engagement.contact_id, engagement.peer_id)
    if report is not None and report.completed_at is not None:
        report.completed_at = None
        record(session, report, "reopened", now, old=report.disposition)


def finish(session: Session, engagement: Engagement, event: str, now: datetime) -> None:
    """Wrap-up is over: the peer is idle from now on."""
    if advance(session, engagement, event, now, done_at=now):
        legs.free(session, engagement.peer_id, now)
        news.for_peer(session, engagement.peer_id)
        news.for_organization(session, engagement.organization_id)
        dispatch.after(session, engagement.organization_id, now, peer_id=engagement.peer_id)
        contact = session.get_one(Contact, engagement.contact_id)
        report = _report_of(session, contact.id, engagement.peer_id)
        if report is not None and report.heavy:
            resting.begin(session, contact, engagement, now)
        survey.schedule(session, contact, now)


def report(
    peer: Peer,
    contact_id: str,
    disposition: str,
    reasons: Collection[str],
    notes: str,
    text_ok: bool,
    now: datetime,
    wish: remembering.Wish | None = None,
    afterwards: Afterwards | None = None,
) -> None:
    """The finished contact report; it ends wrap-up at once. It may be written during the talk and corrected later.

    Raises NotFound for a contact that this peer had no part in, Invalid for an unknown code, or where a reason is
    missing: only a contact that was no conversation, or was dropped, needs none. `wish` says whether the caller may be
    remembered, `afterwards` what follows for the peer's next contacts; None leaves that as it is.
    """
    if not disposition:
        raise Invalid("Choose how it ended.", code="disposition_missing")
    chosen = _disposition(disposition)
    if not reasons and chosen not in WITHOUT_REASON:
        raise Invalid("Choose at least one reason for the contact.", code="reasons_missing")
    _save(peer, contact_id, chosen, _reasons(reasons), notes, text_ok, now, wish, afterwards, complete=True)


def draft(
    peer: Peer,
    contact_id: str,
    disposition: str,
    reasons: Collection[str],
    notes: str,
    text_ok: bool,
    now: datetime,
    wish: remembering.Wish | None = None,
    afterwards: Afterwards | None = None,
) -> None:
    """Keep what is written so far; anything may be missing. A finished report stays finished."""
    chosen = _disposition(disposition) if disposition else None
    _save(peer, contact_id, chosen, _reasons(reasons), notes, text_ok, now, wish, afterwards, complete=False)


def expire(engagement_id: str, now: datetime) -> None:
    """Wrap-up time is over: the peer is idle, and the contact stays on the list of unlogged ones."""
    with transaction() as session:
        held = holding.engagement(session, engagement_id, None, now)
        if held is not None and held[1].wrap_by is not None and held[1].wrap_by <= now:
            finish(session, held[1], "wrap_expired", now)


def overdue(session: Session, now: datetime, limit: int = 200) -> list[str]:
    """Engagements whose wrap-up time is over."""
    query = select(Engagement.id).where(Engagement.state == EngagementState.WRAPPING, Engagement.wrap_by <= now)
    return list(session.scalars(query.limit(limit)))


def _save(
    peer: Peer,
    contact_id: str,
    disposition: Disposition | None,
    reasons: list[str],
    notes: str,
    text_ok: bool,
    now: datetime,
    wish: remembering.Wish | None,
    afterwards: Afterwards | None,
    *,
    complete: bool,
) -> None:
    if len(notes) > NOTES_LIMIT:
        raise Invalid("Notes may have {limit} characters at most.", code="notes_too_long", limit=NOTES_LIMIT)
    remembering.check(wish)
    asked_by = apart.asked(afterwards.apart) if afterwards is not None else None
    with transaction() as session:
        contact: Contact = holding.own_contact(session, peer, contact_id)
        saved = _report_of(session, contact.id, peer.id)
        if saved is None:
            saved = Report(id=new_id(), organization_id=contact.organization_id, contact_id=contact.id, peer_id=peer.id)
            session.add(saved)
        elif saved.completed_at is not None and not complete:
            return  # an autosave that was under way when the report was finished
        saved.disposition, saved.reasons, saved.text_ok, saved.saved_at = disposition, reasons, text_ok, now
        saved.notes = notes
        remembering.follow(session, contact, saved, wish, now, complete=complete)
        engagement = holding.latest_engagement(session, contact.id, peer.id)
        if afterwards is not None:
            _mark(session, contact, saved, engagement, heavy=afterwards.heavy, now=now)
            apart.follow(session, contact, saved, asked_by, now, complete=complete)
            allowance.mark(session, contact, afterwards.exempt, now)
        if complete:
            if saved.completed_at is None:
                saved.completed_at = now
            session.flush()
            record(session, saved, "reported", now, new=disposition)
            if engagement is not None and engagement.state is EngagementState.WRAPPING:
                finish(session, engagement, "reported", now)
            survey.schedule(session, contact, now)
            news.for_peer(session, peer.id)


def _mark(
    session: Session, contact: Contact, report: Report, engagement: Engagement | None, *, heavy: bool, now: datetime
) -> None:
    """Heavy, or not: the rest begins as wrap-up ends; if it is over already, now. Never by a correction."""
    begins = heavy and not report.heavy and report.completed_at is None
    report.heavy = heavy
    if begins and engagement is not None and engagement.state is EngagementState.DONE:
        resting.begin(session, contact, engagement, now)


def _report_of(session: Session, contact_id: str, peer_id: str) -> Report | None:
    return session.scalar(select(Report).where(Report.contact_id == contact_id, Report.peer_id == peer_id))


def _disposition(code: str) -> Disposition:
    try:
        return Disposition(code)
    except ValueError:
        raise Invalid("That is not an outcome of a contact.", code="disposition_unknown") from None


def _reasons(codes: Collection[str]) -> list[str]:
    try:
        return sorted({Reason(code).value for code in codes})
    except ValueError:
        raise Invalid("That is not a reason for a contact.", code="reason_unknown") from None
