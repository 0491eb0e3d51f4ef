"""Sockets, on a real gunicorn with gevent: who may listen, what is heard, and when it ends."""

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from html import unescape
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
import socketio
from socketio.exceptions import ConnectionError as RefusedError
from sqlalchemy import select, update

from tests.cast import ENVIRONMENT, Browser, serve
from tests.servers import Redis
from tests.web.walk import calls
from warmline import clock, db
from warmline.contacts import availability
from warmline.models import Account, LoginSession, Peer, Presence
from warmline.models.base import Keys
from warmline.people import accounts
from warmline.web import heartbeats, live

pytestmark = pytest.mark.both

QUIET = 0.4  # long enough for a push that must not come
PATIENCE = 20


class Listener:
    """A socket that notes what it is told."""

    def __init__(self, base: str, cookies: str = "", origin: str | None = None, **options: Any) -> None:
        self.told: list[dict[str, str]] = []
        self.client = socketio.Client(reconnection=False, websocket_extra_options={"origin": origin or base})
        self.client.on("changed", self.told.append)
        self.client.connect(base, headers={"Cookie": cookies}, **{"transports": ["websocket"]} | options)

    def close(self) -> None:
        self.client.disconnect()


def listen(browser: Browser, **options: Any) -> Listener:
    return Listener(browser.base, "; ".join(f"{name}={value}" for name, value in browser.cookies.items()), **options)


