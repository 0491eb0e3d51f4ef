"""The pages of the lines over HTTP: hours, holidays, own words, crisis card, policy, closing early, pausing."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import update
from werkzeug.test import TestResponse

from routing.policy import NO_MEANS_YET
from tests.cast import Cast, Person
from tests.web.walk import GEORGIA, ILLINOIS, calls, is_ready, peer, state, talk, writes
from warmline import clock, db, push
from warmline.contacts import availability
from warmline.models import Event, Line, LineNumber, Peer, Shift

NO_TIME = "That is no time of day. Write 17:00 or 5 PM."
NO_DATE = "A holiday needs its date, as in 2026-12-25."
NO_PHONE = "That is no telephone number. Write ten digits, as in (404) 555-0188."
NO_MEANING = "has no meaning here. What may stand in braces:"
CLOSED_MAY_CONTAIN = "{line}, {reason}, {reopening}, {crisis}"
NO_MINUTES = "Write minutes, as in 2, or 1:30 for a minute and a half."
NO_KIND = "Choose what happens then, or remove this row."
NOT_ITSELF = "This is the line itself, whose peers are asked anyway."
NO_LINE = "Your organization has no such line."
NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)  # Friday, 12:00 in Georgia
INPUT = re.compile(
    r"<(input|textarea|select)\b([^>]*)>(?:([^<]*)</textarea>|((?:\s*<option.*?</option>)*))?", re.DOTALL
)


def line(number: str = GEORGIA) -> Line:
    with db.reading() as session:
        return session.get_one(Line, session.get_one(LineNumber, number).line_id)


def set_up(number: str = GEORGIA, **columns: Any) -> None:
    with db.transaction() as session:
        row = session.get_one(Line, session.get_one(LineNumber, number).line_id)
        for name, value in columns.items():
            setattr(row, name, value)


def events(name: str) -> list[Event]:
    with db.reading() as session:
        return list(session.query(Event).filter_by(subject="line", name=name).order_by(Event.id))


def form_of(page: str) -> dict[str, str]:
    """What a browser would send of the settings page as it stands."""
    form = {}
    body = page.split('class="line-form"')[1].split("</form>")[0]
    for kind, attributes, text, options in INPUT.findall(body):
        read = dict(re.findall(r'([\w-]+)="([^"]*)"', attributes))
        optional = read.get("type") in ("checkbox", "radio")
        if "name" not in read or (optional and not re.search(r"\bchecked\b", attributes)):
            continue
        if kind == "select":
            chosen = re.search(r'value="([\w-]*)"\s+selected', options)
            form[read["name"]] = chosen[1] if chosen else re.findall(r'value="([\w-]*)"', options)[0]
        else:
            form[read["name"]] = html.unescape(text if kind == "textarea" else read.get("value", ""))
    return form


def settings(person: Person, number: str = GEORGIA) -> dict[str, str]:
    answer = person.get(f"/lines/{line(number).id}")
    assert answer.status_code == 200
    return form_of(answer.text)


def save(person: Person, form: dict[str, str], accept: str = "text/html", **changes: str) -> TestResponse:
    return person.post(f"/lines/{line().id}", accept, **(form | changes))


def weekdays(start: str, end: str) -> dict[str, str]:
    """Monday to Friday from start to end, closed at the weekend."""
    form = {f"day-{day}-mode": "hours" for day in range(5)} | {f"day-{day}-mode": "closed" for day in (5, 6)}
    return form | {f"day-{day}-from-0": start for day in range(5)} | {f"day-{day}-to-0": end for day in range(5)}


def mistake_text(answer: TestResponse, field: str) -> str:
    """What the page says beside this field, or above these."""
    found = re.search(rf'<p id="{field}-mistake" class="field-mistake">([^<]*)</p>', answer.text)
    assert found, answer.text
    return html.unescape(found[1])


def mistake(answer: TestResponse, field: str) -> str:
    """What the page says beside this field, which is marked for a screen reader too."""
    told = mistake_text(answer, field)
    assert re.search(rf'aria-describedby="{field}-mistake[ "]', answer.text), "the field says where its mistake stands"
    return told


def words(person: Person, path: str) -> str:
    """A page with every blank, also the narrow one before AM, as one space."""
    return " ".join(person.get(path).text.split())


def monday(*clocks: str) -> dict[str, str]:
    """Monday's hours: from, to, and from, to once more."""
    fields = ("from-0", "to-0", "from-1", "to-1")
    return {"day-0-mode": "hours"} | {f"day-0-{name}": clock for name, clock in zip(fields, clocks, strict=False)}


