"""Whether the peers on a roster are enough, and whether they still are if one of them is absent."""

from dataclasses import dataclass
from enum import StrEnum

from routing.estimates import Figures, Load, Overloaded, Target, erlang_a, peers_needed


class State(StrEnum):
    NOBODY = "nobody"  # whatever the past says: whoever calls then is missed
    TOO_FEW = "too_few"
    ONE_ABSENCE = "one_absence"  # leaves too few
    ENOUGH = "enough"
    NOT_KNOWN = "not_known"


@dataclass(frozen=True, slots=True)
class Cover:
    """What so many peers mean. A figure is None where there is nobody, or where the queue would grow without end."""

    state: State
    needed: int | None  # the fewest who meet the target; None: not known
    there: Figures | None  # with all of them
    one_fewer: Figures | None


def judge(load: Load | None, peers: int, target: Target) -> Cover:
    """What `peers` on shift mean for what comes in. `load` None: the past says too little of it."""
    if load is None:
        return Cover(State.NOT_KNOWN if peers else State.NOBODY, None, None, None)
    needed = peers_needed(load, target)
    return Cover(
        _state(peers, needed),
        needed,
        _figures(load, peers, target),
        _figures(load, peers - 1, target) if peers else None,
    )


def _state(peers: int, needed: int) -> State:
    if peers == 0:
        return State.NOBODY
    if peers < needed:
        return State.TOO_FEW
    return State.ONE_ABSENCE if peers - 1 < needed else State.ENOUGH


def _figures(load: Load, peers: int, target: Target) -> Figures | None:
    try:
        return erlang_a(load, peers, target.within)
    except Overloaded:
        return None
