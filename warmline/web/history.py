"""What happened: the organization's contacts, newest first, and each from its first ring to its report."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from babel import dates
from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from routing.states import ContactState
from warmline import clock
from warmline.contacts import allowance, history
from warmline.contacts.screens import past
from warmline.errors import Invalid
from warmline.models import Channel
from warmline.people import line_settings
from warmline.web import access, language
from warmline.web.errors import wants_json

blueprint = Blueprint("history", __name__, url_prefix="/contacts")


@blueprint.app_template_filter()
def clock_second(at: datetime, zone: str) -> str:
    """A moment as people at the line's place read it, to the second: "Mar 7, 2026, 8:05:12 PM"."""
    there, locale = at.astimezone(ZoneInfo(zone)), language.chosen()
    day = dates.format_skeleton("yMMMd", there, locale=locale)
    time = dates.format_skeleton("hms" if locale == "en" else "Hms", there, locale=locale)
    return f"{day}, {time}".replace("\u202f", " ")


@blueprint.get("")
@access.role("supervisor", "admin")
def page() -> ResponseReturnValue:
    """One page of contacts; `before` is where the page above it ended."""
    now, wanted = clock.now(), _wanted()
    view = past.contacts(access.account().organization_id, wanted, now)
    kept = {key: value for key, value in request.args.items() if key != "before" and value}
    return render_template("history/page.html", view=view, wanted=wanted, kept=kept, now=now)


@blueprint.get("/<contact_id>")
@access.role("supervisor", "admin")
def contact(contact_id: str) -> ResponseReturnValue:
    """Everything that happened with one contact, without what was confided."""
    now = clock.now()
    view = past.contact(access.account().organization_id, contact_id)
    return render_template("history/contact.html", view=view, notes=None, now=now)


@blueprint.post("/<contact_id>/notes")
@access.role("supervisor", "admin")
def notes(contact_id: str) -> ResponseReturnValue:
    """The same with the notes, once: the answer is the page itself, because reading again is to be noted again."""
    now = clock.now()
    opened = history.open_notes(access.account(), contact_id, now)
    if wants_json():
        return jsonify(notes=[{"kind": note.kind, "by": note.by, "words": note.words} for note in opened])
    view = past.contact(access.account().organization_id, contact_id)
    return render_template("history/contact.html", view=view, notes=opened, now=now)


@blueprint.post("/<contact_id>/allowance")
@access.role("supervisor", "admin")
def lift_allowance(contact_id: str) -> ResponseReturnValue:
    """The caller of this contact may call without a limit today."""
    allowance.lift(access.account(), contact_id, clock.now())
    if wants_json():
        return jsonify(ok=True)
    return redirect(url_for("history.contact", contact_id=contact_id), 303)


def _wanted() -> past.Wanted:
    """What the address asks for; raises Invalid for what is no code, no day, no place in the list."""
    args = request.args
    try:
        return past.Wanted(
            line=args.get("line") or None,
            channel=Channel(args["channel"]) if args.get("channel") else None,
            state=ContactState(args["state"]) if args.get("state") else None,
            day=_day(args["day"]) if args.get("day") else None,
            before=_place(args["before"]) if args.get("before") else None,
        )
    except (ValueError, OverflowError):
        raise Invalid("There is no such choice. Load the page again.", code="filter_unknown") from None


def _day(written: str) -> date:
    day = date.fromisoformat(written)
    if day.year not in line_settings.YEARS:
        raise ValueError("a day that has no end in some time zone")
    return day


def _place(before: str) -> tuple[datetime, str]:
    at, _, id = before.partition("~")
    arrived_at = datetime.fromisoformat(at)
    if arrived_at.tzinfo is None:
        raise ValueError("a time without a zone")
    return arrived_at.astimezone(UTC), id.replace("\0", "")
