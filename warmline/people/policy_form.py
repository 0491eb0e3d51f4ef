"""The policy's part of a line's settings form: what it shows, and reading what was typed."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from datetime import timedelta
from typing import Any

from routing import policy
from routing.policy import Mistake, Policy, Skill, Step, StepKind, Strategy
from warmline.errors import Invalid
from warmline.models import Line

BLANK_STEPS = 2
SISTER = f"{StepKind.SISTER}-"  # and the line's id: the choice of a sister line's peers
A_MINUTE = timedelta(minutes=1)  # is shown where a wish is required, should it be so no more

Form = Mapping[str, str]
Rosters = Mapping[str, Collection[frozenset[str]]]

# What is wrong, by the code of `routing.policy.mistakes`. Beside its field, so it need not say whose.
SENTENCES = {
    mistake.code: mistake
    for mistake in (
        Invalid("From {least} to {most}.", code="at_once"),
        Invalid("From {least} to {most}, or nothing for no limit.", code="no_limit"),
        Invalid("At most {limit} minutes.", code="too_long"),
        Invalid("At most {limit} steps.", code="many_steps"),
        Invalid("Nobody on this line's roster has it, so nobody could be asked.", code="nobody_has"),
        Invalid("Nobody on this line's roster has all of them, so nobody could be asked.", code="nobody_has_all"),
        Invalid("Nobody who may be asked has it: callers would wish in vain.", code="nobody_grants"),
        Invalid("Nobody who may be asked has it, so it cannot be required.", code="waits_for_nobody"),
        Invalid("Every peer of this line must have it, so there is nothing to wish for.", code="everybody_has"),
        Invalid("Another wish has this key.", code="wish_twice"),
        Invalid("A wish that is not waited for is none. Give it some time.", code="not_waited_for"),
        Invalid("A step below ends wishes before that. Wait less here, or longer there.", code="widened_before"),
        Invalid("The steps are not in order of time.", code="not_in_order"),
        Invalid("At once, skills and wishes would never count. Give this step a wait.", code="widened_at_once"),
        Invalid("Warmline cannot do that yet.", code="no_means_yet"),
        Invalid("This is the line itself, whose peers are asked anyway.", code="own_sister"),
        Invalid("Your organization has no such line.", code="no_such_line"),
        Invalid("Nobody on that line's roster has what every peer here must have.", code="reaches_nobody"),
        Invalid("No shift of this line is longer, so nobody could be asked.", code="no_such_shift"),
        Invalid("The peers of this line are asked by an earlier step already.", code="sister_twice"),
        Invalid("An earlier step does this already.", code="step_twice"),
        Invalid("This line rings several from the start, as chosen above.", code="several_anyway"),
        Invalid(
            "There is nothing to stop insisting on: no skill, no wish that is given up, no usual talk.",
            code="nothing_to_widen",
        ),
    )
}  # fmt: skip


def shown(chosen: Policy) -> dict[str, str]:
    """A policy in the form's fields."""
    form = {
        "strategy": str(chosen.strategy),
        "several": str(chosen.several),
        "wish_for": in_minutes(A_MINUTE if chosen.wish_for is None else chosen.wish_for),
        "usual_talk": in_minutes(chosen.usual_talk),
        "recovery": in_minutes(chosen.recovery),
    }
    form |= {name: str(getattr(chosen, name) or "") for name in policy.UP_TO}
    if chosen.wish_for is None:
        form["wish_required"] = "yes"
    form |= {f"skill-{skill}": "yes" for skill in chosen.skills}
    form |= {f"wish-{skill}": str(key) for key, skill in enumerate(chosen.wishes, start=1)}
    for row, step in enumerate(chosen.steps):
        form[f"step-{row}-after"] = in_minutes(step.after)
        form[f"step-{row}-kind"] = f"{SISTER}{step.line}" if step.kind is StepKind.SISTER else str(step.kind)
    return form


def step_rows(form: Form) -> Sequence[int]:
    """The steps' rows in this form, in order."""
    return sorted({int(found[1]) for name in form if (found := re.fullmatch(r"step-([0-9]{1,3})-\w+", name))})


