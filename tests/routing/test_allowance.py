"""How much of today a caller has left: what counts, what does not, and when the day ends."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.allowance import MENTIONED, NO_LIMIT, Left, Talk, day, has_limit, left, on_arrival
from routing.policy import Policy

MIDNIGHT = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
NOON = MIDNIGHT + timedelta(hours=12)
HOUR = Policy(minutes_a_day=60)
TWICE = Policy(contacts_a_day=2)


def talk(contact: str = "a", minutes: float = 20, ago: float = 120, **more: bool) -> Talk:
    """A talk that began so many minutes before noon and lasted so long."""
    began = NOON - timedelta(minutes=ago)
    return Talk(contact, began, began + timedelta(minutes=minutes), **more)


def test_a_line_that_sets_no_limit_has_none() -> None:
    assert left(Policy(), [talk(minutes=600, ago=700)], MIDNIGHT, NOON) == NO_LIMIT
    assert (has_limit(Policy()), has_limit(HOUR), has_limit(TWICE)) == (False, True, True)
    assert not NO_LIMIT.is_over
    assert NO_LIMIT.few_minutes is None


@pytest.mark.parametrize(
    ("talks", "minutes"),
    [
        ([], 60),
        ([talk(minutes=20)], 40),
        ([talk(minutes=20), talk("b", minutes=30, ago=60)], 10),
        ([talk(minutes=59.5)], 1),  # a started minute is one
        ([talk(minutes=60)], 0),
        ([talk(minutes=100)], 0),
        ([Talk("a", NOON - timedelta(minutes=15))], 45),  # it goes on
        ([talk(minutes=60, exempt=True), talk("b", minutes=5, ago=30)], 55),
        ([Talk("a", MIDNIGHT - timedelta(hours=2), MIDNIGHT + timedelta(minutes=7))], 53),  # yesterday's is yesterday's
    ],
)
def test_minutes_are_what_was_talked_today(talks: list[Talk], minutes: int) -> None:
    assert left(HOUR, talks, MIDNIGHT, NOON) == Left(minutes=minutes)


@pytest.mark.parametrize(
    ("talks", "contacts"),
    [
        ([], 2),
        ([talk("a"), talk("a", ago=60)], 1),  # two peers, one after the other, in one contact
        ([talk("a"), talk("b")], 0),
        ([talk("a"), talk("b"), talk("c")], 0),
        ([talk("a"), talk("b", exempt=True)], 1),
        ([Talk("a", MIDNIGHT - timedelta(minutes=5), MIDNIGHT + timedelta(minutes=7))], 2),
    ],
)
def test_contacts_are_those_that_somebody_answered_today(talks: list[Talk], contacts: int) -> None:
    assert left(TWICE, talks, MIDNIGHT, NOON) == Left(contacts=contacts)


@pytest.mark.parametrize(
    ("what", "over", "few"),
    [
        (Left(minutes=MENTIONED + 1), False, None),
        (Left(minutes=MENTIONED), False, MENTIONED),
        (Left(minutes=1, contacts=3), False, 1),
        (Left(minutes=0), True, 0),
        (Left(minutes=30, contacts=0), True, None),
        (Left(contacts=1), False, None),
    ],
)
def test_little_is_mentioned_before_nothing_is_left(what: Left, over: bool, few: int | None) -> None:
    assert (what.is_over, what.few_minutes) == (over, few)


def test_whoever_was_dropped_may_come_back_whatever_they_used() -> None:
    used_up = [talk("a", minutes=90, ago=200), talk("b", minutes=1, ago=30, dropped=True)]
    assert on_arrival(HOUR, used_up, MIDNIGHT, NOON) == NO_LIMIT
    assert on_arrival(HOUR, [*used_up, talk("b", minutes=5, ago=20)], MIDNIGHT, NOON).is_over, "they talked again"
    assert left(HOUR, used_up, MIDNIGHT, NOON).is_over, "while they talk it is shown all the same"
    assert on_arrival(HOUR, [], MIDNIGHT, NOON) == Left(minutes=60)


@pytest.mark.parametrize("zone", ["America/New_York", "America/Chicago", "Pacific/Auckland"])
def test_a_day_is_the_lines_own(zone: str) -> None:
    begins, ends = day(zone, NOON)
    assert begins <= NOON < ends
    assert (begins.hour, ends.hour, (ends.date() - begins.date()).days) == (0, 0, 1)


def test_a_day_on_which_the_clocks_change_ends_at_midnight() -> None:
    begins, ends = day("America/New_York", datetime(2026, 11, 1, 18, tzinfo=UTC))
    assert ends.astimezone(UTC) - begins.astimezone(UTC) == timedelta(hours=25)


_talks = st.lists(
    st.builds(
        Talk,
        st.sampled_from("abc"),
        st.integers(-300, 719).map(lambda minute: MIDNIGHT + timedelta(minutes=minute)),
        st.just(NOON),
        exempt=st.booleans(),
    )
)


@given(_talks, st.integers(5, 600), st.integers(1, 50))
def test_nobody_has_less_than_nothing_or_more_than_a_day(talks: list[Talk], minutes: int, contacts: int) -> None:
    what = left(Policy(minutes_a_day=minutes, contacts_a_day=contacts), talks, MIDNIGHT, NOON)
    assert what.minutes is not None
    assert what.contacts is not None
    assert 0 <= what.minutes <= minutes
    assert 0 <= what.contacts <= contacts
