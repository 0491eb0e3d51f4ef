"""Giving waiting contacts to free peers: how quick, whether the queue's length matters, and never twice.

The floor of a match is the quickest claim that we know with what an offer is at least: an UPDATE fed by SELECT … FOR
UPDATE SKIP LOCKED (on SQLite in BEGIN IMMEDIATE) along a partial index, one INSERT, and a commit. Ours looks at the
peers as well, decides, and writes offer and history. On PostgreSQL two processes do so at once.

The race has a control: the same code without lock, second look and unique index. Were that not to give contacts away
twice, the race would prove nothing. python -m bench.claims --help
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache

from sqlalchemy import Engine, String, bindparam, delete, literal, select, text, update
from sqlalchemy.orm import Session

from bench.product import Databases, House, each_kind, settings
from bench.report import figure, heading, ratio
from routing.states import ContactState, OfferState, PeerStatus
from warmline import clock, db
from warmline.contacts import dispatch
from warmline.models import Contact, Line, Offer, Peer, Shift
from warmline.wiring import wire

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["bench.product"])  # imported once, with the product
LENGTH_GOAL = 1.5  # times what a decision takes with the shortest queue
BARE_GOAL = 0.5  # of the floor
PROCESSES, THREADS = 2, 4
AT_ONCE = {"SQLite": 1, "PostgreSQL": PROCESSES}
BARE_CLAIMS = 100
UNIQUE = ("uq_offer_live_peer",)
BARE_TABLES = """
    CREATE TABLE bare (id integer PRIMARY KEY, line text, priority integer, queued_at integer, waiting boolean);
    CREATE INDEX bare_waiting ON bare (line, priority DESC, queued_at, id) WHERE waiting;
    CREATE TABLE bare_offer (bare_id integer PRIMARY KEY)
"""
BARE_CLAIM = """
    UPDATE bare SET waiting = false WHERE id = (
        SELECT id FROM bare WHERE line = 'Georgia' AND waiting ORDER BY priority DESC, queued_at, id LIMIT 1 {lock}
    ) RETURNING id
