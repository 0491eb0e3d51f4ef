"""Sockets: a console says that it is there and what it shows, and is told what to fetch again.

A socket belongs to a login and ends with it. It hears of its own peer's console (room `peer:<id>`), or, for
supervisors and administrators, of their organization's lines (rooms `line:<id>`); it is told ids, never content.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import redis
from flask import Flask, request
from flask_login import current_user
from flask_socketio import SocketIO, join_room
from redis.backoff import NoBackoff
from redis.retry import Retry
from socketio.pubsub_manager import PubSubManager
from sqlalchemy import select

from warmline import clock, db, push
from warmline.contacts import screens
from warmline.models import Line, Peer, Role
from warmline.people import accounts
from warmline.web import access, heartbeats, sight
from warmline.web.security import REDIS_SECONDS
from warmline.web.sight import sights

SWEEP_SECONDS = 3
AT_ONCE = 100  # logins that are looked for before others have their turn
REST_SECONDS = 1  # how long a Redis that failed is left alone
# Between two looks for the same board, at least: with hundreds of peers each takes longer than the webhook that is the
# reason, and so do the boards that then fetch it.
BOARD_SECONDS = 0.25
BOARD_PAUSE = 20  # times as long as the look took
BOARD_MOST_SECONDS = 3  # a database that was slow once is no reason for a board to be late

log = logging.getLogger(__name__)
socketio = SocketIO()


@dataclass(slots=True)
class Console:
    """An open socket of this process."""

    login: str
    peer: Peer | None


_open: dict[str, Console] = {}


def use(app: Flask, *, gevented: bool, origins: list[str], redis_url: str | None) -> None:
    """Serve sockets beside `app`, to pages of these origins, and push through them."""
    options: dict[str, Any] = {
        "async_mode": "gevent" if gevented else "threading",
        "transports": ["websocket"],
        "cors_allowed_origins": origins,
        "client_manager": RedisQueue(redis_url) if redis_url else None,
        "manage_session": False,
        "max_http_buffer_size": 10_000,
        # Without these each would write to stderr beside our own logs.
        "logger": logging.getLogger("socketio"),
        "engineio_logger": logging.getLogger("engineio"),
    }
    socketio.init_app(app, **options)
    # Past Flask, whose request would take longer than the heartbeat: a thousand consoles send a hundred a second.
    _server().on("heartbeat", heartbeat)
    app.wsgi_app = _without_noise(app.wsgi_app)  # type: ignore[method-assign]
    # With Redis, whoever listens may sit in another process.
    pause = BOARD_SECONDS if gevented else 0  # a greenlet of its own may wait, whoever made the change may not
    sights.seconds = sight.SECONDS if gevented else 0
    push.use(Pushes(socketio.emit, lambda room: bool(redis_url) or _is_occupied(room), board_pause=pause))


def use_queue(redis_url: str) -> None:
    """Push from a process without sockets, such as the clock, through Redis."""
    push.use(Pushes(RedisQueue(redis_url, write_only=True).emit, lambda room: True))


def drop(login_id: str) -> None:
    """End the sockets of a login that has ended; other processes' end at their next sweep."""
    for sid, console in list(_open.items()):
        if console.login == login_id:
            _open.pop(sid, None)
            _server().disconnect(sid)


def sweep() -> None:
    """End the sockets whose login has expired or was revoked, whether they send anything or not."""
    logins = list({console.login for console in _open.values()})
    for first in range(0, len(logins), AT_ONCE):
        some = set(logins[first : first + AT_ONCE])
        for ended in some - accounts.lasting(some, clock.now()):
            drop(ended)
        time.sleep(0)


def run() -> None:
    """Whatever this process does for its sockets again and again."""
    heartbeats.gather()
    for act, seconds in ((heartbeats.write, heartbeats.GATHER_SECONDS), (sweep, SWEEP_SECONDS)):
        socketio.start_background_task(_forever, act, seconds)


def _forever(act: Callable[[], None], seconds: float) -> None:
    while True:
        time.sleep(seconds)
        try:
            act()
        except Exception as error:  # the database is away, above all: the next time is soon
            log.warning("sockets are not looked after", extra={"work": act.__name__, "error": type(error).__name__})


@socketio.on("connect")
def connect() -> bool:
    """Let a logged-in browser in; engineio has refused foreign origins before."""
    if not current_user.is_authenticated:
        return False
    account = access.account()
    if account.peer:
        join_room(f"peer:{account.peer.id}")
    if account.role is not Role.PEER:
        with db.reading() as session:
            lines = session.scalars(select(Line.id).where(Line.organization_id == account.organization_id))
            for line in lines.all():
                join_room(f"line:{line}")
    _open[_sid()] = Console(current_user.login.id, account.peer)
    return True


