"""kill -9 before and after every commit and every request to the phone company, on the path of a call.

The points are enumerated from the code and printed. At each one web and clock are killed and started again, while the
people go on as people do: the caller stays on the line, a peer presses the button again. Within 30 seconds everything
is settled, and the caller has been answered. `make thorough` dies at every point; else, of the points before and after
the same thing, at one.
"""

import ast
import contextlib
import re
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar
from zlib import crc32

import pytest
import requests

from tests.faults.crashing import REQUESTS
from tests.product import ROOT, Caller, Console, Product
from tests.servers import Databases, Redis

SETTLED_WITHIN = 30  # seconds after a restart
TRIES = 3  # to come by a point
LOOKS_SECONDS = 0.25  # between two looks of a peer at the console
SELDOM_SECONDS = 0.8  # likewise, while nothing changes: each look is work for four products
LANES = 4  # products side by side: after a death most of the time is only waited for
# Points that come round again and again: their first occurrence stands for the others.
RECURRING = (
    "clock.", "locate", "accounts.log_in", "asking.claim", "asking.doubt", "availability.all_seen",
    "availability.choose",
)  # fmt: skip
# To die here is to die where the claim stands and nothing was asked, or where it was asked and nothing is noted:
# before, or after, the request itself.
SAME = ("after commit contacts.outbox._claim ", "before commit contacts.outbox._settle_request ")
# Whether these have anything to write depends on who is quicker.
BY_CHANCE = ("calling_back.heard", "parting.caller_back", "survey.ask")
# Verbs that no step of the journeys takes, and why.
ELSEWHERE = {
    "cli.create_admin": "a command of an operator",
    "people.accounts.log_out": "no contact depends on it",
    "people.demo.seed": "runs before the product starts",
    "contacts.messages.write": "texts: tests/contacts/test_walk.py",
    "contacts.messages.delivered": "texts",
    "contacts.texts._receive": "texts",
    "contacts.texts.nobody_left": "texts",
    "contacts.parting.console_gone": "texts",
    "contacts.intake.greet": "a call that is asked for again before its menu",
    "contacts.intake.nobody_left": "nobody on shift",
    "contacts.intake.give_up": "nobody speaks the language",
    "contacts.intake.stay": "nobody speaks the language",
    "people.accounts.choose_language": "no contact depends on it",
    "people.lines.close_early": "no call depends on it",
    "people.lines.reopen": "no call depends on it",
    "people.lines.pause": "no call depends on it",
    "people.lines.resume": "no call depends on it",
    "people.lines.change": "no call depends on it",
    "directory.demo.seed": "runs before the product starts",
    "directory.resources.add": "no contact depends on it",
    "directory.resources.change": "no contact depends on it",
    "directory.resources.deactivate": "no contact depends on it",
    "contacts.referrals.add": "beside a call: tests/contacts/test_referrals.py",
    "contacts.referrals.remove": "beside a call",
    "contacts.referrals.text": "beside a call",
    "contacts.alerts.ask": "beside a call: tests/contacts/test_alerts.py",
    "contacts.alerts.withdraw": "beside a call",
    "contacts.alerts.acknowledge": "beside a call",
    "contacts.handoffs.keep": "beside a call: tests/contacts/test_handoffs.py",
    "contacts.allowance.lift": "no contact depends on it: tests/contacts/test_allowance.py",
    "contacts.history.open_notes": "no contact depends on it",
    "contacts.boundary.end": "as contacts.parting.end: tests/contacts/test_boundary.py",
    "contacts.calling_back.heard": "its own webhook is mostly slower than the answer to the request that made the call",
    "contacts.calling_back.note_number": "nobody types another number: tests/contacts/test_calling_back.py",
    "contacts.intake.not_booked": "whoever wishes to be called books: tests/contacts/test_calling_back.py",
    "contacts.asking.ask_for_call": "an answer was lost",
    "contacts.survey.ask": "for whoever waits longer",
    "contacts.survey.agree": "nobody presses the key: tests/contacts/test_survey.py",
    "contacts.survey.invite": "nobody said yes",
    "contacts.survey.lapse": "nobody said yes",
    "contacts.wishes.choose": "the line's policy has no wishes: tests/contacts/test_wishes.py",
    "contacts.wishes.lift": "the line's policy has no wishes",
    "contacts.wishes.tell": "the line's policy has no wishes",
    "contacts.resting.end": "no contact depends on it: tests/contacts/test_resting.py",
    "contacts.parting.out_of_queue": "the phone company's queue is full",
    "contacts.asking.claim": "of every call something is heard in time",
    "contacts.asking._end_again": "a request to end a call was lost",
    "contacts.asking._settle_caller": "a callback was lost",
}

