"""The product with a fuse: at one point, which the file CRASH_AT names, it kills its own processes as `kill -9` would.

Points lie before and after every commit of a verb that has written and every request to the phone company; each that
is reached is written to CRASH_TRACE, with how often it was reached in this process since it started, or since CRASH_AT
changed:

    before commit contacts.offers.accept #1
    after request move_caller #1

Whoever dies empties CRASH_AT: by that a death at this point is told from any other.

gunicorn serves `tests.faults.crashing:create_app()`, and `python -m tests.faults.crashing` is the clock.
"""

import os
import signal
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from jinja2 import FileSystemBytecodeCache
from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session

ROOT = Path(__file__).parent.parent.parent
REQUESTS = ("move_caller", "redirect", "hang_up", "call", "calls_made", "end_conference", "send_text", "locate")

_reached: Counter[str] = Counter()
_fuse = ""


def reach(point: str) -> None:
    """Note a point, and die there if it is the one."""
    global _fuse
    if (fuse := Path(os.environ["CRASH_AT"]).read_text()) != _fuse:
        _fuse = fuse
        _reached.clear()
    _reached[point] += 1
    occurrence = f"{point} #{_reached[point]}"
    with Path(os.environ["CRASH_TRACE"]).open("a") as trace:
        trace.write(occurrence + "\n")
    if occurrence == fuse:
        Path(os.environ["CRASH_AT"]).write_text("")
        os.killpg(0, signal.SIGKILL)


def lay_fuse() -> None:
    """Watch every commit and every request of this process; shorten the times that a test would only wait for."""
    from routing.facts import TIMES
    from warmline import clock
    from warmline.contacts import outbox, parting
    from warmline.telephony.twilio_gateway import TwilioGateway

    _watch_commits()
    for name in REQUESTS:
        _watch(TwilioGateway, name)
    clock.TICK_SECONDS = 0.4
    # After every death these are waited out: the lease of a clock, the claim of whoever was to ask for something.
    clock.LEASE, outbox.STALE, outbox.ARRIVED = timedelta(seconds=2), timedelta(seconds=4), timedelta(seconds=6)
    parting.PAUSES = (timedelta(seconds=2), timedelta(seconds=2))  # whoever was not reached is called again
    if seconds := os.environ.get("CRASH_PATIENCE"):
        clock.TICK_SECONDS = 1  # as the product does: seconds are waited out anyway
        for name in ("ring", "connect", "wrap_up"):
            object.__setattr__(TIMES, name, timedelta(seconds=float(seconds)))


def _watch_commits() -> None:
    from warmline import db

    def execute(state: ORMExecuteState) -> None:
        if state.is_insert or state.is_update or state.is_delete:
            state.session.info["has_written"] = True

    def flush(session: Session, *_: object) -> None:
        session.info["has_written"] = True

    def before(session: Session) -> None:
        if db._writing.get() and (session.info.get("has_written") or session.new or session.dirty or session.deleted):
            session.info["has_written"] = True
            reach(f"before commit {verb()}")

    def after(session: Session) -> None:
        if db._writing.get() and session.info.get("has_written"):
            reach(f"after commit {verb()}")

    event.listen(Session, "do_orm_execute", execute)
    event.listen(Session, "before_flush", flush)
    event.listen(Session, "before_commit", before)
    event.listen(Session, "after_commit", after)


def verb() -> str:
    """The verb whose transaction this is: the nearest function of ours outside db.py."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT / "warmline") and path.name != "db.py":
            module = ".".join(path.relative_to(ROOT / "warmline").with_suffix("").parts)
            return f"{module}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "unknown"


def create_app() -> Any:
    """What gunicorn serves."""
    from warmline.app import create_app as create

    lay_fuse()
    app = create()
    app.jinja_env.bytecode_cache = FileSystemBytecodeCache(os.environ["DATA_DIR"])  # each death costs a start
    return app


def _watch(kind: type, name: str) -> None:
    original = getattr(kind, name)

    def watched(self: Any, *arguments: Any) -> Any:
        reach(f"before request {name}")
        answer = original(self, *arguments)
        reach(f"after request {name}")
        return answer

    setattr(kind, name, watched)


if __name__ == "__main__":
    from warmline.cli import main

    lay_fuse()
    main(["clock"])
