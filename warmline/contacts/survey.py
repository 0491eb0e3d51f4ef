"""Afterwards: three questions by text to a caller who said yes, and what comes back.

The yes is a key in the wait room or a tick in a logged report. A survey is a row with a due time from the moment at
which every peer's part is over; the clock invites. Its texts belong to the contact that it is about, and to no thread.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from routing import survey as rules
from routing.states import LIVE_CONTACT, UNDER_WAY, ContactState, EngagementState, SurveyState
from routing.survey import Kind, Question
from warmline.contacts import holding, messages, news
from warmline.db import reading, transaction
from warmline.models import (
    Caller,
    Contact,
    Direction,
    Engagement,
    Line,
    Report,
    Survey,
)
from warmline.models.base import new_id
from warmline.models.history import advance, begin, record
from warmline.telephony import twiml

NOT_OVER = (SurveyState.DUE, *UNDER_WAY)


def ask(contact: Contact, waited: int, now: datetime) -> bool:
    """Whether this wait document, after `waited` seconds in the queue, asks the caller for their yes.

    Only one does; the same request asked again is answered alike.
    """
    if contact.survey_asked_wait is not None:
        return contact.survey_asked_wait == waited and contact.state is not ContactState.CONNECTING
    with reading() as session:
        caller = session.get(Caller, contact.caller_id) if contact.caller_id else None
        invited_at = _invited_at(session, contact.caller_id)
    if not rules.may_ask(
        waited=waited,
        connecting=contact.state is ContactState.CONNECTING,
        reachable=caller is not None and caller.texts_stopped_at is None,
        invited_at=invited_at,
        now=now,
    ):
        return False
    with transaction() as session:
        first = session.scalar(
            update(Contact)
            .where(Contact.id == contact.id, Contact.survey_asked_wait.is_(None))
            .values(survey_asked_wait=waited)
            .returning(Contact.id)
        )
        if first is not None:
            record(session, contact, "survey_asked", now)
            return True
        return session.scalar(select(Contact.survey_asked_wait).where(Contact.id == contact.id)) == waited


def agree(contact_id: str, now: datetime) -> bool:
    """The caller pressed the key; False if they were never asked."""
    with transaction() as session:
        contact = holding.contact(session, contact_id)
        if contact.survey_asked_wait is None:
            return False
        if contact.survey_ok_at is None:
            contact.survey_ok_at = now
            record(session, contact, "survey_agreed", now)
        return True


def schedule(session: Session, contact: Contact, now: datetime) -> None:
    """A part of the contact, held by the caller of this, is over or was logged: its survey is due, or no more."""
    if contact.state is not ContactState.CLOSED or contact.caller_id is None:
        return
    known = session.scalar(select(Survey).where(Survey.contact_id == contact.id))
    due_at = rules.due_at(_parts(session, contact))
    if due_at is None or (known is not None and known.state is not SurveyState.DUE):
        return
    against = rules.why_not(_facts(session, contact), now)
    if known is None and not against:
        survey = Survey(
            id=new_id(),
            organization_id=contact.organization_id,
            contact_id=contact.id,
            line_id=contact.line_id,
            caller_id=contact.caller_id,
            state=SurveyState.DUE,
            due_at=due_at,
        )
        begin(session, now, survey)
    elif known is not None and against:
        advance(session, known, "withdrawn", now, why={"reasons": against}, ended_at=now)
    elif known is not None:
        known.due_at = due_at


def due(session: Session, now: datetime, limit: int = 100) -> list[str]:
    """Surveys whose time has come."""
    query = select(Survey.id).where(Survey.state == SurveyState.DUE, Survey.due_at <= now)
    return list(session.scalars(query.order_by(Survey.due_at).limit(limit)))


def invite(survey_id: str, now: datetime) -> None:
    """Send the first question, unless something has come to speak against it.

    1. Hold contact and caller: of two clocks one invites, and of two contacts of one caller one is asked about.
    2. Look again at all that might forbid it; then the survey is withdrawn.
    3. While the caller is in touch with us again, wait.
    """
    with transaction() as session:
        held = _hold(session, survey_id)
        if held is None:
            return
        contact, survey = held
        session.scalar(
            select(Caller)
            .where(Caller.id == survey.caller_id)
            .with_for_update(key_share=True)  # a new contact of this caller need not wait for us
            .execution_options(populate_existing=True)
        )
        if survey.state is not SurveyState.DUE or survey.due_at > now:
            return
        if against := rules.why_not(_facts(session, contact), now):
            advance(session, survey, "withdrawn", now, why={"reasons": against}, ended_at=now)
        elif _is_in_touch(session, survey.caller_id):
            survey.due_at = now + rules.POSTPONED
        elif advance(session, survey, "invited", now, invited_at=now, lapses_at=now + rules.SILENCE):
            _say(
                session, contact, survey, contact.line.numbers[0].number, ["survey_invite", _key(survey.question)], now
            )
            news.for_line(session, survey.line_id)


def overdue(session: Session, now: datetime, limit: int = 100) -> list[str]:
    """Surveys whose caller has been silent for too long."""
    query = select(Survey.id).where(Survey.state.in_(UNDER_WAY), Survey.lapses_at <= now)
    return list(session.scalars(query.order_by(Survey.lapses_at).limit(limit)))


def lapse(survey_id: str, now: datetime) -> None:
    """Silence is an answer too: the survey ends as it is."""
    with transaction() as session:
        held = _hold(session, survey_id)
        if held is not None and held[1].lapses_at is not None and held[1].lapses_at <= now:
            advance(session, held[1], "lapsed", now, ended_at=now)


def take(session: Session, line: Line, caller: Caller, message_sid: str, number: str, body: str, now: datetime) -> bool:
    """Whether a text that belongs to no thread was meant for the caller's survey on this line, and is dealt with.

    False: it is meant for a person, and whatever follows it may be too. The survey then waits: from now on only what
    is an answer beyond doubt is taken for one.
    """
    found = session.scalar(
        select(Survey.id).where(Survey.caller_id == caller.id, Survey.line_id == line.id, Survey.state.in_(UNDER_WAY))
    )
    held = _hold(session, found) if found is not None else None
    if held is None or held[1].state not in UNDER_WAY or held[1].lapses_at is None or held[1].lapses_at <= now:
        return False
    contact, survey = held
    understood = rules.read(survey.question, body)
    unsure = understood.kind is Kind.MALFORMED
    if understood.kind is Kind.OTHER or (unsure and survey.paused_at is not None):
        if survey.paused_at is None:
            survey.paused_at = now
            record(session, survey, "paused", now)
        return False
    messages.keep(session, contact, Direction.IN, number, body, now, survey_id=survey.id, message_sid=message_sid)
    if understood.kind is Kind.END:
        advance(session, survey, "stopped", now, ended_at=now)
    elif unsure and not survey.asked_again:
        survey.asked_again, survey.lapses_at = True, now + rules.SILENCE
        _say(session, contact, survey, number, ["survey_again", _key(survey.question)], now)
    else:
        _go_on(session, contact, survey, number, understood, now)
    news.for_line(session, survey.line_id)
    return True


def stop(session: Session, caller: Caller, now: datetime) -> None:
    """STOP: no survey of this caller goes on, and none that was due begins.

    To be called before a thread is begun or the caller's row is changed: whoever else changes these holds the survey's
    contact first, as this does.
    """
    query = select(Survey.id).where(Survey.caller_id == caller.id, Survey.state.in_(NOT_OVER))
    for survey_id in session.scalars(query.order_by(Survey.contact_id)).all():
        held = _hold(session, survey_id)
        if held is not None:
            advance(session, held[1], "stopped", now, ended_at=now)


def _go_on(
    session: Session, contact: Contact, survey: Survey, number: str, understood: rules.Reading, now: datetime
) -> None:
    """The question is answered, skipped, or given up: the next one, or thanks."""
    asked, following = survey.question, rules.following(survey.question)
    changes: dict[str, object] = {"asked_again": False, "paused_at": None}
    if understood.kind is Kind.ANSWER:
        changes[asked.value] = understood.answer
    if following is not None:
        changes |= {"question": following, "lapses_at": now + rules.SILENCE}
    # History names the question and never the answer.
    advance(session, survey, "answered", now, why={"question": asked, "kind": understood.kind}, **changes)
    if following is None:
        advance(session, survey, "completed", now, ended_at=now)
    _say(session, contact, survey, number, [_key(following) if following else "survey_thanks"], now)


def _hold(session: Session, survey_id: str) -> tuple[Contact, Survey] | None:
    """A survey with its contact, held; None for an unknown id."""
    survey = session.get(Survey, survey_id)
    if survey is None:
        return None
    contact = holding.contact(session, survey.contact_id)
    session.refresh(survey)
    return contact, survey


def _parts(session: Session, contact: Contact) -> list[rules.Part]:
    rows = session.execute(
        select(Engagement.done_at, Report.completed_at)
        .outerjoin(Report, (Report.contact_id == Engagement.contact_id) & (Report.peer_id == Engagement.peer_id))
        .where(Engagement.contact_id == contact.id, Engagement.state != EngagementState.FAILED)
    )
    return [rules.Part(done_at, logged_at) for done_at, logged_at in rows]


def _facts(session: Session, contact: Contact) -> rules.Facts:
    caller = contact.caller
    ticked = select(Report.id).where(
        Report.contact_id == contact.id, Report.text_ok.is_(True), Report.completed_at.is_not(None)
    )
    # Whoever called again meanwhile, and was handed off then, is not asked about the time before.
    reported = session.scalars(
        select(Report.disposition)
        .join(Contact, Contact.id == Report.contact_id)
        .where(
            Contact.caller_id == contact.caller_id,
            Contact.arrived_at >= contact.arrived_at,
            Report.disposition.is_not(None),
        )
    )
    return rules.Facts(
        talked=contact.state is ContactState.CLOSED and contact.answered_at is not None,
        agreed=contact.survey_ok_at is not None or session.scalar(ticked.limit(1)) is not None,
        reachable=caller is not None and caller.texts_stopped_at is None and bool(contact.line.numbers),
        ended_at=contact.ended_at,
        dispositions=frozenset(disposition.value for disposition in reported if disposition is not None),
        invited_at=_invited_at(session, contact.caller_id),
    )


def _invited_at(session: Session, caller_id: str | None) -> datetime | None:
    """When the caller was last invited."""
    query = select(Survey.invited_at).where(Survey.caller_id == caller_id, Survey.invited_at.is_not(None))
    return session.scalar(query.order_by(Survey.invited_at.desc()).limit(1)) if caller_id else None


def _is_in_touch(session: Session, caller_id: str) -> bool:
    """Whether the caller calls or writes at this moment."""
    live = select(Contact.id).where(Contact.caller_id == caller_id, Contact.state.in_(LIVE_CONTACT))
    return session.scalar(live.limit(1)) is not None


def _key(question: Question) -> str:
    return f"survey_{question}"


def _say(session: Session, contact: Contact, survey: Survey, number: str, keys: list[str], now: datetime) -> None:
    """Send sentences of the catalogue as one text, in the contact's language."""
    body = " ".join(twiml.sentence(contact.language, key) for key in keys)
    messages.send(session, contact, number, body, now, survey_id=survey.id)
