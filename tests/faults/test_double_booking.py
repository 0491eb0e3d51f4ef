"""Eight processes serve two hundred contacts with twenty peers, and collide wherever they can. Nobody is booked twice.

The verbs, the database and the processes are real; what the processes do is in tests/faults/colliding.py. While they
work, the database is looked at as it is at one moment, again and again.

By default the race is cut short after some seconds, once enough has collided: a quarter to a half of the two hundred
are raced for. Then all peers are there, and one process alone lets everybody else come: whoever is rung for is looked
after, and hangs up; whoever never is, raced for or not, is a stray. In `make thorough` it lasts a minute, in which a
quiet machine has all two hundred raced for; RACE_SECONDS, RACE_CONTACTS, RACE_PEERS and RACE_PROCESSES make it a longer
soak.
"""

import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text, update

from routing.states import CONTACT, ENGAGEMENT, LEG, OFFER, ContactState, OfferState
from tests.contacts.world import FIELD_KEY, QUEUE, World, prepare
from tests.faults.colliding import Hands
from tests.servers import Databases
from tests.warm import Forked, Warm
from warmline import clock, db
from warmline.contacts import asking, availability, intake, offers, parting
from warmline.models import Channel, Contact, Event, Leg, LegKind, Line, Offer, Peer
from warmline.models.base import new_id
from warmline.models.history import begin

SECONDS = float(os.environ.get("RACE_SECONDS", "0"))  # at least, unless everybody is served sooner
AT_MOST = 60.0  # or twice those: until enough has collided; of the control, until somebody is booked twice
CONTACTS = int(os.environ.get("RACE_CONTACTS", "200"))
PEERS = int(os.environ.get("RACE_PEERS", "20"))
PROCESSES = int(os.environ.get("RACE_PROCESSES", "8"))
LOOK_SECONDS = 0.2
KILL_SECONDS = 1.0
MOST_ROUNDS = 20 + 4 * CONTACTS // PEERS  # twice as many as it takes until everybody was rung for
UNIQUE = ("uq_offer_live_peer", "uq_engagement_live_contact", "uq_engagement_live_call")
COLLIDING = Warm("tests.contacts.world")

# Each finds rows that must not be, by one look at the database.
NEVER = {
    "a peer has two live offers": """
        SELECT peer_id FROM offer WHERE state = 'pending' GROUP BY peer_id HAVING count(*) > 1""",
    "a contact has two peers": """
        SELECT contact_id FROM engagement WHERE state IN ('connecting', 'active')
        GROUP BY contact_id HAVING count(*) > 1""",
    "a peer is on a call and on something else": """
        SELECT peer_id FROM engagement WHERE state IN ('connecting', 'active')
        GROUP BY peer_id HAVING count(*) > 1 AND bool_or(channel = 'voice')""",
    "a peer writes with more callers than the line lets": """
        SELECT peer_id FROM engagement WHERE state = 'active' GROUP BY peer_id HAVING count(*) > 2""",
    "a peer who talks is asked": """
        SELECT offer.peer_id FROM offer JOIN engagement USING (peer_id) WHERE offer.state = 'pending'
        AND engagement.state IN ('connecting', 'active') AND engagement.channel = 'voice'""",
    "an offer that was accepted came to nothing, or to two": """
        SELECT offer.id FROM offer LEFT JOIN engagement ON engagement.offer_id = offer.id
        GROUP BY offer.id HAVING count(engagement.id) <> CAST(offer.state = 'accepted' AS integer)""",
    "an offered contact rings nowhere, or one that rings is not offered": """
        SELECT id FROM contact WHERE (state = 'offered')
        <> EXISTS (SELECT FROM offer WHERE offer.contact_id = contact.id AND offer.state = 'pending')""",
    "contact and engagement tell different stories": """
        SELECT contact.id FROM contact LEFT JOIN engagement
        ON engagement.contact_id = contact.id AND engagement.state IN ('connecting', 'active')
        WHERE CASE contact.state WHEN 'connecting' THEN 'connecting' WHEN 'connected' THEN 'active' END
        IS DISTINCT FROM engagement.state""",
    "a row and its latest event tell different stories": """
        SELECT id FROM (
            SELECT id, state FROM contact UNION ALL SELECT id, state FROM offer UNION ALL
            SELECT id, state FROM engagement UNION ALL SELECT id, state FROM leg
        ) AS row LEFT JOIN (
            SELECT DISTINCT ON (subject_id) subject_id, new FROM event WHERE new IS NOT NULL
            ORDER BY subject_id, id DESC
        ) AS latest ON subject_id = row.id WHERE state IS DISTINCT FROM new""",
}

