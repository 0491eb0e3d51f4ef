"""Faults on demand: what goes wrong between two companies, asked for by a test and used up one by one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import count as counter

CALLBACK_KINDS = ("duplicate", "reorder", "delay", "drop")
REST_STATUSES = (429, 500, 503, "timeout", 21220)


@dataclass
class Fault:
    """One thing that will go wrong.

    kind     duplicate | reorder | delay | drop (a webhook), rest (a REST request), undelivered (a text)
    path     regular expression searched in the URL's path (webhook or REST request) or in the texted number
    method   REST only; empty for any
    status   rest: 429, 500, 503, "timeout" or 21220; undelivered: Twilio's code, for example 30003
    seconds  how long a delay or a timeout lasts, in real seconds
    processed  rest: whether the request takes effect although its answer is lost
    count    how many times it still happens
    """

    kind: str
    path: str = ""
    method: str = ""
    status: int | str = 500
    seconds: float = 1.0
    processed: bool = False
    count: int = 1
    id: int = field(default_factory=counter(1).__next__)

    def __post_init__(self) -> None:
        if self.kind not in (*CALLBACK_KINDS, "rest", "undelivered"):
            raise ValueError(f"unknown fault {self.kind!r}")
        if self.kind == "rest" and self.status not in REST_STATUSES:
            raise ValueError(f"a REST fault has one of the statuses {REST_STATUSES}")
        self.pattern = re.compile(self.path)


class Faults:
    """The faults that have not happened yet, in the order in which they were asked for."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self.waiting.append(fault)

    def clear(self) -> None:
        self.waiting.clear()

    def take(self, kinds: tuple[str, ...], path: str, method: str = "") -> Fault | None:
        """The first fault that fits, used once; None if nothing is to go wrong."""
        for fault in self.waiting:
            if fault.kind in kinds and fault.pattern.search(path) and fault.method in ("", method):
                fault.count -= 1
                if fault.count <= 0:
                    self.waiting.remove(fault)
                return fault
        return None
