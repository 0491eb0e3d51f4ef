"""A line's settings as a form: what it shows, and reading what was typed, each mistake beside its field."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from string import Formatter

from routing import policy
from routing.hours import WHOLE_DAY, Spans, overlapping, read_clock, running_over
from warmline.errors import Invalid
from warmline.models import Line
from warmline.people import policy_form
from warmline.people.lines import Settings

SPANS = 2  # a day's spans in the form
BLANK_HOLIDAYS = 2
MOST_HOLIDAYS = 60
YEARS = range(2000, 2200)  # beyond, time zones have no end of their day
MOST_TEXTS_AT_ONCE = 4
LONGEST_WORDS = 300  # characters: they are spoken
LONGEST_POLICY = 1000
LONGEST_NAME = 80
HOURS, CLOSED, WHOLE = "hours", "closed", "whole"
PLACEHOLDERS = {"greeting": ("line",), "closed": ("line", "reason", "reopening", "crisis")}
# https://nationalnanpa.com/about_us/abt_nanp.html: neither area code nor exchange begins with 0 or 1.
TEN_DIGITS = re.compile(r"[2-9]\d\d[2-9]\d{6}")

Form = Mapping[str, str]


class Unfit(Invalid):
    """A form with mistakes; `fields` says which, by the name of the field."""

    def __init__(self, fields: Mapping[str, Invalid]) -> None:
        super().__init__("Some of it does not fit: see beside the fields. Nothing was saved.", code="settings_unfit")
        self.fields = fields


@dataclass
class Mistakes:
    """What was found wrong so far, at most one thing a field."""

    found: dict[str, Invalid] = field(default_factory=dict)

    def note(self, name: str, mistake: Invalid) -> None:
        self.found.setdefault(name, mistake)


def shown(line: Line) -> dict[str, str]:
    """The line's settings in the form's fields."""
    form = {"version": str(line.version), "texts_at_once": str(line.texts_at_once)}
    if line.voice_with_texts:
        form["voice_with_texts"] = "yes"
    for day in range(7):
        form |= _shown_spans(f"day-{day}", line.hours.get(str(day), ()) if line.hours else (WHOLE_DAY,))
    for number, (day_of_year, spans) in enumerate(sorted((line.holidays or {}).items())):
        form[f"holiday-{number}-date"] = day_of_year
        form |= _shown_spans(f"holiday-{number}", spans)
    for kind, by_language in (line.words or {}).items():
        for language, words in by_language.items():
            form[f"{kind}-{language}"] = words
    for name, value in (line.card or {}).items():
        form[f"card-{name}"] = phone_in_words(value) if name == "phone" else value
    return form | policy_form.shown(policy.read(line.policy))


def holiday_numbers(form: Form) -> Sequence[int]:
    """The holidays' rows in this form, in order."""
    return sorted({int(found[1]) for name in form if (found := re.fullmatch(r"holiday-(\d{1,3})-\w+", name))})


def read(form: Form, line: Line, rosters: policy_form.Rosters, longest_shift: timedelta | None) -> Settings:
    """The settings that this form means for `line`; Unfit if some of it means nothing, or cannot be.

    Args:
        rosters: those of `lines.rosters`.
        longest_shift: that of `lines.longest_shift`.
    """
    mistakes = Mistakes()
    kept, wrong = policy_form.read(form, line, rosters, longest_shift)
    settings = Settings(
        hours=_hours(form, mistakes),
        holidays=_holidays(form, mistakes),
        words=_words(form, line.languages, mistakes),
        card=_card(form, mistakes),
        texts_at_once=_texts_at_once(form, mistakes),
        voice_with_texts=bool(form.get("voice_with_texts")),
        policy=kept,
    )
    for name, mistake in wrong.items():
        mistakes.note(name, mistake)
    if mistakes.found:
        raise Unfit(mistakes.found)
    return settings


def phone_in_words(number: str) -> str:
    """A number of ours as people write it: "(404) 555-0188"."""
    digits = number.removeprefix("+1")
    return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}" if TEN_DIGITS.fullmatch(digits) else number


def _shown_spans(name: str, spans: Spans) -> dict[str, str]:
    if not spans:
        return {f"{name}-mode": CLOSED}
    if tuple(spans[0]) in (WHOLE_DAY, ("00:00", "00:00")):
        return {f"{name}-mode": WHOLE}
    form = {f"{name}-mode": HOURS}
    for number, (start, end) in enumerate(spans):
        form |= {f"{name}-from-{number}": start, f"{name}-to-{number}": end}
    return form


def _hours(form: Form, mistakes: Mistakes) -> dict[str, list[list[str]]]:
    hours = {str(day): _spans(form, f"day-{day}", mistakes) for day in range(7)}
    if not mistakes.found:
        for day in running_over(hours):
            mistakes.note(f"day-{day}", Invalid("This goes on past midnight into the next day's hours: they overlap."))
    if all(spans == [list(WHOLE_DAY)] for spans in hours.values()):
        return {}
    return hours


def _holidays(form: Form, mistakes: Mistakes) -> dict[str, list[list[str]]]:
    holidays: dict[str, list[list[str]]] = {}
    for number in holiday_numbers(form):
        name = f"holiday-{number}"
        written = form.get(f"{name}-date", "").strip()
        if form.get(f"{name}-remove") or (not written and not any(_typed(form, name))):
            continue
        spans = _spans(form, name, mistakes)
        day = _date(written)
        if day is None:
            mistakes.note(f"{name}-date", Invalid("A holiday needs its date, as in 2026-12-25."))
            continue
        if day in holidays:
            mistakes.note(f"{name}-date", Invalid("This date stands here twice."))
        holidays[day] = spans
    if len(holidays) > MOST_HOLIDAYS:
        mistakes.note(
            "holidays", Invalid("A line may have {limit} holidays at most. Remove past ones.", limit=MOST_HOLIDAYS)
        )
    return holidays


