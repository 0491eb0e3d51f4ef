"""A line's policy: whom it asks first, whom it asks at all, and what it does for those who wait long."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any


class Strategy(StrEnum):
    """Who is asked first; `routing.ranking` has the key of each."""

    LONGEST_IDLE = "longest_idle"
    FEWEST_TODAY = "fewest_today"
    ROUND_ROBIN = "round_robin"
    SAME_PEER = "same_peer"  # whom the caller talked to last, if they asked to be remembered; else longest idle
    RING_SEVERAL = "ring_several"  # the first to accept wins


class StepKind(StrEnum):
    """What a line does for somebody who has waited for some time."""

    WIDEN = "widen"  # the line's skills, a wish that is only preferred and the end of a shift count no more
    SISTER = "sister"  # peers on shift for another line of the organization are asked as well
    SEVERAL = "several"  # several peers are rung at once
    CALLBACK = "callback"  # the caller may hang up and is called when it is their turn
    VOICEMAIL = "voicemail"
    PARTNER = "partner"  # a partner organization's number


# What the product cannot do yet. A policy that promises it is not saved.
NO_MEANS_YET = frozenset({StepKind.VOICEMAIL, StepKind.PARTNER})

AT_ONCE = range(2, 6)  # peers who are rung for one contact
# What a line need not limit, and from where to where it may.
UP_TO: Mapping[str, range] = {
    "most_waiting": range(1, 1000),
    "minutes_a_day": range(5, 601),
    "contacts_a_day": range(1, 51),
}
LONGEST_WAIT = timedelta(hours=2)  # that a wish or a step may count on
LONGEST_TALK = timedelta(hours=3)
LONGEST_REST = timedelta(hours=3)
MOST_STEPS = 10


class Skill(StrEnum):
    """What a line may ask of its peers, and a caller may wish for: kinds of support and lived experience."""

    FAMILY = "family"  # supports the family of somebody
    VETERAN = "veteran"
    YOUTH = "youth"
    OLDER_ADULT = "older_adult"
    PARENT = "parent"
    SUBSTANCE_USE = "substance_use"  # in recovery from it
    IDD = "idd"  # intellectual or developmental disability


@dataclass(frozen=True, slots=True)
class Step:
    """From `after` of waiting on. `line` is the id of a sister line."""

    after: timedelta
    kind: StepKind
    line: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a line has chosen; a line that has chosen nothing has these values."""

    strategy: Strategy = Strategy.LONGEST_IDLE
    several: int = 3  # rung at once, by strategy or by step
    skills: frozenset[str] = frozenset()  # that each of its peers must have
    wishes: tuple[str, ...] = ()  # skills that a caller may choose, in the order of the menu's keys
    wish_for: timedelta | None = timedelta(minutes=1)  # how long a wish is waited for; None: it is required
    usual_talk: timedelta = timedelta()  # whose shift ends sooner is not asked
    recovery: timedelta = timedelta(minutes=10)  # after a contact that the peer marked as heavy
    most_waiting: int | None = None  # by phone and text; more are turned away. None: however many
    minutes_a_day: int | None = None  # that one caller may talk; None: as long as they like
    contacts_a_day: int | None = None  # of one caller; None: any number
    steps: tuple[Step, ...] = ()
    # These are columns of the line, not part of what is kept.
    texts: int = 2  # conversations that one peer may have at once
    voice_with_texts: bool = False  # whether somebody who writes may also be called
    paused: bool = False  # by a supervisor: nobody is asked

    def taken(self, waited: timedelta) -> tuple[Step, ...]:
        """The steps that are due after so long a wait."""
        return tuple(step for step in self.steps if step.after <= waited)

    def after(self, kind: StepKind) -> timedelta | None:
        """After how long a wait the first step of this kind is due; None if there is none."""
        return min((step.after for step in self.steps if step.kind is kind), default=None)

    def rings_several_after(self) -> timedelta | None:
        """After how long a wait a call rings at `several` peers; None if it never does."""
        return timedelta() if self.strategy is Strategy.RING_SEVERAL else self.after(StepKind.SEVERAL)

    def lines(self, line: str) -> frozenset[str]:
        """The lines whose peers may ever be asked for a contact of `line`, whose policy this is."""
        return frozenset({line} | {step.line for step in self.steps if step.kind is StepKind.SISTER})

    def patience(self) -> timedelta | None:
        """How long a wish that is only preferred is waited for; None if it is required of everybody."""
        if self.wish_for is None:
            return None
        widened = self.after(StepKind.WIDEN)
        return self.wish_for if widened is None else min(self.wish_for, widened)

    def grants_after(self, wait: timedelta) -> bool:
        """Whether somebody who is asked only after so long a wait comes while a wish still counts."""
        patience = self.patience()
        return patience is None or wait < patience or not wait

    def kept(self) -> dict[str, Any]:
        """What of it differs from a line that has chosen nothing, as JSON."""
        written = {name: _written(getattr(self, name)) for name in KEPT}
        return {name: value for name, value in written.items() if value != _written(getattr(UNCHOSEN, name))}


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something in a policy that cannot be: a code, the field it stands in, and values for the sentence about it.

    A field is one of the policy's, or `wish-<skill>`, or `step-<place>-after` and `step-<place>-kind`, from 0.
    """

    code: str
    field: str
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)


KEPT = (
    "strategy", "several", "skills", "wishes", "wish_for", "usual_talk", "recovery", "most_waiting", "minutes_a_day",
    "contacts_a_day", "steps",
)  # fmt: skip
UNCHOSEN = Policy()


def read(kept: Mapping[str, Any] | None, **columns: Any) -> Policy:
    """The policy that a line has kept as JSON, with the columns of the line that belong to it."""
    kept = kept or {}
    seconds: dict[str, Any] = {
        name: timedelta(seconds=kept[name]) for name in ("usual_talk", "recovery") if name in kept
    }
    if "wish_for" in kept:
        seconds["wish_for"] = None if kept["wish_for"] is None else timedelta(seconds=kept["wish_for"])
    plain = {name: kept[name] for name in ("several", *UP_TO) if name in kept}
    return Policy(
        strategy=Strategy(kept.get("strategy", UNCHOSEN.strategy)),
        skills=frozenset(kept.get("skills", ())),
        wishes=tuple(kept.get("wishes", ())),
        steps=tuple(
            Step(timedelta(seconds=step["after"]), StepKind(step["kind"]), step.get("line", ""))
            for step in kept.get("steps", ())
        ),
        **plain,
        **seconds,
        **columns,
    )


def mistakes(
    policy: Policy,
    line: str,
    rosters: Mapping[str, Collection[frozenset[str]]],
    longest_shift: timedelta | None = None,
) -> list[Mistake]:
    """What in the policy of `line` contradicts itself or can never happen; a policy without any may be saved.

    Args:
        rosters: every line of the organization, each with the skills of every peer on its roster.
        longest_shift: of this line's, now or to come; None if there are none.
    """
    return [
        *_out_of_range(policy),
        *_impossible_talk(policy, longest_shift),
        *_impossible_skills(policy, line, rosters),
        *_impossible_wishes(policy, line, rosters),
        *_impossible_steps(policy, line, rosters),
    ]


def _out_of_range(policy: Policy) -> Iterator[Mistake]:
    if policy.several not in AT_ONCE:
        yield Mistake("at_once", "several", {"least": AT_ONCE[0], "most": AT_ONCE[-1]})
    for name, fits in UP_TO.items():
        limit = getattr(policy, name)
        if limit is not None and limit not in fits:
            yield Mistake("no_limit", name, {"least": fits[0], "most": fits[-1]})
    if not _fits(policy.usual_talk, LONGEST_TALK):
        yield _too_long("usual_talk", LONGEST_TALK)
    if not _fits(policy.recovery, LONGEST_REST):
        yield _too_long("recovery", LONGEST_REST)
    if policy.wish_for is not None and not _fits(policy.wish_for, LONGEST_WAIT):
        yield _too_long("wish_for", LONGEST_WAIT)
    if len(policy.steps) > MOST_STEPS:
        yield Mistake("many_steps", "steps", {"limit": MOST_STEPS})


def _impossible_talk(policy: Policy, longest_shift: timedelta | None) -> Iterator[Mistake]:
    widened = policy.after(StepKind.WIDEN) is not None
    # Of a shift that is just as long only its first moment would be left.
    if longest_shift is not None and policy.usual_talk >= longest_shift and not widened:
        yield Mistake("no_such_shift", "usual_talk")


def _impossible_skills(
    policy: Policy, line: str, rosters: Mapping[str, Collection[frozenset[str]]]
) -> Iterator[Mistake]:
    if policy.skills and not any(policy.skills <= skills for skills in rosters[line]):
        yield Mistake("nobody_has_all" if len(policy.skills) > 1 else "nobody_has", "skills")


def _impossible_wishes(
    policy: Policy, line: str, rosters: Mapping[str, Collection[frozenset[str]]]
) -> Iterator[Mistake]:
    if not policy.wishes:
        return
    coming = {line: timedelta()} | {step.line: step.after for step in policy.steps if step.kind is StepKind.SISTER}
    widened = policy.after(StepKind.WIDEN)
    asked = [
        skills
        for each, after in coming.items()
        for skills in rosters.get(each, ())
        if (fit := timedelta() if policy.skills <= skills else widened) is not None
        and policy.grants_after(max(after, fit))
    ]
    for place, wish in enumerate(policy.wishes):
        if wish in policy.wishes[:place]:
            yield Mistake("wish_twice", f"wish-{wish}")
        elif wish in policy.skills:
            yield Mistake("everybody_has", f"wish-{wish}")
        elif not any(wish in skills for skills in asked):
            yield Mistake("waits_for_nobody" if policy.wish_for is None else "nobody_grants", f"wish-{wish}")
    if policy.wish_for == timedelta():
        yield Mistake("not_waited_for", "wish_for")
    elif policy.wish_for is not None and widened is not None and widened < policy.wish_for:
        yield Mistake("widened_before", "wish_for")


def _impossible_steps(
    policy: Policy, line: str, rosters: Mapping[str, Collection[frozenset[str]]]
) -> Iterator[Mistake]:
    for place, step in enumerate(policy.steps):
        before = policy.steps[:place]
        if not _fits(step.after, LONGEST_WAIT):
            yield _too_long(f"step-{place}-after", LONGEST_WAIT)
        elif before and step.after < before[-1].after:
            yield Mistake("not_in_order", f"step-{place}-after")
        elif step.kind is StepKind.WIDEN and not step.after:
            yield Mistake("widened_at_once", f"step-{place}-after")
        if code := _why_not_step(step, before, policy, line, rosters):
            yield Mistake(code, f"step-{place}-kind")


def _why_not_step(
    step: Step,
    before: Collection[Step],
    policy: Policy,
    line: str,
    rosters: Mapping[str, Collection[frozenset[str]]],
) -> str | None:
    """Why a step of this kind cannot be taken after those `before` it, as a code."""
    if step.kind in NO_MEANS_YET:
        return "no_means_yet"
    if step.kind is StepKind.SISTER:
        if step.line == line:
            return "own_sister"
        if step.line not in rosters:
            return "no_such_line"
        if any(step.line == each.line for each in before):
            return "sister_twice"
        fit = policy.after(StepKind.WIDEN) is not None or any(policy.skills <= has for has in rosters[step.line])
        return "reaches_nobody" if policy.skills and not fit else None
    if any(step.kind is each.kind for each in before):
        return "step_twice"
    if step.kind is StepKind.SEVERAL and policy.strategy is Strategy.RING_SEVERAL:
        return "several_anyway"
    wishes_end = policy.wishes and policy.wish_for is not None
    if step.kind is StepKind.WIDEN and not (policy.skills or policy.usual_talk or wishes_end):
        return "nothing_to_widen"
    return None


def _fits(time: timedelta, longest: timedelta) -> bool:
    return timedelta() <= time <= longest and not time % timedelta(seconds=1)  # what is kept are whole seconds


def _too_long(field: str, longest: timedelta) -> Mistake:
    return Mistake("too_long", field, {"limit": longest // timedelta(minutes=1)})


def _written(value: Any) -> Any:
    match value:
        case timedelta():
            return int(value.total_seconds())
        case frozenset():
            return sorted(value)
        case Step():
            written = {"after": _written(value.after), "kind": str(value.kind)}
            return written | ({"line": value.line} if value.line else {})
        case tuple():
            return [_written(each) for each in value]
        case StrEnum():
            return str(value)
    return value
