"""Boards share a look at their organization, and each reader has their own token, time and language."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event

import pytest
import time_machine
from flask import Flask, template_rendered

from tests.cast import Cast, Person
from tests.web.walk import GEORGIA, is_ready, writes
from warmline import clock, db
from warmline.contacts import screens
from warmline.models import LineNumber
from warmline.web import live, sight
from warmline.web.sight import Sights, sights

NOW = datetime.fromisoformat("2026-03-07T18:00:00+00:00")
PATIENCE = 20


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that serves sockets."""
    sights.changed()
    monkeypatch.setattr(sights, "seconds", 60)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose boards were read."""
    read: list[str] = []

    def board(organization_id: str, now: datetime) -> screens.Board:
        read.append(organization_id)
        return None  # type: ignore[return-value]  # nobody looks at it here

    monkeypatch.setattr(screens, "board", board)
    return read


def fragment(person: Person, language: str = "en") -> str:
    return person.client.get("/board/fragment", headers={"Accept-Language": language}).text


def own(page: str) -> tuple[str, set[str]]:
    """The time and the form tokens in it."""
    time, root, tokens = (
        re.findall(pattern, page)
        for pattern in (r'data-now="(.*?)"', r'data-csrf="(.*?)"', r'csrf_token" value="(.*?)"')
    )
    assert len(time) == len(root) == 1
    return time[0], {*root, *tokens}


def test_whoever_looks_at_the_same_moment_sees_the_same_look(looks: list[str]) -> None:
    seen = Sights()
    assert seen.of("lantern", NOW) is not seen.of("lantern", NOW), "a process without pushes shares nothing"
    seen.seconds = 60
    before = seen.of("lantern", NOW)
    assert seen.of("harbor", NOW) is not before
    assert seen.of("lantern", NOW) is before
    assert seen.of("lantern", NOW, before.since) is before
    after = seen.of("lantern", NOW, time.monotonic())
    assert after is not before, "whoever has changed something sees it"
    assert seen.of("lantern", NOW) is after
    seen.changed()
    assert seen.of("lantern", NOW) is not after, "another process has changed something"
    assert looks == ["lantern"] * 2 + ["harbor"] + ["lantern"] * 2


def test_a_look_that_began_before_a_change_is_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    began, may_end = Event(), Event()

    def board(organization_id: str, now: datetime) -> screens.Board:
        began.set()
        assert may_end.wait(PATIENCE)
        return None  # type: ignore[return-value]  # nobody looks at it here

    monkeypatch.setattr(screens, "board", board)
    seen = Sights()
    seen.seconds = 60
    with ThreadPoolExecutor(2) as threads:
        early = threads.submit(seen.of, "lantern", NOW)
        assert began.wait(PATIENCE)
        late = threads.submit(seen.of, "lantern", NOW, time.monotonic())
        may_end.set()
        assert late.result(PATIENCE) is not early.result(PATIENCE)


def test_each_reader_has_their_own_token_time_and_language(cast: Cast, shared: None) -> None:
    made: list[str | None] = []

    def note(_: Flask, template: object, **__: object) -> None:
        made.append(getattr(template, "name", None))

    for person in (cast.supervisor, cast.admin, cast.outsider):
        person.get("/board")  # logs in
    with time_machine.travel(clock.now(), tick=False) as at, template_rendered.connected_to(note):
        supervisor = fragment(cast.supervisor)
        at.shift(timedelta(seconds=2))
        admin, spanish = fragment(cast.admin), fragment(cast.supervisor, "es")
        at.shift(timedelta(seconds=2))
        fragment(cast.admin, "es")
    assert made == ["board/_live.html"] * 2, "once for each language"
    (first, token), (second, others) = own(supervisor), own(admin)
    assert datetime.fromisoformat(second) - datetime.fromisoformat(first) == timedelta(seconds=2)
    assert len(token) == len(others) == 1
    assert token != others
    assert sight.HOLE not in supervisor + admin + spanish
    assert "Why not asked?" in admin
    assert "Why not asked?" not in spanish
    assert cast.outsider.client.get("/board/fragment").text.count("Robin Hale") == 0
    # A token of the look is as good as any
    answer = cast.admin.client.post("/language", data={"csrf_token": others.pop(), "language": "en"})
    assert answer.status_code < 400


def test_a_push_comes_with_what_there_is_and_whoever_made_the_change_sees_it_before(cast: Cast, shared: None) -> None:
    def rows(address: str = "/board/fragment") -> int:
        return cast.supervisor.client.get(address).text.count("<tr")

    is_ready(cast.peer1)
    before = rows()
    writes("one")
    assert rows() == before, "whoever was not told of it"
    assert rows("/board/fragment?anew") > before
    writes("two", number="+14045550145")
    told: list[str] = []
    pushes = live.Pushes(lambda event, what, room: told.append(what["version"]), lambda room: True)
    with db.reading() as session:
        line = session.get_one(LineNumber, GEORGIA).line_id
    pushes(f"line:{line}", "board", line)
    assert rows() > before + 1
    assert told == [cast.supervisor.get("/board/state").get_json()["version"]]
