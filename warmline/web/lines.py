"""Lines as supervisors run them: open or closed, closing early, pausing, each line's settings and its week to come."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel import dates, numbers
from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from routing import policy
from routing.estimates import ENOUGH
from routing.policy import AT_ONCE, NO_MEANS_YET, Skill, StepKind, Strategy
from warmline import clock
from warmline.errors import Conflict, DomainError, Invalid
from warmline.models import Line
from warmline.people import line_settings, lines, policy_form
from warmline.reports import schedule as coming
from warmline.web import access, language
from warmline.web.errors import wants_json

blueprint = Blueprint("lines", __name__, url_prefix="/lines")


@blueprint.app_template_filter()
def phone_number(number: str) -> str:
    """ "+14045550188" as people write it."""
    return line_settings.phone_in_words(number)


@blueprint.app_template_filter()
def opening_time(at: datetime, zone: str, now: datetime) -> str:
    """When a line opens, in the line's own time and the page's language: today's time, or with the day before it."""
    there = at.astimezone(ZoneInfo(zone))
    days = (there.date() - now.astimezone(ZoneInfo(zone)).date()).days
    time = dates.format_time(there, "short", tzinfo=ZoneInfo(zone), locale=language.chosen())
    if days <= 0:
        return time
    if days < 7:
        return f"{dates.format_date(there, 'EEEE', locale=language.chosen())} {time}"
    return f"{language.date_in_words(there, 'MMMEd')} {time}"


@blueprint.app_template_filter()
def amount(number: float) -> str:
    """A number with one decimal at most, as the page's language writes it."""
    return numbers.format_decimal(number, "#,##0.#", locale=language.chosen())


@blueprint.app_template_filter()
def percent(share: float) -> str:
    """0.8 as "80%", in the page's language."""
    return numbers.format_percent(share, locale=language.chosen())


@blueprint.app_template_filter()
def in_hours(span: timedelta) -> float:
    """A span in hours: whole ones from ten on, with one decimal below, and never 0."""
    hours = span / timedelta(hours=1)
    return max(0.1, round(hours, 1)) if hours < 10 else round(hours)


@blueprint.app_template_global()
def weekdays() -> list[str]:
    """Monday to Sunday, in the page's language."""
    names = dates.get_day_names("wide", context="stand-alone", locale=language.chosen())
    return [names[day] for day in range(7)]


@blueprint.get("")
@access.role("supervisor", "admin")
def page() -> ResponseReturnValue:
    now = clock.now()
    found = lines.all_of(access.account().organization_id)
    return render_template("lines/page.html", lines=[(line, lines.opening(line, now)) for line in found], now=now)


@blueprint.get("/<line_id>")
@access.role("supervisor", "admin")
def settings(line_id: str) -> ResponseReturnValue:
    """The settings as a form; `saved` says that it was just saved."""
    line = lines.find(access.account().organization_id, line_id)
    return _settings_page(line, line_settings.shown(line), saved="saved" in request.args, more=("holidays", "steps"))


@blueprint.post("/<line_id>")
@access.role("supervisor", "admin")
def change(line_id: str) -> ResponseReturnValue:
    """Save; what does not fit, or met somebody else's saving, comes back with everything that was typed."""
    account = access.account()
    line = lines.find(account.organization_id, line_id)
    form = {name: value.replace("\0", "") for name, value in request.form.items()}
    if "more" in form:
        return _settings_page(line, form, more=(form["more"],))
    now = clock.now()
    try:
        rosters, longest_shift = lines.rosters(account.organization_id, now), lines.longest_shift(line.id, now)
        wish = line_settings.read(form, line, rosters, longest_shift)
        line = lines.change(account, line_id, wish, request.form.get("version", 0, type=int), now)
    except line_settings.Unfit as unfit:
        mistakes = {name: language.say(each.message, **each.values) for name, each in unfit.fields.items()}
        if wants_json():
            return _refusal(unfit, fields=mistakes)
        return _settings_page(line, form, mistakes=mistakes), unfit.status
    except Conflict as conflict:
        if wants_json():
            return _refusal(conflict)
        line = lines.find(account.organization_id, line_id)
        theirs = lines.latest_saving(account.organization_id, line_id)
        return _settings_page(line, form | {"version": str(line.version)}, theirs=theirs), conflict.status
    if wants_json():
        return jsonify(ok=True, version=line.version)
    return redirect(url_for("lines.settings", line_id=line.id, saved=1), 303)


@blueprint.get("/<line_id>/schedule")
@access.role("supervisor", "admin")
def schedule(line_id: str) -> ResponseReturnValue:
    """Who is rostered in the seven days that begin today, and whether one absence would leave too few."""
    now = clock.now()
    line = lines.find(access.account().organization_id, line_id)
    week = coming.week(line, lines.open_between(line, now, coming.until(line, now)), now)
    return render_template(
        "lines/schedule.html", line=line, opening=lines.opening(line, now), week=week, enough=ENOUGH, now=now
    )


