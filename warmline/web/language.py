"""In which language a page speaks: as its reader chose, else as their browser asks, else English.

Templates say `_("…")` and `{% trans %}`, scripts `t("…")` with words that the page carries along; an error's message is
translated where it is answered. What callers hear and read is another matter: `config/prompts/`.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel import dates
from babel.support import NullTranslations, Translations
from flask import Flask, current_app, g, has_request_context, request, session
from flask_login import current_user

OFFERED = {"en": "English", "es": "Español"}
Catalogues = Mapping[str, tuple[Translations, Mapping[str, str]]]


def use(app: Flask, catalogues: Catalogues) -> None:
    """Let the pages of `app` speak from these catalogues."""
    app.extensions["words"] = catalogues
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]  # of the extension
        lambda words: _catalogue().gettext(words),
        lambda one, many, number: _catalogue().ngettext(one, many, number),
        newstyle=True,
    )
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.jinja_env.filters.update(
        clock_time=clock_time, day_in_words=day_in_words, time_of_day=time_of_day, weekday=weekday
    )
    app.jinja_env.globals.update(page_language=chosen, languages_offered=OFFERED, words_of_scripts=words_of_scripts)


def chosen() -> str:
    """The language of the page that is being answered."""
    if not has_request_context():
        return "en"
    if "language" not in g:
        own = current_user.login.account.language if current_user.is_authenticated else None
        wish = own or session.get("language")
        g.language = wish if wish in OFFERED else request.accept_languages.best_match(OFFERED, "en")
    return str(g.language)


def say(words: str, **values: object) -> str:
    """A sentence in the page's language; `{names}` are filled in after it was translated."""
    said = str(_catalogue().gettext(words))
    return said.format(**values) if values else said


def later(words: str) -> str:
    """Mark a sentence for the catalogues that is translated only when somebody reads it."""
    return words


def words_of_scripts() -> Mapping[str, str]:
    """What scripts say in the page's language, by the English sentence; nothing for English itself."""
    catalogues: Catalogues = current_app.extensions["words"]
    return catalogues[chosen()][1] if chosen() in catalogues else {}


def clock_time(at: datetime, zone: str, now: datetime) -> str:
    """A time as people at the line's place read it: "8:05 PM", or "Mar 7, 8:05 PM" if that is not today."""
    there, today = at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    if there.date() != today:
        return f"{date_in_words(there, 'MMMd')}, {time_of_day(at, zone)}"
    return time_of_day(at, zone)


def time_of_day(at: datetime, zone: str) -> str:
    """What the clocks at the line's place show: "8:05 PM"."""
    there, pattern = at.astimezone(ZoneInfo(zone)), "hm" if chosen() == "en" else "Hm"
    # Without CLDR's narrow blank, which some screens lack.
    return dates.format_skeleton(pattern, there, locale=chosen()).replace("\u202f", " ")


def date_in_words(at: date, skeleton: str) -> str:
    """A date as the page's language writes it; `skeleton` names its parts (Unicode CLDR, babel.dates)."""
    return dates.format_skeleton(skeleton, at, locale=chosen())


def day_in_words(day: date) -> str:
    """A day of the weeks around: "Tuesday, November 24"."""
    return f"{weekday(day)}, {date_in_words(day, 'MMMMd')}"


def weekday(at: date) -> str:
    """The day's name; of a moment in its own zone."""
    return dates.format_date(at, "EEEE", locale=chosen())


def _catalogue() -> Any:
    catalogues: Catalogues = current_app.extensions["words"]
    return catalogues[chosen()][0] if chosen() in catalogues else NullTranslations()
