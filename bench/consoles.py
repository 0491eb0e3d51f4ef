"""A thousand open consoles: how quick a push is, what a console weighs, and whether calls notice.

Beside a bare Flask-SocketIO server under the same gunicorn, with as many sockets. python -m bench.consoles --help
"""

import argparse
import json
import queue
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from playwright.sync_api import sync_playwright

from bench.load import Connections, Times, ask, rate, steadily
from bench.product import ROOT, House, Seat, Served, each_kind, served
from bench.report import figure, heading, ratio
from bench.webhooks import calls, ends, first_waits, texts
from tests.servers import chromium_path

PUSH_GOAL = 2  # times the bare server's p99
MEMORY_GOAL = 1.5  # times the bare server's
BUSY_GOAL = 1.5  # times p99 without consoles
QUEUE_GOAL = 1.1  # times the memory with the shortest queue
OFFER_GOAL = 150  # milliseconds, at the 95th percentile, from the press of Available, which is before any commit
PATIENCE_SECONDS = 10
BEAT_SECONDS = 10  # between two heartbeats of a console
PUSHES_PER_SECOND = 50
# Webhooks: ten times as many as a thousand peers could answer, and few enough that none waits for the one before, which
# would make a small difference a large one.
PER_SECOND = 20
# Presses a status and says how many milliseconds later the offer is, or is no longer, on the screen.
PRESS = """
    (status) => new Promise((seen) => {
      const began = performance.now();
      const watch = new MutationObserver(() => {
        if (Boolean(document.querySelector("[data-offer]")) !== (status === "available")) return;
        watch.disconnect();
        requestAnimationFrame(() => setTimeout(() => seen(performance.now() - began)));  // it is painted by then
      });
      watch.observe(document.body, { subtree: true, childList: true, attributes: true });
      document.getElementById(`status-${status}`).click();
    })
"""


class Sockets:
    """Open consoles and boards in a process of their own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._told: queue.Queue[tuple[int, float]] = queue.Queue()
        self.complaints: Counter[str] = Counter()
        threading.Thread(target=self._listen, daemon=True).start()

    def told(self, number: int) -> float:
        """When that page was told something next; queue.Empty if nobody is told anything for long."""
        return self.all_told({number})

    def all_told(self, numbers: set[int]) -> float:
        """When the last of these pages was told something next; queue.Empty if nobody is told anything for long."""
        left, when = set(numbers), 0.0
        while left:
            who, when = self._told.get(timeout=PATIENCE_SECONDS)
            left.discard(who)
        return when

    def forget(self) -> None:
        """What was told so far does not matter."""
        while not self._told.empty():
            self._told.get()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            number, _, what = line.strip().partition("\t")
            if what in ("closed", "silent", "unanswered"):
                self.complaints[what] += 1
            else:
                self._told.put((int(number), float(what)))


@contextmanager
def sockets(base: str, seats: list[Seat], boards: Sequence[Seat] = (), *, awake: bool) -> Iterator[Sockets]:
    """Everybody's console is open, then these boards: each does what its page does, or only listens."""
    command = [sys.executable, "-m", "bench.sockets", base, "awake" if awake else "still"]
    pages = [("console", seat) for seat in seats] + [("board", seat) for seat in boards]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            for number, (kind, seat) in enumerate(pages):
                process.stdin.write(f"{number}\t{kind}\t{seat.peer}\t{json.dumps(seat.headers)}\n")
            process.stdin.write("\n")
            process.stdin.flush()
            if process.stdout.readline() != "open\n":
                raise RuntimeError("the consoles did not open")
            yield Sockets(process)
        finally:
            process.kill()


def push_times(server: Served, listening: Sockets, seats: list[Seat], count: int) -> Times:
    """From asking for a push until one console of many is told, in turns."""
    connections, took = Connections(), []
    listening.forget()
    for turn in range(count):
        number = turn * 7 % len(seats)
        asked = ask(server.base, f"/push/{seats[number].peer}", {}, {}, "GET")
        began = time.monotonic()
        connections.answer(asked)
        took.append((listening.told(number) - began) * 1000)
        time.sleep(1 / PUSHES_PER_SECOND)
    connections.close()
    return Times(took, 0)


