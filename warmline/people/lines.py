"""A line as its supervisors run it: open, closed or paused, its settings, and what it says of them."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, selectinload

from routing import hours, policy
from routing.policy import Policy
from warmline import push
from warmline.db import after_commit, reading, transaction
from warmline.errors import Conflict, Invalid, NotFound
from warmline.models import Account, Event, Line, Peer, Shift
from warmline.models.history import record
from warmline.telephony import twiml

REASONS = ("staff", "weather", "technical")  # sentences of the prompts: closing_staff …
LONGEST_CLOSED = timedelta(days=31)
LONGEST_REASON = 200  # characters: they are spoken
# What the history may keep of a change; words and numbers are only named.
KEPT = ("hours", "holidays", "texts_at_once", "voice_with_texts", "policy")


@dataclass(frozen=True, slots=True)
class Pause:
    """Since when a line is paused, and by whom."""

    since: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether a line takes new callers. `early`: a supervisor closed it, for the reason `why` (by language).

    `pause`: whoever waits is not offered to anybody meanwhile.
    """

    zone: str
    open: bool
    opens: datetime | None
    early: bool
    why: Mapping[str, str]
    pause: Pause | None


@dataclass(frozen=True, slots=True)
class Settings:
    """What the settings page changes, all at once; the fields are those of `Line`."""

    hours: dict[str, list[list[str]]]
    holidays: dict[str, list[list[str]]]
    words: dict[str, dict[str, str]]
    card: dict[str, str]
    texts_at_once: int
    voice_with_texts: bool
    policy: dict[str, Any]  # as routing.policy.Policy.kept() writes it


@dataclass(frozen=True, slots=True)
class Saving:
    """The latest saving of a line's settings: by whom, when, and the names of the fields."""

    name: str
    at: datetime
    changed: tuple[str, ...]


def is_open(line: Line, now: datetime) -> bool:
    """Whether new callers are taken. Who waits already is served, whatever the hour."""
    return not _closed_early(line, now) and hours.is_open(line.hours, line.time_zone, now, line.holidays)


def opens_next(line: Line, now: datetime) -> datetime | None:
    """When a line that is closed opens, in its own zone; None if nobody knows."""
    if not _closed_early(line, now):
        return hours.opens_next(line.hours, line.time_zone, now, line.holidays)
    if line.closed_until is None:
        return None
    if hours.is_open(line.hours, line.time_zone, line.closed_until, line.holidays):
        return line.closed_until.astimezone(ZoneInfo(line.time_zone))
    return hours.opens_next(line.hours, line.time_zone, line.closed_until, line.holidays)


def open_between(line: Line, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """When the line takes new callers, as far as that is known at `since`: spans in UTC, in order.

    If it was closed early until somebody reopens it, its hours are told: that may be any moment.
    """
    if _closed_early(line, since) and line.closed_until is not None:
        since = min(line.closed_until, until)
    return hours.open_between(line.hours, line.time_zone, since, until, line.holidays)


def opening(line: Line, now: datetime) -> Opening:
    """What pages say of the line's hours."""
    early = _closed_early(line, now)
    return Opening(
        zone=line.time_zone,
        open=is_open(line, now),
        opens=opens_next(line, now),
        early=early,
        why=dict(line.closed_words or {}) if early else {},
        pause=Pause(line.paused_at, _paused_by(line, line.paused_at)) if line.paused_at else None,
    )


def policies(session: Session, organization_id: str) -> dict[str, Policy]:
    """The policies of an organization's lines, by the line's id."""
    return _read_policies(session, Line.organization_id == organization_id)


def policies_of(session: Session, line_ids: Collection[str]) -> dict[str, Policy]:
    """The policies of these lines, by id."""
    return _read_policies(session, Line.id.in_(line_ids))


def rosters(organization_id: str, now: datetime) -> dict[str, list[frozenset[str]]]:
    """The organization's lines, by id, each with the skills of every peer who has or will have a shift on it."""
    with reading() as session:
        found: dict[str, list[frozenset[str]]] = {
            line_id: [] for line_id in session.scalars(select(Line.id).where(Line.organization_id == organization_id))
        }
        peers = session.execute(select(Peer.id, Peer.skills).where(Peer.organization_id == organization_id))
        skills = {peer.id: frozenset(peer.skills or ()) for peer in peers}
        on_roster = select(Shift.line_id, Shift.peer_id).where(Shift.line_id.in_(found), Shift.ends_at > now).distinct()
        for line_id, peer_id in session.execute(on_roster):
            found[line_id].append(skills[peer_id])
    return found


def longest_shift(line_id: str, now: datetime) -> timedelta | None:
    """The longest shift of a line that is not over; None if there is none."""
    with reading() as session:
        shifts = session.execute(
            select(Shift.starts_at, Shift.ends_at).where(Shift.line_id == line_id, Shift.ends_at > now)
        ).all()
    until_further_notice = timedelta.max
    return max((end - start if end is not None else until_further_notice for start, end in shifts), default=None)


def today(session: Session, organization_id: str, now: datetime) -> datetime:
    """When the day began that it is now at the organization's lines; of several, where it began first."""
    zones = session.scalars(select(Line.time_zone).where(Line.organization_id == organization_id).distinct())
    return min(
        (now.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0) for zone in zones),
        default=now,
    )