def eventually(what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first true answer; AssertionError if there is none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := what():
            return answer
        time.sleep(0.05)
    raise AssertionError("it never came true")


def peer(email: str) -> Peer:
    with db.reading() as session:
        account = session.scalars(select(Account).where(Account.email_hash == accounts.email_hash(email))).one()
    assert account.peer
    return account.peer


def post(browser: Browser, path: str, **form: str) -> None:
    answer = browser.post(browser.base + path, data=form, headers={"Accept": "application/json"})
    assert answer.ok, answer.text


@pytest.fixture
def base(database_url: str) -> Iterator[str]:
    """A web process, whose database this process looks into."""
    Keys.use([ENVIRONMENT["FIELD_KEYS"]], ENVIRONMENT["INDEX_KEY"])
    db.bind(db.connect(database_url))
    with serve(database_url) as address:
        yield address
    db.bound().dispose()


def test_sockets_live_and_end(base: str) -> None:
    """One process, many questions: starting it takes longer than asking."""
    peer1, peer2 = Browser(base, "peer1@example.org"), Browser(base, "peer2@example.org")
    supervisor, outsider = Browser(base, "supervisor@example.org"), Browser(base, "outsider@example.org")

    # Refused: no cookie, a made-up cookie, a foreign page, another transport
    for options in (
        {},
        {"cookies": "warmline=made-up"},
        {"cookies": f"warmline={peer1.cookies['warmline']}", "origin": "https://evil.example.org"},
        {"cookies": f"warmline={peer1.cookies['warmline']}", "transports": ["polling"]},
    ):
        with pytest.raises(RefusedError):
            Listener(base, **options)

    own, tab, colleague = listen(peer1), listen(peer1), listen(peer2)
    board, foreign = listen(supervisor), listen(outsider, origin=base.replace("127.0.0.1", "localhost"))

    # A push goes to the peer's own consoles and the organization's boards, with the version to be fetched
    post(peer1, "/console/status", status="break")
    told = eventually(lambda: own.told and tab.told and board.told and own.told)[-1]
    state = peer1.get(f"{base}/console/state").json()
    assert told == {"what": "console", "id": peer("peer1@example.org").id, "version": state["version"]}
    heard = eventually(lambda: [push for push in board.told if push["what"] == "board"])[-1]
    eventually(lambda: board.told[-1]["version"] == supervisor.get(f"{base}/board/state").json()["version"])
    assert set(heard) == {"what", "id", "version"}
    time.sleep(QUIET)
    assert colleague.told == []
    assert foreign.told == []

    # A heartbeat is presence; whatever else is sent is ignored
    def seen(email: str) -> Presence | None:
        with db.reading() as session:
            return session.get(Presence, peer(email).id)

    assert seen("peer1@example.org") is None
    own.client.emit("join", {"room": f"line:{heard['id']}"})
    own.client.emit("heartbeat", {"peer": peer("peer2@example.org").id})
    board.client.emit("heartbeat")
    eventually(lambda: seen("peer1@example.org"))
    assert seen("peer2@example.org") is None

    # Logging out ends the login's sockets and no others
    post(peer1, "/logout")
    eventually(lambda: not own.client.connected and not tab.client.connected)
    assert colleague.client.connected

    # A revoked login is noticed at the next sweep, whether its socket sends something …
    with db.transaction() as session:
        session.execute(update(LoginSession).values(revoked_at=clock.now()))
    colleague.client.emit("heartbeat")
    eventually(lambda: not colleague.client.connected)
    # … or not
    eventually(lambda: not board.client.connected and not foreign.client.connected)


def shown(browser: Browser) -> dict[str, Any]:
    """What the console's page says that it shows."""
    page = browser.get(f"{browser.base}/console/fragment").text
    version, numbers = re.search(r'data-version="(.+?)"', page), re.search(r'data-numbers="(.+?)"', page)
    assert version
    assert numbers
    return {"version": version[1], "contact": "", "numbers": json.loads(unescape(numbers[1]))}


def test_a_console_asks_whether_it_shows_what_there_is(base: str) -> None:
    """What happens in this process is pushed to nobody."""
    peer1, supervisor = Browser(base, "peer1@example.org"), Browser(base, "supervisor@example.org")
    marisol = peer("peer2@example.org")
    console, board = listen(peer1), listen(supervisor)

    def answer(page: object, asked: Listener = console) -> Any:
        return asked.client.call("heartbeat", page, timeout=PATIENCE)

    page = shown(peer1)
    assert answer(page) == {"fresh": True}
    waiting = calls()
    now = shown(peer1)
    assert answer(page) == {"fresh": True, "numbers": now["numbers"]}
    assert now["version"] == page["version"], "each caller would make each console fetch"
    assert sorted(number for number, _ in now["numbers"].values()) == [0, 0, 1]
    assert answer(now) == {"fresh": True}
    # Whatever nobody has seen on that page is not what it shows, and nothing is told of it
    with db.transaction() as session:
        session.execute(update(Peer).where(Peer.id == peer("peer1@example.org").id).values(status="break"))
    others: tuple[object, ...] = (
        now,
        {},
        None,
        [],
        "\0",
        {"version": 5, "contact": [], "numbers": {"\0": 1}},
        now | {"contact": waiting},
    )
    for other in others:
        assert answer(other) == {"fresh": False}
    assert answer(shown(peer1)) == {"fresh": True}
    with db.transaction() as session:
        session.execute(update(Peer).where(Peer.id == marisol.id).values(status="break"))
    assert answer(shown(peer1)) == {"fresh": True}, "a colleague's status is not on the page"
    assert answer(now, board) == {}
    assert console.told == []


def test_a_heartbeat_that_was_not_written_is_not_answered(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    someone = Peer(id="1")

    def fails(*_: object) -> None:
        raise OSError("the database is away")

    monkeypatch.setitem(live._open, "socket", live.Console("login", someone))
    monkeypatch.setattr(availability, "all_seen", fails)
    monkeypatch.setattr(heartbeats, "_gathers", True)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(live.heartbeat, "socket", {"version": "1"})
        eventually(lambda: heartbeats._heard)
        assert live.heartbeat("socket", {"version": "1"}) == {}, "a second waits for the first"
        with pytest.raises(OSError, match="away"):
            heartbeats.write()
        assert first.result(PATIENCE) == {}
    assert live.heartbeat("another socket") == {}


def test_a_connection_that_brings_one_request_after_another_lets_others_have_their_turn(base: str) -> None:
    where, many = urlsplit(base).netloc, 200

    def asks(connection: HTTPConnection) -> None:
        connection.request("GET", "/login")
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()

    with closing(HTTPConnection(where, timeout=PATIENCE)) as greedy, closing(HTTPConnection(where)) as other:
        asks(greedy)
        asks(other)
        greedy.sock.sendall(f"GET /login HTTP/1.1\r\nHost: {where}\r\n\r\n".encode() * many)
        answers = greedy.sock.recv(100)  # the first comes, and the others want to
        asks(other)
        greedy.sock.setblocking(False)
        with suppress(BlockingIOError):
            while more := greedy.sock.recv(1_000_000):
                answers += more
    assert 1 <= answers.count(b"</html>") < many / 2


def test_a_board_that_changes_again_and_again_is_read_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, float]] = []
    monkeypatch.setattr(live, "_version", lambda what, id, not_before: "1")
    pushes = live.Pushes(
        lambda event, told_of, room: told.append((room, time.monotonic())), lambda room: True, board_pause=QUIET
    )
    with ThreadPoolExecutor(20) as threads:
        for _ in range(20):
            threads.submit(pushes, "line:1", "board", "1")
            threads.submit(pushes, "peer:1", "console", "1")
    first, second, *others = (at for room, at in told if room == "line:1")
    assert second - first >= QUIET
    assert len(others) < 3, "not once for each change"
    assert max(at for room, at in told if room == "peer:1") < second, "whom it rings for waits for no board"