class TestWhoMay:
    def test_supervisors_and_administrators(self, cast: Cast) -> None:
        path = f"/lines/{line().id}"
        for person, status in [(cast.supervisor, 200), (cast.admin, 200), (cast.peer1, 403), (cast.outsider, 403)]:
            for page in ("/lines", path, f"{path}/close"):
                assert person.get(page).status_code == status, (person.email, page)
        for person in (cast.peer1, cast.outsider):
            for page in (path, f"{path}/close", f"{path}/reopen", f"{path}/pause", f"{path}/resume"):
                assert person.post(page).status_code == 403, (person.email, page)
        assert cast.stranger.get("/lines").location == "/login?next=/lines"

    def test_a_foreign_line_is_not_there(self, cast: Cast) -> None:
        foreign, unknown = line("+16065550104").id, "0" * 32
        form = settings(cast.supervisor)
        for path in ("/lines/{}", "/lines/{}/close"):
            answers = [cast.supervisor.get(path.format(id), "application/json") for id in (foreign, unknown)]
            assert [(answer.status_code, answer.json) for answer in answers] == [(404, answers[0].json)] * 2
        for path in ("/lines/{}", *(f"/lines/{{}}/{name}" for name in ("close", "reopen", "pause", "resume"))):
            answers = [cast.supervisor.post(path.format(id), **form) for id in (foreign, unknown)]
            assert [(answer.status_code, answer.json) for answer in answers] == [(404, answers[0].json)] * 2
        assert [events(name) for name in ("settings_changed", "paused")] == [[], []]

    def test_the_list_shows_ones_own_lines_only(self, cast: Cast) -> None:
        page = cast.supervisor.get("/lines").text
        assert "Georgia" in page
        assert "(404) 555-0101" in page
        assert "Harbor" not in page

    def test_the_menu_leads_there(self, cast: Cast) -> None:
        assert 'href="/lines"' in cast.supervisor.get("/board").text
        assert 'href="/lines"' not in cast.peer1.get("/console").text