@socketio.on("disconnect")
def disconnected(*_: Any) -> None:
    _open.pop(_sid(), None)


def heartbeat(sid: str, shown: object = None, *_: object) -> dict[str, Any]:
    """The peer's console is there, and shows this. Whether the login lasts is the sweep's question."""
    console = _open.get(sid)
    return heartbeats.ask(sid, console.peer, shown) if console is not None and console.peer is not None else {}


@socketio.on_error_default
def failed(error: BaseException) -> None:
    log.error("a socket's event failed", exc_info=error)


class Pushes:
    """What `push.publish` sends through: finds the version, emits, and lets pushes that pile up become one."""

    def __init__(self, emit: Callable[..., Any], is_heard: Callable[[str], bool], board_pause: float = 0) -> None:
        self._emit = emit
        self._is_heard = is_heard
        self._board_pause = board_pause
        self._due: dict[str, float] = {}  # the rooms that are to be told, with the latest reason's time
        self._rests_until: dict[str, float] = {}  # by the room of a board
        self._turn = threading.Lock()

    def __call__(self, room: str, what: str, id: str) -> None:
        """Emit `changed` to a room.

        1. If nobody is in the room, do nothing; reading for nobody would cost each webhook as much as its own work.
        2. If a push to the room has yet to read, leave it at that: it will see what was just committed.
        3. If it is a board's, which was read just now, wait a moment for others.
        4. Wait for one's turn, read the version, emit.
        """
        waits = room in self._due
        if not waits and not self._is_heard(room):
            return
        self._due[room] = time.monotonic()
        if waits:
            return
        if what == "board":
            time.sleep(max(0, self._rests_until.get(room, 0) - time.monotonic()))
        with self._turn:
            began = time.monotonic()
            version = _version(what, id, self._due.pop(room))
            if what == "board" and self._board_pause:
                ended = time.monotonic()
                rest = min(BOARD_PAUSE * (ended - began), BOARD_MOST_SECONDS)
                self._rests_until[room] = ended + max(self._board_pause, rest)
        self._emit("changed", {"what": what, "id": id, "version": version}, room=room)


class RedisQueue(PubSubManager):  # type: ignore[misc]  # has no types
    """Carries pushes between processes, and never makes a verb wait for a Redis that is away."""

    name = "redis"

    def __init__(self, url: str, *, write_only: bool = False) -> None:
        super().__init__(channel="warmline", write_only=write_only)
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._url = url
        self._rests_until = float("-inf")

    def _publish(self, data: dict[str, Any]) -> None:
        if time.monotonic() < self._rests_until:
            return
        try:
            self._client.publish(self.channel, self.json.dumps(data))
        except redis.RedisError:
            self._rests_until = time.monotonic() + REST_SECONDS
            log.warning("a push was lost: Redis does not answer")

    def _handle_emit(self, message: dict[str, Any]) -> None:
        if message.get("host_id") != self.host_id and str(message.get("room")).startswith("line:"):
            sights.changed()
        super()._handle_emit(message)

    def _listen(self) -> Iterator[bytes]:
        while True:
            try:
                # A silent channel is no failure, so this connection waits without a limit.
                with redis.Redis.from_url(self._url, socket_keepalive=True) as client, client.pubsub() as listener:
                    listener.subscribe(self.channel)
                    for message in listener.listen():
                        if message["type"] == "message":
                            yield message["data"]
            except redis.RedisError:
                log.warning("pushes of other processes are lost: Redis does not answer")
                time.sleep(REST_SECONDS)


def _without_noise(inner: Callable[..., Any]) -> Callable[..., Any]:
    """End a socket that sent what is no packet: engineio lets the error out, which would be a traceback for each."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        try:
            return inner(environ, start_response)
        except (ValueError, IndexError, RecursionError) as error:
            if "HTTP_UPGRADE" not in environ:
                raise
            log.warning("a socket sent what is no packet", extra={"error": type(error).__name__})
            raise StopIteration from None  # so gunicorn is told that a socket is over

    return serve


def _version(what: str, id: str, not_before: float) -> str:
    now = clock.now()
    if what == "console":
        return str(screens.console_state(id, now)["version"])
    with db.reading() as session:
        organization_id = session.scalars(select(Line.organization_id).where(Line.id == id)).one()
    return sights.of(organization_id, now, not_before).state_version


def _is_occupied(room: str) -> bool:
    return any(True for _ in _server().manager.get_participants("/", room))


def _server() -> Any:
    return socketio.server  # type: ignore[attr-defined]  # its type hints lack it


def _sid() -> str:
    return str(request.sid)  # type: ignore[attr-defined]  # Flask-SocketIO adds it
