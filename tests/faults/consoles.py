"""Open consoles, in a process of their own: `python -m tests.faults.consoles URL`, with their cookies as JSON on stdin.

Each has a WebSocket of its own, answers the server's pings, and says every ten seconds that it is there, as the page
does (warmline/static/console.js). One line is printed when all are open; then, for each further line on stdin, how
often each console was told that something changed, as JSON, with null for a console that is closed.
"""

from gevent import monkey

monkey.patch_all()  # before what it patches is imported: hence the late imports

import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import gevent  # noqa: E402
import gevent.fileobject  # noqa: E402
import gevent.pool  # noqa: E402
import websocket  # noqa: E402

BEAT_SECONDS = 10
AT_ONCE = 50


class Console:
    """The protocol, by hand: https://socket.io/docs/v4/engine-io-protocol/ and /v4/socket-io-protocol/"""

    def __init__(self, url: str, cookie: str) -> None:
        self._url, self._cookie = url.replace("http:", "ws:"), cookie
        self.told: int | None = 0  # None: it is closed

    def open(self) -> None:
        self._line = websocket.create_connection(
            f"{self._url}/socket.io/?EIO=4&transport=websocket", cookie=self._cookie, timeout=60
        )
        self._hear("0")
        self._line.send("40")
        self._hear("40")

    def live(self, first_beat: float) -> None:
        due = time.monotonic() + first_beat
        while True:
            self._line.settimeout(max(0.01, due - time.monotonic()))
            try:
                said = self._line.recv()
            except websocket.WebSocketTimeoutException:
                self._line.send('42["heartbeat"]')
                due += BEAT_SECONDS
                continue
            if said == "2":
                self._line.send("3")
            elif said == "41":
                raise ConnectionError("the server has ended this console's login")
            elif str(said).startswith('42["changed"') and self.told is not None:
                self.told += 1

    def _hear(self, beginning: str) -> None:
        said = str(self._line.recv())
        assert said.startswith(beginning), said


def stay(console: Console, first_beat: float) -> None:
    try:
        console.live(first_beat)
    except (OSError, websocket.WebSocketException):
        console.told = None


def main() -> None:
    asked = gevent.fileobject.FileObject(sys.stdin.fileno(), "r", close=False)
    consoles = [Console(sys.argv[1], cookie) for cookie in json.loads(asked.readline())]
    gevent.pool.Pool(AT_ONCE).map(Console.open, consoles)
    print("open", flush=True)
    # The beats of real consoles are spread over their ten seconds.
    for i, console in enumerate(consoles):
        gevent.spawn(stay, console, BEAT_SECONDS * i / len(consoles))
    for _ in asked:
        print(json.dumps([console.told for console in consoles]), flush=True)


if __name__ == "__main__":
    main()
