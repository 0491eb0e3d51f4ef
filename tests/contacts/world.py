"""A small world for tests of the verbs: organizations with their cast, a phone company that records, a clock.

Nothing here answers HTTP. The verbs, the database and their races are real.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from config import prompts
from routing.states import PeerStatus
from warmline import clock, db, push
from warmline.contacts import availability, connect, dispatch, intake, offers, outbox
from warmline.models import (
    Account,
    Base,
    Contact,
    Engagement,
    Event,
    Leg,
    Line,
    LineNumber,
    Offer,
    Organization,
    OutsideRequest,
    Peer,
    Role,
    Shift,
)  # fmt: skip
from warmline.models.base import Keys, keyed_hash, new_id
from warmline.telephony import gateway, twiml
from warmline.telephony.gateway import Membership

GEORGIA = "+14045550101"
HARBOR = "+16065550104"
ILLINOIS = "+13125550102"
CALLER = "+14045550123"
OTHER_CALLER = "+14045550124"
QUEUE = "QU" + "0" * 32

FIELD_KEY = Fernet.generate_key().decode()
BEGINNING = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
PROMPTS = prompts.load()


@dataclass
class RecordingCompany:
    """A phone company that notes what it is asked and fails on demand."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)
    failures: list[Exception | None] = field(default_factory=list)
    whereabouts: dict[str, Membership] = field(default_factory=dict)
    made: dict[str, tuple[str, str]] = field(default_factory=dict)  # calls of ours, by SID: from whom, to whom
    before: Callable[[], None] | None = None
    texts: int = 0
    calls: int = 0

    def _note(self, *what: Any) -> None:
        self.asked.append(what)
        if self.before is not None:
            self.before()
        if self.failures and (failure := self.failures.pop(0)):
            raise failure

    def sign_in(self) -> None:
        self._note("sign in")

    def move_caller(self, queue_sid: str, call_sid: str, path: str) -> None:
        self._note("move", call_sid, queue_sid, path)

    def redirect(self, call_sid: str, path: str) -> None:
        self._note("redirect", call_sid, path)

    def hang_up(self, call_sid: str) -> None:
        self._note("hang up", call_sid)

    def call(self, sender: str, recipient: str, path: str, status_path: str, seconds: int) -> str:
        self._note("call", sender, recipient, path, status_path)
        self.calls += 1
        sid = f"CA8{self.calls:031d}"
        self.made[sid] = sender, recipient
        return sid

    def calls_made(self, sender: str, recipient: str, since: datetime) -> list[str]:
        self._note("calls made", sender, recipient, since)
        return [sid for sid, parties in reversed(self.made.items()) if parties == (sender, recipient)]

    def end_conference(self, conference_sid: str) -> None:
        self._note("end conference", conference_sid)

    def send_text(self, sender: str, recipient: str, body: str, message_id: str) -> str:
        self._note("text", recipient, body)
        self.texts += 1
        return f"SM9{self.texts:031d}"  # never that of a text that came in

    def locate(self, call_sid: str, queue_sid: str | None, conference: str | None) -> Membership:
        return self.whereabouts.get(call_sid, Membership(finished=False, in_queue=queue_sid is not None))


