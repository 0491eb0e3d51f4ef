"""Each bench runs, with numbers so small that they mean nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SMALL = {
    "webhooks": "--runs 1 --size 5 --seconds 0.2",
    "consoles": "--consoles 4 --runs 1 --pushes 4 --seconds 0.2 --offers 2",
    "claims": "--runs 1 --decisions 2 --waiting 10 30 --peers 5 20 --race 20",
}
# What each must have said.
SAID = {
    "webhooks": ["S: signature", "F: and one", "incoming call", "wait document", "offer accepted", "incoming text"],
    "consoles": ["bare emit", "memory of a console", "with consoles", "p95"],
    "claims": [
        "30 waiting, 20 on shift",
        "30 waiting, 20 there",
        "30 waiting, 20 free",
        "claim and insert, 30 waiting",
        "memory",
        "given away twice",
        "without lock and unique index",
    ],
}


@pytest.mark.parametrize(
    ("name", "database"),
    [("webhooks", "SQLite"), ("consoles", "SQLite"), ("claims", "PostgreSQL")],
)
def test_a_bench_measures(name: str, database: str) -> None:
    command = [sys.executable, "-m", f"bench.{name}", "--databases", database, *SMALL[name].split()]
    environment = {"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    for words in SAID[name]:
        assert words in result.stdout


def test_the_floor_is_no_excuse() -> None:
    code = (ROOT / "bench/floor.py").read_text().splitlines()
    assert len(code) <= 30, "a floor that grows makes us look good"
