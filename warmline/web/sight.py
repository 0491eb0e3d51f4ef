"""What a board shows, for all who look at the same moment.

When something changes, every open board of the organization asks for all of itself: with a hundred peers each would
cost forty milliseconds of a processor. They show the same, so the first of them reads and renders it for the others.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from flask_wtf.csrf import generate_csrf

from warmline.contacts import screens

SECONDS = 1  # for how long it serves whoever was not told of a change; shifts begin and end without one
HOLE = "in place of the form token"
PIECES = 1000  # of a page that are made before others have their turn: two milliseconds


@dataclass
class Sight:
    """One look at an organization's lines and peers."""

    view: screens.Board
    at: datetime
    since: float  # time.monotonic, from before it was read
    pages: dict[str, str] = field(default_factory=dict)  # by language, without what is the reader's own
    turn: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def version(self) -> str:
        return screens.version(self.view)

    @cached_property
    def state_version(self) -> str:
        """What a push names."""
        return str(screens.state_of(self.view)["version"])

    def page(self, language: str, pieces: Callable[[], Iterable[str]], now: datetime) -> str:
        """What `pieces()` make of it with HOLE for the form token, for one reader, who sets their clock by it."""
        with self.turn:
            if language not in self.pages:
                self.pages[language] = "".join(_with_pauses(pieces()))
        then, there = (f'data-now="{at.isoformat()}"' for at in (self.at, now))
        return self.pages[language].replace(then, there, 1).replace(HOLE, generate_csrf())


class Sights:
    """The latest look at each organization."""

    def __init__(self) -> None:
        self.seconds: float = 0  # a process whose pushes come late shares nothing
        self._latest: dict[str, Sight] = {}
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._changed_at = float("-inf")

    def changed(self) -> None:
        """Another process has changed something: whoever looks from now on must see it."""
        self._changed_at = time.monotonic()

    def of(self, organization_id: str, now: datetime, not_before: float | None = None) -> Sight:
        """A look that began at `not_before` (time.monotonic) or later, or, if that is not given, lately."""
        since = time.monotonic() - self.seconds if not_before is None else not_before
        with self._turns[organization_id]:
            found = self._latest.get(organization_id)
            if found is None or found.since < max(since, self._changed_at):
                began = time.monotonic()
                found = self._latest[organization_id] = Sight(screens.board(organization_id, now), now, began)
            return found


def _with_pauses(pieces: Iterable[str]) -> Iterator[str]:
    for number, piece in enumerate(pieces):
        if number % PIECES == 0:
            time.sleep(0)
        yield piece


sights = Sights()
