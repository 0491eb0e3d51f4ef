"""What consoles are connected to: the product with an address that pushes, and a bare Socket.IO server that emits."""

from typing import Any

from flask import Flask, request
from flask_socketio import SocketIO, join_room

from warmline import push
from warmline.app import create_app
from warmline.web import access


def ours() -> Flask:
    app = create_app()

    @app.get("/push/<peer>")
    @access.public
    def pushing(peer: str) -> str:
        push.publish(f"peer:{peer}", "console", peer)
        return ""

    return app


def bare() -> Flask:
    app = Flask(__name__)
    options: dict[str, Any] = {"async_mode": "gevent", "transports": ["websocket"], "manage_session": False}
    socketio = SocketIO(app, **options)

    @socketio.on("connect")
    def connect() -> None:
        join_room(request.args["room"])

    @socketio.on("heartbeat")
    def heartbeat() -> None:
        pass

    @app.get("/push/<peer>")
    def pushing(peer: str) -> str:
        socketio.emit("changed", {"what": "console", "id": peer, "version": "0" * 64}, to=peer)
        return ""

    return app
