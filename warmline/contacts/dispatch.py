"""Who is asked next: read what the decision may know, decide, make the offers.

What is read is as much as the question needs. If one contact came, it is the free peers of its line, if one peer
changed, it is that one, and whoever is first in line for them: that may be somebody who was there before, and whom a
pause, a rest or a breath kept waiting until just now. The clock looks at everybody, a page of contacts at a time, so
that what was missed in a race lasts a second.

However many wait in front on other or paused lines, in other languages, or by a channel for which nobody has room, it
costs nothing: where each such kind of contact begins is known to an index. Whoever waits for a wish, or for the step
of a policy that reaches these peers, is passed over one by one in that index, a fifth of a millisecond for a thousand.
Those who cannot be offered just now, being called or to be called later, are read and passed over. What depends on the
pair, two who are kept apart or who were brought together a moment ago, is refused by `why_not`, a page at a time.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, exists, func, or_, select, union
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from routing.eligibility import asked_from, has_room
from routing.engine import decide
from routing.facts import TIMES, MakeOffer, Snapshot, Waiting
from routing.facts import Peer as PeerFacts
from routing.policy import Policy, Strategy
from routing.ranking import first_in_line
from routing.states import ContactState, OfferState, PeerStatus
from warmline.contacts import news
from warmline.db import after_commit, reading, transaction
from warmline.models import Apart, Caller, Channel, Contact, Engagement, Line, Offer, Organization, Peer
from warmline.models.base import new_id
from warmline.models.history import advance_all, begin
from warmline.people import lines, roster

AT_A_TIME = 100  # contacts looked at in one go
SPARE = 4  # contacts looked at, at first, beyond the number of free peers: some may be refused
MOST_KINDS = 20  # of contacts that one query looks for
ANY_TIME = datetime.max.replace(tzinfo=UTC)
FRONT = {"priority": 2**31 - 1, "queued_at": ANY_TIME, "id": ""}  # before whoever is first


def run(organization_id: str, now: datetime, contact_id: str | None = None, peer_id: str | None = None) -> int:
    """Offer waiting contacts of an organization to its free peers; returns how many offers were made.

    Only to the peers who may be asked for this contact, or only to this peer, if that is what changed; first in line
    first, be it somebody else. Any number of these may run at once: an offer that somebody else's run made impossible
    is simply not made.
    """
    made, last, left = 0, None, None
    while True:
        with reading() as session:
            snapshot = look(session, organization_id, now, contact_id=contact_id, peer_id=peer_id, last=last, left=left)
        wanted = [decision for decision in decide(snapshot, now) if isinstance(decision, MakeOffer)]
        made += make(wanted, now)
        waiting = [contact for contact in snapshot.waiting if not contact.ringing]
        if len(waiting) < _page(snapshot.peers, last) or len(wanted) >= len(snapshot.peers):
            return made
        last = waiting[-1]  # peers are left, and perhaps somebody further behind for them
        asked = {decision.peer for decision in wanted}
        left = [peer for peer in snapshot.peers if peer.id not in asked]


def after(
    session: Session, organization_id: str, now: datetime, contact_id: str | None = None, peer_id: str | None = None
) -> None:
    """Run once this transaction is committed: it changed who waits or who is free."""
    after_commit(session, run, organization_id, now, contact_id, peer_id)


def organizations_waiting() -> list[str]:
    """Organizations in which somebody waits for an offer, or a call rings that might ring at more peers."""
    with reading() as session:
        # One look at the index for each, however many wait.
        waits = exists().where(Contact.organization_id == Organization.id, _offerable())
        rings = exists().where(Contact.organization_id == Organization.id, _rings())
        return list(session.scalars(select(Organization.id).where(or_(waits, rings))))


def look(
    session: Session,
    organization_id: str,
    now: datetime,
    *,
    contact_id: str | None = None,
    peer_id: str | None = None,
    last: Waiting | None = None,
    left: Sequence[PeerFacts] | None = None,
) -> Snapshot:
    """What a decision may know: the peers who could take an offer, and, if there are any, who waits for one of them.

    With them come the calls that ring at fewer peers than their line says.

    Args:
        contact_id: only peers who may be asked for this contact.
        peer_id: only this peer.
        last: only contacts behind this one.
        left: peers whom an earlier look of the same run has read; none of them is read again.
    """
    line_id, a_call_rings = None, False
    if left is None:
        changed = [Contact.id == contact_id] if contact_id is not None else []
        first = _FIRST.where(Contact.organization_id == organization_id, *changed).scalar_subquery()
        rings = exists().where(Contact.organization_id == organization_id, _rings())
        line_id, a_call_rings = session.execute(select(first, rings)).one()
        if line_id is None and not a_call_rings:
            return Snapshot()
    policies = lines.policies(session, organization_id)
    short = _short(session, organization_id, policies, now) if a_call_rings else []
    if left is None and line_id is None and not short:
        return Snapshot()  # before a thousand free peers are read for nobody
    reached = policies[line_id].lines(line_id) if contact_id is not None and line_id is not None else None
    peers = left or roster.free(session, organization_id, now, peer_id=peer_id, line_ids=reached)
    if not peers:
        return Snapshot()
    waiting = _as_facts(session, policies, [*_first_for(session, policies, peers, now, last), *short])
    strategies = {policies[contact.line].strategy for contact in waiting}
    if Strategy.FEWEST_TODAY in strategies:
        peers = roster.with_today(session, peers, lines.today(session, organization_id, now))
    if Strategy.ROUND_ROBIN in strategies:
        peers = roster.with_asked(session, peers)
    return Snapshot(waiting=waiting, peers=tuple(peers), policies=policies)


def facts(
    session: Session, policies: Mapping[str, Policy], wanted: Iterable[ColumnElement[bool]], limit: int = AT_A_TIME
) -> tuple[Waiting, ...]:
    """Contacts in line as the decision sees them, first in line first."""
    return _as_facts(session, policies, session.execute(_IN_LINE.where(*wanted).limit(limit)).all())


def _as_facts(session: Session, policies: Mapping[str, Policy], rows: Sequence[Any]) -> tuple[Waiting, ...]:
    if not rows:
        return ()
    asked = defaultdict(list)
    ringing: dict[str, int] = defaultdict(int)
    asked_until: dict[str, dict[str, datetime | None]] = defaultdict(dict)
    for contact_id, peer_id, decided_at, state in session.execute(_ASKED, {"ids": [row.id for row in rows]}):
        asked[contact_id].append(peer_id)
        ringing[contact_id] += state is OfferState.PENDING
        # Whoever was only less quick than another needs no breath.
        asked_until[contact_id][peer_id] = None if state is OfferState.LOST else decided_at
    apart = _apart(session, rows)
    known = _known_peers(session, rows, policies)
    return tuple(
        Waiting(
            id=row.id,
            line=row.line_id,
            channel=row.channel,
            language=row.language,
            priority=row.priority,
            queued_at=row.queued_at,
            asked=tuple(asked[row.id]),
            asked_until=asked_until[row.id],
            wish=row.wish,
            wish_required=row.wish_required,
            apart=frozenset(apart[row.caller_id]),
            same_peer=known.get(row.caller_id),
            steps=row.steps,
            ringing=ringing[row.id],
        )
        for row in rows
    )


def make(decisions: Sequence[MakeOffer], now: datetime) -> int:
    """Offer contacts to peers, as decided from a snapshot that may be old by now: how many offers were made.

    All in one transaction: a hundred cost little more than one. For a contact that rings already somebody more is
    asked only if it rings at as many as was known: whatever changed that has a run of its own.

    1. Hold the contacts and the peers, but wait for none: whoever holds one of them is changing it.
    2. Look again at what may have changed meanwhile.
    3. Contacts that wait → offered; insert the offers. The unique index allows one live offer a peer.
    """
    if not decisions:
        return 0
    try:
        return _make(decisions, now)
    except IntegrityError:
        if len(decisions) > 1:
            return sum(make([alone], now) for alone in decisions)
        return 0


def _make(decisions: Sequence[MakeOffer], now: datetime) -> int:
    with transaction() as session:
        contacts = {
            row.id: row
            for row in session.execute(_HELD_CONTACTS, {"ids": list({decision.contact for decision in decisions})})
        }
        wanted = {decision.peer for decision in decisions if decision.contact in contacts}
        peers = session.scalars(_HELD_PEERS, {"ids": list(wanted)}).all()
        if not peers:
            return 0
        rings = Counter(session.scalars(_RINGING, {"ids": list(contacts)})) if any(d.beside for d in decisions) else {}
        doing = roster.activities(session, peers)
        rooms = {
            row.line_id: Policy(texts=row.texts_at_once, voice_with_texts=row.voice_with_texts)
            for row in contacts.values()
        }
        offers = [
            Offer(
                id=new_id(),
                organization_id=contact.organization_id,
                contact_id=contact.id,
                peer_id=decision.peer,
                state=OfferState.PENDING,
                made_at=now,
                deadline=now + TIMES.ring,
                refusals=[list(refusal) for refusal in decision.refusals],
            )
            for decision in decisions
            if (contact := contacts.get(decision.contact)) is not None
            and contact.state is (ContactState.OFFERED if decision.beside else ContactState.WAITING)
            and rings.get(contact.id, 0) == decision.beside
            and (peer := doing.get(decision.peer)) is not None
            and has_room(peer.activity, peer.threads, contact.channel, rooms[contact.line_id])
        ]
        if not offers:
            return 0
        asked = defaultdict(list)
        for offer in offers:
            asked[offer.contact_id].append(offer.peer_id)
        begin(session, now, *offers)
        first = {id: {"peers": asked[id]} for id in asked if contacts[id].state is ContactState.WAITING}
        if first:
            advance_all(session, Contact, ContactState.WAITING, "offered", now, first)
        for offer in offers:
            news.for_peer(session, offer.peer_id)
        for line_id in {contacts[id].line_id for id in asked}:
            news.for_line(session, line_id)
        return len(offers)


def _offerable() -> ColumnElement[bool]:
    return and_(Contact.state == ContactState.WAITING, _is_there())


def _rings() -> ColumnElement[bool]:
    return and_(Contact.state == ContactState.OFFERED, Contact.channel == Channel.VOICE, _is_there())


def _is_there() -> ColumnElement[bool]:
    # A caller on the phone can be moved only while the phone company holds them in its queue; one who has hung up is
    # called when that is due. While a call to them is under way, `callback_due_at` is its end.
    called = and_(Contact.callback_at.is_not(None), Contact.callback_due_at.is_(None))
    return or_(Contact.channel == Channel.TEXT, Contact.queue_sid.is_not(None), called)


def _page(peers: Collection[PeerFacts], last: Waiting | None) -> int:
    """How many contacts are looked at: at first about as many as there are peers for them."""
    return AT_A_TIME if last is not None else min(AT_A_TIME, len(peers) + SPARE)


def _first_for(
    session: Session, policies: Mapping[str, Policy], peers: Collection[PeerFacts], now: datetime, last: Waiting | None
) -> list[Any]:
    """A page of the contacts that one of these peers might take, as far as it does not depend on the pair of them."""
    kinds = _kinds(policies, peers, now)
    page = _page(peers, last)
    behind = FRONT if last is None else {"priority": last.priority, "queued_at": last.queued_at, "id": last.id}
    rows: list[Any] = []
    for begin_at in range(0, len(kinds), MOST_KINDS):
        some = kinds[begin_at : begin_at + MOST_KINDS]
        each = {f"{name}_of{number}": value for number, kind in enumerate(some) for name, value in kind.items()}
        rows += session.execute(_first_of(len(some)), {"page": page, **behind, **each})
    return sorted(set(rows), key=first_in_line)[:page]


def _short(session: Session, organization_id: str, policies: Mapping[str, Policy], now: datetime) -> list[Any]:
    """Calls that ring at fewer peers than their line says."""
    live = select(func.count()).where(Offer.contact_id == Contact.id, Offer.state == OfferState.PENDING)
    short = [
        and_(Contact.line_id == line, Contact.queued_at <= now - after, live.scalar_subquery() < policy.several)
        for line, policy in policies.items()
        if not policy.paused and (after := policy.rings_several_after()) is not None
    ]
    if not short:
        return []
    query = _IN_LINE.where(Contact.organization_id == organization_id, _rings(), or_(*short))
    return list(session.execute(query.limit(AT_A_TIME)))


def _kinds(policies: Mapping[str, Policy], peers: Collection[PeerFacts], now: datetime) -> list[dict[str, Any]]:
    """The lines, languages and channels in which these peers might take somebody.

    With since when one must have waited to be theirs, or not to insist on a wish, and the wishes that they can grant
    from then on: who comes by a later step is a kind of their own only for what those before them cannot grant.
    """
    # Of those who differ in nothing that counts here one is looked at: a thousand peers are a few kinds.
    alike = {
        (frozenset(peer.shifts.items()), peer.activity, peer.threads, peer.languages, peer.skills): peer
        for peer in peers
    }.values()
    found: dict[tuple[str, str, Channel], dict[timedelta, frozenset[str]]] = defaultdict(dict)
    for peer in alike:
        for line, policy in policies.items():
            after = None if policy.paused else asked_from(peer, line, policy, now)
            if after is None:
                continue
            for channel in Channel:
                if not has_room(peer.activity, peer.threads, channel, policy):
                    continue
                for language in peer.languages:
                    steps = found[line, language, channel]
                    steps[after] = steps.get(after, frozenset()) | peer.skills
    kinds = []
    for (line, language, channel), steps in found.items():
        granted: frozenset[str] | None = None
        for after in sorted(steps):
            if granted is not None and steps[after] <= granted:
                continue
            granted = steps[after] | (granted or frozenset())
            kinds.append(
                {
                    "line": line,
                    "language": language,
                    "channel": channel,
                    "wishes": list(granted),
                    "since": _before(after, now),
                    "patient": _before(policies[line].patience() or timedelta(), now),
                }
            )
    return kinds


def _before(wait: timedelta, now: datetime) -> datetime:
    # Of whom no wait is asked may have come after this run began.
    return now - wait if wait else ANY_TIME


def _apart(session: Session, rows: Sequence[Any]) -> Mapping[str | None, list[str]]:
    """The peers whom callers are not to meet again, by caller."""
    apart: dict[str | None, list[str]] = defaultdict(list)
    callers = {row.caller_id for row in rows if row.caller_id is not None}
    for caller_id, peer_id in session.execute(
        select(Apart.caller_id, Apart.peer_id).where(Apart.caller_id.in_(callers))
    ):
        apart[caller_id].append(peer_id)
    return apart


def _known_peers(session: Session, rows: Sequence[Any], policies: Mapping[str, Policy]) -> Mapping[str | None, str]:
    """Whom callers who asked to be remembered talked to last, where their line goes by it; by caller."""
    callers = {row.caller_id for row in rows if policies[row.line_id].strategy is Strategy.SAME_PEER}
    if not callers:
        return {}
    latest = (
        select(Engagement.peer_id)
        .join(Contact, Contact.id == Engagement.contact_id)
        .where(Contact.caller_id == Caller.id, Engagement.active_at.is_not(None))
        .order_by(Contact.arrived_at.desc(), Engagement.began_at.desc())
        .limit(1)
        .correlate(Caller)
        .scalar_subquery()
    )
    found = session.execute(
        select(Caller.id, latest.label("peer")).where(Caller.id.in_(callers), Caller.remembered_at.is_not(None))
    )
    return {row.id: row.peer for row in found if row.peer is not None}


# Built once: building a statement takes longer than its answer.
_IN_LINE = select(
    Contact.id,
    Contact.line_id,
    Contact.caller_id,
    Contact.channel,
    Contact.language,
    Contact.priority,
    Contact.queued_at,
    Contact.wish,
    Contact.wish_required,
    Contact.steps,
).order_by(Contact.priority.desc(), Contact.queued_at, Contact.id)
_FIRST = _IN_LINE.with_only_columns(Contact.line_id).where(_offerable()).limit(1)


@lru_cache
def _first_of(kinds: int) -> Select[Any]:
    """A page of the contacts of so many kinds, first in line first: of each kind, one look at the index finds them."""
    page = bindparam("page", type_=Integer)
    # Who has waited long enough for a later step may be of two kinds.
    each = union(*(select(_of_kind(number).limit(page).subquery()) for number in range(kinds))).subquery()
    return select(each).order_by(each.c.priority.desc(), each.c.queued_at, each.c.id).limit(page)


def _of_kind(number: int) -> Any:
    def given(name: str, **options: Any) -> Any:
        return bindparam(f"{name}_of{number}", **options)

    no_more = and_(~Contact.wish_required, Contact.queued_at <= given("patient"))
    later = or_(
        Contact.queued_at > bindparam("queued_at"),
        and_(Contact.queued_at == bindparam("queued_at"), Contact.id > bindparam("id")),
    )
    return _IN_LINE.where(
        or_(Contact.wish.is_(None), Contact.wish.in_(given("wishes", expanding=True)), no_more),
        _offerable(),
        Contact.line_id == given("line"),
        Contact.language == given("language"),
        Contact.channel == given("channel"),
        Contact.queued_at <= given("since"),
        Contact.priority <= bindparam("priority"),
        or_(Contact.priority < bindparam("priority"), later),
    )


_ASKED = (
    select(Offer.contact_id, Offer.peer_id, Offer.decided_at, Offer.state)
    .where(Offer.contact_id.in_(bindparam("ids", expanding=True)))
    .order_by(Offer.made_at, Offer.decided_at, Offer.id)
)
_HELD_CONTACTS = (
    select(
        Contact.id,
        Contact.organization_id,
        Contact.line_id,
        Contact.channel,
        Contact.state,
        Line.texts_at_once,
        Line.voice_with_texts,
    )
    .join(Line, Line.id == Contact.line_id)
    .where(Contact.id.in_(bindparam("ids", expanding=True)), _is_there(), Line.paused_at.is_(None))
    .order_by(Contact.id)
    .with_for_update(of=Contact, key_share=True, skip_locked=True)
)
# Asked for once they are held, by a statement of its own: what that one saw may be older than the hold.
_RINGING = select(Offer.contact_id).where(
    Offer.contact_id.in_(bindparam("ids", expanding=True)), Offer.state == OfferState.PENDING
)
_HELD_PEERS = (
    select(Peer.id)
    .where(Peer.id.in_(bindparam("ids", expanding=True)), Peer.status == PeerStatus.AVAILABLE)
    .order_by(Peer.id)
    .with_for_update(key_share=True, skip_locked=True)
)
