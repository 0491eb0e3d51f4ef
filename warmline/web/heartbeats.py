"""Heartbeats: a console says that its peer is there and what it shows, and is told whether that is what there is.

A thousand consoles send a hundred a second. Those of a moment are written together, which on SQLite stops the process
once and not for each, and looked for together, in about as many statements as one.
"""

import time
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any

from warmline import clock
from warmline.contacts import availability, screens
from warmline.models import Peer

GATHER_SECONDS = 0.25
ANSWER_SECONDS = 10  # how long one may wait in all; no page waits as long (static/console.js)
AT_ONCE = 25  # consoles that are looked for before others have their turn


@dataclass(slots=True)
class Beat:
    """A heartbeat that is not written yet: what its page shows, and the answer that it waits for."""

    peer: Peer
    version: str | None
    contact: str | None
    numbers: object
    answer: "Future[dict[str, Any]]" = field(default_factory=Future)

    @property
    def asked(self) -> screens.Asked:
        return self.peer.id, self.contact


_heard: dict[str, Beat] = {}
_gathers = False


def gather() -> None:
    """From now on somebody calls `write()` every GATHER_SECONDS."""
    global _gathers
    _gathers = True


def ask(page: str, peer: Peer, shown: object) -> dict[str, Any]:
    """The peer's console is there. `shown`: its `version`, its open `contact` and its `numbers`, if it says so.

    Answers once that is written: `fresh`, whether the page shows what there is, and `numbers` of those who wait, if
    only they have changed. {} if it could not be written, or while another heartbeat of this `page` waits.
    """
    if page in _heard:
        return {}
    says = shown if isinstance(shown, dict) else {}
    beat = _heard[page] = Beat(peer, _words(says.get("version")), _words(says.get("contact")), says.get("numbers"))
    if not _gathers:
        write()
    try:
        return beat.answer.result(ANSWER_SECONDS)
    except (CancelledError, TimeoutError):
        return {}


def write() -> None:
    """Store who was heard since the latest time, and answer each page."""
    beats = list(_heard.values())
    _heard.clear()
    try:
        if beats:
            availability.all_seen({beat.peer.id: beat.peer for beat in beats}.values(), clock.now())
            time.sleep(0)
        for first in range(0, len(beats), AT_ONCE):
            some = beats[first : first + AT_ONCE]
            found = screens.consoles({beat.asked for beat in some if beat.version}, clock.now())
            for beat in some:
                beat.answer.set_result(_answer(beat, found.get(beat.asked)))
            time.sleep(0)
    finally:
        for beat in beats:
            beat.answer.cancel()  # of those that nobody answered: their pages ask by themselves


def _answer(beat: Beat, there_is: screens.Console | None) -> dict[str, Any]:
    if there_is is None or there_is.version != beat.version:
        return {"fresh": False}
    if there_is.numbers != beat.numbers:
        return {"fresh": True, "numbers": there_is.numbers}
    return {"fresh": True}


def _words(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