def read(
    form: Form, line: Line, rosters: Rosters, longest_shift: timedelta | None
) -> tuple[dict[str, Any], dict[str, Invalid]]:
    """What to keep of the policy that this form means for `line`, and what is wrong with it, by the name of the field.

    A policy that stays as it is stays in force: that somebody has left the roster meanwhile is no reason to refuse
    other hours. A form without this part leaves it as it is, too.
    """
    wrong: dict[str, Invalid] = {}
    if "strategy" not in form:
        return line.policy or {}, wrong
    steps = sorted(_steps(form, wrong), key=lambda row: row[1].after)
    chosen = Policy(
        strategy=_strategy(form, wrong),
        several=_number(form, "several", wrong) or 0,
        skills=frozenset(skill for skill in Skill if form.get(f"skill-{skill}")),
        wishes=_wishes(form, wrong),
        wish_for=None if form.get("wish_required") else _minutes(form, "wish_for", wrong),
        usual_talk=_minutes(form, "usual_talk", wrong),
        recovery=_minutes(form, "recovery", wrong),
        most_waiting=_number(form, "most_waiting", wrong),
        minutes_a_day=_number(form, "minutes_a_day", wrong),
        contacts_a_day=_number(form, "contacts_a_day", wrong),
        steps=tuple(step for _, step in steps),
    )
    if not wrong and chosen != policy.read(line.policy):
        for mistake in policy.mistakes(chosen, line.id, rosters, longest_shift):
            wrong.setdefault(_field(mistake, [row for row, _ in steps]), _sentence(mistake))
    return chosen.kept(), wrong


def in_minutes(time: timedelta) -> str:
    """ "2" or "1:30": minutes, with seconds if there are any."""
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    return f"{minutes}:{seconds:02}" if seconds else str(minutes)


def _steps(form: Form, wrong: dict[str, Invalid]) -> Iterator[tuple[int, Step]]:
    """The steps that were typed, each with its row; empty rows are left out."""
    for row in step_rows(form):
        name = f"step-{row}"
        written, kind = form.get(f"{name}-after", "").strip(), form.get(f"{name}-kind", "")
        if form.get(f"{name}-remove") or not (written or kind):
            continue
        after = _minutes(form, f"{name}-after", wrong)
        line = kind.removeprefix(SISTER) if kind.startswith(SISTER) else ""
        known = StepKind.SISTER if line else kind
        if known not in set(StepKind):
            wrong[f"{name}-kind"] = Invalid("Choose what happens then, or remove this row.")
            continue
        yield row, Step(after, StepKind(known), line)


def _strategy(form: Form, wrong: dict[str, Invalid]) -> Strategy:
    try:
        return Strategy(form["strategy"])
    except ValueError:
        wrong["strategy"] = Invalid("There is no such way. Choose one of these.")
        return policy.UNCHOSEN.strategy


def _wishes(form: Form, wrong: dict[str, Invalid]) -> tuple[Skill, ...]:
    """The skills that have a key in the callers' menu, in the order of the keys."""
    keys: dict[int, Skill] = {}
    for skill in Skill:
        name = f"wish-{skill}"
        key = _number(form, name, wrong)
        if key is not None and key in keys:
            wrong[name] = SENTENCES["wish_twice"]
        elif key is not None:
            keys[key] = skill
    return tuple(skill for _, skill in sorted(keys.items()))


def _number(form: Form, name: str, wrong: dict[str, Invalid]) -> int | None:
    """A whole number; None if nothing stands there, or with a mistake."""
    written = form.get(name, "").strip()
    if not re.fullmatch(r"[0-9]{0,6}", written):
        wrong[name] = Invalid("Write a whole number.")
        return None
    return int(written) if written else None


def _minutes(form: Form, name: str, wrong: dict[str, Invalid]) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,4})(?::([0-5][0-9]))?", form.get(name, "").strip())
    if not found:
        wrong[name] = Invalid("Write minutes, as in 2, or 1:30 for a minute and a half.")
        return timedelta()
    return timedelta(minutes=int(found[1]), seconds=int(found[2] or 0))


def _field(mistake: Mistake, rows: Sequence[int]) -> str:
    """The form's name for the field of a mistake: a step may stand in another row than its place in time."""
    found = re.fullmatch(r"step-(\d+)-(\w+)", mistake.field)
    return f"step-{rows[int(found[1])]}-{found[2]}" if found else mistake.field


def _sentence(mistake: Mistake) -> Invalid:
    sentence = copy(SENTENCES[mistake.code])
    sentence.values = dict(mistake.values)
    return sentence