"""


class Queue:
    """A house with so many contacts in line, and peers on a break. Who is `staffed` is on shift."""

    def __init__(self, house: House, waiting: int, peers: int) -> None:
        self.house, self.length = house, waiting
        self.peers = self.staffed = house.crowd(peers)
        self.contacts = house.waiting(waiting)
        with house.engine.begin() as connection:
            for statement in BARE_TABLES.split(";"):
                connection.execute(text(statement))
            rows = [{"id": number} for number in range(waiting)]
            connection.execute(text("INSERT INTO bare VALUES (:id, 'Georgia', 0, :id, true)"), rows)
        if house.engine.name == "postgresql":  # as its autovacuum would; for SQLite nobody does so
            with house.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))

    @property
    def organization(self) -> str:
        return self.house.line.organization_id

    def staff(self, count: int) -> None:
        """So many peers are on shift."""
        self.staffed = self.peers[:count]
        with db.transaction() as session:
            for peers, ends_at in ((self.staffed, None), (self.peers[count:], self.house.now)):
                session.execute(update(Shift).where(Shift.peer_id.in_(peers)).values(ends_at=ends_at))

    def choose(self, peers: Iterable[str], status: PeerStatus) -> None:
        with db.transaction() as session:
            session.execute(update(Peer).where(Peer.id.in_(peers)).values(status=status))

    def withdraw(self) -> None:
        """Nobody was ever asked, and everybody waits."""
        with db.transaction() as session:
            session.execute(delete(Offer))
            session.execute(
                update(Contact).where(Contact.state == ContactState.OFFERED).values(state=ContactState.WAITING)
            )
            session.execute(text("DELETE FROM bare_offer"))
            session.execute(text("UPDATE bare SET waiting = true WHERE NOT waiting"))

    def each_becomes_free(self, count: int) -> list[float]:
        """One peer after the other: the seconds of each decision."""
        took = []
        for peer in self.staffed[:count]:
            self.choose([peer], PeerStatus.AVAILABLE)
            took.append(self._decides(peer_id=peer))
        self.choose(self.staffed, PeerStatus.BREAK)
        self.withdraw()
        return took

    def each_becomes_free_behind(self, count: int) -> list[float]:
        """The same, while all in line wait for others, except so many at its end."""
        others = sorted(self.contacts)[:-count]
        self._speak("es", *others)
        took = self.each_becomes_free(count)
        self._speak("en", *others)
        return took

    def each_comes(self, count: int) -> list[float]:
        """All are free, none of them for those in line, and one contact after the other comes for whom they are.

        Returns the seconds of each decision.
        """
        self.choose(self.staffed, PeerStatus.AVAILABLE)
        self._speak("es", *self.contacts)
        took = []
        for contact in self.contacts[:count]:
            self._speak("en", contact)
            took.append(self._decides(contact_id=contact))
        self._speak("en", *self.contacts)
        self.choose(self.staffed, PeerStatus.BREAK)
        self.withdraw()
        return took

    def _speak(self, language: str, *contacts: str) -> None:
        with db.transaction() as session:
            session.execute(update(Contact).where(Contact.id.in_(contacts)).values(language=language))

    def all_are_free(self, workers: ProcessPoolExecutor, at_once: int) -> float:
        """Matches a second, while there are both contacts and peers."""
        self.choose(self.staffed, PeerStatus.AVAILABLE)
        rate = together(workers, at_once, match_all, self.house.url, self.organization)
        with db.reading() as session:
            live = session.scalars(select(Offer.peer_id).where(Offer.state == OfferState.PENDING)).all()
        left = dispatch.run(self.organization, clock.now())  # what one process skipped because the other held it
        possible = min(len(self.staffed), self.length)
        assert len(live) == len(set(live)) == possible - left, "not everybody was matched once"
        self.choose(self.staffed, PeerStatus.BREAK)
        self.withdraw()
        return rate

    def _decides(self, **changed: str) -> float:
        began = time.monotonic()
        made = dispatch.run(self.organization, clock.now(), **changed)
        took = time.monotonic() - began
        assert made == 1, "nobody was offered"
        return took


def together(workers: ProcessPoolExecutor, at_once: int, work: Callable[..., int], *arguments: str) -> float:
    """What so many processes do in a second, from a common start until the last of them ends."""
    start = time.monotonic() + 0.1
    jobs = [workers.submit(begin_at, start, work, *arguments) for _ in range(at_once)]
    done, ends = zip(*(job.result() for job in jobs), strict=True)
    return float(sum(done) / (max(ends) - start))


def begin_at(start: float, work: Callable[..., int], url: str, *arguments: str) -> tuple[int, float]:
    opened(url)
    time.sleep(max(0, start - time.monotonic()))
    return work(*arguments), time.monotonic()


@cache
def engine_of(url: str) -> Engine:
    wire(settings(url))
    return db.bound()


def opened(url: str) -> None:
    db.bind(engine_of(url))


def match_all(organization: str) -> int:
    """Until nothing is left: how many matches."""
    made = 0
    while offered := dispatch.run(organization, clock.now()):
        made += offered
    return made


def claim_bare(claims: str) -> int:
    lock = "FOR UPDATE SKIP LOCKED" if db.bound().name == "postgresql" else ""
    claim, offer = text(BARE_CLAIM.format(lock=lock)), text("INSERT INTO bare_offer VALUES (:id)")
    engine = db.bound().execution_options(write=True)
    for _ in range(int(claims)):
        with engine.begin() as connection:
            claimed = connection.execute(claim).scalar_one()
            connection.execute(offer, {"id": claimed})
    return int(claims)


def speed(databases: Databases, runs: int, decisions: int, lengths: list[int], crowds: list[int]) -> None:
    """Decisions and matches, in turns with the floor, for each length of the queue."""
    frees: dict[tuple[int, int], list[float]] = defaultdict(list)
    behind: dict[tuple[int, int], list[float]] = defaultdict(list)
    comes: dict[tuple[int, int], list[float]] = defaultdict(list)
    rates: dict[tuple[int, int], list[float]] = defaultdict(list)
    floors: dict[int, list[float]] = defaultdict(list)
    at_once = AT_ONCE[databases.kind]
    with ExitStack() as houses, ProcessPoolExecutor(at_once, FORKED) as workers:
        queues = [Queue(houses.enter_context(House(databases.new())), length, max(crowds)) for length in lengths]
        for _ in range(runs + 1):
            for queue in queues:
                queue.house.open()
                claims = str(min(BARE_CLAIMS, queue.length) // at_once)
                floors[queue.length].append(together(workers, at_once, claim_bare, queue.house.url, claims))
                for crowd in crowds:
                    queue.staff(crowd)
                    frees[queue.length, crowd].append(statistics.median(queue.each_becomes_free(decisions)))
                    behind[queue.length, crowd].append(statistics.median(queue.each_becomes_free_behind(decisions)))
                    comes[queue.length, crowd].append(statistics.median(queue.each_comes(decisions)))
                    rates[queue.length, crowd].append(queue.all_are_free(workers, at_once))
    decisions_at(f"{databases.kind}: a peer becomes free; medians of {runs} runs in turns", "on shift", frees)
    decisions_at(f"{databases.kind}: a peer becomes free, for whom only the last {decisions} are", "there", behind)
    decisions_at(f"{databases.kind}: all are free, and a contact comes", "free", comes)
    heading(f"{databases.kind}: many are free, {at_once} process{'es' if at_once > 1 else ''}; matches a second")
    for length in lengths:
        bare = median(floors[length])
        figure(f"claim and insert, {length} waiting", f"{bare:6.0f}")
        for crowd in crowds:
            found = median(rates[length, crowd])
            ratio(f"{length} waiting, {crowd} free", f"{found:6.0f}", found / bare, "of it", at_least=BARE_GOAL)


def decisions_at(words: str, whose: str, took: Mapping[tuple[int, int], Sequence[float]]) -> None:
    """What a decision takes, by length of the queue and number of peers, the shortest queue first."""
    heading(words)
    shortest = next(iter(took))[0]
    for length, crowd in sorted(took, key=lambda each: each[1]):
        found, least = median(took[length, crowd]), median(took[shortest, crowd])
        goal = LENGTH_GOAL if length != shortest else None
        of = f"that with {shortest}"
        ratio(f"{length} waiting, {crowd} {whose}", f"{found * 1000:.1f} ms", found / least, of, at_most=goal)


def median(runs: Sequence[float]) -> float:
    """Of all but the first, which only filled what is kept."""
    return statistics.median(runs[1:])


def believe() -> None:
    """In this process dispatch makes the offers that it decided on, as if nobody else did anything meanwhile.

    It is the same code, but nothing holds contacts and peers and looks at them again, and whoever is offered need not
    wait until then.
    """

    def offered(session: Session, kind: type[Contact], old: object, event: object, now: object, why: list[str]) -> None:
        session.execute(update(kind).where(kind.id.in_(why)).values(state=ContactState.OFFERED))

    ids = bindparam("ids", expanding=True, type_=String)
    waiting = literal(ContactState.WAITING, Contact.state.type).label("state")
    columns = [waiting if column.name == "state" else column for column in dispatch._HELD_CONTACTS.selected_columns]
    dispatch._HELD_CONTACTS = select(*columns).join(Line, Line.id == Contact.line_id).where(Contact.id.in_(ids))
    dispatch._HELD_PEERS = select(Peer.id).where(Peer.id.in_(ids))
    dispatch.has_room = lambda *_: True  # type: ignore[attr-defined]
    dispatch.advance_all = offered  # type: ignore[assignment, attr-defined]


def claim_all(url: str, organization: str, locked: bool) -> int:
    """In a process of its own: THREADS claim until nothing is left; how many claims they believe to have made."""
    wire(settings(url))
    if not locked:
        believe()
    with ThreadPoolExecutor(THREADS) as threads:
        return sum(job.result() for job in [threads.submit(match_all, organization) for _ in range(THREADS)])


def race(databases: Databases, *, locked: bool, size: int) -> int:
    """Several processes give the same contacts to the same peers: how many offers are one too many."""
    with House(databases.new()) as house:
        house.seats(size, PeerStatus.AVAILABLE)
        house.waiting(size)
        if not locked:
            with db.bound().begin() as connection:
                for index in UNIQUE:
                    connection.execute(text(f"DROP INDEX {index}"))
        with ProcessPoolExecutor(PROCESSES, FORKED) as processes:
            jobs = [
                processes.submit(claim_all, house.url, house.line.organization_id, locked) for _ in range(PROCESSES)
            ]
            believed = sum(job.result() for job in jobs)
        with db.reading() as session:
            live = session.scalars(select(Offer).where(Offer.state == OfferState.PENDING)).all()
    assert not locked or len(live) == size, f"{len(live)} of {size} contacts were offered"
    contacts, peers = Counter(offer.contact_id for offer in live), Counter(offer.peer_id for offer in live)
    twice = sum(count - 1 for counts in (contacts, peers) for count in counts.values())
    return twice + abs(believed - len(live))


def races(databases: Databases, size: int) -> bool:
    """Whether the lock holds, and the control does not."""
    ours, control = race(databases, locked=True, size=size), race(databases, locked=False, size=size)
    heading(f"{databases.kind}: {PROCESSES} processes × {THREADS} threads give {size} contacts to {size} peers")
    figure("given away twice", str(ours), "0", missed=ours > 0)
    figure("without lock, second look and index", str(control), "> 0, or the race proves nothing", missed=control == 0)
    return ours == 0 and control > 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", nargs="+", default=["SQLite", "PostgreSQL"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--decisions", type=int, default=10, help="in each run")
    parser.add_argument("--waiting", type=int, nargs="+", default=[100, 1000, 10_000], help="contacts in line")
    parser.add_argument("--peers", type=int, nargs="+", default=[100, 1000], help="who are free")
    parser.add_argument("--race", type=int, default=100, help="contacts and peers of the race")
    chosen = parser.parse_args()
    holds = []
    for databases in each_kind(chosen.databases):
        speed(databases, chosen.runs, chosen.decisions, chosen.waiting, chosen.peers)
        holds.append(races(databases, chosen.race))
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
