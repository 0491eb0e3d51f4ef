"""How long callers wait, how many leave, how many peers a line needs: closed forms, in seconds and shares of one.

Contacts come at random (Poisson) and take a time that is exponential about its mean. Two models share that:

- **Erlang A**: whoever waits leaves after a patience, exponential too. It is defined for any load, and it is the one
  to use where callers may hang up. C. Palm, "Research on telephone traffic carried by full availability groups" (1957);
  O. Garnett, A. Mandelbaum, M. Reiman, "Designing a call center with impatient customers", Manufacturing & Service
  Operations Management 4 (2002); A. Mandelbaum, S. Zeltyn, "Service engineering in action: the Palm/Erlang-A queue,
  with applications to call centers" (2007).
- **Erlang C**: whoever waits waits for ever, so the queue of a line with more work than peers only grows: it is defined
  where the load is less than the peers, `Overloaded` elsewhere. A. K. Erlang, "Solution of some problems in the theory
  of probabilities of significance in automatic telephone exchanges" (1917).

How Erlang A is computed. In units of one patience, n peers finish `c` contacts and `z` new ones come. Then j waiting
are as likely, relative to nobody waiting while all are busy, as z^j / ((c + 1) … (c + j)): a Poisson distribution of
mean z, cut below c. The sums have positive terms only, and begin where these begin to matter, so that neither a large
line nor long patience loses digits; their length grows with the square root of z.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, exp, expm1, floor, inf, lgamma, log, log1p, pi, sqrt

HOUR = 3600.0
MINUTE = 60.0
NEGLIGIBLE = 1e-17  # of a sum
FAR = 12.0  # standard deviations: what lies beyond is e^-72 of the whole, whatever the distribution's mean
ENOUGH = 20  # observed handle times: their mean is then known to about a fifth
EARLY, LATE = 0.25, 0.9  # being early costs nothing, so one caller in four is; being late costs trust: one in ten


class Overloaded(ValueError):
    """More work comes in than these peers can do, and nobody leaves: the queue would grow without end."""


@dataclass(frozen=True, slots=True)
class Load:
    """What comes to a line.

    Args:
        per_hour: contacts offered.
        handle: mean seconds for which one occupies a peer, wrap-up included.
        patience: mean seconds after which somebody who waits leaves; infinite: nobody ever does.

    Raises ValueError for what is no time or no number of contacts.
    """

    per_hour: float
    handle: float
    patience: float = inf

    def __post_init__(self) -> None:
        if not (0 <= self.per_hour < inf and 0 < self.handle < inf and self.patience > 0):
            raise ValueError(f"not a load: {self}")

    @property
    def erlangs(self) -> float:
        """The work that comes in: peers that it would keep busy all the time."""
        return self.per_hour / HOUR * self.handle


@dataclass(frozen=True, slots=True)
class Target:
    """What a line wants: `share` of all contacts answered within so many seconds, and at most `abandoned` lost."""

    share: float = 0.8
    within: float = 20.0
    abandoned: float | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.share < 1 and self.within >= 0 and (self.abandoned is None or 0 < self.abandoned <= 1)):
            raise ValueError(f"not a target that any number of peers can meet: {self}")


@dataclass(frozen=True, slots=True)
class Figures:
    """What becomes of the contacts; shares are of all that were offered."""

    waiting: float  # share that finds nobody free
    answered_in_time: float  # service level: whoever left in time was not answered in time
    wait: float  # mean seconds of everybody, whether they were answered or left
    speed_of_answer: float | None  # mean seconds of those who were answered; None: nobody was
    abandoned: float
    occupancy: float  # share of the peers' time


@dataclass(frozen=True, slots=True)
class Minutes:
    """An interval in whole minutes."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class _Queue:
    """Those who wait, given that all peers are busy. Times are in units of one patience."""

    log_tail: float  # log P(Poisson(z) ≥ c)
    mass: float  # likelihood of any queue relative to an empty one; infinite where that is e^72 or more
    answered: float  # share of those who find all busy
    leaving: float  # the others; both are sums, for a difference would lose the small one
    answered_wait: float  # mean wait of those who are answered, times their share


def erlang_b(erlangs: float, peers: int) -> float:
    """The share that is lost if nobody waits. Erlang (1917), by the usual recursion, which only adds and divides."""
    blocked = 1.0
    for busy in range(1, peers + 1):
        blocked = erlangs * blocked / (busy + erlangs * blocked)
    return blocked


