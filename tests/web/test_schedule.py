"""The week to come of a line, as a supervisor reads it."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
import time_machine
from sqlalchemy import delete, event, update

from routing.estimates import Figures, Load, erlang_a
from tests.cast import Cast, Person
from tests.web import weeks
from tests.web.walk import GEORGIA, ILLINOIS, counted, peer
from warmline import clock, db
from warmline.models import Line, Shift
from warmline.people import lines
from warmline.reports import schedule

EVENINGS = {str(day): [["17:00", "22:00"]] for day in range(7)}
FRIDAY_NOON = weeks.local("2026-11-20 12:00")
TUESDAYS = (1,)
DAY = "organization_id=? AND arrived_at>? AND arrived_at<?"
HARBOR = "+16065550104"


@pytest.fixture(autouse=True)
def evening_line(cast: Cast) -> Iterator[None]:
    """Georgia is open in the evening, nobody is on shift. It is Friday 20 November, 12:00."""
    with time_machine.travel(FRIDAY_NOON, tick=False):
        with db.transaction() as session:
            session.execute(delete(Shift))
            session.execute(update(Line).where(Line.id == weeks.line().id).values(hours=EVENINGS))
        yield


def path(number: str = GEORGIA) -> str:
    return f"/lines/{weeks.line(number).id}/schedule"


def read(person: Person, where: str | None = None) -> str:
    """The words of the page, without its tags."""
    answer = person.get(where or path())
    assert answer.status_code == 200
    return words(answer.text.split("<main", 1)[1])


def words(markup: str) -> str:
    return " ".join(re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", markup))).replace(" ,", ",").split())


def figures(found: Figures) -> str:
    wait = round(found.wait)
    return f"{found.answered_in_time:.0%} within 20 s, average wait {wait // 60}:{wait % 60:02}"


def day_of(person: Person, day: str) -> str:
    page = person.get(path()).text
    return words(page.split(f'<section id="day-{day}"')[1].split("</section>")[0])


def test_supervisors_and_administrators_read_it(cast: Cast) -> None:
    for person, status in [(cast.supervisor, 200), (cast.admin, 200), (cast.peer1, 403), (cast.outsider, 403)]:
        assert person.get(path()).status_code == status, person.email
    assert cast.stranger.get(path()).location.startswith("/login")


def test_a_foreign_line_is_not_there(cast: Cast) -> None:
    for foreign in (path(HARBOR), f"/lines/{'0' * 32}/schedule"):
        assert cast.supervisor.get(foreign).status_code == 404


def test_it_is_one_link_away_from_wherever_a_line_is(cast: Cast) -> None:
    for page in ("/board", "/lines", f"/lines/{weeks.line().id}"):
        assert f'href="{path()}"' in cast.supervisor.get(page).text, page


def test_the_warning_says_when_who_and_what_one_absence_would_mean(cast: Cast) -> None:
    robin, marisol = peer(cast.peer1), peer(cast.peer2)
    weeks.past(robin, "2026-11-20", 8, {19: 4}, handled=10, days=TUESDAYS)
    for each in (robin, marisol):
        weeks.on_shift(each, "2026-11-24 16:00", "2026-11-24 22:00")
    page = read(cast.supervisor)
    assert "✕ 30 hours with nobody rostered, first today 5:00 PM" in page
    assert "! 1 hour in which one absence leaves too few, first Tuesday 7:00 PM" in page
    load = Load(per_hour=4, handle=600, patience=300)
    both, one = (erlang_a(load, peers, within=20) for peers in (2, 1))
    assert day_of(cast.supervisor, "2026-11-24").endswith(
        "5:00 PM – 7:00 PM ✓ enough Marisol Vega, Robin Hale 2 0 0 "
        "7:00 PM – 8:00 PM ! one absence leaves too few "
        f"Everybody there: {figures(both)}. One absent: {figures(one)}. Marisol Vega, Robin Hale 2 2 4 "
        "8:00 PM – 10:00 PM ✓ enough Marisol Vega, Robin Hale 2 0 0"
    )


def test_where_the_calls_of_several_hours_differ_the_figures_are_the_busiest_ones(cast: Cast) -> None:
    weeks.past(peer(cast.peer1), "2026-11-20", 8, {18: 5, 19: 9}, handled=30, days=TUESDAYS)
    weeks.on_shift(peer(cast.peer1), "2026-11-24 18:00", "2026-11-24 20:00")
    load = Load(per_hour=9, handle=1800, patience=300)
    tuesday = day_of(cast.supervisor, "2026-11-24")
    assert (
        "6:00 PM – 8:00 PM ✕ too few already When most calls come, from 7:00 PM on: "
        f"Everybody there: {figures(erlang_a(load, 1, within=20))}. One absent: nobody is left to answer." in tuesday
    )
    assert tuesday.count("5 to 9") == 1


def test_a_week_in_which_all_is_well_says_so(cast: Cast) -> None:
    robin, marisol = peer(cast.peer1), peer(cast.peer2)
    weeks.past(robin, "2026-11-20", 8, {19: 2}, handled=2)
    for each in (robin, marisol):
        weeks.on_shift(each, "2026-11-20 16:00", "2026-12-24 22:00")
    page = read(cast.supervisor)
    assert "Enough at every hour, even if one is absent." in page
    assert "one absence leaves too few" not in page


def test_with_too_little_history_no_number_is_made_up(cast: Cast) -> None:
    weeks.past(peer(cast.peer1), "2026-11-20", 1, {19: 2}, handled=10)
    weeks.on_shift(peer(cast.peer1), "2026-11-24 16:00", "2026-11-24 22:00")
    assert "Until last midnight: 7." in read(cast.supervisor)
    tuesday = day_of(cast.supervisor, "2026-11-24")
    assert "? not known: too little history Robin Hale 1 not known not known" in tuesday
    assert "%" not in tuesday


def test_closed_days_and_the_rest_of_today_are_named(cast: Cast) -> None:
    with db.transaction() as session:
        session.execute(update(Line).values(hours=EVENINGS | {"5": []}))
    assert "Saturday, November 21 Closed." in read(cast.supervisor)
    with time_machine.travel(weeks.local("2026-11-20 22:30"), tick=False):
        assert "Friday, November 20 today Closed for the rest of today." in read(cast.supervisor)
    with db.transaction() as session:
        session.execute(update(Line).values(hours={str(day): [] for day in range(7)}))
    assert "The line is closed on all of them." in read(cast.supervisor)


def test_around_the_clock_is_told_in_few_words(cast: Cast) -> None:
    page = read(cast.supervisor, path(ILLINOIS))
    assert "from now on" in page
    assert page.count("all day") == 6
    assert "now – 12:00 AM" in page


def test_a_line_closed_until_somebody_reopens_it_says_so(cast: Cast) -> None:
    with db.transaction() as session:
        session.execute(update(Line).values(closed_at=clock.now(), closed_words={"en": "A storm.", "es": "Tormenta."}))
    assert "closed early, until somebody reopens it" in read(cast.supervisor)


def test_it_is_written_in_spanish_too(cast: Cast) -> None:
    robin, marisol = peer(cast.peer1), peer(cast.peer2)
    weeks.past(robin, "2026-11-20", 8, {19: 4}, handled=10, days=TUESDAYS)
    for each in (robin, marisol):
        weeks.on_shift(each, "2026-11-24 16:00", "2026-11-24 22:00")
    cast.supervisor.post("/language", language="es")
    page = read(cast.supervisor)
    assert "1 hora en que con una ausencia serían muy pocos, la primera, martes 19:00" in page
    assert "martes, 24 de noviembre" in page


def test_more_peers_shifts_and_calls_ask_the_database_nothing_more(cast: Cast) -> None:
    def asked() -> int:
        with counted() as statements:
            read(cast.supervisor)
        return len([statement for statement in statements if not statement.startswith("BEGIN")])

    robin, marisol = peer(cast.peer1), peer(cast.peer2)
    weeks.on_shift(robin, "2026-11-24 16:00", "2026-11-24 22:00")
    asked()
    before = asked()
    weeks.past(robin, "2026-11-20", 8, {18: 3, 19: 3})
    for day in range(21, 27):
        weeks.on_shift(robin, f"2026-11-{day} 17:00", f"2026-11-{day} 19:30")
        weeks.on_shift(marisol, f"2026-11-{day} 18:15", f"2026-11-{day} 22:00")
    assert asked() == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_past_is_read_by_its_days_and_shifts_by_their_line(cast: Cast) -> None:
    """SQLite says beforehand what it has no index for."""
    weeks.past(peer(cast.peer1), "2026-11-20", 1, {19: 2})
    weeks.on_shift(peer(cast.peer1), "2026-11-24 16:00", "2026-11-24 22:00")
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    line, now = weeks.line(), clock.now()
    event.listen(db.bound(), "before_cursor_execute", note)
    schedule.week(line, lines.open_between(line, now, schedule.until(line, now)), now)
    event.remove(db.bound(), "before_cursor_execute", note)
    plans = set()
    with db.bound().connect() as connection:
        for statement, parameters in asked:
            if statement.startswith("SELECT"):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans |= {
                    row.detail
                    for row in plan
                    if re.match("SCAN (?!CONSTANT)|SEARCH (contact|engagement|shift)", row.detail)
                }
    assert plans == {
        f"SEARCH contact USING INDEX ix_contact_organization_id_arrived_at_id ({DAY})",
        "SEARCH engagement USING INDEX ix_engagement_contact_id (contact_id=?)",
        "SEARCH shift USING INDEX ix_shift_line_id_ends_at (line_id=? AND ends_at>?)",
    }