def test_a_look_that_took_long_does_not_keep_a_board_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []

    def slow(*_: object) -> str:
        time.sleep(QUIET)
        return "1"

    monkeypatch.setattr(live, "_version", slow)
    monkeypatch.setattr(live, "BOARD_MOST_SECONDS", QUIET)
    pushes = live.Pushes(lambda *_, **__: told.append(time.monotonic()), lambda room: True, board_pause=0.01)
    pushes("line:1", "board", "1")
    pushes("line:1", "board", "1")
    first, second = told
    assert 2 * QUIET <= second - first < live.BOARD_PAUSE * QUIET / 2


@pytest.fixture
def two_webs(
    postgres_template: str, request: pytest.FixtureRequest, own_redis: Redis
) -> Iterator[tuple[str, str, Redis]]:
    """Two web processes of one product."""
    databases = request.getfixturevalue("postgres")
    url = databases.database(template=postgres_template)
    with serve(url, REDIS_URL=own_redis.url) as one, serve(url, REDIS_URL=own_redis.url) as two:
        yield one, two, own_redis
    databases.drop(url)


def test_a_push_reaches_the_other_process_and_redis_may_die(two_webs: tuple[str, str, Redis]) -> None:
    one, two, redis_server = two_webs
    here, there = Browser(one, "peer1@example.org"), Browser(two, "peer1@example.org")
    listener = listen(there)
    post(here, "/console/status", status="break")
    eventually(lambda: listener.told)

    # What a board of the other process shows is read anew, however lately it was
    watches = Browser(two, "supervisor@example.org")
    board = listen(watches)
    for status, words in (("meeting", "Meeting"), ("training", "Training")):
        assert words not in watches.get(f"{two}/board/fragment").text.split('id="peers"')[1]
        board.told.clear()
        post(here, "/console/status", status=status)
        eventually(lambda: board.told)
        assert words in watches.get(f"{two}/board/fragment").text.split('id="peers"')[1]

    redis_server.kill()
    began = time.monotonic()
    post(here, "/console/status", status="meeting")
    assert there.get(f"{two}/console/state").json()["status"] == "meeting"
    assert time.monotonic() - began < 5
    assert here.get(f"{one}/readyz").json() == {
        "status": "degraded", "database": "ok", "schema": "ok", "redis": "down",
    }  # fmt: skip
    Browser(one, "peer2@example.org")  # whoever logs in meanwhile can
    # A process still hears itself
    before = len(listener.told)
    post(there, "/console/status", status="training")
    eventually(lambda: len(listener.told) > before)

    redis_server.start()
    assert eventually(lambda: here.get(f"{one}/readyz").json()["status"] == "ok")

    def heard_again() -> bool:
        before = len(listener.told)
        for status in ("away", "off"):
            post(here, "/console/status", status=status)
        time.sleep(0.2)
        return len(listener.told) > before

    eventually(heard_again)
