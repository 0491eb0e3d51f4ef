"""A line's policy: what is kept of it, and what of it cannot be."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import policy
from routing.policy import AT_ONCE, LONGEST_WAIT, NO_MEANS_YET, UNCHOSEN, Policy, Skill, Step, StepKind, Strategy
from tests.routing.situations import seconds

HERE, SISTER, EMPTY = "georgia", "illinois", "anacostia"
VETERAN_PARENT, YOUTH, NONE = frozenset({"veteran", "parent"}), frozenset({"youth"}), frozenset[str]()
ROSTERS = {HERE: [VETERAN_PARENT, NONE], SISTER: [YOUTH], EMPTY: []}
WIDEN, SEVERAL = Step(seconds(60), StepKind.WIDEN), Step(seconds(60), StepKind.SEVERAL)


def sister(line: str = SISTER, after: float = 60) -> Step:
    return Step(seconds(after), StepKind.SISTER, line)


def wrong(line: str = HERE, longest_shift: timedelta | None = None, **chosen: Any) -> list[tuple[str, str]]:
    """The mistakes of a policy that is chosen so, as (field, code)."""
    found = policy.mistakes(Policy(**chosen), line, ROSTERS, longest_shift)
    return [(mistake.field, mistake.code) for mistake in found]


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"strategy": Strategy.RING_SEVERAL, "several": 5},
        {"skills": VETERAN_PARENT},
        {"wishes": ("parent", "veteran")},
        {"wishes": ("veteran",), "wish_for": None},
        {"skills": frozenset({"veteran"}), "wishes": ("parent",)},
        {"wishes": ("youth",), "wish_for": None, "steps": (sister(),)},
        {"wishes": ("youth",), "wish_for": seconds(61), "steps": (sister(),)},
        {"wishes": ("youth",), "wish_for": None, "skills": VETERAN_PARENT, "steps": (WIDEN, sister())},
        {"usual_talk": seconds(1201), "steps": (WIDEN,), "longest_shift": seconds(1200)},
        {"usual_talk": seconds(1199), "longest_shift": seconds(1200)},
        {"steps": (sister(after=0),)},
        {"steps": (sister(), sister(EMPTY))},
        {"strategy": Strategy.FEWEST_TODAY, "steps": (Step(seconds(0), StepKind.SEVERAL),)},
        {"skills": frozenset({"veteran"}), "steps": (WIDEN, SEVERAL, sister(after=7200))},
        {"usual_talk": seconds(1200), "steps": (WIDEN,)},
        {"wishes": ("veteran",), "wish_for": seconds(60), "steps": (WIDEN,)},
        {"usual_talk": timedelta(hours=3), "recovery": timedelta(0), "most_waiting": 1},
        {"minutes_a_day": 5, "contacts_a_day": 1},
        {"minutes_a_day": 600, "contacts_a_day": 50},
    ],
)
def test_what_can_be_is_no_mistake(chosen: dict[str, Any]) -> None:
    assert wrong(**chosen) == []


@pytest.mark.parametrize(
    ("chosen", "mistake"),
    [
        ({"several": 1}, ("several", "at_once")),
        ({"several": 6}, ("several", "at_once")),
        ({"most_waiting": 0}, ("most_waiting", "no_limit")),
        ({"most_waiting": 1000}, ("most_waiting", "no_limit")),
        ({"minutes_a_day": 4}, ("minutes_a_day", "no_limit")),
        ({"minutes_a_day": 601}, ("minutes_a_day", "no_limit")),
        ({"contacts_a_day": 0}, ("contacts_a_day", "no_limit")),
        ({"contacts_a_day": 51}, ("contacts_a_day", "no_limit")),
        ({"usual_talk": timedelta(hours=3, seconds=1)}, ("usual_talk", "too_long")),
        ({"recovery": timedelta(hours=3, seconds=1)}, ("recovery", "too_long")),
        ({"recovery": seconds(-1)}, ("recovery", "too_long")),
        ({"recovery": seconds(0.5)}, ("recovery", "too_long")),
        ({"wish_for": timedelta(hours=3)}, ("wish_for", "too_long")),
        ({"steps": (sister(after=7201),)}, ("step-0-after", "too_long")),
        ({"steps": tuple(sister(SISTER) for _ in range(11))}, ("steps", "many_steps")),
        ({"steps": (sister(), replace(SEVERAL, after=seconds(59)))}, ("step-1-after", "not_in_order")),
        ({"skills": frozenset({"youth"})}, ("skills", "nobody_has")),
        ({"skills": frozenset({"veteran", "youth"})}, ("skills", "nobody_has_all")),
        ({"line": EMPTY, "skills": frozenset({"veteran"})}, ("skills", "nobody_has")),
        ({"wishes": ("idd",)}, ("wish-idd", "nobody_grants")),
        ({"wishes": ("idd",), "wish_for": None}, ("wish-idd", "waits_for_nobody")),
        ({"wishes": ("youth",)}, ("wish-youth", "nobody_grants")),
        ({"wishes": ("youth",), "wish_for": seconds(60), "steps": (sister(),)}, ("wish-youth", "nobody_grants")),
        ({"skills": VETERAN_PARENT, "steps": (sister(),)}, ("step-0-kind", "reaches_nobody")),
        ({"usual_talk": seconds(1200), "longest_shift": seconds(1200)}, ("usual_talk", "no_such_shift")),
        ({"wishes": ("parent", "veteran", "parent")}, ("wish-parent", "wish_twice")),
        ({"wishes": ("veteran",), "skills": frozenset({"veteran"})}, ("wish-veteran", "everybody_has")),
        ({"wishes": ("veteran",), "wish_for": seconds(0)}, ("wish_for", "not_waited_for")),
        ({"wishes": ("veteran",), "wish_for": seconds(61), "steps": (WIDEN,)}, ("wish_for", "widened_before")),
        ({"steps": (SEVERAL, replace(SEVERAL, after=seconds(90)))}, ("step-1-kind", "step_twice")),
        ({"steps": (sister(), sister(after=90))}, ("step-1-kind", "sister_twice")),
        ({"steps": (sister(HERE),)}, ("step-0-kind", "own_sister")),
        ({"steps": (sister("harbor"),)}, ("step-0-kind", "no_such_line")),
        ({"steps": (sister(""),)}, ("step-0-kind", "no_such_line")),
        ({"strategy": Strategy.RING_SEVERAL, "steps": (SEVERAL,)}, ("step-0-kind", "several_anyway")),
        ({"steps": (WIDEN,)}, ("step-0-kind", "nothing_to_widen")),
        ({"steps": (WIDEN,), "wishes": ("veteran",), "wish_for": None}, ("step-0-kind", "nothing_to_widen")),
        (
            {"steps": (Step(seconds(0), StepKind.WIDEN),), "skills": frozenset({"veteran"})},
            ("step-0-after", "widened_at_once"),
        ),
        *(({"steps": (Step(seconds(60), kind),)}, ("step-0-kind", "no_means_yet")) for kind in sorted(NO_MEANS_YET)),
    ],
)
def test_what_cannot_be_is_told_with_its_field(chosen: dict[str, Any], mistake: tuple[str, str]) -> None:
    assert mistake in wrong(**chosen)


def test_a_mistake_knows_the_limit() -> None:
    (found,) = policy.mistakes(Policy(several=9), HERE, ROSTERS)
    assert found.values == {"least": AT_ONCE[0], "most": AT_ONCE[-1]}
    (found,) = policy.mistakes(Policy(steps=(sister(after=9000),)), HERE, ROSTERS)
    assert found.values == {"limit": 120}


def test_a_wish_is_given_up_when_the_line_widens() -> None:
    assert Policy(wish_for=seconds(60)).patience() == seconds(60)
    assert Policy(wish_for=seconds(60), steps=(replace(WIDEN, after=seconds(30)),)).patience() == seconds(30)
    assert Policy(wish_for=seconds(60), steps=(replace(WIDEN, after=seconds(0)),)).patience() == seconds(0)
    assert Policy(wish_for=None, steps=(WIDEN,)).patience() is None


_some_time = st.integers(-60, 4 * 3600).map(seconds) | st.floats(0, 600).map(seconds)
_skill = st.sampled_from(Skill)
_steps = st.builds(Step, _some_time, st.sampled_from(StepKind), st.sampled_from(["", HERE, SISTER, EMPTY, "harbor"]))
_policies = st.builds(
    Policy,
    strategy=st.sampled_from(Strategy),
    several=st.integers(0, 7),
    skills=st.frozensets(_skill, max_size=2),
    wishes=st.lists(_skill, max_size=3).map(tuple),
    wish_for=st.none() | _some_time,
    usual_talk=_some_time,
    recovery=_some_time,
    most_waiting=st.none() | st.integers(-1, 1200),
    minutes_a_day=st.none() | st.integers(-1, 700),
    contacts_a_day=st.none() | st.integers(-1, 60),
    steps=st.lists(_steps, max_size=4).map(tuple),
    texts=st.integers(1, 4),
    voice_with_texts=st.booleans(),
    paused=st.booleans(),
)
_rosters = st.fixed_dictionaries(
    {line: st.lists(st.frozensets(_skill) | st.just(frozenset(Skill)), max_size=3) for line in ROSTERS}
)


@st.composite
def _sound(draw: st.DrawFn) -> Policy:
    """A policy without mistakes, for the lines of `ROSTERS` whose peers have every skill."""
    wishes = draw(st.lists(_skill, max_size=3, unique=True).map(tuple))
    kinds = draw(st.permutations([SISTER, EMPTY, StepKind.WIDEN, StepKind.SEVERAL]))
    times = sorted(draw(st.lists(st.integers(1, 7200), max_size=4)))
    widened = next((time for time, kind in zip(times, kinds, strict=False) if kind is StepKind.WIDEN), 7200)
    return Policy(
        strategy=draw(st.sampled_from(sorted(set(Strategy) - {Strategy.RING_SEVERAL}))),
        several=draw(st.sampled_from(AT_ONCE)),
        skills=draw(st.frozensets(_skill)) - frozenset(wishes),
        wishes=wishes,
        wish_for=draw(st.none() | st.integers(1, widened).map(seconds)),
        usual_talk=draw(st.integers(1, 7200).map(seconds)),
        recovery=draw(st.integers(0, 7200).map(seconds)),
        most_waiting=draw(st.none() | st.integers(1, 999)),
        minutes_a_day=draw(st.none() | st.integers(5, 600)),
        contacts_a_day=draw(st.none() | st.integers(1, 50)),
        steps=tuple(
            Step(seconds(time), kind) if isinstance(kind, StepKind) else Step(seconds(time), StepKind.SISTER, kind)
            for time, kind in zip(times, kinds, strict=False)
        ),
        voice_with_texts=draw(st.booleans()),
    )


def again(chosen: Policy) -> Policy:
    """The policy as it is read from what is kept of it."""
    columns = {name: getattr(chosen, name) for name in ("texts", "voice_with_texts", "paused")}
    return policy.read(chosen.kept(), **columns)


@given(_sound())
def test_a_sound_policy_passes_and_is_read_as_it_was_kept(chosen: Policy) -> None:
    assert policy.mistakes(chosen, HERE, {each: [frozenset(Skill)] for each in ROSTERS}) == []
    assert again(chosen) == chosen


@given(_policies | _sound(), st.sampled_from(sorted(ROSTERS)), _rosters)
def test_whatever_passes_can_be_done(chosen: Policy, line: str, rosters: dict[str, list[frozenset[str]]]) -> None:
    if policy.mistakes(chosen, line, rosters):
        return
    assert again(chosen) == chosen
    times = [step.after for step in chosen.steps]
    assert times == sorted(times)
    assert all(seconds(0) <= time <= LONGEST_WAIT for time in times)
    assert not NO_MEANS_YET & {step.kind for step in chosen.steps}
    assert chosen.lines(line) <= set(rosters)
    assert not chosen.skills or any(chosen.skills <= skills for skills in rosters[line])
    reached = [skills for each in chosen.lines(line) for skills in rosters[each]]
    assert all(any(wish in skills for skills in reached) for wish in chosen.wishes)


@given(_rosters)
def test_a_line_that_has_chosen_nothing_is_never_wrong(rosters: dict[str, list[frozenset[str]]]) -> None:
    assert policy.mistakes(UNCHOSEN, HERE, rosters) == []
    assert UNCHOSEN.kept() == {}
    assert policy.read(None) == policy.read({}) == UNCHOSEN