class World:
    """Lantern with peer1 (English) and peer2 (English, Spanish), Harbor with the outsider; all on shift, all away."""

    def __init__(self, engine: Engine) -> None:
        self.now = BEGINNING
        self.company = RecordingCompany()
        self.pushed: list[tuple[str, str, str]] = []
        self._sids = count(1)
        Keys.use([FIELD_KEY], "an index key of the tests, and only theirs")
        db.bind(engine)
        gateway.use(self.company)
        twiml.use(PROMPTS, "https://warmline.example.org")
        outbox.use(lambda: self.now)
        push.use(lambda room, what, id: self.pushed.append((room, what, id)))
        peers = {peer.name: peer for peer in self.all(Peer)}
        self.peer1, self.peer2, self.outsider = peers["peer1"], peers["peer2"], peers["outsider"]
        self.lantern = self.peer1.organization_id

    def hires(self, name: str, languages: list[str]) -> Peer:
        """One more peer of Lantern, on shift and away."""
        return _peer(self.lantern, name, languages, self.now)

    def opens_line(self, name: str, number: str) -> None:
        """One more line of Lantern, with peer1 and peer2 on shift."""
        with db.transaction() as session:
            line = _line(session, self.lantern, name, number)
            for peer in (self.peer1, self.peer2):
                session.add(Shift(id=new_id(), peer_id=peer.id, line_id=line.id, starts_at=self.now))

    # What people do

    def pass_time(self, seconds: float, every: float = 0) -> None:
        """Time passes, while every available peer's console stays open and the clock ticks every so many seconds."""
        end = self.now + timedelta(seconds=seconds)
        step = timedelta(seconds=every or min(max(5, seconds / 6), 30))
        present = [peer for peer in (self.peer1, self.peer2, self.outsider) if self.is_present(peer)]
        while self.now < end:
            self.now = min(end, self.now + step)
            for peer in present:
                availability.seen(peer, self.now)
            clock.tick(self.now)

    def is_present(self, peer: Peer) -> bool:
        return peer.id in getattr(self, "_present", set())

    def available(self, *peers: Peer) -> None:
        """These peers open their console and choose Available, a second apart."""
        for peer in peers:
            self._present = {*getattr(self, "_present", set()), peer.id}
            availability.seen(peer, self.now)
            availability.choose(peer, "available", self.now)
            self.now += timedelta(seconds=1)

    def closes_console(self, peer: Peer) -> None:
        self._present.discard(peer.id)

    def sid(self, prefix: str = "CA") -> str:
        return f"{prefix}{next(self._sids):032d}"

    def arrives(self, number: str = CALLER, dialled: str = GEORGIA) -> tuple[Contact, str]:
        """A call comes in; nobody has chosen anything yet."""
        sid = self.sid()
        contact = intake.receive(sid, number, dialled, self.now)
        assert contact is not None
        return contact, sid

    def waits(self, number: str = CALLER, language: str = "en", dialled: str = GEORGIA) -> tuple[str, str]:
        """A caller who is in the queue: the contact's id, and the call's SID."""
        contact, sid = self.arrives(number, dialled)
        intake.choose_language(contact.id, language, self.now)
        intake.queued(contact.id, QUEUE, self.now)
        return contact.id, sid

    def accepts(self, peer: Peer) -> Engagement:
        return offers.accept(peer, self.rings_at(peer).id, self.now)

    @contextmanager
    def we_die_asking(self) -> Iterator[None]:
        """Our process dies as it asks the phone company for something: the request is claimed, and never sent."""

        def die() -> None:
            raise KeyboardInterrupt

        self.company.before = die
        with pytest.raises(KeyboardInterrupt):
            yield
        self.company.before = None

    def comes_up(self, engagement: Engagement) -> str:
        """The peer's browser calls in and is in the conference."""
        with db.reading() as session:
            peer = session.get_one(Peer, engagement.peer_id)
        sid = self.sid()
        connect.peer_leg(peer.identity, engagement.offer_id, sid, self.now)
        connect.joined(engagement.id, sid, "CF" + engagement.id, self.now)
        return sid

    def caller_joins(self, engagement: Engagement, call_sid: str) -> None:
        """The caller is moved, and arrives in the conference."""
        connect.caller_may_join(engagement.contact_id, self.now)
        connect.joined(engagement.id, call_sid, "CF" + engagement.id, self.now)

    def talks(self, peer: Peer, number: str = CALLER) -> tuple[str, str, str, Engagement]:
        """A conversation: contact, the caller's SID, the peer's SID, engagement."""
        contact_id, caller_sid = self.waits(number)
        engagement = self.accepts(peer)
        peer_sid = self.comes_up(engagement)
        self.caller_joins(engagement, caller_sid)
        return contact_id, caller_sid, peer_sid, engagement

    # What is so

    def contact(self, contact_id: str) -> Contact:
        return self.get(Contact, contact_id)

    def get(self, kind: Any, id: str) -> Any:
        with db.reading() as session:
            return session.get_one(kind, id)

    def all(self, kind: Any, /, **where: Any) -> list[Any]:
        with db.reading() as session:
            return list(session.scalars(select(kind).filter_by(**where)))

    def offer_to(self, peer: Peer) -> Offer | None:
        found = self.all(Offer, peer_id=peer.id, state="pending")
        assert len(found) <= 1
        return found[0] if found else None

    def rings_at(self, peer: Peer) -> Offer:
        """The offer that this peer has."""
        offer = self.offer_to(peer)
        assert offer is not None, "nothing is offered to this peer"
        return offer

    def activity(self, peer: Peer) -> str:
        from warmline.people import roster

        with db.reading() as session:
            return roster.activities(session, [peer.id])[peer.id].activity

    def peer(self, peer: Peer) -> Peer:
        return self.get(Peer, peer.id)

    def finds(self, question: Callable[..., Any], **more: Any) -> Any:
        """What the clock would find if it asked this now."""
        with db.reading() as session:
            return question(session, self.now, **more)

    def events(self, subject_id: str) -> list[str]:
        with db.reading() as session:
            return list(session.scalars(select(Event.name).where(Event.subject_id == subject_id).order_by(Event.id)))

    def requests(self, kind: str) -> list[OutsideRequest]:
        return self.all(OutsideRequest, kind=kind)

    def leg(self, call_sid: str) -> Leg:
        return self.all(Leg, call_sid=call_sid)[0]


