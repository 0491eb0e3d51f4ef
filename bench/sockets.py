"""Many open consoles in a process of their own: each does what its page's scripts do, or is only told.

Started by bench.consoles, which writes one line for each to its standard input, `number TAB kind TAB peer TAB headers`,
the kind being `console` or `board`, the headers JSON. It prints `open` once all are, then, until its input ends, a line
`number TAB what` for whatever happens to one: when it was told that something changed, by the clock that all processes
of a machine share (time.monotonic), or `closed`, `silent` (a heartbeat was not answered), `unanswered` (a request was
not).

A page that is `awake` does what its scripts do (warmline/static/live.js, console.js): a console says every 10 s that
its peer is there and what it shows, and fetches if it is told that this is not what there is; a board fetches every
10 s; both fetch when something changes. One that is `still` only listens.

Socket.IO's protocol: https://github.com/socketio/socket.io-protocol, on https://github.com/socketio/engine.io-protocol
"""

# Before anything else is imported: a thousand pages then wait without stopping each other.
from gevent import monkey

monkey.patch_all()

# ruff: noqa: E402

import json
import re
import resource
import sys
import time
from html import unescape
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

import gevent
import gevent.event
import gevent.fileobject
import gevent.pool
import websocket

POLL_SECONDS = 10
ANSWER_SECONDS = 3
AT_ONCE = 50
VERSION, NUMBERS = re.compile(r'data-version="(.*?)"'), re.compile(r'data-numbers="(.*?)"')


class Page:
    """A browser's tab: a peer's console, or a board."""

    def __init__(self, base: str, number: int, kind: str, peer: str, headers: dict[str, str]) -> None:
        self._base, self.number, self._kind, self._peer, self._headers = base, number, kind, peer, headers
        self._etag = ""
        self._shown: dict[str, Any] = {"contact": "", "numbers": None}
        self._must_fetch = gevent.event.Event()
        self._answer: gevent.event.AsyncResult[dict[str, object]] = gevent.event.AsyncResult()

    def open(self) -> None:
        """Connect the socket to the namespace `/`."""
        url = self._base.replace("http", "ws", 1) + f"/socket.io/?EIO=4&transport=websocket&room={self._peer}"
        self._socket = websocket.create_connection(url, timeout=60, cookie=self._headers.get("Cookie"))
        self._socket.settimeout(None)
        self._socket.recv()  # 0: engine.io's open
        self._socket.send("40")
        while not str(self._socket.recv()).startswith("40"):
            pass

    def listen(self) -> None:
        """Say when something is told, and when the server has ended it."""
        try:
            while not (said := str(self._socket.recv())).startswith("41"):
                if said == "2":
                    self._socket.send("3")
                elif said.startswith('42["changed"'):
                    print(f"{self.number}\t{time.monotonic()}", flush=True)
                    self._must_fetch.set()
                elif said.startswith("43"):
                    self._answer.set(json.loads(said[said.index("[") :])[0])
        except (OSError, websocket.WebSocketException):
            pass
        print(f"{self.number}\tclosed", flush=True)

    def live(self, first: float) -> None:
        """Ask again and again whether it shows what there is, and fetch it if not."""
        gevent.spawn(self._fetch_whenever)
        gevent.sleep(first)
        while True:
            if self._kind != "console" or not self._is_fresh():
                self._must_fetch.set()
            gevent.sleep(POLL_SECONDS)

    def _is_fresh(self) -> object:
        self._answer = gevent.event.AsyncResult()
        self._socket.send(f'421["heartbeat",{json.dumps(self._shown)}]')
        try:
            answer = self._answer.get(timeout=ANSWER_SECONDS)
        except gevent.Timeout:
            print(f"{self.number}\tsilent", flush=True)
            body = urlencode(self._shown | {"numbers": json.dumps(self._shown["numbers"])})
            answer = json.loads(self._request("POST", "heartbeat", body, {"Accept": "application/json"})[0] or "{}")
        self._shown["numbers"] = answer.get("numbers", self._shown["numbers"])
        return answer.get("fresh")

    def _fetch_whenever(self) -> None:
        while self._must_fetch.wait():
            self._must_fetch.clear()
            self.load()

    def load(self) -> None:
        """Fetch what it shows, if that is not what it has."""
        self._take(*self._request("GET", "fragment", None, {"If-None-Match": self._etag}))

    def _request(self, method: str, what: str, body: str | None, more: dict[str, str]) -> tuple[str, str]:
        """The answer and its ETag."""
        connection = HTTPConnection(urlsplit(self._base).netloc, timeout=60)
        form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        try:
            connection.request(method, f"/{self._kind}/{what}", body, self._headers | more | form)
            answer = connection.getresponse()
            page = answer.read().decode()
            if answer.status not in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED):
                raise HTTPException(answer.status)
            return page, answer.headers["ETag"] or ""
        except (OSError, HTTPException):
            print(f"{self.number}\tunanswered", flush=True)
            return "", ""
        finally:
            connection.close()

    def _take(self, page: str, etag: str) -> None:
        self._etag = etag
        version, numbers = VERSION.search(page), NUMBERS.search(page)
        if version and numbers:
            self._shown |= {"version": version[1], "numbers": json.loads(unescape(numbers[1]))}


def main() -> None:
    base, is_awake = sys.argv[1], sys.argv[2] == "awake"
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # a socket each, and requests
    asked = gevent.fileobject.FileObject(sys.stdin.fileno(), "r", close=False)
    pages = []
    while line := asked.readline().rstrip("\n"):
        number, kind, peer, headers = line.split("\t")
        pages.append(Page(base, int(number), kind, peer, json.loads(headers)))
    crowd = gevent.pool.Pool(AT_ONCE)
    if is_awake:
        crowd.map(Page.load, pages)
    crowd.map(Page.open, pages)
    print("open", flush=True)
    for place, page in enumerate(pages):
        gevent.spawn(page.listen)
        if is_awake:  # at all times of the interval, as people open their pages
            gevent.spawn(page.live, POLL_SECONDS * place / len(pages))
    asked.read()


if __name__ == "__main__":
    main()
