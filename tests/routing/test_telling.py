"""When a caller in line is told where they stand."""

import pytest

from routing.telling import Heard, is_time


@pytest.mark.parametrize(
    ("place", "waited", "heard", "told"),
    [
        (3, 0, None, True),
        (3, 25, Heard(3, 0), False),
        (2, 25, Heard(3, 0), True),
        (4, 25, Heard(3, 0), False),
        (3, 119, Heard(3, 0), False),
        (3, 120, Heard(3, 0), True),
        (5, 120, Heard(3, 0), True),
        (3, 0, Heard(3, 0), True),
        (1, 0, Heard(3, 300), True),
    ],
    ids=[
        "first of all",
        "nothing new",
        "a better place",
        "a worse one, for now not",
        "not yet two minutes",
        "two minutes",
        "a worse one, honestly, after two minutes",
        "the same request again",
        "in the queue anew",
    ],
)
def test_whoever_waits_is_told(place: int, waited: int, heard: Heard | None, told: bool):
    assert is_time(place, waited, heard) is told
