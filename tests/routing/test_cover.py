"""Whether a roster is enough: the state that follows from who is there and who is needed, and its figures."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.cover import State, judge
from routing.estimates import Figures, Load, Target, erlang_a, peers_needed

TARGET = Target(share=0.8, within=20)
BUSY = Load(per_hour=6, handle=20 * 60, patience=10 * 60)  # needs 4
QUIET = Load(per_hour=0, handle=20 * 60)
PATIENT = Load(per_hour=6, handle=20 * 60)  # two peers' work, and nobody ever leaves


@pytest.mark.parametrize(
    ("peers", "state"),
    [
        (0, State.NOBODY),
        (1, State.TOO_FEW),
        (3, State.TOO_FEW),
        (4, State.ONE_ABSENCE),
        (5, State.ENOUGH),
        (9, State.ENOUGH),
    ],
)
def test_one_absence_leaves_too_few_where_nobody_is_to_spare(peers: int, state: State) -> None:
    assert peers_needed(BUSY, TARGET) == 4
    assert judge(BUSY, peers, TARGET).state is state


def test_with_too_little_history_only_an_empty_roster_is_known() -> None:
    assert [judge(None, peers, TARGET).state for peers in (0, 1, 9)] == [State.NOBODY, State.NOT_KNOWN, State.NOT_KNOWN]
    found = judge(None, 2, TARGET)
    assert (found.needed, found.there, found.one_fewer) == (None, None, None)


def test_an_hour_in_which_nobody_calls_needs_nobody_to_spare() -> None:
    assert [judge(QUIET, peers, TARGET).state for peers in (0, 1)] == [State.NOBODY, State.ENOUGH]


def test_the_figures_are_those_of_erlang_a_with_everybody_and_with_one_fewer() -> None:
    found = judge(BUSY, 4, TARGET)
    assert found.there == erlang_a(BUSY, 4, TARGET.within)
    assert found.one_fewer == erlang_a(BUSY, 3, TARGET.within)
    assert judge(BUSY, 0, TARGET).one_fewer is None


def test_where_the_queue_would_grow_without_end_there_is_no_figure() -> None:
    found = judge(PATIENT, 3, TARGET)
    assert found.there is not None
    assert found.one_fewer is None
    assert judge(PATIENT, 2, TARGET).there is None


@given(
    per_hour=st.floats(0, 60),
    handle=st.floats(60, 3600),
    patience=st.one_of(st.floats(30, 3600), st.just(inf)),
    peers=st.integers(1, 40),
)
def test_the_state_says_what_the_figures_say(per_hour: float, handle: float, patience: float, peers: int) -> None:
    load = Load(per_hour, handle, patience)
    found = judge(load, peers, TARGET)

    def meets(figures: Figures | None) -> bool:
        return per_hour == 0 or (figures is not None and figures.answered_in_time >= TARGET.share)

    assert (found.state in (State.ENOUGH, State.ONE_ABSENCE)) is meets(found.there)
    assert (found.state is State.ENOUGH) is meets(found.one_fewer)