# Of those, what a slow machine may bring about.
PERHAPS = {
    "contacts.asking.claim",
    "contacts.asking._end_again",
    "contacts.asking._settle_caller",
    "contacts.asking.ask_for_call",
    "contacts.survey.ask",
    "contacts.calling_back.heard",
}

Answer = TypeVar("Answer")


def verbs() -> list[str]:
    """Every function of the product that holds a transaction, from its source."""
    found = []
    for path in sorted((ROOT / "warmline").rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef) and any(
                isinstance(call, ast.Call) and ast.unparse(call.func) in ("transaction", "db.transaction")
                for statement in ast.walk(function)
                if isinstance(statement, ast.With)
                for item in statement.items
                for call in [item.context_expr]
            ):
                module = ".".join(path.relative_to(ROOT / "warmline").with_suffix("").parts)
                found.append(f"{module}.{function.name}")
    return found


def points() -> list[str]:
    """Before and after every commit and every request."""
    things = [f"commit {verb}" for verb in verbs()] + [f"request {name}" for name in REQUESTS]
    return [f"{when} {thing}" for thing in things for when in ("before", "after")]


# What a caller presses when asked, by the words that ask.
KEYS = {
    "To hang up and be called back, press 2": "2",
    "To keep your place and be called at this number, press 1": "1",
    "This is the call that you asked for. To take it, press 1": "1",
}
CALLS_BACK = '{"steps": [{"after": 0, "kind": "callback"}]}'  # the policy of a line


@dataclass
class Manner:
    """How a peer behaves, until it has behaved so once."""

    declines: bool = False
    lets_ring: bool = False
    has_no_phone: bool = False
    drops: bool = False
    logs_late: bool = False


@dataclass(frozen=True)
class Journey:
    """How the two peers behave, and whether the caller books a call before they come.

    `only` says at which points to die: those that no earlier journey has. `patience` is for the timers, in seconds.
    `later` is where the second half begins: nobody comes there before what the first half left behind is done.
    """

    manners: tuple[Manner, Manner]
    only: str = ""
    patience: str = ""
    books: bool = False
    later: str = "parting.end"


