"""Giving a waiting contact to a free peer: how quick beside one bare UPDATE, and never twice.

The bare statement is the quickest claim that we know: an UPDATE fed by SELECT … FOR UPDATE SKIP LOCKED (on SQLite in
BEGIN IMMEDIATE) along a partial index, and a commit. Ours looks at the peer as well, and writes offer and history.

The race has a control: the same without lock and unique index. Were that not to give contacts away twice, the race
would prove nothing. python -m bench.claims --help
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from sqlalchemy import delete, insert, select, text, update

from bench.product import Databases, House, each_kind, settings
from bench.report import figure, heading, ratio
from routing.facts import MakeOffer
from routing.states import ContactState, OfferState, PeerStatus
from warmline import clock, db
from warmline.app import wire
from warmline.contacts import dispatch
from warmline.models import Contact, Offer, Peer, Presence
from warmline.models.base import new_id

FEW, MANY = 100, 10_000
BARE_GOALS = {"SQLite": 0.25, "PostgreSQL": 0.5}
MANY_GOAL = 0.85  # of the rate with FEW waiting
PROCESSES, THREADS = 2, 4
UNIQUE = ("uq_offer_live_peer",)
BARE_TABLE = """
    CREATE TABLE bare (id integer PRIMARY KEY, line text, priority integer, queued_at integer, waiting boolean);
    CREATE INDEX bare_waiting ON bare (line, priority DESC, queued_at, id) WHERE waiting
"""
BARE_CLAIM = """
    UPDATE bare SET waiting = false WHERE id = (
        SELECT id FROM bare WHERE line = 'Georgia' AND waiting ORDER BY priority DESC, queued_at, id LIMIT 1 {lock}
    ) RETURNING id