BOOKED_TWICE = ("a peer has two", "a contact has two", "a peer is on a call and", "a peer who talks is asked")


def faults(engine: Engine) -> list[str]:
    """What is wrong at this moment."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        return [f"{what}: {rows}" for what, query in NEVER.items() if (rows := connection.execute(text(query)).all())]


class Race:
    """A database full of contacts, the processes that serve them, and everything that was found wrong."""

    def __init__(self, url: str, folder: Path, seconds: float) -> None:
        self.url, self.folder, self.over, self.seconds = url, folder, folder / "over", seconds
        self.world = World(db.connect(url))
        self.engine = db.bound()
        self.found: list[str] = []
        self.looks = self.kills = 0
        fill(self.world)

    def run(self, *, killing: bool = False, guarded: bool = True) -> None:
        """Until everybody is served or time is up; without guards, until somebody is booked twice."""
        began = killed_at = time.time()
        running = {place: self.start(place, guarded) for place in range(PROCESSES)}
        while any(process.poll() is None for process in running.values()) and (guarded or not self.booked_twice):
            time.sleep(LOOK_SECONDS)
            self.found += faults(self.engine)
            self.looks += 1
            passed = time.time() - began
            enough = passed > self.seconds and (not killing or self.kills >= 3) and self.has_collided
            if passed > max(AT_MOST, 2 * self.seconds) or (guarded and enough):
                self.over.touch()
            for place, process in running.items():
                if not guarded and process.poll() == 1:  # of a deadlock; who is left alone meets nobody
                    running[place] = self.start(place, guarded)
            if killing and time.time() > killed_at + KILL_SECONDS and not self.over.exists():
                place, killed_at = random.randrange(PROCESSES), time.time()
                if running[place].poll() is None:
                    os.kill(running[place].pid, signal.SIGKILL)
                    running[place].wait()
                    self.kills += 1
                    running[place] = self.start(place, guarded)
        for process in running.values():
            if not guarded and process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
            assert process.wait() in ((0,) if guarded else (0, 1, -signal.SIGKILL)), self.log()

    @property
    def has_collided(self) -> bool:
        """Whether more than half of the peers took somebody, and somebody was too late."""
        with db.reading() as session:
            count = select(func.count(Offer.id)).where
            taken, lost = (
                session.scalar(count(Offer.state == state)) for state in (OfferState.ACCEPTED, OfferState.LOST)
            )
        return bool(lost and taken and taken > PEERS / 2)

    @property
    def booked_twice(self) -> bool:
        return any(fault.startswith(BOOKED_TWICE) for fault in self.found)

    def start(self, place: int, guarded: bool) -> Forked:
        arguments = ["tests.faults.colliding", self.url, str(place), str(PROCESSES), str(self.over)]
        environment = {**os.environ, "FIELD_KEY": FIELD_KEY}
        return COLLIDING.start(self.folder / str(place), environment, *arguments, *([] if guarded else ["unguarded"]))

    def log(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in sorted(self.folder.iterdir()))

    def settle(self) -> None:
        """Whoever is left gets through and is rung for, by one process and without hurry; at that they hang up."""
        self.world.now = now = clock.now()
        hands = Hands(0, 1, lambda: now)
        with db.transaction() as session:
            session.execute(update(Line).values(policy={}))  # nobody need race for them any more
        for _ in range(MOST_ROUNDS):
            self.world.now = now = now + timedelta(seconds=20)
            for peer in hands.peers.values():
                hands.does(availability.choose, peer, "available")
            availability.all_seen(hands.peers.values(), now)
            if not hands.beat(answering=False):
                break
            clock.tick(now)
            for offer in self.world.all(Offer, state=OfferState.PENDING):
                hands.does(parting.leg_ended, f"CA{offer.contact_id}")
                hands.does(offers.accept, hands.peers[offer.peer_id], offer.id)  # of a text

    def strays(self) -> list[str]:
        """Contacts that are not over, although everybody was there for them."""
        left = [row for row in self.world.all(Contact) if row.state not in FINAL]
        return sorted((f"{row.state} {row.language} {row.id}" for row in left), reverse=True)  # who waits comes first

    def gaps(self) -> list[str]:
        """Transitions that are not in their table, do not follow from the one before, or have no event."""
        tables = {"contact": CONTACT, "offer": OFFER, "engagement": ENGAGEMENT, "leg": LEG}
        stories: dict[str, list[Event]] = defaultdict(list)
        with db.reading() as session:
            for event in session.scalars(select(Event).where(Event.new.is_not(None)).order_by(Event.id)):
                if event.subject in tables:
                    stories[event.subject_id].append(event)
        found = [f"{id} does not begin" for id, story in stories.items() if story[0].name != "began"]
        for story in stories.values():
            for before, event in pairwise(story):
                step: Any = (event.old, event.name)
                if before.new != event.old or tables[event.subject].get(step) != event.new:
                    found.append(f"{event.subject} {event.subject_id}: {before.new}, then {step}")
        return found


FINAL = (ContactState.CLOSED, ContactState.ABANDONED, ContactState.MISSED)


def fill(world: World) -> None:
    """Peers, of whom every other one speaks Spanish as well; contacts who are to arrive, then one in ten by text."""
    now = clock.now()
    with db.transaction() as session:
        line = session.scalars(select(Line).where(Line.organization_id == world.lantern)).one()
        line.policy = {"strategy": "ring_several", "several": 3}
    for number in range(3, PEERS + 1):
        world.hires(f"peer{number}", ["en", "es"][: 1 + number % 2])
    peers = world.all(Peer, organization_id=world.lantern)
    availability.all_seen(peers, now)
    for peer in peers:
        availability.choose(peer, "available", now)
    texts = CONTACTS // 10
    _arrive(line, range(texts, CONTACTS), now, Channel.VOICE, ContactState.ARRIVING)
    for contact in world.all(Contact, channel=Channel.VOICE)[: PEERS // 3]:
        intake.queued(contact.id, QUEUE, now)  # each rings at three peers when the race begins
    _arrive(line, range(texts), now, Channel.TEXT, ContactState.WAITING)


def _arrive(line: Line, numbers: Iterable[int], now: datetime, channel: Channel, state: ContactState) -> None:
    with db.transaction() as session:
        for number in numbers:
            contact = Contact(
                id=new_id(), organization_id=line.organization_id, line_id=line.id, arrived_at=now, queued_at=now,
                channel=channel, language="es" if number % 4 == 0 else "en", state=state,
            )  # fmt: skip
            begin(session, now, contact)
            if channel is Channel.VOICE:
                leg = Leg(
                    id=new_id(), organization_id=line.organization_id, contact_id=contact.id, kind=LegKind.CALLER,
                    call_sid=f"CA{contact.id}", state="started", began_at=now, checked_at=now,
                )  # fmt: skip
                begin(session, now, leg)


@pytest.fixture
def race(postgres: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thorough: bool) -> Iterator[Race]:
    monkeypatch.setattr(asking, "ASK_AFTER", timedelta(hours=1))  # as in tests/faults/colliding.py
    url = postgres.database()
    prepare(db.connect(url))
    yield Race(url, tmp_path, SECONDS or (60 if thorough else 6))
    db.bound().dispose()
    postgres.drop(url)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("killing", [False, True], ids=["undisturbed", "one is killed every second"])
def test_nobody_is_booked_twice_and_nobody_is_left_behind(race: Race, killing: bool) -> None:
    race.run(killing=killing)
    race.settle()
    assert race.found == []
    assert race.looks > 10
    assert "Traceback" not in race.log(), race.log()
    assert faults(race.engine) == race.gaps() == race.strays() == []
    assert race.has_collided, "hardly anybody was served: nothing could collide"
    assert not killing or race.kills >= 3
    talks, lost = (race.world.all(Offer, state=state) for state in (OfferState.ACCEPTED, OfferState.LOST))
    print(f"\n{len(talks)} offers taken, {len(lost)} lost to somebody quicker; {race.kills} killed, {race.looks} looks")


def test_without_locks_and_unique_indexes_somebody_is_booked_twice(race: Race) -> None:
    """The control: were nobody booked twice here, the others would prove nothing."""
    with race.engine.begin() as connection:
        for index in UNIQUE:
            connection.execute(text(f"DROP INDEX {index}"))
    race.run(guarded=False)
    assert race.booked_twice, race.found