def erlang_c(load: Load, peers: int, within: float = 20.0) -> Figures:
    """What becomes of contacts that never give up, whatever `load.patience` says; `within` is in seconds.

    Raises Overloaded where the load is not less than the peers.
    """
    if load.erlangs >= peers:
        raise Overloaded(f"{load.erlangs:.2f} peers' work for {peers}: if nobody leaves, the queue grows without end")
    blocked = erlang_b(load.erlangs, peers)
    spare = peers - load.erlangs
    waiting = peers * blocked / (spare + load.erlangs * blocked)
    wait = waiting * load.handle / spare
    return Figures(
        waiting=waiting,
        answered_in_time=1 - waiting * exp(-spare * within / load.handle),
        wait=wait,
        speed_of_answer=wait,
        abandoned=0.0,
        occupancy=load.erlangs / peers,
    )


def erlang_a(load: Load, peers: int, within: float = 20.0) -> Figures:
    """What becomes of contacts that leave when their patience ends; `within` is in seconds.

    No peers at all is a case like others: everybody leaves. With infinite patience it is Erlang C, and may raise
    Overloaded.
    """
    if load.patience == inf:
        return erlang_c(load, peers, within)
    served = peers * load.patience / load.handle
    arriving = load.per_hour / HOUR * load.patience
    queue = _queue(served, arriving)
    blocked = erlang_b(load.erlangs, peers)
    # All peers busy, whoever waits besides, against somebody free.
    busy = queue.mass * blocked
    waiting = 1.0 if busy == inf else busy / (1 - blocked + busy)
    at_once = 0.0 if busy == inf else (1 - blocked) / (1 - blocked + busy)
    late = _answered_late(queue, served, arriving, within / load.patience)
    answered = at_once + waiting * queue.answered
    abandoned = waiting * queue.leaving
    return Figures(
        waiting=waiting,
        answered_in_time=at_once + waiting * max(0.0, queue.answered - late),
        wait=abandoned * load.patience,
        speed_of_answer=waiting * queue.answered_wait * load.patience / answered if answered else None,
        abandoned=abandoned,
        occupancy=min(1.0, load.erlangs * answered / peers) if peers else 0.0,
    )


def peers_needed(load: Load, target: Target) -> int:
    """The fewest peers who meet the target: by Erlang A, by Erlang C if patience is infinite."""

    def enough(peers: int) -> bool:
        if load.patience == inf and peers <= load.erlangs:
            return False
        figures = erlang_a(load, peers, target.within)
        few_leave = target.abandoned is None or figures.abandoned <= target.abandoned
        return figures.answered_in_time >= target.share and few_leave

    if load.per_hour == 0:
        return 0
    return _first(enough)


def expected_wait(
    place: int, peers: int, free: int, handle: float | None, observed: int, patience: float = inf
) -> Minutes | None:
    """How long whoever stands in `place` still waits: between low and high in 13 cases of 20. None: not known.

    With `peers` busy, one is free again after `handle` / `peers` seconds on average; each that is free takes one from
    the front of the line, and each who leaves the line ahead of somebody brings them nearer. So whoever is m-th for a
    busy peer waits for m steps of an Erlang A queue without newcomers: an Erlang(m, peers / handle) time if nobody
    leaves. The interval goes from the first quarter of that time's distribution to its ninth tenth, rounded outward: a
    caller who is told a high percentile, rather than the mean, is seldom let down (O. Jouini, Z. Akşin, Y. Dallery,
    "Call centers with delay information", Manufacturing & Service Operations Management 13, 2011).

    Args:
        place: 1 for the first, counted among those whom these same peers serve.
        peers: who can really serve this caller: on shift, there, and with the language and skills.
        free: those of them who could be asked now.
        handle: mean seconds for which a contact occupies a peer, of late; None if none was observed.
        observed: contacts that this mean is taken from. Of fewer than ENOUGH it says too little.
        patience: mean seconds after which somebody who waits leaves; infinite if that is not known.
    """
    if peers < 1 or handle is None or handle <= 0 or observed < ENOUGH:
        return None
    steps = place - min(free, peers)
    if steps < 1:
        return Minutes(0, 1)

    def still_waits(seconds: float) -> float:
        return _still_waits(steps, peers / handle, patience, seconds)

    mean = steps * handle / peers
    low = _when(still_waits, 1 - EARLY, mean)
    high = _when(still_waits, 1 - LATE, mean)
    return Minutes(floor(low / MINUTE), ceil(high / MINUTE))


