"""A day of a line, played through `engine.decide()` by a clock that jumps from one event to the next.

It is asked what dispatch would ask it: about one contact when it comes in or its next step is due, about one peer when
that peer is free again. Peers accept at once, and their consoles stay open. Chance has no place here: arrivals,
patience and handle times are arguments, drawn from a seed or taken from a line's past.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from heapq import heapify, heappop, heappush
from itertools import islice
from statistics import fmean

from routing.engine import decide
from routing.facts import MakeOffer, Peer, Snapshot, Waiting
from routing.policy import UNCHOSEN, Policy
from routing.states import Activity, PeerStatus

LINE = "line"
IN_LINE = 100  # contacts that are looked at for a peer who is free, as dispatch does
ALWAYS = datetime.max.replace(tzinfo=UTC)  # a heartbeat that never grows old


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody who comes: when, how long they would wait for an answer, and for how long they then occupy a peer."""

    at: datetime
    patience: timedelta | None  # None: they never leave
    handle: timedelta
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Rostered:
    """A peer's time on shift. Who is busy when it ends goes on to the end of the talk."""

    peer: str
    begins: datetime
    ends: datetime
    languages: frozenset[str] = frozenset({"en"})
    skills: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an arrival; `peer` is None of somebody who left, or whom nobody ever answered."""

    arrival: Arrival
    waited: timedelta
    peer: str | None


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of a day's contacts: mean seconds of waiting, and shares of all."""

    contacts: int
    wait: float
    abandoned: float
    answered_in_time: float


class _Happens(IntEnum):
    """What an event is. Of two at one moment the earlier of these comes first: nobody leaves who is answered then."""

    SHIFT_ENDS = 0
    SHIFT_BEGINS = 1
    FREE = 2
    ARRIVES = 3
    STEP = 4
    LEAVES = 5


def play(arrivals: Sequence[Arrival], roster: Iterable[Rostered], policy: Policy = UNCHOSEN) -> list[Outcome]:
    """What becomes of each arrival, in their order, if these peers are on shift and the line has this policy."""
    return _Day(arrivals, list(roster), policy).play()


def figures(outcomes: Iterable[Outcome], within: float) -> Figures:
    """The figures of a day that had at least one contact; `within` is in seconds."""
    waits = [(outcome.waited.total_seconds(), outcome.peer is not None) for outcome in outcomes]
    return Figures(
        contacts=len(waits),
        wait=fmean(waited for waited, _ in waits),
        abandoned=fmean(not answered for _, answered in waits),
        answered_in_time=fmean(answered and waited <= within for waited, answered in waits),
    )


class _Day:
    """The state of the line between two events."""

    def __init__(self, arrivals: Sequence[Arrival], roster: list[Rostered], policy: Policy) -> None:
        self.arrivals = arrivals
        self.roster = roster
        self.policies = {LINE: policy}
        self.waiting: dict[str, Waiting] = {}  # in the order in which they came
        self.free: dict[str, Peer] = {}
        self.busy: dict[str, Peer] = {}
        self.on_shift: dict[str, int] = {}  # peers, with the number of their shift
        self.outcomes: dict[int, Outcome] = {}
        self.events = [
            *((arrival.at, _Happens.ARRIVES, number) for number, arrival in enumerate(arrivals)),
            *((shift.begins, _Happens.SHIFT_BEGINS, number) for number, shift in enumerate(roster)),
            *((shift.ends, _Happens.SHIFT_ENDS, number) for number, shift in enumerate(roster)),
        ]
        heapify(self.events)

    def play(self) -> list[Outcome]:
        happens = {
            _Happens.SHIFT_ENDS: self._ends,
            _Happens.SHIFT_BEGINS: self._begins,
            _Happens.FREE: self._talked,
            _Happens.ARRIVES: self._arrives,
            _Happens.STEP: self._is_due,
            _Happens.LEAVES: self._leaves,
        }
        now = ALWAYS
        while self.events:
            now, what, number = heappop(self.events)
            happens[what](number, now)
        for contact in self.waiting.values():  # nobody ever came
            self._over(contact, now, None)
        return [self.outcomes[number] for number in range(len(self.arrivals))]

    def _arrives(self, number: int, now: datetime) -> None:
        arrival = self.arrivals[number]
        contact = Waiting(str(number), LINE, "voice", arrival.language, priority=0, queued_at=now)
        self.waiting[contact.id] = contact
        if arrival.patience is not None:
            heappush(self.events, (now + arrival.patience, _Happens.LEAVES, number))
        for step in self.policies[LINE].steps:
            heappush(self.events, (now + step.after, _Happens.STEP, number))
        self._ask([contact], self.free.values(), now)

    def _is_due(self, number: int, now: datetime) -> None:
        if contact := self.waiting.get(str(number)):
            self._ask([contact], self.free.values(), now)

    def _leaves(self, number: int, now: datetime) -> None:
        if contact := self.waiting.pop(str(number), None):
            self._over(contact, now, None)

    def _begins(self, number: int, now: datetime) -> None:
        shift = self.roster[number]
        self.on_shift[shift.peer] = number
        if shift.peer not in self.busy:  # still, since an earlier shift
            self._is_free(_fresh(shift), now)

    def _ends(self, number: int, now: datetime) -> None:
        peer = self.roster[number].peer
        if self.on_shift.get(peer) == number:
            del self.on_shift[peer]
            self.free.pop(peer, None)

    def _talked(self, number: int, now: datetime) -> None:
        self._is_free(self.busy.pop(self.roster[number].peer), now)

    def _is_free(self, peer: Peer, now: datetime) -> None:
        number = self.on_shift.get(peer.id)
        if number is None:
            return
        shift = self.roster[number]
        self.free[peer.id] = replace(peer, idle_since=now, shifts={LINE: shift.ends})
        spoken_with = (contact for contact in self.waiting.values() if contact.language in shift.languages)
        self._ask(islice(spoken_with, IN_LINE), [self.free[peer.id]], now)

    def _ask(self, contacts: Iterable[Waiting], peers: Iterable[Peer], now: datetime) -> None:
        """Offers that the engine makes are accepted at once; of several for one contact, the first wins."""
        for decision in decide(Snapshot(tuple(contacts), tuple(peers), self.policies), now):
            if isinstance(decision, MakeOffer) and decision.contact in self.waiting:
                self._talks(self.waiting.pop(decision.contact), self.free.pop(decision.peer), now)

    def _talks(self, contact: Waiting, peer: Peer, now: datetime) -> None:
        self.busy[peer.id] = replace(peer, asked_at=now, today=peer.today + 1)
        arrival = self._over(contact, now, peer.id)
        heappush(self.events, (now + arrival.handle, _Happens.FREE, self.on_shift[peer.id]))

    def _over(self, contact: Waiting, now: datetime, peer: str | None) -> Arrival:
        number = int(contact.id)
        arrival = self.arrivals[number]
        self.outcomes[number] = Outcome(arrival, now - contact.queued_at, peer)
        return arrival


def _fresh(shift: Rostered) -> Peer:
    return Peer(
        id=shift.peer, status=PeerStatus.AVAILABLE, activity=Activity.IDLE, threads=0, seen_at=ALWAYS,
        idle_since=shift.begins, shifts={LINE: shift.ends}, languages=shift.languages, skills=shift.skills,
    )  # fmt: skip
