"""A thousand open consoles, and the phone company is answered as if there were none.

How nearly so is measured by `python -m bench.consoles`; here is what would not be nearly.
"""

import re
import resource
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from statistics import quantiles

import pytest
import requests
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import func, select
from twilio.request_validator import RequestValidator

from bench.consoles import sockets
from bench.product import Seat
from routing.states import PeerStatus
from tests.cast import ENVIRONMENT, postgres_template, serve, settings
from tests.product import CALLER, GEORGIA, eventually
from tests.servers import Databases
from warmline import clock, db
from warmline.app import create_app
from warmline.models import Line, LineNumber, LoginSession, Peer, Presence, Role, Shift
from warmline.people import accounts

__all__ = ["postgres_template"]

PEERS = 990
AT_WORK = (
    150  # of the peers: do what their pages do. A machine that runs other tests has no time for more; the bench has
)
BOARDS = 10  # these are told of every call
CALLS = 20  # three webhooks each
USUAL_LIMIT = 1024  # open files that many systems allow a process which does not ask for more


@pytest.mark.timeout(300)  # while other tests keep every core busy, opening a thousand takes most of a minute
def test_a_thousand_consoles_do_not_slow_a_webhook(postgres: Databases, postgres_template: str, limited: None) -> None:
    """Two products with the same people are asked in turn, so that whatever else this machine does slows both.

    They come in a row, so each comes beside the pushes of those before it, and what boards then fetch; of whoever is
    only called in, boards are not told, and that is quicker.
    """
    busy = postgres.database(template=postgres_template)
    seats = people(busy)
    peers, boards = seats[:PEERS], seats[PEERS:]
    quiet = postgres.database(template=busy)
    times = Times()
    with (
        serve(quiet) as none,
        serve(busy) as many,
        sockets(many, peers[AT_WORK:], awake=False) as others,
        sockets(many, peers[:AT_WORK], boards, awake=True) as pages,
    ):
        await_heartbeats(busy, clock.now())
        pages.forget()
        for number in range(CALLS):
            for (without, _), (beside, is_news) in zip(call(none, number), call(many, number), strict=True):
                if is_news:
                    times.add(without, beside)
        pages.all_told(set(range(AT_WORK, AT_WORK + BOARDS)))
        complaints = pages.complaints + others.complaints
        assert complaints["closed"] == complaints["unanswered"] == 0, complaints
    print(times)
    assert times.ratio < 3, "a webhook waits for its push, or pushes leave no time for it"


@dataclass(frozen=True)
class Times:
    """How long webhooks took without consoles, and beside them."""

    without: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)

    def add(self, without: float, beside: float) -> None:
        self.without.append(without)
        self.beside.append(beside)

    @property
    def quick(self) -> tuple[float, float]:
        """A quarter was quicker: the others also say what else this machine did."""
        return quantiles(self.without)[0], quantiles(self.beside)[0]

    @property
    def ratio(self) -> float:
        without, beside = self.quick
        return beside / without

    def __str__(self) -> str:
        without, beside = (f"{seconds * 1000:.0f} ms" for seconds in self.quick)
        return f"{without} without consoles, {beside} beside them ({self.ratio:.2f} times)"


def await_heartbeats(database_url: str, since: datetime) -> None:
    """Wait until each console was heard, and see that they were written many at a time."""
    engine = db.connect(database_url)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            unheard = select(func.count()).where(Presence.seen_at <= since)
            eventually(lambda: not connection.scalar(unheard), what="not every console was heard")
            commits = connection.scalar(select(func.count(Presence.seen_at.distinct())))
            assert commits is not None
            assert commits < AT_WORK / 2, "each heartbeat was a commit of its own"
    finally:
        engine.dispose()


@pytest.fixture
def limited() -> Iterator[None]:
    """What is started now may open few files, unless it asks for more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(USUAL_LIMIT, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def people(url: str) -> list[Seat]:
    """Peers who are on shift for the line that is called, then supervisors of it, each logged in."""
    app = create_app(settings(url))
    now = clock.now()
    tokens = [secrets.token_urlsafe(32) for _ in range(PEERS + BOARDS)]
    with db.transaction() as session:
        line = session.scalars(select(Line).join(Line.numbers).where(LineNumber.number == GEORGIA)).one()
        peers = []
        for number, token in enumerate(tokens):
            role = Role.PEER if number < PEERS else Role.SUPERVISOR
            account = accounts.create(session, line.organization_id, role, "A person", f"{number}@example.net", "none")
            session.add(
                LoginSession(
                    account_id=account.id,
                    token_hash=accounts._digest(token),
                    created_at=now,
                    expires_at=now + accounts.LOGIN_LASTS,
                )
            )
            if role is Role.PEER:
                peers.append(
                    Peer(
                        organization_id=line.organization_id,
                        account_id=account.id,
                        name="A peer",
                        languages=["en"],
                        status=PeerStatus.BREAK,
                        status_at=now,
                        idle_since=now,
                    )
                )
        session.add_all(peers)
        session.flush()
        session.add_all(Shift(peer_id=peer.id, line_id=line.id, starts_at=now) for peer in peers)
        # Else their first heartbeat would be news for each board.
        session.add_all(Presence(peer_id=peer.id, seen_at=now) for peer in peers[:AT_WORK])
    db.bound().dispose()
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer
    name = app.config["SESSION_COOKIE_NAME"]
    cookies = [f"{name}={signer.dumps({'_user_id': token})}" for token in tokens]
    ids = [peer.id for peer in peers] + [""] * BOARDS
    return [Seat(peer, cookie, csrf="") for peer, cookie in zip(ids, cookies, strict=True)]


def call(base: str, number: int) -> Iterator[tuple[float, bool]]:
    """Somebody calls, waits, and hangs up: the seconds of each webhook, and whether boards are told of it."""
    sid = f"CA{number}"
    took, menu = webhook(base, "incoming", CallSid=sid, To=GEORGIA)
    yield took, False
    found = re.search(r"/contacts/(\w+)/", menu)
    assert found, menu
    yield webhook(base, f"contacts/{found[1]}/wait", CallSid=sid, QueueSid=f"QU{number}", QueueTime="0")[0], True
    yield webhook(base, "status", CallSid=sid, CallStatus="completed")[0], True


def webhook(base: str, name: str, **form: str) -> tuple[float, str]:
    """A signed request of the phone company: the seconds until it is answered, and the answer."""
    url, form = f"{base}/twilio/voice/{name}", {"From": CALLER} | form
    headers = {"X-Twilio-Signature": RequestValidator(ENVIRONMENT["TWILIO_AUTH_TOKEN"]).compute_signature(url, form)}
    began = time.monotonic()
    answer = requests.post(url, form, headers=headers, timeout=15)
    took = time.monotonic() - began
    assert answer.status_code == 200
    assert "trouble" not in answer.text
    return took, answer.text
