"""An organization as a decision would see it now, with everybody's names, and what there is to say of a refusal."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from routing import eligibility
from routing.eligibility import Refusal, why_not
from routing.facts import Peer as PeerFacts
from routing.facts import Waiting
from routing.policy import Policy, Step, StepKind, Strategy
from routing.ranking import asked_first
from warmline.contacts.screens.supervisor import PeerRow, peer_rows
from warmline.models import Line
from warmline.people import lines, roster


@dataclass(frozen=True, slots=True)
class Against:
    """One refusal, by its code. Which of the rest is known depends on the code.

    Attributes:
        words: further codes: a status and its reason, an activity, languages, skills; or the name of a line.
        threads: text conversations that the peer has.
        since: since when it is so.
        ends: when the peer's shift ends.
        until: when it counts no more by itself.
    """

    code: str
    words: tuple[str, ...] = ()
    threads: int = 0
    since: datetime | None = None
    ends: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LineFacts:
    """A line in a scene."""

    name: str
    zone: str
    paused_at: datetime | None
    policy: Policy


@dataclass(frozen=True, slots=True)
class Scene:
    """An organization as a decision would see it now, with the names of everybody."""

    organization_id: str
    lines: Mapping[str, LineFacts]
    peers: Mapping[str, PeerFacts]
    rows: Mapping[str, PeerRow]
    now: datetime

    @property
    def policies(self) -> dict[str, Policy]:
        """By line."""
        return {id: line.policy for id, line in self.lines.items()}

    def refusals(self, peer: PeerFacts, contact: Waiting) -> list[Refusal]:
        """Whatever speaks now against asking this peer for this contact."""
        return why_not(peer, contact, self.lines[contact.line].policy, self.now)

    def in_order(self, contact: Waiting) -> list[PeerFacts]:
        """Everybody, whoever would be asked first in front."""
        return sorted(self.peers.values(), key=asked_first(self.lines[contact.line].policy.strategy, contact))

    def against(self, peer: PeerFacts, contact: Waiting) -> tuple[Against, ...]:
        """The refusals, each with what there is to say to it."""
        refusals = self.refusals(peer, contact)
        explained = self._explained(peer, contact) if refusals else {}
        return tuple(replace(explained[refusal], code=refusal.code) for refusal in refusals)

    def _explained(self, peer: PeerFacts, contact: Waiting) -> Mapping[Refusal, Against]:
        """What there is to say to each refusal, for a peer and a contact of which it holds."""
        line, row = self.lines[contact.line], self.rows[peer.id]
        ends = [end for id, end in peer.shifts.items() if id in line.policy.lines(contact.line) and end]
        sister = [(step, at) for step, at in self.steps(contact, StepKind.SISTER) if step.line in peer.shifts]
        bare = Against("")
        return {
            eligibility.LINE_PAUSED: replace(bare, since=line.paused_at),
            eligibility.NOT_ON_SHIFT: next(
                (replace(bare, words=(self.lines[step.line].name,), until=at) for step, at in sister), bare
            ),
            eligibility.SHIFT_ENDS: replace(bare, ends=max(ends, default=None), until=self._widened(contact)),
            eligibility.SKILLS: replace(
                bare, words=tuple(sorted(line.policy.skills - peer.skills)), until=self._widened(contact)
            ),
            eligibility.NOT_AVAILABLE: replace(
                bare, words=(row.status, row.status_reason or ""), since=row.status_since
            ),
            eligibility.NOT_PRESENT: replace(bare, since=peer.seen_at),
            eligibility.RESTS: replace(bare, until=peer.rests_until),
            eligibility.BUSY: replace(bare, words=(peer.activity,), threads=peer.threads, since=row.activity_since),
            eligibility.LANGUAGE: replace(bare, words=tuple(sorted(peer.languages))),
            eligibility.WISH: replace(bare, words=(contact.wish or "",), until=self.wished_until(contact)),
            eligibility.APART: bare,
            eligibility.JUST_ASKED: bare,
        }

    def steps(self, contact: Waiting, *kinds: StepKind) -> list[tuple[Step, datetime]]:
        """The overflow steps of the contact's line, of these kinds if any are given, each with when it is due."""
        return [
            (step, contact.queued_at + step.after)
            for step in self.lines[contact.line].policy.steps
            if not kinds or step.kind in kinds
        ]

    def wished_until(self, contact: Waiting) -> datetime | None:
        """When a wish that is only preferred counts no more."""
        patience = self.lines[contact.line].policy.patience()
        return None if contact.wish_required or patience is None else contact.queued_at + patience

    def _widened(self, contact: Waiting) -> datetime | None:
        return next((at for _, at in self.steps(contact, StepKind.WIDEN)), None)


def read_scene(session: Session, organization_id: str, now: datetime) -> Scene:
    """The organization's lines and peers: a fixed number of queries."""
    policies = lines.policies(session, organization_id)
    rows = session.execute(
        select(Line.id, Line.name, Line.time_zone, Line.paused_at)
        .where(Line.organization_id == organization_id)
        .order_by(Line.name, Line.id)
    )
    peers = roster.everybody(session, organization_id, now)
    strategies = {policy.strategy for policy in policies.values()}
    if Strategy.FEWEST_TODAY in strategies:
        peers = roster.with_today(session, peers, lines.today(session, organization_id, now))
    if Strategy.ROUND_ROBIN in strategies:
        peers = roster.with_asked(session, peers)
    return Scene(
        organization_id=organization_id,
        lines={row.id: LineFacts(row.name, row.time_zone, row.paused_at, policies[row.id]) for row in rows},
        peers={peer.id: peer for peer in peers},
        rows={row.id: row for row in peer_rows(session, organization_id, now)},
        now=now,
    )
