"""Two web processes and two clocks on PostgreSQL and Redis; and then either of those two is killed, in the middle."""

import itertools
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest
import socketio
from playwright.sync_api import expect
from sqlalchemy import create_engine

from tests import reaper
from tests.e2e.conftest import Enter, complaints, enter
from tests.e2e.steps import call, choose, log, offer, waits
from tests.product import CALLER, GEORGIA, Caller, Console, Product, Visitor, eventually, open_consoles
from tests.servers import Postgres, Redis

__all__ = ["complaints", "enter"]

TRUE_WITHIN = timedelta(seconds=15)
AWAY_SECONDS = 60
ATTEMPTS = 200  # the kernel chooses the process that takes a connection


@dataclass(frozen=True)
class Servers:
    postgres: Postgres
    redis: Redis


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Postgres() as postgres, Redis() as redis:
        yield Servers(postgres, redis)


@pytest.fixture(scope="module")
def product(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder: Path = tmp_path_factory.mktemp("product")
    with Product(folder, servers.postgres.database(), servers.redis.url, webs=2, clocks=2) as product:
        yield product


class Web:
    """One of the web processes behind the port. Who serves a connection is read off the connection itself."""

    def __init__(self, product: Product, pid: int) -> None:
        self.product, self.process = product, psutil.Process(pid)

    @property
    def serves(self) -> set[int]:
        """The ports from which it is being asked now."""
        return {
            line.raddr.port
            for line in self.process.net_connections("tcp")
            if line.laddr.port == self.product.port and line.status == psutil.CONN_ESTABLISHED
        }

    def ask(self, visitor: Visitor, method: str, path: str, **form: str) -> tuple[int, str]:
        """Send a request through this very process: status and text of its answer."""
        headers = {name: str(value) for name, value in visitor.http.headers.items()}
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        with_it = self._line()
        try:
            with_it.request(method, path, urlencode(form), headers)
            answer = with_it.getresponse()
            return answer.status, answer.read().decode()
        finally:
            with_it.close()

    def _line(self) -> HTTPConnection:
        """A connection that this process has taken; the kernel decides which one takes it."""
        for _ in range(ATTEMPTS):
            line = HTTPConnection("127.0.0.1", self.product.port, timeout=15)
            line.request("GET", "/healthz")
            line.getresponse().read()
            if line.sock.getsockname()[1] in self.serves:
                return line
            line.close()
        raise AssertionError(f"process {self.process.pid} took none of {ATTEMPTS} connections")


class Listener:
    """A console's socket, which notes the versions that it is told."""

    def __init__(self, visitor: Visitor) -> None:
        self.told: list[str] = []
        self._client = socketio.Client(reconnection=False)
        self._client.on("changed", lambda push: self.told.append(push["version"]))
        cookies = "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())
        self._client.connect(visitor.product.url, headers={"Cookie": cookies}, transports=["websocket"])
        self.port: int = self._client.eio.ws.sock.getsockname()[1]

    def close(self) -> None:
        self._client.disconnect()


Listen = Callable[[Visitor, Web], Listener]


def webs(product: Product) -> list[Web]:
    """The workers of gunicorn, and nobody else."""
    children = psutil.Process(product.processes["web"].pid).children()
    assert len(children) == 2
    return [Web(product, child.pid) for child in children]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Opens a console's socket at that process."""
    opened: list[Listener] = []

    def at(visitor: Visitor, web: Web) -> Listener:
        for _ in range(ATTEMPTS):
            listener = Listener(visitor)
            if listener.port in web.serves:
                opened.append(listener)
                return listener
            listener.close()
        raise AssertionError(f"process {web.process.pid} took no socket")

    yield at
    for listener in opened:
        listener.close()


@pytest.fixture
def peer1(product: Product) -> Iterator[Console]:
    """Robin, whose console is open; in the end everything is logged, and Robin is off."""
    with open_consoles(product, "peer1@example.org") as (console,):
        yield console
        console.chooses("off")
        for contact in console.state["contacts"]:
            if not contact["logged"]:
                console.ends(contact["id"])
                console.logs(contact["id"])


def test_what_happens_in_one_process_reaches_the_consoles_of_both(
    product: Product, peer1: Console, listen: Listen
) -> None:
    one, two = webs(product)
    listeners = [listen(peer1, one), listen(peer1, two)]
    ports = {listener.port for listener in listeners}
    assert len(one.serves & ports) == len(two.serves & ports) == 1

    def both_hear() -> None:
        version = peer1.state["version"]
        eventually(lambda: all(version in listener.told for listener in listeners), what="one of them did not hear")

    for web, status in ((one, "break"), (two, "available")):
        assert web.ask(peer1, "POST", "/console/status", status=status)[0] == 200
        both_hear()

    # What a clock does reaches both, too: only a clock lets an offer expire.
    caller = Caller(product).dials()
    caller.presses("1")
    offered = peer1.offer()
    both_hear()
    execute(product, "UPDATE offer SET deadline = now() WHERE state = 'pending'")
    eventually(lambda: all(row["id"] != offered["id"] for row in peer1.state["offers"]))
    both_hear()
    caller.hangs_up()


@pytest.mark.timeout(240)  # Redis is away for a minute, in which this test hardly does more than wait
def test_redis_is_away_for_a_minute_nothing_is_lost_and_every_page_shows_the_truth_within_fifteen_seconds(
    product: Product, servers: Servers, peer1: Console, listen: Listen, enter: Enter
) -> None:
    page = enter("peer1")
    expect(page.locator("#connection")).to_have_text("Live")
    here = page_is_at(product)
    (there,) = (web for web in webs(product) if web.process != here.process)
    board = enter("supervisor")
    expect(board.locator("#connection")).to_have_text("Live")
    choose(page, "Available")
    listeners = [listen(peer1, here), listen(peer1, there)]
    mine = page.get_by_role("group", name="Choose my status")
    robin = board.get_by_role("row", name=re.compile("^Robin Hale"))

    def both_show(status: str) -> None:
        """The page's own process does not hear of this."""
        answer, changed = there.ask(peer1, "POST", "/console/status", status=status.lower()), datetime.now(UTC)
        assert answer[0] == 200
        button = mine.get_by_role("button", name=status)
        expect(button).to_have_attribute("aria-pressed", "true", timeout=left(changed))
        expect(robin).to_contain_text(status, ignore_case=True, timeout=left(changed))

    servers.redis.kill()
    back_at = time.monotonic() + AWAY_SECONDS
    both_show("Break")
    assert listeners[0].told == [], "it was a poll, and no push"
    for web in (here, there):
        answer = web.ask(peer1, "GET", "/readyz")
        assert answer[0] == 200
        assert json.loads(answer[1])["status"] == "degraded"

    caller, dials_at = Caller(product), datetime.now(UTC)
    waits(caller)
    waiting = board.get_by_role("table", name=re.compile("wait", re.IGNORECASE))
    expect(waiting).to_contain_text("English", timeout=left(first(product, "contact", "queued_at", dials_at)))
    choose(page, "Available")
    accept = offer(page).get_by_role("button", name="Accept")
    expect(accept).to_be_visible(timeout=left(first(product, "offer", "made_at", dials_at)))
    accept.click()
    caller.is_in("conference")
    connected = first(product, "engagement", "active_at", dials_at)
    expect(call(page)).to_contain_text("Connected", timeout=left(connected))
    expect(robin).to_contain_text("talking", timeout=left(connected))
    call(page).get_by_role("button", name="End call").click()
    caller.is_in("ended")
    log(page)
    eventually(lambda: unsettled(product) == [], what=lambda: str(unsettled(product)))
    for status in itertools.cycle(("Meeting", "Break")):
        if time.monotonic() > back_at:
            break
        both_show(status)

    servers.redis.start()
    eventually(lambda: json.loads(here.ask(peer1, "GET", "/readyz")[1])["status"] == "ok")
    for told, web in ((listeners[1].told, here), (listeners[0].told, there)):
        eventually(partial(hears_again, told, web, peer1))
    assert product.script("GET", "/script/errors")["errors"] == []


def test_postgresql_stops_at_once_in_a_call_and_everything_settles_afterwards(
    product: Product, servers: Servers, peer1: Console
) -> None:
    peer1.chooses("available")
    talking, waiting, new = (Caller(product, f"+1404555012{digit}") for digit in (3, 4, 5))
    waits(talking)
    first = peer1.offer()
    peer1.accepts(first)
    talking.is_in("conference")
    eventually(lambda: (peer1.contact(first["contact"]) or {}).get("state") == "connected")
    waits(waiting)
    contact = eventually(
        lambda: next((row["id"] for row in product.rows("contact") if row["state"] == "waiting"), None)
    )

    stop_at_once(servers.postgres)
    for web in webs(product):
        assert web.ask(peer1, "GET", "/readyz")[0] == 503
    for path, form in (
        ("/twilio/voice/incoming", {"From": CALLER, "To": GEORGIA}),
        ("/twilio/voice/fallback", {"From": CALLER, "To": GEORGIA}),
        (f"/twilio/voice/contacts/{contact}/language", {"Digits": "1"}),
        (f"/twilio/voice/contacts/{contact}/wait", {"QueueSid": "QU1", "QueueTime": "10"}),
        (f"/twilio/voice/contacts/{contact}/join", {}),
        ("/twilio/sms/incoming", {"MessageSid": "SM1", "From": CALLER, "To": GEORGIA, "Body": "hello?"}),
    ):
        answer = product.webhook(path, CallSid="CA1", **form)
        assert (answer.status_code, "text 988" in answer.text) == (200, True), f"{path}: {answer.text}"
        assert answer.elapsed.total_seconds() < 5
    talking.hangs_up()
    new.dials()
    new.hears("988")

    servers.postgres.start()
    eventually(lambda: all(web.ask(peer1, "GET", "/readyz")[0] == 200 for web in webs(product)))
    # The end of the first call was told to nobody; the other two have kept their places.
    eventually(lambda: peer1.state["activity"] == "wrapping", 30)
    peer1.logs(first["contact"])
    new.presses("1")
    for caller in (waiting, new):
        offered = peer1.offer(30)
        peer1.accepts(offered)
        caller.is_in("conference")
        eventually(lambda: peer1.state["activity"] == "talking")
        peer1.ends(offered["contact"])
        caller.is_in("ended")
        peer1.logs(offered["contact"])
    eventually(lambda: unsettled(product) == [], 30, lambda: str(unsettled(product)))
    assert all(row["completed_at"] for row in product.rows("report"))
    assert not product.died


def first(product: Product, table: str, column: str, after: datetime) -> datetime:
    """The first moment in this column after that one, once there is one."""

    def moments() -> list[datetime]:
        found = [row[column].replace(tzinfo=UTC) for row in product.rows(table) if row[column]]
        return sorted(moment for moment in found if moment > after)

    return eventually(moments)[0]


def left(changed: datetime) -> float:
    """How many milliseconds a page may still take to show what was committed at that moment."""
    return max(1, (changed + TRUE_WITHIN - datetime.now(UTC)) / timedelta(milliseconds=1))  # 0 would be for ever


def page_is_at(product: Product) -> Web:
    """The process at which the one open page has its socket: any other connection of a browser ends within seconds."""

    def found() -> list[Web]:
        ours = {line.laddr.port for line in psutil.Process().net_connections("tcp")}
        return [web for web in webs(product) for _ in web.serves - ours]

    eventually(lambda: len(found()) == 1, what="more than the page is connected")
    return found()[0]


def hears_again(told: list[str], web: Web, visitor: Visitor) -> bool:
    """Whether a socket is told what happens in another process."""
    before = len(told)
    for status in ("meeting", "break"):
        assert web.ask(visitor, "POST", "/console/status", status=status)[0] == 200
    time.sleep(0.2)
    return len(told) > before


def stop_at_once(postgres: Postgres) -> None:
    """As `pg_ctl stop -m immediate`: https://www.postgresql.org/docs/current/server-shutdown.html"""
    os.kill(postgres.pid, signal.SIGQUIT)
    assert reaper.await_end(reaper.family(postgres.pid), seconds=10)
    postgres.kill()


def execute(product: Product, statement: str) -> None:
    """Change the database past the product."""
    engine = create_engine(product.database_url)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


def unsettled(product: Product) -> list[str]:
    """What is not in its final state."""
    final = {
        "contact": {"closed", "abandoned"},
        "offer": {"accepted", "declined", "expired", "cancelled", "lost"},
        "engagement": {"done", "failed"},
        "leg": {"ended"},
        "outside_request": {"done", "refused", "unknown"},
    }
    return [
        f"{table} {row['state']}"
        for table, states in final.items()
        for row in product.rows(table)
        if row["state"] not in states
    ]
