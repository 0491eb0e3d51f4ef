"""Each bench runs, with numbers so small that they mean nothing."""

import os
from pathlib import Path

import pytest

from tests.product import COMMANDS

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 100  # of a busy machine
SMALL = {
    "webhooks": "--runs 1 --size 5 --seconds 0.2",
    "consoles": "--consoles 8 --boards 1 --runs 1 --pushes 4 --seconds 0.2 --settle 0 --offers 2 --waiting 5 20 "
    "--size 5",
    "claims": "--runs 1 --decisions 2 --waiting 10 30 --peers 5 --race 20",
}
# Each row, in order.
ROWS = {
    "webhooks": [
        "S: signature and TwiML", "F: and one committed insert", "incoming call", "status callback", "wait document",
        "offer accepted", "incoming text", "F", "ours", "errors",
    ],
    "consoles": [
        "bare emit", "ours", "memory of a bare socket", "memory of a console",
        *2 * ["without consoles", "with consoles", "heartbeats answered too late", "errors"],
        "p50", "p95", "5 waiting", "20 waiting",
    ],
    "claims": [
        *(f"{length} waiting, 5 {whose}" for whose in ("on shift", "there", "free") for length in (10, 30)),
        "claim and insert, 10 waiting", "10 waiting, 5 free", "claim and insert, 30 waiting", "30 waiting, 5 free",
        "given away twice", "without lock, second look and index",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "database"),
    [("webhooks", "SQLite"), ("consoles", "SQLite"), ("claims", "PostgreSQL")],
)
def test_a_bench_measures(name: str, database: str, tmp_path: Path) -> None:
    """It ends with 1 if a request was not answered or a contact was given away twice."""
    environment = {"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
    log = tmp_path / "log"
    bench = COMMANDS.start(log, environment, f"bench.{name}", "--databases", database, *SMALL[name].split())
    status, said = bench.wait(PATIENCE_SECONDS), log.read_text()
    assert status == 0, said
    assert [line.split("  ")[1] for line in said.splitlines() if line.startswith("  ")] == ROWS[name], said


def test_the_floor_is_no_excuse() -> None:
    code = (ROOT / "bench/floor.py").read_text().splitlines()
    assert len(code) <= 30, "a floor that grows makes us look good"