def pushes(house: House, ours: Served, seats: list[Seat], runs: int, count: int) -> None:
    with served("bench.bare:create_app()", house.url) as bare:
        for server in (ours, bare):  # a first socket brings what is loaded once
            with sockets(server.base, seats[:1], awake=False) as listening:
                push_times(server, listening, seats[:1], 3)
        before = ours.memory(), bare.memory()
        with sockets(ours.base, seats, awake=False) as to_us, sockets(bare.base, seats, awake=False) as to_bare:
            weight = (ours.memory() - before[0]) / len(seats) / 1024
            bare_weight = (bare.memory() - before[1]) / len(seats) / 1024
            ours_times, bare_times = [], []
            for _ in range(runs):
                bare_times.append(push_times(bare, to_bare, seats, count))
                ours_times.append(push_times(ours, to_us, seats, count))
    heading(f"A push to one of {len(seats)} open consoles, medians of {runs} runs in turns")
    figure("bare emit", medians_of(bare_times))
    worst = worst_of(ours_times) / worst_of(bare_times)
    ratio("ours", medians_of(ours_times), worst, "of it", at_most=PUSH_GOAL)
    figure("memory of a bare socket", f"{bare_weight:.0f} kB")
    ratio("memory of a console", f"{weight:.0f} kB", weight / bare_weight, "of it", at_most=MEMORY_GOAL)


def meanwhile(
    house: House, ours: Served, seats: list[Seat], boards: int, runs: int, seconds: float, settle: float
) -> int:
    """Webhooks beside consoles at work, and boards if any: how many were not answered, or questions of consoles."""
    alone, beside, complaints = [], [], Counter[str]()
    board = house.supervisor()
    webhooks(ours, seconds, boards > 0)  # the first only warm up
    for _ in range(runs):
        alone.append(webhooks(ours, seconds, boards > 0))
        with sockets(ours.base, seats, [board] * boards, awake=True) as pages:
            time.sleep(settle)
            beside.append(webhooks(ours, seconds, boards > 0))
            complaints += pages.complaints
        time.sleep(1)  # the sockets end
    watched = f" and {boards} boards, one of ten being a caller in line" if boards else ""
    heading(f"{PER_SECOND} webhooks a second beside {len(seats)} consoles{watched}: medians of {runs} runs in turns")
    figure("without consoles", medians_of(alone))
    ratio("with consoles", medians_of(beside), worst_of(beside) / worst_of(alone), "of it", at_most=BUSY_GOAL)
    late = complaints.pop("silent", 0)
    figure("heartbeats answered too late", f"{late} of about {runs * seconds * len(seats) / BEAT_SECONDS:.0f}")
    errors = sum(times.errors for times in alone + beside) + complaints.total()
    figure("errors", str(errors), "0", missed=errors > 0)
    return errors


