"""A simulated day agrees with the closed forms."""

from dataclasses import fields

import pytest

from routing.estimates import Load, erlang_a
from tests.routing.replications import Day, by_ciw, interval

LOAD = Load(per_hour=40, handle=20 * 60, patience=5 * 60)
PEERS = 12
WITHIN = 60
HOURS = 24
REPLICATIONS = 90  # as many as it takes for the mean wait to be known to a twentieth
FIGURES = [field.name for field in fields(Day)]


@pytest.fixture(scope="module")
def days_of_ciw() -> list[Day]:
    return [by_ciw(LOAD, PEERS, WITHIN, HOURS, seed) for seed in range(REPLICATIONS)]


@pytest.mark.parametrize("figure", FIGURES)
def test_erlang_a_is_what_an_independent_simulation_finds(days_of_ciw: list[Day], figure: str):
    found = interval(getattr(day, figure) for day in days_of_ciw)
    assert found.precision <= 0.05
    assert getattr(erlang_a(LOAD, PEERS, WITHIN), figure) in found
