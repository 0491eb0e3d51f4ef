"""What consoles are connected to: the product, with an address that pushes."""

from flask import Flask

from warmline import push
from warmline.app import create_app as create_ours
from warmline.web import access


def create_app() -> Flask:
    app = create_ours()

    @app.get("/push/<peer>")
    @access.public
    def pushing(peer: str) -> str:
        push.publish(f"peer:{peer}", "console", peer)
        return ""

    return app
