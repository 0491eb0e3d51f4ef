"""What a board shows, for all who look at the same moment.

When something changes, every open board of the organization asks for all of itself: with a hundred peers each would
cost forty milliseconds of a processor. They show the same, so the first of them reads and renders it for the others.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from flask_wtf.csrf import generate_csrf

from warmline.contacts import screens

SECONDS = 1  # for how long it is good if no push says otherwise; the shifts of peers begin and end without one
HOLE = "in place of the form token"


@dataclass
class Sight:
    """One look at an organization's lines and peers."""

    view: screens.Board
    at: datetime
    since: float
    pages: dict[str, str] = field(default_factory=dict)  # by language, without what is the reader's own

    @cached_property
    def version(self) -> str:
        return screens.version(self.view)

    @cached_property
    def state_version(self) -> str:
        """What a push names."""
        return str(screens.state_of(self.view)["version"])

    def page(self, language: str, render: Callable[[], str], now: datetime) -> str:
        """What `render` makes of it with HOLE for the form token, for one reader, who sets their clock by it."""
        if language not in self.pages:
            self.pages[language] = render()
        then, there = (f'data-now="{at.isoformat()}"' for at in (self.at, now))
        return self.pages[language].replace(then, there, 1).replace(HOLE, generate_csrf())


class Sights:
    """The latest look at each organization."""

    def __init__(self) -> None:
        self.seconds: float = 0  # a process whose pushes come late shares nothing
        self._latest: dict[str, Sight] = {}
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def forget(self) -> None:
        """Something has changed: whoever looks from now on must see it. A look that has begun is nobody else's."""
        self._latest = {}

    def of(self, organization_id: str, now: datetime) -> Sight:
        """The latest look, or a new one if there is none or it is too old."""
        with self._turns[organization_id]:
            latest, began = self._latest, time.monotonic()
            found = latest.get(organization_id)
            if found is None or began - found.since >= self.seconds:
                found = latest[organization_id] = Sight(screens.board(organization_id, now), now, began)
            return found


sights = Sights()
