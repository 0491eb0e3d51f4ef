"""A line's policy: whom it asks first, whom it asks at all, and what it does for those who wait long."""

import dataclasses
from collections.abc import Mapping
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
    most_waiting: int | None = None  # more callers are turned away; None: however many
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

    def lines(self, line: str) -> frozenset[str]:
        """The lines whose peers may ever be asked for a contact of `line`, whose policy this is."""
        return frozenset({line} | {step.line for step in self.steps if step.kind is StepKind.SISTER})

    def patience(self) -> timedelta | None:
        """How long a wish that is only preferred is waited for; None if it is required of everybody."""
        if self.wish_for is None:
            return None
        return min(self.wish_for, self.after(StepKind.WIDEN) or self.wish_for)

    def kept(self) -> dict[str, Any]:
        """What of it differs from a line that has chosen nothing, as JSON."""
        written = {name: _written(getattr(self, name)) for name in KEPT}
        return {name: value for name, value in written.items() if value != _written(getattr(UNCHOSEN, name))}


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something in a policy that cannot be: a code, the field it stands in, and values for the sentence about it."""

    code: str
    field: str
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)


KEPT = (
    "strategy", "several", "skills", "wishes", "wish_for", "usual_talk", "recovery", "most_waiting", "steps",
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
    plain = {name: kept[name] for name in ("several", "most_waiting") if name in kept}
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