def _queue(served: float, arriving: float) -> _Queue:
    """The queue of Erlang A; both arguments are contacts in one patience: `c` and `z` of this module's description.

    Somebody who finds j waiting is answered with probability c / (c + j + 1): the product over each step of the line.
    If they are, it takes the sum of 1 / (c + i) for i = 1 … j + 1 on average.
    """
    first = max(0, floor(arriving - served - FAR * sqrt(arriving)))
    steps = _digamma(served + first + 1) - _digamma(served + 1) if first else 0.0
    term, total, answered, left, waited = 1.0, 0.0, 0.0, 0.0, 0.0
    waits = first
    while True:
        steps += 1 / (served + waits + 1)
        total += term
        answered += term * served / (served + waits + 1)
        left += term * (waits + 1) / (served + waits + 1)
        waited += term * served / (served + waits + 1) * steps
        waits += 1
        ratio = arriving / (served + waits)
        term *= ratio
        # The ratios fall, so what is left out is less than a geometric series.
        if ratio < 1 and term * (waits + 1) < NEGLIGIBLE * (1 - ratio) ** 2 * total:
            break
    return _Queue(
        log_tail=_log_poisson(served + first, arriving) + log(total),
        mass=inf if first else total,
        answered=answered / total,
        leaving=left / total,
        answered_wait=waited / total,
    )


def _answered_late(now: _Queue, served: float, arriving: float, within: float) -> float:
    """The share of those who find all busy that is answered, but only after `within` patiences.

    Whoever has waited so long sees a queue ahead in which only those are left who are as patient: that of fewer
    arrivals, `within` later. Mandelbaum and Zeltyn (2007), section 4, with the incomplete gamma function as sums.
    """
    left = arriving * exp(-within)
    if not left:
        return 0.0
    then = _queue(served, left)
    if now.mass < inf:
        # Both tails may be far too small to be compared: what they have in common is left out of both.
        waits_on = -arriving * expm1(-within) - served * within + log(then.mass / now.mass)
    else:
        waits_on = then.log_tail - now.log_tail
    return exp(waits_on - within) * then.answered


def _still_waits(steps: int, rate: float, patience: float, seconds: float) -> float:
    """P(so many steps take longer), of which the last has `rate`, and each before it one more who may lose patience.

    The times between are exponential with rates r, r + p, r + 2p …: their sum is a negative binomial distribution in
    1 - exp(-p t), and for p = 0 a Poisson distribution in r t.
    """
    if patience == inf:
        factors = (rate * seconds / step for step in range(1, steps))
    else:
        gone, served = -expm1(-seconds / patience), rate * patience
        factors = ((served + step - 1) / step * gone for step in range(1, steps))
    term = total = 1.0
    scale = -rate * seconds
    for factor in factors:
        term *= factor
        total += term
        if total > 1e200:
            term, total, scale = term / total, 1.0, scale + log(total)
    return min(1.0, exp(scale + log(total)))


def _when(falling: Callable[[float], float], level: float, guess: float) -> float:
    """Where a falling function reaches `level`, to a millionth of the guess, which is above 0."""
    low, high = 0.0, guess
    while falling(high) > level:
        low, high = high, 2 * high
    while high - low > guess / 1e6:
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > level else (low, middle)
    return high


def _first(holds: Callable[[int], bool]) -> int:
    """The least number from 0 on for which something holds that goes on to hold."""
    low, high = -1, 1
    while not holds(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _log_poisson(number: float, mean: float) -> float:
    """log(mean^number e^-mean / number!), without the difference of two large numbers.

    C. Loader, "Fast and accurate computation of binomial probabilities" (2000).
    """
    if mean == 0:
        return 0.0 if number == 0 else -inf
    if number < 16:
        return number * log(mean) - mean - lgamma(number + 1)
    off = (mean - number) / number
    apart = off - log1p(off) if off > -0.5 else off + log(number) - log(mean)
    stirling = 1 / (12 * number) - 1 / (360 * number**3) + 1 / (1260 * number**5)
    return -number * apart - log(2 * pi * number) / 2 - stirling


def _digamma(number: float) -> float:
    """The derivative of log Γ, by its asymptotic series (NIST DLMF 5.11.2)."""
    below = 0.0
    while number < 10:
        below += 1 / number
        number += 1
    square = number**-2
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)))
    return log(number) - 1 / (2 * number) - series - below