class Evening:
    """Web, clock and simulator; whenever the product dies it is started again."""

    def __init__(self, folder: Path, patience: str, *servers: str) -> None:
        folder.mkdir()
        self.trace = folder / "trace"
        self.product = Product(
            folder,
            *servers,
            clocks=1 if servers else 0,
            app="tests.faults.crashing:create_app()",
            clock=("tests.faults.crashing",),
            speed=20,
        )
        self.fuse = folder / "fuse"
        self.fuse.write_text("")
        self.product.environment |= {"CRASH_TRACE": str(self.trace), "CRASH_AT": str(self.fuse)}
        if patience:
            self.product.environment["CRASH_PATIENCE"] = patience
        self.ahead: list[str] = []
        self.restarted_at: float | None = None
        self.consoles: dict[str, Console] = {}

    def console(self, email: str) -> Console:
        """The open console of somebody who has logged in."""
        if email not in self.consoles:
            self.consoles[email] = self.persist(lambda: Console(self.product, email))
        return self.consoles[email]

    def close_consoles(self) -> None:
        for email in list(self.consoles):
            self.consoles.pop(email).__exit__()

    def opens(self, journey: Journey) -> None:
        """The line has what this journey needs."""
        if journey.books:
            with self.product._past.begin() as past:
                past.exec_driver_sql(f"UPDATE line SET policy = '{CALLS_BACK}'")

    def prepare(self, deaths: list[str], *, fresh: bool) -> None:
        """The next deaths are at these points, one after the other; of the processes as they are, or of fresh ones."""
        self.restarted_at, self.ahead = None, list(deaths)
        if "log_in" in deaths[0]:
            self.close_consoles()
        if fresh:
            self.product.kill_all()
        self.fuse.write_text(deaths[0])
        if fresh:
            self.product.start(wait=False)

    def keep_alive(self) -> None:
        """Start the product again if it has died."""
        if self.product.died:
            self.product.kill_all()
            assert self.ahead, f"died by itself: {self.product.log('web')[-6000:]}"
            assert not self.fuse.read_text(), f"died, but not {self.ahead[0]}: {self.product.log('web')[-6000:]}"
            del self.ahead[:1]
            self.fuse.write_text(self.ahead[0] if self.ahead else "")
            self.product.start(wait=not self.ahead)  # or it may die at once
            self.restarted_at = time.monotonic()

    def persist(self, act: Callable[[], Answer], seconds: float = 60) -> Answer:
        """What a person does whose page does not answer: try again."""
        until = time.monotonic() + seconds
        while True:
            self.keep_alive()
            try:
                return act()
            except (requests.RequestException, AssertionError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def reached(self) -> list[str]:
        return self.trace.read_text().splitlines() if self.trace.exists() else []


class Peer:
    """A peer who does what the console asks for next, in a manner of their own."""

    def __init__(self, evening: Evening, email: str, manner: Manner) -> None:
        self.evening, self.manner = evening, manner
        self.console = evening.console(email)
        self.talked: set[str] = set()
        self.calls: dict[str, str] = {}
        self.rang: set[str] = set()

    def acts(self) -> object:
        """One look at the console, and what follows from it. What fails is tried again at the next look."""
        state = self.console.state
        if state["status"] != "available":
            self.console.chooses("available")
        if self.rang and not {offer["id"] for offer in state["offers"]} & self.rang:
            self.manner.lets_ring = False
        for offer in state["offers"]:
            self._answers(offer)
        for contact in state["contacts"]:
            if contact["state"] == "connected" and state["activity"] == "talking":
                self._talks(contact["id"])
            elif not contact["logged"] and (state["activity"] == ("idle" if self.manner.logs_late else "wrapping")):
                self.console.logs(contact["id"])
        return state

    def _answers(self, offer: dict[str, str]) -> None:
        if self.manner.lets_ring:
            self.rang.add(offer["id"])
        elif self.manner.declines:
            self.manner.declines = not self.console.post(f"/console/offers/{offer['id']}/decline").ok
        elif self.manner.has_no_phone:
            self.manner.has_no_phone = not self.console.post(f"/console/offers/{offer['id']}/accept").ok
        else:
            self.calls[offer["contact"]] = self.console.accepts(offer)

    def _talks(self, contact: str) -> None:
        self.talked.add(contact)
        if self.manner.drops:
            self.evening.product.script("POST", f"/script/calls/{self.calls[contact]}/hangup")
            self.manner.drops = False
        else:
            self.console.ends(contact)


class Phone(Caller):
    """A caller who does what a voice asks for, hangs up when the place is kept, and picks up when it rings.

    Whoever was called back does not ask for it again.
    """

    rings = 0

    def acts(self) -> object:
        """One look at the telephone, and what follows from it."""
        for call in self.product.script("GET", "/script/calls")["calls"]:
            if call["to"] == self.number and call["status"] == "ringing":
                self.product.script("POST", f"/script/calls/{call['sid']}/answer")
                self.sid, self.rings = call["sid"], self.rings + 1
        latest = self.heard.rpartition("\n")[2]
        for words, key in KEYS.items():
            if words in latest and not (self.rings and words.startswith("To hang up")):
                self.product.script("POST", f"/script/calls/{self.sid}/keys", digits=key)
        return latest


def walk(evening: Evening, journey: Journey) -> None:
    """One call, from dialling until everything about it is settled, with two peers in their manners."""
    product = evening.product
    emails = ("peer1@example.org", "peer2@example.org")
    peers = [Peer(evening, email, replace(manner)) for email, manner in zip(emails, journey.manners, strict=True)]
    if not journey.books:
        for peer in peers:
            evening.persist(partial(peer.console.chooses, "available"))
    caller = Phone(product).dials()
    began = time.monotonic()
    unsettled = ["not begun"]
    seen: list[object] = []
    pause = LOOKS_SECONDS
    seldom = LOOKS_SECONDS if journey.books else SELDOM_SECONDS  # a telephone does not ring for long
    while unsettled:
        evening.keep_alive()
        is_alone = journey.books and not caller.rings and caller.where != "ended"
        people: list[Phone | Peer] = [caller] if is_alone else [caller, *peers]
        before, seen = seen, []
        for person in people:
            with contextlib.suppress(requests.RequestException, AssertionError):
                seen.append(person.acts())
        pause = LOOKS_SECONDS if seen != before else min(2 * pause, seldom)
        time.sleep(pause)
        with contextlib.suppress(AssertionError):
            unsettled = _unsettled(product, caller)
        if time.monotonic() > (evening.restarted_at or began) + SETTLED_WITHIN:
            raise AssertionError(f"unsettled: {unsettled}; heard: {caller.heard}; log: {product.log('web')[-6000:]}")
    assert any(peer.talked for peer in peers), f"the caller was not answered, but heard: {caller.heard}"
    assert "Thank you for calling. Goodbye." in caller.heard
    if journey.books:
        tries = max(product.rows("contact"), key=lambda row: str(row["queued_at"]))["callback_tries"]
        assert 1 <= caller.rings <= 1 + tries, "rung twice, as if the first time had not been"
    for peer in peers:
        evening.persist(partial(peer.console.chooses, "off"))


def _unsettled(product: Product, caller: Caller) -> list[str]:
    """What is not in its final state; while the call goes on, that alone."""
    if caller.where != "ended":
        return ["the call"]
    final = {
        "contact": {"closed"},
        "offer": {"accepted", "declined", "expired", "cancelled", "lost"},
        "engagement": {"done", "failed"},
        "leg": {"ended"},
        "outside_request": {"done", "refused", "unknown"},
    }
    found = []
    for table, states in final.items():
        found += [f"{table} {row['state']}" for row in product.rows(table) if row["state"] not in states]
    contacts = {row["id"] for row in product.rows("contact")}
    reported = {row["contact_id"] for row in product.rows("report") if row["completed_at"]}
    found += ["no contact"] if not contacts else []
    return found + [f"no report of {id}" for id in contacts - reported]


def chosen(reached: list[str], only: str = "") -> list[str]:
    """The points to die at, of those whose name has `only` in it: each occurrence, but of what recurs the first."""
    return [
        point
        for point in dict.fromkeys(reached)
        if re.search(only, point) and (point.endswith("#1") or not _recurs(point)) and not point.startswith(SAME)
    ]


def of_each_one(way: list[str]) -> list[str]:
    """Of the points before and after the same thing one: of half of the things that before, of half that after."""
    of = defaultdict(list)
    for point in way:
        of[point.partition(" ")[2]].append(point)
    kept = {points[crc32(thing.encode()) % len(points)] for thing, points in of.items()}
    return [point for point in way if point in kept]


def _recurs(point: str) -> bool:
    return any(name in point for name in RECURRING)


def walks(way: list[str], reached: list[str], later: str) -> list[list[str]]:
    """The deaths of each walk: an early one, one in the first half of the way and a late one, while there are any.

    The early one, before anybody calls, leaves nothing behind that another could hide, or be hidden by. The late one
    comes once the caller was served in spite of the other. Where a death before it would change its number, or where
    it only may be reached, it is alone.
    """
    calls = next((number for number, point in enumerate(way) if "intake.receive" in point), 0)
    turn = next(number for number, point in enumerate(reached) if later in point)
    first_half = set(reached[:turn])
    others = way[calls:]
    alone = [
        point for point in others if _is_by_chance(point) or (point not in first_half and first_of(point) in first_half)
    ]
    first = [point for point in others if point in first_half and point not in alone]
    late = [point for point in others if point not in first_half and point not in alone]
    deaths = zip_longest(way[:calls], first, late)
    return [[point for point in some if point] for some in deaths] + [[point] for point in alone]


def _is_by_chance(point: str) -> bool:
    return any(name in point for name in BY_CHANCE)


def first_of(point: str) -> str:
    """The same point when it is reached for the first time."""
    return re.sub(r"#\d+$", "#1", point)


def verb_of(point: str) -> str:
    """What is committed or asked for at this point."""
    return point.split()[2]


JOURNEYS = {
    "declined, then answered": Journey((Manner(declines=True), Manner())),
    "called back, dropped, then answered again": Journey(
        (Manner(drops=True), Manner()),
        r"(calling_back|request call|caller_back|redirect|take_step).* #1$|parting\.(left|leg_ended).* #[12]$"
        r"|(may_join|queued).* #2$",
        books=True,
        later="calling_back.come_due",
    ),
    "rung out, no phone, logged late": Journey(
        (Manner(lets_ring=True, logs_late=True), Manner(has_no_phone=True)),
        r"expire|give_up|wrapup|(make|hang_up).* #[2-9]",
        "3",
    ),
}
ON_POSTGRESQL = "rung out, no phone, logged late"  # what the clock does: there it dies apart from the web process


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("journey", [journey for journey in JOURNEYS if journey != ON_POSTGRESQL])
def test_a_call_survives_kill_9_at_every_point(tmp_path: Path, thorough: bool, journey: str) -> None:
    lanes = [Evening(tmp_path / str(lane), JOURNEYS[journey].patience) for lane in range(LANES)]
    die_on_the_way(lanes, JOURNEYS[journey], thorough)


@pytest.mark.timeout(1500)
def test_a_clock_of_its_own_and_the_web_process_survive_kill_9_on_postgresql(
    tmp_path: Path, thorough: bool, postgres: Databases, redis_server: Redis
) -> None:
    journey = JOURNEYS[ON_POSTGRESQL]
    lanes = [
        Evening(tmp_path / str(lane), journey.patience, postgres.database(), f"{redis_server.url}/{lane}")
        for lane in range(LANES)
    ]
    die_on_the_way(lanes, journey, thorough)


def die_on_the_way(lanes: list[Evening], journey: Journey, thorough: bool) -> None:
    """Walk once to learn the way, then once for each point of it, dying there. Lanes share the work, nothing else."""
    with contextlib.ExitStack() as products:
        for lane in lanes:
            products.enter_context(lane.product)
            products.callback(lane.close_consoles)
            lane.opens(journey)
        walk(lanes[0], journey)
        reached = lanes[0].reached()
        way = chosen(reached, journey.only)
        if not thorough:
            way = of_each_one(way)
        print(f"\n{len(points())} points in the code, of which to die at {len(way)}, in the order of the way:")

        def die(lane: Evening, mine: list[list[str]]) -> list[str]:
            missed = []
            for deaths in mine:
                began, left = time.monotonic(), deaths
                for n in range(TRIES):
                    # What recurs comes first, or only, when processes start.
                    left = left and missed_by(lane, left, journey, fresh=_recurs(left[0]) or n > 0)
                missed += left
                took = time.monotonic() - began
                print(f"  {took:4.1f} s: {', '.join(deaths)}{f'; not reached: {left}' if left else ''}", flush=True)
            return missed

        with ThreadPoolExecutor() as people:
            all_walks = walks(way, reached, journey.later)
            jobs = [people.submit(die, lane, all_walks[number :: len(lanes)]) for number, lane in enumerate(lanes)]
        missed = [point for job in jobs for point in job.result()]
    # Whose turn it is when two processes, or two greenlets, do the same may differ, so that a later occurrence does
    # not come every time; a first one must (but of what only time or chance brings round), and most of the others.
    certain = [point for point in missed if point.endswith("#1") and not _is_by_chance(point)]
    assert not [point for point in certain if not _recurs(point)]
    assert len(missed) <= len(way) // 4, missed
    alive = {verb_of(point) for point in way} - {verb_of(point) for point in way if point not in missed}
    assert not alive - {f"contacts.{name}" for name in BY_CHANCE}, f"nobody died in {alive}"


def missed_by(lane: Evening, deaths: list[str], journey: Journey, *, fresh: bool) -> list[str]:
    """Walk with these deaths ahead; those by which the walk did not come."""
    lane.prepare(deaths, fresh=fresh)
    walk(lane, journey)
    return lane.ahead


def test_somebody_dies_in_every_verb_that_is_not_excused(tmp_path: Path) -> None:
    """The journeys die in every verb of the code but those that ELSEWHERE excuses, and that list has no idle entry.

    Where they are to die is asked here; that they do, each journey asks by itself.
    """
    seen: set[str] = set()
    dies: set[str] = set()
    for number, journey in enumerate(JOURNEYS.values()):
        evening = Evening(tmp_path / str(number), journey.patience)
        with evening.product:
            evening.opens(journey)
            walk(evening, journey)
            evening.close_consoles()
            seen |= {verb_of(point) for point in evening.reached()}
            dies |= {verb_of(point) for point in chosen(evening.reached(), journey.only)}
    not_seen, not_died = set(verbs()) - seen, set(verbs()) - dies
    assert not_died - PERHAPS == set(ELSEWHERE) - PERHAPS, (
        f"nobody dies in: {not_died - set(ELSEWHERE)}; idle: {set(ELSEWHERE) - not_seen}"
    )