class TestSettings:
    def test_saving_what_the_page_shows_changes_nothing(self, cast: Cast) -> None:
        set_up(
            hours={"0": [["09:00", "12:00"], ["17:00", "02:00"]], "6": [["00:00", "24:00"]]}
            | {str(day): [] for day in range(1, 6)},
            holidays={"2026-12-24": [["09:00", "12:00"]], "2026-12-25": []},
            words={"greeting": {"es": "Hola, {line}."}, "closed": {"en": "We rest & read."}},
            texts_at_once=3,
            voice_with_texts=True,
        )  # fmt: skip
        before = line()
        form = settings(cast.supervisor)
        assert form["day-0-from-1"] == "17:00"
        answer = save(cast.supervisor, form | {"closed-en": "We rest & read."})
        assert answer.status_code == 303
        after = line()
        for name in ("hours", "holidays", "words", "card", "texts_at_once", "voice_with_texts", "version"):
            assert getattr(after, name) == getattr(before, name), name
        assert events("settings_changed") == []

    def test_a_whole_form(self, cast: Cast) -> None:
        form = settings(cast.supervisor) | weekdays("5 PM", "22:00")
        form |= {"holiday-0-date": "2026-12-25", "holiday-0-mode": "closed"}
        form |= {"holiday-1-date": "2026-12-24", "holiday-1-mode": "hours"}
        form |= {"holiday-1-from-0": "9:00", "holiday-1-to-0": "noon"}
        form |= {
            "greeting-en": "Hello from {line}.",
            "closed-es": "Estamos cerrados.",
            "card-policy": "Breathe.\r\nStay.",
        }
        form |= {"card-centre": "Lantern Desk", "card-phone": "404-555-0177", "texts_at_once": "4"}
        form["voice_with_texts"] = "yes"
        refused = save(cast.supervisor, form)
        assert refused.status_code == 422
        assert mistake(refused, "holiday-1-to-0") == NO_TIME
        again = form_of(refused.text)
        assert again["holiday-1-to-0"] == "noon"
        assert again["holiday-1-date"] == "2026-12-24"
        assert again["greeting-en"] == "Hello from {line}."
        assert line().hours == {}, "nothing of a form with a mistake is saved"
        saved = save(cast.supervisor, again | {"holiday-1-to-0": "12 pm"})
        assert saved.status_code == 303
        now = line()
        assert now.hours == {**{str(day): [["17:00", "22:00"]] for day in range(5)}, "5": [], "6": []}
        assert now.holidays == {"2026-12-25": [], "2026-12-24": [["09:00", "12:00"]]}
        assert now.words == {"greeting": {"en": "Hello from {line}."}, "closed": {"es": "Estamos cerrados."}}
        assert now.card == {"policy": "Breathe.\nStay.", "centre": "Lantern Desk", "phone": "+14045550177"}
        assert (now.texts_at_once, now.voice_with_texts, now.version) == (4, True, 2)
        (event,) = events("settings_changed")
        assert event.why["account"] == cast.supervisor.account.id
        assert event.why["changed"] == ["card", "holidays", "hours", "texts_at_once", "voice_with_texts", "words"]
        assert event.why["before"] == {"hours": {}, "holidays": None, "texts_at_once": 2, "voice_with_texts": False}
        assert "Breathe" not in str(event.why), "no words in the history"
        assert "Saved." in cast.supervisor.get(saved.location).text

    @pytest.mark.parametrize(
        ("changes", "field", "sentence"),
        [
            (monday("17:00", "25:00"), "day-0-to-0", NO_TIME),
            (monday("24:00", "01:00"), "day-0-from-0", NO_TIME),
            (monday("17:00", ""), "day-0-to-0", "Both times are needed, from and to."),
            (monday("", ""), "day-0", "Say from when to when, or choose Closed."),
            (monday("09:00", "12:00", "11:59", "13:00"), "day-0", "These two spans overlap."),
            (
                monday("22:00", "02:00"),
                "day-0",
                "This goes on past midnight into the next day's hours: they overlap.",
            ),
            ({"holiday-0-from-0": "9:00", "holiday-0-to-0": "12:00"}, "holiday-0-date", NO_DATE),
            ({"holiday-0-date": "2026-02-30"}, "holiday-0-date", NO_DATE),
            ({"holiday-0-date": "9999-12-31"}, "holiday-0-date", NO_DATE),
            (
                dict.fromkeys(("holiday-0-date", "holiday-1-date"), "2026-12-25"),
                "holiday-1-date",
                "This date stands here twice.",
            ),
            ({"greeting-en": "Hello {name}"}, "greeting-en", f"{{name}} {NO_MEANING} {{line}}"),
            ({"greeting-en": "Hello {line"}, "greeting-en", f"{{ {NO_MEANING} {{line}}"),
            ({"closed-es": "{line.hours}"}, "closed-es", f"{{line.hours}} {NO_MEANING} {CLOSED_MAY_CONTAIN}"),
            ({"closed-en": "x" * 301}, "closed-en", "At most 300 characters: it is spoken."),
            ({"card-phone": "555-0199"}, "card-phone", NO_PHONE),
            ({"card-phone": "404 555 0199 ext 3"}, "card-phone", NO_PHONE),
            ({"card-phone": ""}, "card-phone", "The crisis center needs its number."),
            ({"card-centre": ""}, "card-centre", "Say whose number this is."),
            ({"texts_at_once": "5"}, "texts_at_once", "From 1 to 4."),
        ],
    )
    def test_wrong_input_is_told_beside_its_field(
        self, cast: Cast, changes: dict[str, str], field: str, sentence: str
    ) -> None:
        before = line()
        form = settings(cast.supervisor) | {"card-policy": "what I typed"} | changes
        answer = save(cast.supervisor, form)
        assert answer.status_code == 422
        assert mistake(answer, field) == sentence
        kept = form_of(answer.text)
        typed = {name: value for name, value in changes.items() if name != "texts_at_once"}  # that one is chosen
        assert {name: kept[name] for name in typed} == typed, "what was typed is still there"
        assert kept["card-policy"] == "what I typed"
        assert (line().version, line().card, line().hours) == (before.version, before.card, before.hours)
        as_json = save(cast.supervisor, form, "application/json")
        assert as_json.status_code == 422
        assert as_json.json
        assert as_json.json["error"]["code"] == "settings_unfit"
        assert as_json.json["error"]["fields"] == {field: sentence}

    def test_the_summary_names_the_day_of_each_mistake(self, cast: Cast) -> None:
        form = settings(cast.supervisor) | monday("17:00", "25:00")
        form |= {"day-1-mode": "hours", "day-1-from-0": "noon", "day-1-to-0": "18:00"}
        form |= {"holiday-0-date": "2026-12-25", "holiday-0-mode": "hours"}
        form |= {"holiday-1-date": "", "holiday-1-mode": "hours", "holiday-1-from-0": "9:00", "holiday-1-to-0": "12:00"}
        summary = save(cast.supervisor, form).text.split('class="error-summary"')[1].split("</ul>")[0]
        links = [" ".join(words.split()) for words in re.findall(r"<a [^>]*>(.*?)</a>", summary, re.DOTALL)]
        assert links == [
            f"Monday: {NO_TIME}",
            f"Tuesday: {NO_TIME}",
            "2026-12-25: Say from when to when, or choose Closed.",
            f"Holidays: {NO_DATE}",
        ]

    def test_more_rows_without_saving(self, cast: Cast) -> None:
        form = settings(cast.supervisor) | {"holiday-0-date": "2026-12-25", "card-policy": "typed", "more": "holidays"}
        answer = save(cast.supervisor, form)
        assert answer.status_code == 200
        again = form_of(answer.text)
        assert again["holiday-0-date"] == "2026-12-25"
        assert again["card-policy"] == "typed"
        assert len([name for name in again if name.endswith("-date")]) == 4
        assert len([name for name in again if re.fullmatch(r"step-\d-kind", name)]) == 2, (
            "only where they were asked for"
        )
        assert line().version == 1

    def test_a_holiday_is_removed(self, cast: Cast) -> None:
        set_up(holidays={"2026-12-24": [], "2026-12-25": []})
        save(cast.supervisor, settings(cast.supervisor) | {"holiday-0-remove": "yes"})
        assert line().holidays == {"2026-12-25": []}

    def test_pressing_twice_saves_once(self, cast: Cast) -> None:
        form = settings(cast.supervisor) | {"texts_at_once": "3"}
        assert [save(cast.supervisor, form).status_code for _ in range(2)] == [303, 303]
        assert line().version == 2
        assert len(events("settings_changed")) == 1

    @pytest.mark.parametrize("version", ["", "x", "-1", "9" * 5000])
    def test_a_version_that_was_never_shown_is_somebody_elses(self, cast: Cast, version: str) -> None:
        form = settings(cast.supervisor) | {"texts_at_once": "3", "version": version}
        assert save(cast.supervisor, form).status_code == 409
        assert line().texts_at_once == 2

    def test_of_two_who_save_the_second_is_told_and_loses_nothing(self, cast: Cast) -> None:
        first, second = settings(cast.supervisor), settings(cast.admin)
        assert save(cast.supervisor, first, texts_at_once="4").status_code == 303
        answer = save(cast.admin, second, **{"card-policy": "what the second typed"})
        assert answer.status_code == 409
        assert "Dana Whitlock saved other settings of this line" in answer.text
        assert "texts at once" in answer.text
        kept = form_of(answer.text)
        assert kept["card-policy"] == "what the second typed"
        assert (line().texts_at_once, line().version) == (4, 2), "the first one's settings are in force"
        as_json = save(cast.admin, second | {"card-policy": "another"}, "application/json")
        assert as_json.status_code == 409
        assert as_json.json
        assert as_json.json["error"]["code"] == "line_changed"
        assert save(cast.admin, kept | {"texts_at_once": "4"}).status_code == 303, "told, the second may save"
        assert line().texts_at_once == 4
        assert (line().card or {})["policy"] == "what the second typed"

    def test_the_page_speaks_spanish(self, cast: Cast) -> None:
        cast.supervisor.post("/language", language="es")
        assert "lunes" in cast.supervisor.get(f"/lines/{line().id}").text