def webhooks(server: Served, seconds: float, is_watched: bool) -> Times:
    """Calls that come in; and for one of ten the first request for wait audio, of which boards are told.

    Two callers in line a second are more than a thousand peers can answer. Such a request costs what it costs to
    estimate a wait for that many, with consoles or without. (No texts: nobody would take our answers to them here, and
    each would be repeated.)
    """
    most = max(2, int(PER_SECOND * seconds))
    waits, waiting = first_waits(server.base, most // 10 or 1) if is_watched else ([], [])
    asks, sids = calls(server.base, most - len(waits))
    for number, each in enumerate(waits):
        asks.insert(number * 10, each)
    times = steadily(asks, PER_SECOND)
    rate(ends(server.base, sids + waiting))
    return times


def worst_of(runs: list[Times]) -> float:
    """The median of the runs' 99th percentiles: what stops the machine for a moment spoils one run, and not all."""
    return statistics.median(times.percentile(99) for times in runs)


def medians_of(runs: list[Times]) -> str:
    return f"p50 {statistics.median(times.percentile(50) for times in runs):5.1f} ms, p99 {worst_of(runs):6.1f} ms"


def offers(house: House, ours: Served, seats: list[Seat], rounds: int) -> None:
    """A peer in a real browser becomes free while somebody waits: when is the offer painted?"""
    house.waiting(rounds + 1)
    took = []
    with sockets(ours.base, seats[1:], awake=True), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        context = browser.new_context(base_url=ours.base)
        name, _, value = seats[0].cookie.partition("=")
        context.add_cookies([{"name": name, "value": value, "url": ours.base}])
        page = context.new_page()
        page.goto("/console")
        page.get_by_text("Live", exact=True).wait_for()
        for _ in range(rounds + 1):  # the first brings what is loaded once
            took.append(page.evaluate(PRESS, "available"))
            page.evaluate(PRESS, "break")
        browser.close()
    found = Times(took[1:], 0).percentile(95)
    heading(f"From pressing Available to the offer on the screen, {len(seats)} consoles open")
    figure("p50", f"{statistics.median(took[1:]):.0f} ms")
    figure("p95", f"{found:.0f} ms", f"≤ {OFFER_GOAL} ms", missed=found > OFFER_GOAL)


def memory(house: House, ours: Served, seats: list[Seat], lengths: Sequence[int], size: int) -> None:
    """What the web process holds, first with a short queue and then with a long one.

    Calls and texts come in and are pushed to an open board, which is fetched, beside consoles.
    """
    board, found, waiting = house.supervisor(), [], 0
    fragment = ask(ours.base, "/board/fragment", {}, board.headers, "GET")
    with sockets(ours.base, seats, [board], awake=True) as listening:
        for length in lengths:
            house.waiting(length - waiting)
            waiting = length
            listening.forget()
            asks, sids = calls(ours.base, size)
            for each in (asks, texts(ours.base, size), ends(ours.base, sids), [fragment] * size):
                rate(each)
            listening.told(len(seats))  # the board
            found.append(ours.memory())
    heading(f"Memory of the web process with {len(seats)} consoles and a board")
    for length, held in zip(lengths, found, strict=True):
        goal = QUEUE_GOAL if length != lengths[0] else None
        ratio(f"{length} waiting", f"{held / 1e6:.1f} MB", held / found[0], f"that with {lengths[0]}", at_most=goal)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", nargs="+", default=["SQLite", "PostgreSQL"])
    parser.add_argument("--consoles", type=int, default=1000, help="beside webhooks; half as many for pushes")
    parser.add_argument("--boards", type=int, default=10)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--pushes", type=int, default=100, help="in each run")
    parser.add_argument("--seconds", type=float, default=6, help="of webhooks in each run")
    # By then every console was heard: a thousand peers who come to work at the same moment are another matter.
    parser.add_argument("--settle", type=float, default=12, help="seconds between opening consoles and webhooks")
    parser.add_argument("--offers", type=int, default=60)
    parser.add_argument("--waiting", type=int, nargs="+", default=[100, 10_000], help="contacts in line")
    parser.add_argument("--size", type=int, default=200, help="requests of each kind at each length")
    chosen = parser.parse_args()
    errors = 0
    for databases in each_kind(chosen.databases):
        with House(databases.new()) as house:
            seats = house.seats(chosen.consoles)
            with served("bench.emitter:create_app()", house.url) as ours:
                heading(databases.kind)
                pushes(house, ours, seats[::2], chosen.runs, chosen.pushes)
                for boards in (0, chosen.boards):
                    errors += meanwhile(house, ours, seats, boards, chosen.runs, chosen.seconds, chosen.settle)
                offers(house, ours, seats[:100], chosen.offers)
                memory(house, ours, seats[:100], chosen.waiting, chosen.size)
    return min(errors, 1)


if __name__ == "__main__":
    sys.exit(main())
