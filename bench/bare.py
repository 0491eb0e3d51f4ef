"""What our consoles are measured beside: a Socket.IO server that emits, and nothing of ours."""

from typing import Any

from flask import Flask, request
from flask_socketio import SocketIO, join_room


def create_app() -> Flask:
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
