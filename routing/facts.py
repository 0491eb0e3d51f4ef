"""What a decision may know, and what it may say: frozen values, read and acted upon by `warmline.contacts.dispatch`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from routing.policy import UNCHOSEN, Policy
from routing.states import Activity, PeerStatus


@dataclass(frozen=True, slots=True)
class Times:
    """Times that are every line's."""

    ring: timedelta = timedelta(seconds=20)  # how long an offer stands
    connect: timedelta = timedelta(seconds=15)  # from Accept to the peer's leg in the conference
    wrap_up: timedelta = timedelta(seconds=120)
    presence: timedelta = timedelta(seconds=22)  # heartbeat of 10 s, two misses, 2 s for the network
    leave: timedelta = timedelta(minutes=3)  # of no heartbeat: then somebody else goes on with the texts
    breath: timedelta = timedelta(seconds=5)  # before a contact is offered again to a peer who did not take it


TIMES = Times()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A contact that may be offered: one that waits, or one that rings already and may ring at more peers."""

    id: str
    line: str
    channel: str  # "voice" or "text"
    language: str
    priority: int  # higher is served first
    queued_at: datetime
    asked: tuple[str, ...] = ()  # peers asked so far, in order
    # When the latest offer to each peer ended; None: it rings, or another peer was quicker.
    asked_until: Mapping[str, datetime | None] = field(default_factory=dict)
    wish: str | None = None  # a skill that the caller chose
    wish_required: bool = False  # whether it is waited for as long as it takes
    apart: frozenset[str] = frozenset()  # peers whom this caller is not to meet again
    same_peer: str | None = None  # whom the caller talked to last, of one who asked to be remembered
    steps: int = 0  # overflow steps that were recorded
    ringing: int = 0  # peers at whom it rings


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer as dispatch sees one."""

    id: str
    status: PeerStatus
    activity: Activity
    threads: int  # text conversations under way, if the peer does nothing else; 0 if there is anything else
    seen_at: datetime | None  # latest heartbeat of a console
    idle_since: datetime
    shifts: Mapping[str, datetime | None]  # lines this peer is on shift for now, each with the end if it is known
    languages: frozenset[str]
    skills: frozenset[str] = frozenset()
    rests_until: datetime | None = None  # after a heavy contact
    asked_at: datetime | None = None  # when the latest offer was made
    today: int = 0  # contacts taken since midnight


@dataclass(frozen=True, slots=True)
class Ringing:
    """An offer that nobody has answered yet."""

    id: str
    deadline: datetime
    seen_at: datetime | None  # latest heartbeat of the peer's console


@dataclass(frozen=True, slots=True)
class Alone:
    """A text contact in line whose language nobody on shift speaks, and who has not been told so."""

    id: str
    hopeless: bool  # nobody is on shift, the line has closed, and nobody has said for a week when it opens


@dataclass(frozen=True, slots=True)
class Snapshot:
    """As much as the question needs: what changed, or what is due. Who is not in it is not decided about."""

    waiting: tuple[Waiting, ...] = ()
    peers: tuple[Peer, ...] = ()
    policies: Mapping[str, Policy] = field(default_factory=dict)  # by line
    ringing: tuple[Ringing, ...] = ()
    alone: tuple[Alone, ...] = ()
    deaf_until: datetime | None = None  # the end of our latest outage: no answer was heard in it

    def policy(self, line: str) -> Policy:
        return self.policies.get(line, UNCHOSEN)


@dataclass(frozen=True, slots=True)
class MakeOffer:
    """Offer this contact to this peer."""

    contact: str
    peer: str
    refusals: tuple[tuple[str, str], ...] = ()  # (peer, code) of those who came before this peer and were passed over
    beside: int = 0  # peers at whom it rings already


@dataclass(frozen=True, slots=True)
class Expire:
    """End this offer: nobody answered in time, or nobody is there to answer."""

    offer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Overflow:
    """So many of the line's steps are due for this contact; `kinds` are those that are new."""

    contact: str
    steps: int
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tell:
    """Say to this caller, who writes, that nobody there speaks their language."""

    contact: str
    reason: str


@dataclass(frozen=True, slots=True)
class Close:
    """End this contact, kindly: nobody will come."""

    contact: str
    reason: str


Decision = MakeOffer | Expire | Overflow | Tell | Close
