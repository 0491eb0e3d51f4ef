"""The history over HTTP: pages of contacts, and each from its first ring to its report."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from routing.facts import TIMES
from tests.cast import Cast
from tests.web import walk
from tests.web.test_safety import HANDOFF, takes_a_call, takes_a_text
from tests.web.walk import ILLINOIS, calls, counted, hangs_up
from warmline import clock, db
from warmline.contacts import parting
from warmline.contacts.screens import past
from warmline.models import Engagement, Event, Line
from warmline.models.history import TABLES

ROOT = Path(__file__).parents[2]
# Of peers, callers, lines and services: no contact's page shows them.
WITHOUT_A_CONTACT = {
    "status", "ready", "remembered", "forgotten", "changed", "closed_early", "resumed", "settings_changed",
}  # fmt: skip
NUMBERS = re.compile(r"\+?1?404\W?555\W?01\d\d|\+1404")
ROW = re.compile(r'href="/contacts/([0-9a-f]{32})"')


def listed(cast: Cast, query: str = "") -> list[str]:
    """The contacts that the page shows, from the top."""
    answer = cast.supervisor.get(f"/contacts{query}")
    assert answer.status_code == 200, answer.text
    return ROW.findall(answer.text)


def lines() -> dict[str, str]:
    with db.reading() as session:
        return {line.name: line.id for line in session.query(Line)}


def opened(contact: str) -> list[dict[str, str]]:
    with db.reading() as session:
        return [event.why for event in session.query(Event).filter_by(contact_id=contact, name="notes_opened")]


def test_contacts_are_listed_newest_first_with_what_became_of_them(cast: Cast) -> None:
    waiting = calls(number="+14045550124", line=ILLINOIS)
    hangs_up(waiting)
    talked = takes_a_call(cast.peer1)
    cast.peer1.post(f"/console/contacts/{talked}/alert")
    cast.peer1.post(f"/console/contacts/{talked}/handoff", **HANDOFF)
    hangs_up(talked)
    cast.peer1.post(f"/console/contacts/{talked}/report", disposition="handed_off", reasons="emotional")
    assert listed(cast) == [talked, waiting]
    page = cast.supervisor.get("/contacts").text
    for words in ("Robin Hale", "Handed off to crisis help", "supervisor asked", "hand-off", "left before an answer"):
        assert words in page
    assert not NUMBERS.search(page)


def test_each_ending_stands_where_its_peer_stands(cast: Cast) -> None:
    """Marisol lost the contact and logged it last; Robin, who took it over, logged it first."""
    with time_machine.travel(clock.now(), tick=False) as now:
        contact = takes_a_text(cast.peer2)
        now.shift(TIMES.leave + timedelta(seconds=1))
        walk.is_ready(cast.peer1)
        with db.reading() as session:
            lost = session.query(Engagement).filter_by(contact_id=contact).one().id
        parting.console_gone(lost, clock.now())
        cast.peer1.post(f"/console/offers/{walk.state(cast.peer1)['offers'][0]['id']}/accept")
        cast.peer1.post(f"/console/contacts/{contact}/end")
        logged = {"disposition": "support_given", "reasons": "social"}
        assert cast.peer1.post(f"/console/contacts/{contact}/report", **logged).status_code == 200

        def cells() -> list[str]:
            found = re.findall(r"<td>(.*?)</td>", cast.supervisor.get("/contacts").text, re.DOTALL)
            return [" ".join(cell.split()) for cell in found[3:5]]

        assert cells() == ["Marisol Vega, Robin Hale", "–, Support given"], "what is not logged yet keeps its place"
        now.shift(timedelta(seconds=30))
        logged["disposition"] = "dropped"
        assert cast.peer2.post(f"/console/contacts/{contact}/report", **logged).status_code == 200
        assert cells() == ["Marisol Vega, Robin Hale", "The connection dropped, Support given"]
        page = cast.supervisor.get(f"/contacts/{contact}").text
        reports = re.findall(r"<strong>([^<]*)</strong>", page[page.index('id="reports-title"') :])
        assert reports == ["Marisol Vega", "Robin Hale"]


def test_an_empty_history_says_so(cast: Cast) -> None:
    assert "There are no such contacts." in cast.supervisor.get("/contacts").text


def test_filters_choose_and_combine(cast: Cast) -> None:
    georgia = calls()
    hangs_up(georgia)
    text = takes_a_text(cast.peer2)
    illinois = calls(line=ILLINOIS)
    ids = lines()
    assert listed(cast, f"?line={ids['Georgia']}") == [text, georgia]
    assert listed(cast, f"?line={ids['Illinois']}") == [illinois]
    assert listed(cast, "?channel=text") == [text]
    assert listed(cast, "?state=abandoned") == [georgia]
    assert listed(cast, f"?line={ids['Georgia']}&channel=voice&state=waiting") == []
    assert (
        f'<option value="{ids["Illinois"]}" selected' in cast.supervisor.get(f"/contacts?line={ids['Illinois']}").text
    )


def test_a_day_is_the_day_of_the_line(cast: Cast) -> None:
    half_past_midnight_in_georgia = datetime(2031, 3, 7, 5, 30, tzinfo=UTC)  # 11:30 PM of the 6th in Illinois
    with time_machine.travel(half_past_midnight_in_georgia, tick=False):
        georgia, illinois = calls(), calls(number="+14045550124", line=ILLINOIS)
        cast.supervisor.log_in()
        assert listed(cast, "?day=2031-03-07") == [georgia]
        assert listed(cast, "?day=2031-03-06") == [illinois]
        assert listed(cast, "?day=2031-03-05") == []
        page = cast.supervisor.get("/contacts").text
        assert "12:30 AM" in page
        assert "11:30 PM" in page


def test_pages_follow_each_other_without_a_gap_and_without_a_double(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "ROWS", 3)
    with time_machine.travel(clock.now(), tick=False):  # the same moment for all: ids decide
        made = {calls(number=f"+14045550{number}") for number in range(120, 128)}
    seen: list[str] = []
    address = "/contacts?channel=voice"
    for _ in range(3):
        page = cast.supervisor.get(address).text
        seen += ROW.findall(page)
        calls(number=f"+14045550{len(seen) + 150}")  # what comes meanwhile moves nothing
        following = re.search(r'href="(/contacts\?[^"]*before=[^"]*)"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    assert len(seen) == 8
    assert set(seen) == made
    assert address == "", "the last page leads nowhere"


@pytest.mark.parametrize(
    "query",
    [
        "?state=dancing", "?channel=smoke", "?day=yesterday", "?day=9999-12-31", "?day=0001-01-01", "?before=x",
        "?before=2026-01-01T00:00:00~1", "?before=0001-01-01T00:00:00%2B14:00~1",
    ],
)  # fmt: skip
def test_what_is_no_choice_is_refused(cast: Cast, query: str) -> None:
    answer = cast.supervisor.get(f"/contacts{query}", accept="application/json")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, "filter_unknown")


def test_another_organization_is_out_of_sight(cast: Cast) -> None:
    theirs = calls(line="+16065550104")
    assert listed(cast) == []
    assert cast.supervisor.get(f"/contacts?line={lines()['Harbor']}").status_code == 404
    assert cast.supervisor.get(f"/contacts/{theirs}").status_code == 404
    assert cast.supervisor.post(f"/contacts/{theirs}/notes").status_code == 404
    assert cast.supervisor.get("/contacts/nothing").status_code == 404
    assert opened(theirs) == []


def test_the_history_is_for_supervisors_and_administrators(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    for path in ("/contacts", f"/contacts/{contact}"):
        assert cast.admin.get(path).status_code == 200
        assert cast.peer1.get(path).status_code == 403
        assert cast.stranger.get(path, headers={"Accept": "application/json"}).status_code == 401
    assert cast.peer1.post(f"/contacts/{contact}/notes").status_code == 403
    assert 'href="/contacts"' in cast.supervisor.get("/board").text
    assert 'href="/contacts"' not in cast.peer1.get("/console").text


def test_one_contact_from_its_first_ring_to_its_report(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    cast.peer1.post(f"/console/contacts/{contact}/alert", words="He is alone.")
    alert = cast.supervisor.get("/board/state").get_json()["alerts"][0]["id"]
    cast.supervisor.post(f"/board/alerts/{alert}/acknowledge")
    cast.peer1.post(f"/console/contacts/{contact}/handoff", **HANDOFF)
    cast.peer1.post(f"/console/contacts/{contact}/boundary")
    cast.peer1.post(
        f"/console/contacts/{contact}/report", disposition="boundary", reasons="social", notes="The garden."
    )
    page = cast.supervisor.get(f"/contacts/{contact}").text
    told = [
        "The contact began",
        "The caller is in line",
        "Rings",
        "Caller and peer are connected",
        "Asked for a supervisor",
        "A supervisor has it",
        "Recorded a hand-off",
        "The conversation was ended",
        "The contact was logged",
    ]
    timeline = page[page.index("What happened") :]
    places = [timeline.index(words) for words in told]
    assert places == sorted(places), "in the order in which it happened"
    assert "the peer kept a boundary" in page
    assert "Dana Whitlock" in timeline
    assert "Robin Hale" in timeline
    for secret in ("The garden.", "He is alone.", "The bridge."):
        assert secret not in page
    assert not NUMBERS.search(page)


@pytest.mark.parametrize(
    ("reader", "time"),
    [("en", r"[A-Z][a-z]{2} \d+, 20\d\d, \d+:\d\d:\d\d [AP]M"), ("es", r"\d+ \w+ 20\d\d, \d+:\d\d:\d\d<")],
)
def test_the_moments_are_written_as_their_reader_writes_them(cast: Cast, reader: str, time: str) -> None:
    contact = calls()
    cast.supervisor.post("/language", language=reader)
    assert re.search(time, cast.supervisor.get(f"/contacts/{contact}").text)


def test_every_event_has_its_words(cast: Cast) -> None:
    """A row that falls back on its codes reads like "contact: began"."""
    contact = takes_a_call(cast.peer1)
    hangs_up(contact)
    text = takes_a_text(cast.peer2)
    cast.peer2.post(f"/console/contacts/{text}/messages", body="I am here.")
    cast.peer2.post(f"/console/contacts/{text}/boundary")
    for id in (contact, text):
        page = cast.supervisor.get(f"/contacts/{id}").text
        assert not re.search(r"\b(contact|offer|engagement|leg|message|outside_request|report): \w+", page)


def test_opening_the_notes_is_noted_each_time(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    cast.peer1.post(f"/console/contacts/{contact}/alert", words="He is alone.")
    cast.peer1.post(f"/console/contacts/{contact}/handoff", **HANDOFF)
    cast.peer1.post(f"/console/contacts/{contact}/draft", notes="The garden.")
    assert opened(contact) == []
    page = cast.supervisor.post(f"/contacts/{contact}/notes", accept="text/html")
    assert page.status_code == 200
    for words in ("The garden.", "He is alone.", "The bridge.", "The notes were opened"):
        assert words in page.text
    notes = cast.admin.post(f"/contacts/{contact}/notes").get_json()["notes"]
    assert {(note["kind"], note["by"]) for note in notes} == {
        ("report", "Robin Hale"),
        ("handoff", "Robin Hale"),
        ("alert", "Robin Hale"),
    }
    assert opened(contact) == [{"account": cast.supervisor.account.id}, {"account": cast.admin.account.id}]
    assert "Jules Okoro" in cast.supervisor.get(f"/contacts/{contact}").text


def test_the_address_of_the_notes_leads_to_the_contact_and_opens_nothing(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    cast.peer1.post(f"/console/contacts/{contact}/draft", notes="The garden.")
    answer = cast.supervisor.client.get(f"/contacts/{contact}/notes", follow_redirects=True)
    assert (answer.status_code, answer.request.path) == (200, f"/contacts/{contact}")
    assert "Open the notes" in answer.text
    assert "The garden." not in answer.text
    assert opened(contact) == []


def test_waited_and_talked_are_what_passed(cast: Cast) -> None:
    start = clock.now()
    with time_machine.travel(start, tick=False) as now:
        contact = calls()
        now.shift(timedelta(seconds=75))
        walk.is_ready(cast.peer1)
        cast.peer1.post(f"/console/offers/{walk.state(cast.peer1)['offers'][0]['id']}/accept")
        walk.talk(contact)
        now.shift(timedelta(seconds=200))
        hangs_up(contact)
        page = cast.supervisor.get("/contacts").text
        assert re.search(r'class="number">\s*1:15\s*<', page)
        assert re.search(r'class="number">\s*3:20\s*<', page)


def test_the_number_of_queries_does_not_grow(cast: Cast) -> None:
    hangs_up(calls())
    cast.supervisor.get("/contacts")
    with counted() as few:
        cast.supervisor.get("/contacts")
    hangs_up(takes_a_call(cast.peer1))
    for number in range(150, 160):
        calls(number=f"+14045550{number}")
    with counted() as many:
        cast.supervisor.get("/contacts")
    assert len(many) == len(few)


def recorded() -> Iterator[str]:
    """The names of everything that is written into the history beside the moves of a state."""
    for path in sorted((ROOT / "warmline").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "record":
                for name in ast.walk(call.args[2]):
                    if isinstance(name, ast.Constant) and isinstance(name.value, str):
                        yield name.value


def test_everything_that_happens_to_a_contact_has_words() -> None:
    words = (ROOT / "templates" / "_safety_words.html").read_text("utf-8")
    known = set(re.findall(r'"(\w+\.\w+)": _\(', words)) | {"message.began", "message.received"}
    moves = {f"{kind.__tablename__}.{event}" for kind, table in TABLES.items() for _, event in table}
    moves |= {f"{kind.__tablename__}.began" for kind in TABLES}
    assert moves - known == set()
    names = {code.partition(".")[2] for code in known}
    assert set(recorded()) - names - WITHOUT_A_CONTACT == set()
