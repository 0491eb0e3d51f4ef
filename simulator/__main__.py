"""`python -m simulator`: one process, loopback only, in the foreground."""

from gevent import monkey

monkey.patch_all()

import logging  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402

import gevent  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402

from simulator.app import create_app  # noqa: E402
from simulator.settings import Settings, SettingsError  # noqa: E402


def main() -> int:
    """Serve until told to stop. Port 0 takes any free one; the line printed says which."""
    logging.basicConfig(format="simulator: %(message)s")
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    server = WSGIServer(("127.0.0.1", settings.port), create_app(settings), log=None)
    server.start()
    # An answer goes out in two pieces; held back for an acknowledgement, the second one takes 40 ms.
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    address = f"http://127.0.0.1:{server.server_port}/"
    print(f"simulator: telephones at {address} for {settings.base_url}", flush=True)
    for stop in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(stop, server.stop, 1)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