def prepare(engine: Engine) -> None:
    """Fill a new database with our tables and with a World's people."""
    Base.metadata.create_all(engine)
    populate(engine)


def populate(engine: Engine) -> None:
    """Fill a database without rows with the organizations, lines and peers of a World."""
    Keys.use([FIELD_KEY], "an index key of the tests, and only theirs")
    db.bind(engine)
    lantern = _organization("Lantern Peer Network", "Georgia", GEORGIA)
    harbor = _organization("Harbor Voices", "Harbor", HARBOR)
    _peer(lantern, "peer1", ["en"])
    _peer(lantern, "peer2", ["en", "es"])
    _peer(harbor, "outsider", ["en"])


def _organization(name: str, line: str, number: str) -> str:
    with db.transaction() as session:
        organization = Organization(id=new_id(), name=name)
        session.add(organization)
        session.flush()
        _line(session, organization.id, line, number)
        return organization.id


def _line(session: Session, organization_id: str, name: str, number: str) -> Line:
    row = Line(
        id=new_id(), organization_id=organization_id, name=name, time_zone="America/New_York",
        languages=["en", "es"], hours={},
    )  # fmt: skip
    session.add(row)
    session.flush()
    session.add(LineNumber(number=number, line_id=row.id))
    return row


def _peer(organization_id: str, name: str, languages: list[str], at: datetime = BEGINNING) -> Peer:
    with db.transaction() as session:
        account = Account(
            id=new_id(), organization_id=organization_id, role=Role.PEER, name=name,
            email=f"{name}@example.org", email_hash=keyed_hash(name), password_hash="-",
        )  # fmt: skip
        session.add(account)
        session.flush()
        peer = Peer(
            id=new_id(), organization_id=organization_id, account_id=account.id, name=name, languages=languages,
            status=PeerStatus.OFF, status_at=at, idle_since=at,
        )  # fmt: skip
        session.add(peer)
        session.flush()
        for line_id in session.scalars(select(Line.id).where(Line.organization_id == organization_id)):
            session.add(Shift(id=new_id(), peer_id=peer.id, line_id=line_id, starts_at=at - timedelta(hours=1)))
        return peer


__all__ = ["CALLER", "GEORGIA", "HARBOR", "ILLINOIS", "OTHER_CALLER", "QUEUE", "RecordingCompany", "World", "dispatch"]