"""


def refill(house: House, waiting: int) -> None:
    """Nothing but so many contacts in line, and a tidy database."""
    with db.transaction() as session:
        for statement in (delete(Offer), delete(Contact), text("DELETE FROM bare")):
            session.execute(statement)
        rows = [{"id": number} for number in range(waiting)]
        session.execute(text("INSERT INTO bare VALUES (:id, 'Georgia', 0, :id, true)"), rows)
    house.waiting(waiting)
    with db.bound().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE" if db.bound().name == "postgresql" else "ANALYZE"))


def choose(peers: Iterable[str], status: PeerStatus) -> None:
    """These peers have this status, and everybody was heard of just now."""
    with db.transaction() as session:
        session.execute(update(Peer).where(Peer.id.in_(peers)).values(status=status))
        session.execute(update(Presence).values(seen_at=clock.now()))


def bare(peers: list[str]) -> list[float]:
    lock = "FOR UPDATE SKIP LOCKED" if db.bound().name == "postgresql" else ""
    claim, engine = text(BARE_CLAIM.format(lock=lock)), db.bound().execution_options(write=True)

    def act() -> bool:
        with engine.begin() as connection:
            return connection.execute(claim).scalar() is not None

    return [timed(act) for _ in peers]


def make(peers: list[str]) -> list[float]:
    """Deciding is done: dispatch.make() alone."""
    choose(peers, PeerStatus.AVAILABLE)
    waits = select(Contact.id).where(Contact.state == ContactState.WAITING)
    with db.reading() as session:
        contacts = session.scalars(waits.order_by(Contact.queued_at, Contact.id).limit(len(peers))).all()
    now = clock.now()
    decisions = iter(map(MakeOffer, contacts, peers))
    times = [timed(lambda: dispatch.make([next(decisions)], now) == 1) for _ in peers]
    choose(peers, PeerStatus.BREAK)
    withdraw()
    return times


def run(house: House, peers: list[str]) -> list[float]:
    """One peer after the other becomes free: the whole of dispatch.run()."""
    times = []
    for peer in peers:
        choose([peer], PeerStatus.AVAILABLE)
        times.append(timed(lambda: dispatch.run(house.line.organization_id, clock.now()) == 1))
        choose([peer], PeerStatus.BREAK)
    withdraw()
    return times


def withdraw() -> None:
    with db.transaction() as session:
        session.execute(update(Offer).values(state=OfferState.EXPIRED))
        session.execute(update(Contact).values(state=ContactState.WAITING))


def timed(act: Callable[[], bool]) -> float:
    began = time.monotonic()
    assert act(), "nothing was claimed"
    return time.monotonic() - began


def speed(databases: Databases, runs: int, claims: int, few: int, many: int) -> None:
    """Claims a second, with few and with many waiting."""
    took: dict[tuple[str, int], list[float]] = defaultdict(list)
    with House(databases.new()) as house:
        peers = [seat.peer for seat in house.seats(claims)]
        acts: dict[str, Callable[[], list[float]]] = {
            "bare statement": lambda: bare(peers),
            "dispatch.make": lambda: make(peers),
            "dispatch.run": lambda: run(house, peers),
        }
        with db.bound().begin() as connection:
            for statement in BARE_TABLE.split(";"):
                connection.execute(text(statement))
        for _ in range(runs):
            for waiting in (few, many):
                refill(house, waiting)
                for name, act in acts.items():
                    took[name, waiting].append(1 / statistics.median(act()))
    rates = {key: statistics.median(found) for key, found in took.items()}
    heading(f"{databases.kind}: claims a second, medians of {runs} runs in turns")
    for waiting in (few, many):
        against = rates["bare statement", waiting]
        figure(f"bare statement, {waiting} waiting", f"{against:6.0f}")
        for name, goal in (("dispatch.make", BARE_GOALS[databases.kind]), ("dispatch.run", None)):
            found = rates[name, waiting]
            ratio(f"{name}, {waiting} waiting", f"{found:6.0f}", found / against, "of it", at_least=goal)
    for name in ("bare statement", "dispatch.make", "dispatch.run"):
        goal = None if name == "bare statement" else MANY_GOAL
        ratio(f"{name}, {many} ÷ {few} waiting", "", rates[name, many] / rates[name, few], "", at_least=goal)


def believing() -> bool:
    """The control: look who is first and who is free, and act upon it, as if nobody else did; False at the end."""
    taken = select(Offer.peer_id).where(Offer.state == OfferState.PENDING)
    with db.reading() as session:
        contact = session.scalars(
            select(Contact).where(Contact.state == ContactState.WAITING).order_by(Contact.id).limit(1)
        ).first()
        peer = session.scalar(
            select(Peer.id).where(Peer.status == PeerStatus.AVAILABLE, Peer.id.not_in(taken)).order_by(Peer.id).limit(1)
        )
    if contact is None or peer is None:
        return False
    now = clock.now()
    with db.transaction() as session:
        session.execute(update(Contact).where(Contact.id == contact.id).values(state=ContactState.OFFERED))
        offer = {"contact_id": contact.id, "peer_id": peer, "organization_id": contact.organization_id}
        times = {"made_at": now, "deadline": now}
        session.execute(insert(Offer).values(id=new_id(), state=OfferState.PENDING, refusals=[], **offer, **times))
    return True


def claim_all(url: str, organization: str, locked: bool) -> int:
    """In a process of its own: THREADS claim until nothing is left; how many claims they believe to have made."""
    wire(settings(url))

    def claim() -> int:
        claimed = 0
        while made := dispatch.run(organization, clock.now()) if locked else believing():
            claimed += made
        return claimed

    with ThreadPoolExecutor(THREADS) as threads:
        return sum(job.result() for job in [threads.submit(claim) for _ in range(THREADS)])


def race(databases: Databases, *, locked: bool, size: int) -> int:
    """Several processes give the same contacts to the same peers: how many offers are one too many."""
    with House(databases.new()) as house:
        house.seats(size, PeerStatus.AVAILABLE)
        house.waiting(size)
        if not locked:
            with db.bound().begin() as connection:
                for index in UNIQUE:
                    connection.execute(text(f"DROP INDEX {index}"))
        with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as processes:
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
    figure("without lock and unique index", str(control), "> 0, or the race proves nothing", missed=control == 0)
    return ours == 0 and control > 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", nargs="+", default=["SQLite", "PostgreSQL"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--claims", type=int, default=25, help="in each run")
    parser.add_argument("--many", type=int, default=MANY, help=f"contacts in line, beside {FEW}")
    parser.add_argument("--race", type=int, default=100, help="contacts and peers of the race")
    chosen = parser.parse_args()
    holds = []
    for databases in each_kind(chosen.databases):
        speed(databases, chosen.runs, chosen.claims, FEW, chosen.many)
        holds.append(races(databases, chosen.race))
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
