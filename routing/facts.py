"""What a decision may know: frozen values, read from the database by `warmline.contacts.dispatch`."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from routing.states import Activity, PeerStatus


@dataclass(frozen=True, slots=True)
class Policy:
    """Times and limits of a line."""

    ring: timedelta = timedelta(seconds=20)  # how long an offer stands
    connect: timedelta = timedelta(seconds=15)  # from Accept to the peer's leg in the conference
    wrap_up: timedelta = timedelta(seconds=120)
    presence: timedelta = timedelta(seconds=22)  # heartbeat of 10 s, two misses, 2 s for the network
    leave: timedelta = timedelta(minutes=3)  # of no heartbeat: then somebody else goes on with the texts
    breath: timedelta = timedelta(seconds=5)  # before the same contact is offered to a peer who declined it


POLICY = Policy()  # every line's, until lines have their own


@dataclass(frozen=True, slots=True)
class Limits:
    """What a line lets a peer do at once."""

    texts: int = 2  # conversations
    voice_with_texts: bool = False  # whether somebody who writes may also be called


@dataclass(frozen=True, slots=True)
class Waiting:
    """A contact that may be offered."""

    id: str
    line: str
    channel: str  # "voice" or "text"
    language: str
    priority: int  # higher is served first
    queued_at: datetime
    limits: Limits = Limits()
    asked: tuple[str, ...] = ()  # peers asked so far, in order
    last_asked_until: datetime | None = None  # when the latest offer ended without an answer


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer as dispatch sees one."""

    id: str
    status: PeerStatus
    activity: Activity
    threads: int  # text conversations under way, if the peer does nothing else; 0 if there is anything else
    seen_at: datetime | None  # latest heartbeat of a console
    idle_since: datetime
    lines: frozenset[str]  # lines whose shift this peer is on now
    languages: frozenset[str]


@dataclass(frozen=True, slots=True)
class Snapshot:
    waiting: tuple[Waiting, ...]
    peers: tuple[Peer, ...]
    policy: Policy = POLICY


@dataclass(frozen=True, slots=True)
class MakeOffer:
    """A decision: offer this contact to this peer."""

    contact: str
    peer: str
    refusals: tuple[tuple[str, str], ...] = ()  # (peer, code) of those passed over, stored with the offer