def _date(written: str) -> str | None:
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return None
    return day.isoformat() if day.year in YEARS else None


def _typed(form: Form, name: str) -> Iterator[str]:
    return (value for key, value in form.items() if key.startswith((f"{name}-from-", f"{name}-to-")) and value.strip())


def _spans(form: Form, name: str, mistakes: Mistakes) -> list[list[str]]:
    """A day's spans, sorted."""
    mode = form.get(f"{name}-mode", HOURS)
    if mode == CLOSED:
        return []
    if mode == WHOLE:
        return [list(WHOLE_DAY)]
    rows = range(max(SPANS, len(list(_typed(form, name)))))
    spans = [span for number in rows if (span := _span(form, name, number, mistakes))]
    mine = [found for found in mistakes.found if found.startswith(f"{name}-")]
    if not spans and not mine:
        mistakes.note(name, Invalid("Say from when to when, or choose Closed."))
    elif overlapping(spans):
        mistakes.note(name, Invalid("These two spans overlap."))
    return sorted(spans)


def _span(form: Form, name: str, number: int, mistakes: Mistakes) -> list[str] | None:
    """One span; None for an empty row, or for a mistake."""
    written = {end: form.get(f"{name}-{end}-{number}", "").strip() for end in ("from", "to")}
    if not any(written.values()):
        return None
    span = []
    for end, time in written.items():
        clock = read_clock(time)
        if not time:
            mistakes.note(f"{name}-{end}-{number}", Invalid("Both times are needed, from and to."))
        elif clock is None or (end == "from" and clock == "24:00"):
            mistakes.note(f"{name}-{end}-{number}", Invalid("That is no time of day. Write 17:00 or 5 PM."))
        else:
            span.append(clock)
    return span if len(span) == len(written) else None


def _words(form: Form, languages: Sequence[str], mistakes: Mistakes) -> dict[str, dict[str, str]]:
    words: dict[str, dict[str, str]] = {}
    for kind, allowed in PLACEHOLDERS.items():
        for language in languages:
            name = f"{kind}-{language}"
            if not (own := " ".join(form.get(name, "").split())):
                continue
            words.setdefault(kind, {})[language] = own
            if len(own) > LONGEST_WORDS:
                mistakes.note(name, Invalid("At most {limit} characters: it is spoken.", limit=LONGEST_WORDS))
            unknown = _unknown_placeholder(own, allowed)
            if unknown is not None:
                mistake = Invalid(
                    "{unknown} has no meaning here. What may stand in braces: {allowed}",
                    unknown=unknown,
                    allowed=", ".join(f"{{{each}}}" for each in allowed),
                )
                mistakes.note(name, mistake)
    return words


def _unknown_placeholder(words: str, allowed: Sequence[str]) -> str | None:
    """The first thing in braces that we could not fill in, or a single brace; None if there is none."""
    try:
        for _, name, detail, conversion in Formatter().parse(words):
            if name is not None and (name not in allowed or detail or conversion):
                return f"{{{name}}}"
    except ValueError:
        return "{" if words.count("{") > words.count("}") else "}"
    # Two braces are how formats write one. Here they would be read out.
    return "{{" if "{{" in words else "}}" if "}}" in words else None


def _card(form: Form, mistakes: Mistakes) -> dict[str, str]:
    policy = form.get("card-policy", "").replace("\r\n", "\n").strip()
    centre = " ".join(form.get("card-centre", "").split())
    written = form.get("card-phone", "").strip()
    if len(policy) > LONGEST_POLICY:
        mistakes.note(
            "card-policy", Invalid("At most {limit} characters: it is read in a hurry.", limit=LONGEST_POLICY)
        )
    if len(centre) > LONGEST_NAME:
        mistakes.note("card-centre", Invalid("At most {limit} characters.", limit=LONGEST_NAME))
    phone = _phone(written)
    if written and phone is None:
        mistakes.note("card-phone", Invalid("That is no telephone number. Write ten digits, as in (404) 555-0188."))
    elif centre and not written:
        mistakes.note("card-phone", Invalid("The crisis center needs its number."))
    elif written and not centre:
        mistakes.note("card-centre", Invalid("Say whose number this is."))
    card = {"policy": policy, "centre": centre, "phone": phone or ""}
    return {name: value for name, value in card.items() if value}


def _phone(written: str) -> str | None:
    """Ten digits in E.164; None if it cannot be such a number."""
    if not re.fullmatch(r"[\d\s().+-]*", written):
        return None
    digits = re.sub(r"\D", "", written)
    if len(digits) == 11 and digits.startswith("1"):
        digits = digits[1:]
    return f"+1{digits}" if TEN_DIGITS.fullmatch(digits) else None


def _texts_at_once(form: Form, mistakes: Mistakes) -> int:
    written = form.get("texts_at_once", "").strip()
    if written not in {str(number) for number in range(1, MOST_TEXTS_AT_ONCE + 1)}:
        mistakes.note("texts_at_once", Invalid("From 1 to {limit}.", limit=MOST_TEXTS_AT_ONCE))
        return 1
    return int(written)