def greetings(line: Line) -> Mapping[str, str]:
    """The line's own greetings, by language; the built-in one stands in for what is missing."""
    return (line.words or {}).get("greeting", {})


def closed_message(line: Line, key: str, language: str, now: datetime) -> str:
    """What a caller of a closed line hears (key "outside_hours") or reads ("text_closed").

    It names the line, why it closed early if it did, when it opens next, and 988.
    """
    opens = None if is_open(line, now) else opens_next(line, now)  # asked again, after it was reopened
    why = line.closed_words or {} if _closed_early(line, now) else {}
    values = {
        "line": line.name,
        "reason": why.get(language, ""),
        "reopening": twiml.reopening(language, opens, now),
    }
    own = (line.words or {}).get("closed", {}).get(language)
    return twiml.fill(language, own, **values) if own else twiml.sentence(language, key, **values)


def all_of(organization_id: str) -> list[Line]:
    """The organization's lines, by name."""
    with reading() as session:
        query = select(Line).where(Line.organization_id == organization_id).options(selectinload(Line.numbers))
        return list(session.scalars(query.order_by(Line.name, Line.id)))


def find(organization_id: str, line_id: str) -> Line:
    """A line with its numbers; NotFound if it is unknown or another organization's."""
    with reading() as session:
        return _find(session, organization_id, line_id)


def reasons(line: Line) -> dict[str, dict[str, str]]:
    """The ready-made reasons for closing early: by code, then by the line's languages."""
    return {
        code: {language: twiml.sentence(language, f"closing_{code}") for language in line.languages} for code in REASONS
    }


def until_next_opening(line: Line, now: datetime) -> datetime | None:
    """How long a line that closes early at `now` stays closed if nobody says otherwise; None: until it is reopened."""
    return hours.opens_next(line.hours, line.time_zone, now, line.holidays)


def close_early(
    account: Account, line_id: str, words: Mapping[str, str], until: datetime | None, now: datetime
) -> Line:
    """Take no new callers until `until`, or until the next opening; who waits already is served.

    Args:
        words: why, as callers hear it, in each of the line's languages.
        until: an instant after `now`; None for the line's next opening.

    Raises NotFound, Invalid for words or a time that do not fit, Conflict if the line is closed already. The same
    again changes nothing.
    """
    with transaction() as session:
        line = _find(session, account.organization_id, line_id, held=True)
        spoken = {language: " ".join(words.get(language, "").split()) for language in line.languages}
        _check_reason(spoken)
        if until is not None and until <= now:
            raise Invalid("That time has passed already.", code="until_past")
        if until is not None and until > now + LONGEST_CLOSED:
            raise Invalid("Closing early ends within a month. For longer, change the hours.", code="until_late")
        ends = until or until_next_opening(line, now)
        if _closed_early(line, now):
            if line.closed_words == spoken and line.closed_until == ends:
                return line
            raise Conflict(
                "This line was closed early meanwhile. Reopen it first to close it for another reason.",
                code="line_closed",
            )
        if until is None and not is_open(line, now):
            raise Conflict("This line is closed already.", code="line_closed")
        line.closed_at, line.closed_until, line.closed_words = now, ends, spoken
        why = {"account": account.id, "until": ends.isoformat() if ends else None}
        record(session, line, "closed_early", now, old="open", new="closed", why=why)
        _tell(session, line)
        return line


def reopen(account: Account, line_id: str, now: datetime) -> Line:
    """The line's hours are in force again; NotFound. Of a line that is not closed early it changes nothing."""
    with transaction() as session:
        line = _find(session, account.organization_id, line_id, held=True)
        if _closed_early(line, now):
            line.closed_at = line.closed_until = line.closed_words = None
            record(session, line, "reopened", now, old="closed", new="open", why={"account": account.id})
            _tell(session, line)
        return line