def has_skills(person: Person, *skills: str) -> None:
    with db.transaction() as session:
        session.get_one(Peer, peer(person).id).skills = list(skills)


def minutes(number: float) -> int:
    """In the seconds that are kept."""
    return int(60 * number)


class TestPolicy:
    """Whom the line asks, and what it does when nobody comes."""

    @pytest.fixture(autouse=True)
    def _no_skills(self, cast: Cast) -> None:
        with db.transaction() as session:
            session.execute(update(Peer).values(skills=None))

    def test_saving_what_the_page_shows_changes_nothing(self, cast: Cast) -> None:
        has_skills(cast.peer1, "veteran", "parent")
        kept = {
            "strategy": "fewest_today",
            "several": 5,
            "skills": ["veteran"],
            "wishes": ["parent"],
            "wish_for": None,
            "usual_talk": minutes(20),
            "recovery": 0,
            "most_waiting": 12,
            "minutes_a_day": 60,
            "contacts_a_day": 3,
            "steps": [
                {"after": 90, "kind": "sister", "line": line(ILLINOIS).id},
                {"after": 120, "kind": "widen"},
                {"after": 120, "kind": "several"},
            ],
        }
        set_up(policy=kept)
        form = settings(cast.supervisor)
        assert (form["step-0-after"], form["step-1-after"], form["usual_talk"]) == ("1:30", "2", "20")
        assert save(cast.supervisor, form, texts_at_once="3").status_code == 303
        assert line().policy == kept
        assert events("settings_changed")[-1].why["changed"] == ["texts_at_once"]

    def test_a_whole_policy(self, cast: Cast) -> None:
        has_skills(cast.peer1, "veteran", "parent", "youth")
        form = settings(cast.supervisor) | {"strategy": "round_robin", "several": "4", "skill-veteran": "yes"}
        form |= {"wish-youth": "2", "wish-parent": "1", "wish_for": "0:45", "usual_talk": "15", "recovery": "5:30"}
        form |= {"step-0-after": "3", "step-0-kind": "widen", "step-1-after": "1:30", "most_waiting": "20"}
        form |= {"minutes_a_day": "45", "contacts_a_day": "2"}
        form["step-1-kind"] = f"sister-{line(ILLINOIS).id}"
        assert save(cast.supervisor, form).status_code == 303
        kept = {
            "strategy": "round_robin",
            "several": 4,
            "skills": ["veteran"],
            "wishes": ["parent", "youth"],
            "wish_for": 45,
            "usual_talk": minutes(15),
            "recovery": minutes(5.5),
            "most_waiting": 20,
            "minutes_a_day": 45,
            "contacts_a_day": 2,
            "steps": [
                {"after": 90, "kind": "sister", "line": line(ILLINOIS).id},
                {"after": minutes(3), "kind": "widen"},
            ],
        }
        assert line().policy == kept, "in order of time, whatever the rows were"
        (event,) = events("settings_changed")
        assert event.why["changed"] == ["policy"]
        assert event.why["before"] == {"policy": None}
        again = settings(cast.supervisor) | {"strategy": "longest_idle", "step-1-remove": "yes"}
        assert save(cast.supervisor, again).status_code == 303
        assert events("settings_changed")[-1].why["before"] == {"policy": kept}
        now = line().policy or {}
        assert "strategy" not in now
        assert [step["kind"] for step in now["steps"]] == ["sister"]

    @pytest.mark.parametrize(
        ("changes", "field", "sentence"),
        [
            ({"strategy": "whoever_shouts"}, "strategy", "There is no such way. Choose one of these."),
            ({"several": "7"}, "several", "From 2 to 5."),
            ({"several": ""}, "several", "From 2 to 5."),
            ({"most_waiting": "0"}, "most_waiting", "From 1 to 999, or nothing for no limit."),
            ({"minutes_a_day": "4"}, "minutes_a_day", "From 5 to 600, or nothing for no limit."),
            ({"contacts_a_day": "51"}, "contacts_a_day", "From 1 to 50, or nothing for no limit."),
            ({"most_waiting": "many"}, "most_waiting", "Write a whole number."),
            ({"usual_talk": "half an hour"}, "usual_talk", NO_MINUTES),
            ({"usual_talk": "181"}, "usual_talk", "At most 180 minutes."),
            ({"recovery": "-1"}, "recovery", NO_MINUTES),
            ({"recovery": "180:01"}, "recovery", "At most 180 minutes."),
            ({"wish_for": ""}, "wish_for", NO_MINUTES),
            ({"wish_for": "1:60"}, "wish_for", NO_MINUTES),
            (
                {"wish-veteran": "1", "wish_for": "0"},
                "wish_for",
                "A wish that is not waited for is none. Give it some time.",
            ),
            (
                {"wish-veteran": "1", "wish_for": "5", "step-0-after": "4:59", "step-0-kind": "widen"},
                "wish_for",
                "A step below ends wishes before that. Wait less here, or longer there.",
            ),
            (
                {"skill-youth": "yes"},
                "skills",
                "Nobody on this line's roster has it, so nobody could be asked.",
            ),
            (
                {"skill-veteran": "yes", "skill-parent": "yes"},
                "skills",
                "Nobody on this line's roster has all of them, so nobody could be asked.",
            ),
            ({"wish-idd": "1"}, "wish-idd", "Nobody who may be asked has it: callers would wish in vain."),
            (
                {"wish-idd": "1", "wish_required": "yes"},
                "wish-idd",
                "Nobody who may be asked has it, so it cannot be required.",
            ),
            (
                {"wish-veteran": "1", "skill-veteran": "yes"},
                "wish-veteran",
                "Every peer of this line must have it, so there is nothing to wish for.",
            ),
            ({"wish-veteran": "1", "wish-parent": "1"}, "wish-parent", "Another wish has this key."),
            ({"step-0-kind": "several"}, "step-0-after", NO_MINUTES),
            ({"step-0-after": "2"}, "step-0-kind", NO_KIND),
            ({"step-0-after": "2", "step-0-kind": "dance"}, "step-0-kind", NO_KIND),
            ({"step-0-after": "121", "step-0-kind": "several"}, "step-0-after", "At most 120 minutes."),
            (
                {"step-0-after": "0", "step-0-kind": "widen", "skill-veteran": "yes"},
                "step-0-after",
                "At once, skills and wishes would never count. Give this step a wait.",
            ),
            (
                {"step-0-after": "2", "step-0-kind": "widen"},
                "step-0-kind",
                "There is nothing to stop insisting on: no skill, no wish that is given up, no usual talk.",
            ),
            (
                {"strategy": "ring_several", "step-0-after": "2", "step-0-kind": "several"},
                "step-0-kind",
                "This line rings several from the start, as chosen above.",
            ),
            (
                {"step-0-after": "3", "step-0-kind": "several", "step-1-after": "2", "step-1-kind": "several"},
                "step-0-kind",
                "An earlier step does this already.",
            ),
            ({"step-0-after": "2", "step-0-kind": "sister-georgia"}, "step-0-kind", NOT_ITSELF),
            ({"step-0-after": "2", "step-0-kind": "sister-harbor"}, "step-0-kind", NO_LINE),
            ({"step-0-after": "2", "step-0-kind": "sister-unknown"}, "step-0-kind", NO_LINE),
            *(
                ({"step-0-after": "2", "step-0-kind": str(kind)}, "step-0-kind", "Warmline cannot do that yet.")
                for kind in sorted(NO_MEANS_YET)
            ),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_told_beside_its_field_and_the_old_policy_stays(
        self, cast: Cast, changes: dict[str, str], field: str, sentence: str
    ) -> None:
        has_skills(cast.peer1, "veteran")
        has_skills(cast.peer2, "parent")
        before = {"strategy": "fewest_today"}
        set_up(policy=before)
        ids = {"sister-georgia": line().id, "sister-harbor": line("+16065550104").id, "sister-unknown": "0" * 32}
        changes = {name: f"sister-{ids[value]}" if value in ids else value for name, value in changes.items()}
        form = settings(cast.supervisor) | {"card-policy": "what I typed"} | changes
        answer = save(cast.supervisor, form)
        assert answer.status_code == 422
        assert mistake(answer, field) == sentence
        assert form_of(answer.text)["card-policy"] == "what I typed"
        assert (line().policy, line().version) == (before, 1)
        as_json = save(cast.supervisor, form, "application/json")
        assert as_json.json
        assert as_json.json["error"]["fields"] == {field: sentence}

    def test_a_talk_that_is_usually_longer_than_every_shift_leaves_nobody_to_ask(self, cast: Cast) -> None:
        half = timedelta(minutes=30)
        with db.transaction() as session:
            session.execute(update(Shift).values(starts_at=clock.now() - half, ends_at=clock.now() + half))
        answer = save(cast.supervisor, settings(cast.supervisor) | {"usual_talk": "61"})
        assert mistake(answer, "usual_talk") == "No shift of this line is longer, so nobody could be asked."
        assert save(cast.supervisor, settings(cast.supervisor) | {"usual_talk": "59"}).status_code == 303

    def test_of_the_same_sister_line_twice_the_later_is_wrong(self, cast: Cast) -> None:
        step = f"sister-{line(ILLINOIS).id}"
        form = settings(cast.supervisor) | {"step-0-after": "2", "step-0-kind": step}
        answer = save(cast.supervisor, form | {"step-4-after": "1:59", "step-4-kind": step})
        assert mistake(answer, "step-0-kind") == "The peers of this line are asked by an earlier step already."
        assert "Step 1:" in answer.text.split('class="error-summary"')[1].split("</ul>")[0]

    def test_more_steps_than_anybody_would_follow(self, cast: Cast) -> None:
        form = settings(cast.supervisor)
        for row in range(11):
            form |= {f"step-{row}-after": "2", f"step-{row}-kind": "several"}
        assert mistake_text(save(cast.supervisor, form), "steps") == "At most 10 steps."

    def test_what_was_typed_is_still_there(self, cast: Cast) -> None:
        has_skills(cast.peer1, "veteran")
        typed = {"strategy": "round_robin", "several": "5", "skill-veteran": "yes", "wish-parent": "3"}
        typed |= {"wish_for": "soon", "wish_required": "", "usual_talk": "20", "recovery": "5", "most_waiting": "9"}
        typed |= {"step-0-after": "2", "step-0-kind": f"sister-{line(ILLINOIS).id}"}
        answer = save(cast.supervisor, settings(cast.supervisor) | typed)
        assert answer.status_code == 422
        kept = form_of(answer.text)
        del typed["wish_required"]
        assert {name: kept[name] for name in typed} == typed

    def test_of_two_who_save_the_second_hears_that_it_was_the_policy(self, cast: Cast) -> None:
        first, second = settings(cast.supervisor), settings(cast.admin)
        assert save(cast.supervisor, first, strategy="round_robin").status_code == 303
        answer = save(cast.admin, second, strategy="fewest_today")
        assert answer.status_code == 409
        assert "who is asked" in answer.text
        assert form_of(answer.text)["strategy"] == "fewest_today"
        assert line().policy == {"strategy": "round_robin"}

    def test_who_left_the_roster_does_not_keep_other_settings_from_being_saved(self, cast: Cast) -> None:
        has_skills(cast.peer1, "veteran")
        assert save(cast.supervisor, settings(cast.supervisor) | {"skill-veteran": "yes"}).status_code == 303
        has_skills(cast.peer1)
        form = settings(cast.supervisor)
        assert save(cast.supervisor, form, texts_at_once="4").status_code == 303
        answer = save(cast.supervisor, settings(cast.supervisor), strategy="round_robin")
        assert mistake_text(answer, "skills") == "Nobody on this line's roster has it, so nobody could be asked."

    def test_a_roster_is_made_of_shifts_that_are_not_over(self, cast: Cast) -> None:
        has_skills(cast.peer1, "veteran")
        has_skills(cast.outsider, "youth")
        now = clock.now()
        with db.transaction() as session:
            session.execute(update(Shift).where(Shift.peer_id == peer(cast.peer1).id).values(ends_at=now))
        form = settings(cast.supervisor)
        assert save(cast.supervisor, form | {"skill-veteran": "yes"}).status_code == 422
        assert save(cast.supervisor, form | {"skill-youth": "yes"}).status_code == 422, "another organization's peer"
        with db.transaction() as session:
            later = {"starts_at": now + timedelta(days=1), "ends_at": now + timedelta(days=2)}
            session.execute(update(Shift).where(Shift.peer_id == peer(cast.peer1).id).values(later))
        assert save(cast.supervisor, form | {"skill-veteran": "yes"}).status_code == 303

    def test_a_form_without_this_part_leaves_it_as_it_is(self, cast: Cast) -> None:
        set_up(policy={"strategy": "round_robin"})
        form = settings(cast.supervisor)
        del form["strategy"]
        assert save(cast.supervisor, form, texts_at_once="4").status_code == 303
        assert (line().policy, line().texts_at_once) == ({"strategy": "round_robin"}, 4)

    def test_the_page_offers_sister_lines_of_the_organization_and_no_other(self, cast: Cast) -> None:
        page = cast.supervisor.get(f"/lines/{line().id}").text
        assert f'value="sister-{line(ILLINOIS).id}"' in page
        assert f'value="sister-{line().id}"' not in page
        assert f'value="sister-{line("+16065550104").id}"' not in page
        assert not [kind for kind in NO_MEANS_YET if f'value="{kind}"' in page]

    def test_what_is_saved_is_what_the_engine_goes_by(self, cast: Cast) -> None:
        has_skills(cast.peer2, "veteran")
        for person in (cast.peer1, cast.peer2):
            is_ready(person)
        form = settings(cast.supervisor) | {"skill-veteran": "yes", "step-0-after": "1", "step-0-kind": "widen"}
        assert save(cast.supervisor, form).status_code == 303
        calls()
        calls("+14045550124")
        assert [len(state(person)["offers"]) for person in (cast.peer1, cast.peer2)] == [0, 1]
        with time_machine.travel(clock.now() + timedelta(minutes=1), tick=False):
            availability.seen(peer(cast.peer1), clock.now())
            clock.tick(clock.now())
            assert len(state(cast.peer1)["offers"]) == 1, "after a minute the skill is no longer insisted on"

    def test_ringing_several_as_saved(self, cast: Cast) -> None:
        for person in (cast.peer1, cast.peer2):
            is_ready(person)
        form = settings(cast.supervisor) | {"strategy": "ring_several", "several": "2"}
        assert save(cast.supervisor, form).status_code == 303
        calls()
        assert [len(state(person)["offers"]) for person in (cast.peer1, cast.peer2)] == [1, 1]


class TestPausing:
    def test_nobody_is_asked_meanwhile_and_whoever_waits_keeps_waiting(self, cast: Cast) -> None:
        is_ready(cast.peer1)
        path = f"/lines/{line().id}"
        assert cast.supervisor.post(f"{path}/pause", "text/html", back="board").location == "/board"
        calls()
        clock.tick(clock.now())
        assert state(cast.peer1)["offers"] == []
        assert [row["state"] for row in state(cast.admin, "/board")["waiting"]] == ["waiting"]
        is_ready(cast.peer2)
        calls("+14045550125", ILLINOIS)
        assert len(state(cast.peer1)["offers"]) == 1, "another line goes on"
        assert cast.admin.post(f"{path}/resume", "text/html").location == "/lines"
        clock.tick(clock.now())
        assert len(state(cast.peer2)["offers"]) == 1

    def test_pages_say_since_when_and_who(self, cast: Cast) -> None:
        with time_machine.travel(NOON, tick=False):
            cast.supervisor.post(f"/lines/{line().id}/pause")
            for path in ("/board", "/lines", f"/lines/{line().id}"):
                text = words(cast.admin, path)
                assert "paused</strong>, since 12:00 PM by Dana Whitlock" in text
                assert "Nobody is asked; whoever waits keeps their place." in text
                assert "Resume" in text
            cast.admin.post(f"/lines/{line().id}/resume")
            assert "paused" not in words(cast.admin, "/board")

    def test_a_pause_that_nobody_noted_is_shown_all_the_same(self, cast: Cast) -> None:
        set_up(paused_at=NOON)
        with time_machine.travel(NOON, tick=False):
            assert "paused</strong>, since 12:00 PM" in words(cast.supervisor, "/lines")

    def test_pressing_twice_is_once(self, cast: Cast) -> None:
        for name, event in (("pause", "paused"), ("resume", "resumed")):
            path = f"/lines/{line().id}/{name}"
            assert [cast.supervisor.post(path).status_code for _ in range(2)] == [200, 200]
            (row,) = events(event)
            assert row.why == {"account": cast.supervisor.account.id}
        assert [(row.old, row.new) for row in events("paused") + events("resumed")] == [
            ("running", "paused"),
            ("paused", "running"),
        ]

    def test_boards_are_told(self, cast: Cast) -> None:
        pushed: list[tuple[str, str, str]] = []
        push.use(lambda room, what, id: pushed.append((room, what, id)))
        for name in ("pause", "pause", "resume"):
            cast.supervisor.post(f"/lines/{line().id}/{name}")
        assert pushed == [(f"line:{line().id}", "board", line().id)] * 2


class TestClosingEarly:
    def close(self, person: Person, accept: str = "text/html", **form: str) -> TestResponse:
        return person.post(f"/lines/{line().id}/close", accept, **({"reason": "weather"} | form))

    def test_a_supervisor_closes_and_reopens(self, cast: Cast) -> None:
        set_up(hours={"4": [["09:00", "22:00"]], "0": [["09:00", "17:00"]]})
        with time_machine.travel(NOON, tick=False):
            board = cast.supervisor.get("/board").text
            assert f"/lines/{line().id}/close" in board
            assert "until the next opening, Monday 9:00 AM" in words(cast.supervisor, f"/lines/{line().id}/close")
            assert self.close(cast.supervisor).status_code == 303
            for shown in ("/board", "/lines"):
                text = words(cast.admin, shown)
                assert "closed early</strong>, opens Monday 9:00 AM" in text
                assert "because of the weather" in text
                assert "Reopen" in text
            assert cast.admin.post(f"/lines/{line().id}/reopen", "text/html", back="board").location == "/board"
            assert "because of the weather" not in cast.admin.get("/board").text
        assert [event.why["account"] for event in events("closed_early")] == [cast.supervisor.account.id]
        assert [event.why["account"] for event in events("reopened")] == [cast.admin.account.id]

    def test_the_page_promises_no_opening_that_nobody_knows(self, cast: Cast) -> None:
        page = f"/lines/{line().id}/close"
        nobody_knows = "but not when the line opens again"
        assert nobody_knows in words(cast.supervisor, page), "a line that never closes has no next opening"
        assert "told why, when the line opens again" not in words(cast.supervisor, page)
        self.close(cast.supervisor)
        assert nobody_knows in words(cast.supervisor, page)
        cast.supervisor.post(f"/lines/{line().id}/reopen")
        set_up(hours={"4": [["09:00", "22:00"]], "0": [["09:00", "17:00"]]})
        with time_machine.travel(NOON, tick=False):
            cast.supervisor.log_in()
            assert "told why, when the line opens again, and 988" in words(cast.supervisor, page)

    def test_the_page_says_that_nobody_is_called_back_on_a_line_that_does_that(self, cast: Cast) -> None:
        there = f"/lines/{line().id}/close"
        assert "called back" not in words(cast.supervisor, there)
        set_up(policy={"steps": [{"kind": "callback", "after": 60}]})
        assert "Nobody is called back while it is closed" in words(cast.supervisor, there)

    def test_whoever_came_from_the_board_and_leaves_it_open_is_there_again(self, cast: Cast) -> None:
        for back, page in (("?back=board", "/board"), ("", "/lines")):
            form = cast.supervisor.get(f"/lines/{line().id}/close{back}").text
            assert re.search(rf'href="{page}">Leave it open<', form)

    def test_own_words_take_the_place_of_the_chosen_sentence(self, cast: Cast) -> None:
        assert "callers hear them instead of the sentence" in words(cast.supervisor, f"/lines/{line().id}/close")
        own = {"words-en": "We moved house.", "words-es": "Nos mudamos."}
        assert self.close(cast.supervisor, **own).status_code == 303
        assert line().closed_words == {"en": "We moved house.", "es": "Nos mudamos."}

    def test_pressing_twice_is_once(self, cast: Cast) -> None:
        assert [self.close(cast.supervisor).status_code for _ in range(2)] == [303, 303]
        assert len(events("closed_early")) == 1
        path = f"/lines/{line().id}/reopen"
        assert [cast.supervisor.post(path).status_code for _ in range(2)] == [200, 200]
        assert len(events("reopened")) == 1

    def test_the_second_with_another_reason_is_told(self, cast: Cast) -> None:
        self.close(cast.supervisor)
        answer = self.close(cast.admin, reason="staff")
        assert answer.status_code == 409
        assert "closed early meanwhile" in answer.text
        assert "weather" in str(line().closed_words)

    @pytest.mark.parametrize(
        ("form", "sentence"),
        [
            ({"reason": "nonsense"}, "Say why, in each of the line"),
            ({"words-en": "Only English."}, "Say why, in each of the line"),
            ({"words-en": "x" * 201, "words-es": "y"}, "A reason may have 200 characters at most."),
            ({"until-time": "2026-11-20T11:59"}, "That time has passed already."),
            ({"until-time": "2027-11-20T11:59"}, "Closing early ends within a month."),
            ({"until-time": "9999-12-31T23:59"}, "Closing early ends within a month."),
            ({"until-time": "tomorrow"}, "Write date and time"),
        ],
    )
    def test_what_does_not_fit_is_told_and_kept(self, cast: Cast, form: dict[str, str], sentence: str) -> None:
        with time_machine.travel(NOON, tick=False):
            answer = self.close(cast.supervisor, **form)
            assert answer.status_code == 422
            assert sentence in answer.text
            for name, value in form.items():
                assert name == "reason" or f'value="{value}"' in answer.text
            assert self.close(cast.supervisor, "application/json", **form).status_code == 422
        assert line().closed_at is None

    def test_a_line_that_is_closed_anyway_cannot_close_early(self, cast: Cast) -> None:
        set_up(hours={"0": [["09:00", "17:00"]]})
        with time_machine.travel(NOON, tick=False):
            answer = self.close(cast.supervisor)
            assert answer.status_code == 409
            assert "This line is closed already." in answer.text
            assert self.close(cast.supervisor, **{"until-time": "2026-11-24T12:00"}).status_code == 303
        assert line().closed_until == datetime(2026, 11, 24, 17, 0, tzinfo=UTC), "in the line's own time"


class TestCrisisCard:
    def test_it_is_on_every_call_and_thread_with_the_words_of_its_line(self, cast: Cast) -> None:
        set_up(ILLINOIS, card={"policy": "Illinois does it so.", "centre": "Prairie Desk", "phone": "+13125550177"})
        is_ready(cast.peer1)
        contact = calls()
        cast.peer1.post(f"/console/offers/{state(cast.peer1)['offers'][0]['id']}/accept")
        talk(contact)
        page = cast.peer1.get("/console").text
        assert page.count("Crisis card") == 1
        assert "tel:988" in page
        assert "Maple Falls Crisis Center" in page
        assert "(404) 555-0181" in page
        is_ready(cast.peer2)
        writes(line=ILLINOIS)
        cast.peer2.post(f"/console/offers/{state(cast.peer2)['offers'][0]['id']}/accept")
        page = cast.peer2.get("/console").text
        assert "Illinois does it so." in page
        assert "tel:+13125550177" in page
        assert "Maple Falls Crisis Center" not in page

    def test_a_line_without_one_still_names_988(self, cast: Cast) -> None:
        set_up(card=None)
        is_ready(cast.peer1)
        writes()
        cast.peer1.post(f"/console/offers/{state(cast.peer1)['offers'][0]['id']}/accept")
        page = cast.peer1.get("/console").text
        assert "tel:988" in page
        assert "has not written down" in page
