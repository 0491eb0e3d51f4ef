"""Many consoles' sockets in one process: it notes when which of them was told something, and sends heartbeats.

Started by bench.consoles, which writes one line `url TAB cookie` for each socket to its standard input. It prints
`open` once all are, then a line `number TAB seconds` for each push, by the clock that all processes of a machine share
(time.monotonic), until its input ends.

Socket.IO's protocol: https://github.com/socketio/socket.io-protocol, on https://github.com/socketio/engine.io-protocol
"""

import select
import sys
import time

import websocket

BEAT_SECONDS = 10  # as the console's script does


def main() -> None:
    count, beats = int(sys.argv[1]), sys.argv[2] == "beats"
    opened = [open_socket(*sys.stdin.readline().rstrip("\n").split("\t")) for _ in range(count)]
    numbers = {_descriptor(each): number for number, each in enumerate(opened)}
    poll = select.poll()
    for number in (sys.stdin.fileno(), *numbers):
        poll.register(number, select.POLLIN | select.POLLHUP)
    print("open", flush=True)
    began, beaten = time.monotonic(), 0
    while True:
        ready = poll.poll(20)
        for descriptor, _ in ready:
            if descriptor not in numbers:
                return
            hear(opened[numbers[descriptor]], numbers[descriptor])
        # Spread evenly: each socket beats once in BEAT_SECONDS.
        due = int((time.monotonic() - began) / BEAT_SECONDS * count) if beats else 0
        while beaten < due:
            opened[beaten % count].send('42["heartbeat"]')
            beaten += 1


def open_socket(url: str, cookie: str) -> websocket.WebSocket:
    """A socket that is connected to the namespace `/`."""
    opened = websocket.create_connection(url, timeout=30, cookie=cookie or None)
    opened.recv()  # 0: engine.io's open
    opened.send("40")
    while not _text(opened).startswith("40"):
        pass
    return opened


def hear(told: websocket.WebSocket, number: int) -> None:
    frame = _text(told)
    if frame == "2":
        told.send("3")
    elif frame.startswith("42"):
        print(f"{number}\t{time.monotonic()}", flush=True)


def _descriptor(opened: websocket.WebSocket) -> int:
    assert opened.sock
    return opened.sock.fileno()


def _text(told: websocket.WebSocket) -> str:
    frame = told.recv()
    return frame if isinstance(frame, str) else frame.decode()


if __name__ == "__main__":
    main()