def pause(account: Account, line_id: str, now: datetime) -> Line:
    """Ask nobody for this line until it is resumed; callers come in and wait, and whoever is asked may still accept.

    Raises NotFound. Of a line that is paused already it changes nothing.
    """
    with transaction() as session:
        line = _find(session, account.organization_id, line_id, held=True)
        if line.paused_at is None:
            line.paused_at = now
            record(session, line, "paused", now, old="running", new="paused", why={"account": account.id})
            _tell(session, line)
        return line


def resume(account: Account, line_id: str, now: datetime) -> Line:
    """Ask peers again, from the clock's next tick on; NotFound. Of a line that is not paused it changes nothing."""
    with transaction() as session:
        line = _find(session, account.organization_id, line_id, held=True)
        if line.paused_at is not None:
            line.paused_at = None
            record(session, line, "resumed", now, old="paused", new="running", why={"account": account.id})
            _tell(session, line)
        return line


def change(account: Account, line_id: str, wish: Settings, version: int, now: datetime) -> Line:
    """Save the line's settings; `version` is the one that the page showed.

    Raises NotFound, and Conflict if somebody saved others meanwhile: nobody's work is lost without a word. Saving what
    is so already changes nothing, so pressing twice is no conflict.
    """
    with transaction() as session:
        line = _find(session, account.organization_id, line_id, held=True)
        before = {name: getattr(line, name) for name in asdict(wish)}
        changed = {name: value for name, value in asdict(wish).items() if value != (before[name] or type(value)())}
        if not changed:
            return line
        if line.version != version:
            raise Conflict("Somebody else saved settings of this line meanwhile.", code="line_changed")
        for name, value in changed.items():
            setattr(line, name, value)
        line.version += 1
        why: dict[str, Any] = {"account": account.id, "changed": sorted(changed)}
        why["before"] = {name: before[name] for name in KEPT if name in changed}
        record(session, line, "settings_changed", now, why=why)
        _tell(session, line)
        return line


def latest_saving(organization_id: str, line_id: str) -> Saving | None:
    """Who saved the line's settings last; None if nobody ever did."""
    with reading() as session:
        event = session.scalars(
            select(Event)
            .where(
                Event.organization_id == organization_id,
                Event.subject == Line.__tablename__,
                Event.subject_id == line_id,
                Event.name == "settings_changed",
            )
            .order_by(Event.id.desc())
            .limit(1)
        ).first()
        if event is None:
            return None
        account = session.get(Account, event.why["account"])
        return Saving(account.name if account else "", event.at, tuple(event.why["changed"]))


def _read_policies(session: Session, which: ColumnElement[bool]) -> dict[str, Policy]:
    rows = session.execute(
        select(Line.id, Line.policy, Line.texts_at_once, Line.voice_with_texts, Line.paused_at).where(which)
    )
    return {
        row.id: policy.read(
            row.policy,
            texts=row.texts_at_once,
            voice_with_texts=row.voice_with_texts,
            paused=row.paused_at is not None,
        )
        for row in rows
    }


def _paused_by(line: Line, since: datetime) -> str:
    """The name of who paused the line; empty if that is not known."""
    with reading() as session:
        why = session.scalar(
            select(Event.why).where(
                Event.organization_id == line.organization_id,
                Event.at == since,  # with the organization, an index
                Event.subject == Line.__tablename__,
                Event.subject_id == line.id,
                Event.name == "paused",
            )
        )
        account = session.get(Account, why["account"]) if why else None
        return account.name if account else ""


def _closed_early(line: Line, now: datetime) -> bool:
    return line.closed_at is not None and (line.closed_until is None or now < line.closed_until)


def _check_reason(spoken: Mapping[str, str]) -> None:
    if not all(spoken.values()):
        raise Invalid("Say why, in each of the line's languages: callers hear it.", code="reason_empty")
    if any(len(sentence) > LONGEST_REASON for sentence in spoken.values()):
        raise Invalid("A reason may have {limit} characters at most.", code="reason_too_long", limit=LONGEST_REASON)


def _find(session: Session, organization_id: str, line_id: str, *, held: bool = False) -> Line:
    query = select(Line).where(Line.id == line_id, Line.organization_id == organization_id)
    query = query.options(selectinload(Line.numbers))
    if held:
        # Callers who come in meanwhile refer to this row; NO KEY UPDATE does not hold them up.
        query = query.with_for_update(of=Line, key_share=True).execution_options(populate_existing=True)
    line = session.scalar(query)
    if line is None:
        raise NotFound
    return line


def _tell(session: Session, line: Line) -> None:
    """The boards that show this line fetch again (contacts/news.py, which is above us)."""
    after_commit(session, push.publish, f"line:{line.id}", "board", line.id)