@blueprint.get("/<line_id>/close")
@access.role("supervisor", "admin")
def closing(line_id: str) -> ResponseReturnValue:
    """The form that closes a line early, or reopens it."""
    return _closing_page(lines.find(access.account().organization_id, line_id), {})


@blueprint.post("/<line_id>/close")
@access.role("supervisor", "admin")
def close(line_id: str) -> ResponseReturnValue:
    account = access.account()
    line = lines.find(account.organization_id, line_id)
    form = {name: value.replace("\0", "") for name, value in request.form.items()}
    try:
        lines.close_early(account, line_id, _reason(line, form), _until(line, form), clock.now())
    except (Invalid, Conflict) as refused:
        if wants_json():
            raise
        line = lines.find(account.organization_id, line_id)
        mistake = language.say(refused.message, **refused.values)
        return _closing_page(line, form, mistake, refused.code), refused.status
    return _done()


@blueprint.post("/<line_id>/reopen")
@access.role("supervisor", "admin")
def reopen(line_id: str) -> ResponseReturnValue:
    lines.reopen(access.account(), line_id, clock.now())
    return _done()


@blueprint.post("/<line_id>/pause")
@access.role("supervisor", "admin")
def pause(line_id: str) -> ResponseReturnValue:
    lines.pause(access.account(), line_id, clock.now())
    return _done()


@blueprint.post("/<line_id>/resume")
@access.role("supervisor", "admin")
def resume(line_id: str) -> ResponseReturnValue:
    lines.resume(access.account(), line_id, clock.now())
    return _done()


def _settings_page(
    line: Line,
    form: line_settings.Form,
    *,
    mistakes: dict[str, str] | None = None,
    theirs: lines.Saving | None = None,
    saved: bool = False,
    more: Collection[str] = (),
) -> str:
    """The form; `more` names the tables that get empty rows."""
    now = clock.now()
    rosters = lines.rosters(line.organization_id, now)
    blank_holidays = line_settings.BLANK_HOLIDAYS if "holidays" in more else 0
    blank_steps = policy_form.BLANK_STEPS if "steps" in more else 0
    return render_template(
        "lines/settings.html",
        line=line,
        opening=lines.opening(line, now),
        form=form,
        mistakes=mistakes or {},
        theirs=theirs,
        saved=saved,
        holidays=_rows(line_settings.holiday_numbers(form), blank_holidays),
        steps=_rows(policy_form.step_rows(form), blank_steps),
        strategies=list(Strategy),
        step_kinds=[kind for kind in StepKind if kind not in NO_MEANS_YET],
        sisters=[each for each in lines.all_of(line.organization_id) if each.id != line.id],
        at_once=AT_ONCE,
        who_has={skill: sum(skill in skills for skills in rosters[line.id]) for skill in Skill},
        spans=line_settings.SPANS,
        most_texts=line_settings.MOST_TEXTS_AT_ONCE,
        placeholders=line_settings.PLACEHOLDERS,
        now=now,
    )


def _rows(numbers: Sequence[int], blank: int) -> list[int]:
    """The rows of a table, and `blank` more."""
    last = numbers[-1] if numbers else -1
    return [*numbers, *range(last + 1, last + 1 + blank)]


def _closing_page(line: Line, form: line_settings.Form, mistake: str = "", code: str = "") -> str:
    now = clock.now()
    return render_template(
        "lines/close.html",
        line=line,
        opening=lines.opening(line, now),
        until=lines.until_next_opening(line, now),
        reasons=lines.reasons(line),
        calls_back=any(step.kind is StepKind.CALLBACK for step in policy.read(line.policy).steps),
        form=form,
        mistake=mistake,
        code_of_mistake=code,
        now=now,
    )


def _reason(line: Line, form: line_settings.Form) -> dict[str, str]:
    """What callers will hear, by language: own words if there are any, else the chosen sentence."""
    own = {code: form.get(f"words-{code}", "") for code in line.languages}
    if any(sentence.strip() for sentence in own.values()):
        return own
    return lines.reasons(line).get(form.get("reason", ""), own)


def _until(line: Line, form: line_settings.Form) -> datetime | None:
    """A moment as a browser's datetime-local writes it, in the line's own zone; None for the next opening."""
    written = form.get("until-time", "").strip()
    if not written:
        return None
    try:
        return datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(line.time_zone))
    except ValueError:
        raise Invalid("Write date and time, as in 2026-12-24T17:00.", code="until_unreadable") from None


def _refusal(refused: DomainError, **more: object) -> ResponseReturnValue:
    message = language.say(refused.message, **refused.values)
    return jsonify(error={"code": refused.code, "message": message, **more}), refused.status


def _done() -> ResponseReturnValue:
    if wants_json():
        return jsonify(ok=True)
    return redirect(url_for("board.page" if request.form.get("back") == "board" else "lines.page"), 303)
