"""The state machines are whole: nothing unreachable, no way out of an end, no way back but those that are meant."""

from collections.abc import Mapping
from enum import StrEnum
from itertools import product

import pytest

from routing import states
from routing.states import (
    Activity,
    ContactState,
    EngagementState,
    LegState,
    MessageState,
    OfferState,
    RequestState,
    SurveyState,
    activity,
    step,
)

Table = Mapping[tuple[StrEnum, str], StrEnum]

# enum, table, the states in which a row may begin, the states in which it may end
MACHINES = {
    "contact": (
        ContactState,
        states.CONTACT,
        {"arriving"},
        {"closed", "abandoned", "after_hours", "missed", "unreached"},
    ),
    "engagement": (EngagementState, states.ENGAGEMENT, {"connecting"}, {"done", "failed"}),
    "offer": (OfferState, states.OFFER, {"pending"}, {"accepted", "declined", "expired", "cancelled", "lost"}),
    "leg": (LegState, states.LEG, {"started"}, {"ended"}),
    "message": (MessageState, states.MESSAGE, {"received", "pending"}, {"received", "delivered", "failed"}),
    "request": (RequestState, states.REQUEST, {"pending"}, {"done", "refused"}),
    "survey": (SurveyState, states.SURVEY, {"due"}, {"completed", "lapsed", "stopped", "withdrawn"}),
}
# Everything else goes on in the order in which the enum names its states.
BACK = {
    ("offered", "unanswered", "waiting"),
    ("connecting", "connect_failed", "waiting"),
    ("connected", "peer_lost", "waiting"),
    ("left", "joined", "joined"),
    ("unconfirmed", "sent", "sent"),
    ("unconfirmed", "delivered", "delivered"),
    ("unconfirmed", "failed", "failed"),
    ("sending", "retry", "pending"),
    ("unknown", "done", "done"),
    ("unknown", "not_made", "pending"),
    ("answering", "answered", "answering"),
}

machines = pytest.mark.parametrize(("enum", "table", "first", "final"), MACHINES.values(), ids=MACHINES)


def test_every_table_is_looked_at():
    tables = {id(value) for name, value in vars(states).items() if name.isupper() and isinstance(value, dict)}
    assert tables == {id(table) for _, table, _, _ in MACHINES.values()}


@machines
def test_a_table_maps_an_enum_to_itself(enum: type[StrEnum], table: Table, first: set, final: set):
    assert {type(state) for state, _ in table} | {type(state) for state in table.values()} == {enum}


@machines
def test_every_state_is_reached(enum: type[StrEnum], table: Table, first: set, final: set):
    reached: set[str] = set()
    reachable = set(first)
    while reachable - reached:
        reached |= reachable
        reachable |= {after for (state, _), after in table.items() if state in reached}
    assert reached == set(enum)


@machines
def test_the_ends_and_only_they_are_final(enum: type[StrEnum], table: Table, first: set, final: set):
    assert set(enum) - {state for state, _ in table} == final


@machines
def test_an_end_is_reached_from_everywhere(enum: type[StrEnum], table: Table, first: set, final: set):
    ending = set(final)
    for _ in enum:
        ending |= {state for (state, _), after in table.items() if after in ending}
    assert ending == set(enum)


@machines
def test_a_pair_that_is_not_in_the_table_is_refused(enum: type[StrEnum], table: Table, first: set, final: set):
    events = {event for _, event in table}
    for state, event in product(enum, events | {"", "began", "no such event"}):
        assert step(table, state, event) == table.get((state, event))
    assert all(step(table, state, event) is None for state in final for event in events)


def test_states_go_on_and_go_back_only_where_that_is_meant():
    back = set()
    for enum, table, _, _ in MACHINES.values():
        order = list(enum)
        back |= {
            (str(state), event, str(after))
            for (state, event), after in table.items()
            if order.index(after) <= order.index(state)
        }
    assert back == BACK


def test_a_caller_may_leave_at_any_time_and_it_is_known_whether_they_had_talked():
    for state in states.LIVE_CONTACT:
        events = {event for before, event in states.CONTACT if before == state}
        assert {"caller_left", "left_after_talk"} & events
    for state in states.IN_QUEUE:
        assert step(states.CONTACT, state, "caller_left") is ContactState.ABANDONED
        assert step(states.CONTACT, state, "left_after_talk") is ContactState.CLOSED


def test_the_named_groups_are_what_they_say():
    assert set(states.LIVE_CONTACT) == {state for state, _ in states.CONTACT}
    assert set(states.IN_QUEUE) == set(states.LIVE_CONTACT) - {ContactState.ARRIVING, ContactState.CONNECTED}
    assert set(states.LIVE_ENGAGEMENT) == {EngagementState.CONNECTING, EngagementState.ACTIVE}
    assert set(states.UNDER_WAY) == {SurveyState.INVITED, SurveyState.ANSWERING}


@pytest.mark.parametrize(
    ("offered", "engagements", "seen"),
    [
        (False, set(), "idle"),
        (True, set(), "offered"),
        (False, {"done", "failed"}, "idle"),
        (True, {"done", "failed"}, "offered"),
        (False, {"connecting"}, "connecting"),
        (False, {"active"}, "talking"),
        (False, {"wrapping"}, "wrapping"),
        (True, {"wrapping"}, "wrapping"),
        (True, {"wrapping", "connecting"}, "connecting"),
        (True, {"wrapping", "connecting", "active"}, "talking"),
    ],
)
def test_activity_is_the_busiest_thing_that_a_peer_does(offered: bool, engagements: set[str], seen: str):
    found = activity(offered=offered, engagements=frozenset(map(EngagementState, engagements)))
    assert found is Activity(seen)
