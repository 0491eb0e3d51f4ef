"""Lines that close: new callers are turned away in words, whoever waits is served, and nobody's saving is lost."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.contacts.test_races import at_once
from tests.contacts.world import CALLER, GEORGIA, HARBOR, OTHER_CALLER, World
from warmline import db
from warmline.contacts import intake, parting, texts
from warmline.errors import Conflict, NotFound
from warmline.models import Account, Contact, Event, Line, LineNumber, Message, Role
from warmline.models.base import keyed_hash, new_id
from warmline.people import lines
from warmline.people.lines import Settings

WHY = {"en": "The heating failed.", "es": "Falló la calefacción."}
# The world begins on a Friday at 18:00 UTC, which is 13:00 in Georgia.
FRIDAY: dict[str, list[list[str]]] = {str(day): [] for day in range(7)} | {
    "4": [["09:00", "13:05"]],
    "0": [["09:00", "17:00"]],
}
SETTINGS = Settings(hours={}, holidays={}, words={}, card={}, texts_at_once=2, voice_with_texts=False, policy={})


@pytest.fixture
def supervisor(world: World) -> Account:
    with db.transaction() as session:
        account = Account(
            id=new_id(), organization_id=world.lantern, role=Role.SUPERVISOR, name="Dana",
            email="dana@example.org", email_hash=keyed_hash("dana"), password_hash="-",
        )  # fmt: skip
        session.add(account)
        return account


def line(number: str = GEORGIA) -> Line:
    with db.reading() as session:
        return session.get_one(Line, session.get_one(LineNumber, number).line_id)


def set_up(**columns: Any) -> None:
    with db.transaction() as session:
        row = session.get_one(Line, line().id)
        for name, value in columns.items():
            setattr(row, name, value)


def close(world: World, supervisor: Account, until: datetime | None = None) -> Line:
    return lines.close_early(supervisor, line().id, WHY, until, world.now)


def events(world: World, name: str) -> list[Event]:
    return world.all(Event, subject="line", name=name)


def turned_away(world: World, number: str = OTHER_CALLER) -> bool:
    contact, _ = world.arrives(number)
    return world.contact(contact.id).state == "after_hours"


def writes(world: World, number: str = CALLER, body: str = "hello") -> None:
    texts.receive(world.sid("SM"), number, GEORGIA, body, False, world.now)


def answers(world: World) -> list[str]:
    return [message.body for message in world.all(Message, direction="out")]


class TestWhoeverWaitsIsServed:
    @pytest.fixture(params=["the hours end", "a supervisor closes"])
    def closing(self, request: pytest.FixtureRequest, world: World, supervisor: Account) -> Any:
        """Closes the line at 13:06."""
        if request.param == "the hours end":
            set_up(hours=FRIDAY)

        def close_it() -> None:
            world.pass_time(360 - (world.now.second + 60 * world.now.minute))
            if request.param == "a supervisor closes":
                close(world, supervisor)
            assert not lines.is_open(line(), world.now)

        return close_it

    def test_on_the_phone(self, world: World, closing: Any) -> None:
        contact_id, _ = world.waits()
        closing()
        assert turned_away(world)
        assert world.contact(contact_id).state == "waiting"
        world.available(world.peer1)
        engagement = world.accepts(world.peer1)
        assert engagement.contact_id == contact_id

    def test_who_is_still_choosing_a_language(self, world: World, closing: Any) -> None:
        contact, _ = world.arrives()
        assert contact.state == "arriving"
        closing()
        assert intake.choose_language(contact.id, "en", world.now)[1] is intake.Admission.QUEUE
        intake.queued(contact.id, "QU" + "1" * 32, world.now)
        assert world.contact(contact.id).state == "waiting"

    def test_who_talks_and_loses_the_peer_afterwards(self, world: World, closing: Any) -> None:
        world.available(world.peer1)
        contact_id, _, peer_sid, _ = world.talks(world.peer1)
        closing()
        parting.leg_ended(peer_sid, world.now)
        assert world.contact(contact_id).state == "waiting"
        assert world.contact(contact_id).priority > 0

    def test_in_writing(self, world: World, closing: Any) -> None:
        writes(world)
        (contact,) = world.all(Contact)
        closing()
        writes(world, body="still there?")
        told = [message.body for message in world.all(Message, direction="out", contact_id=contact.id)]
        assert len(told) == 1
        assert "closed" not in told[0], "whoever waits is not sent away in words either"
        writes(world, OTHER_CALLER)
        assert any("closed" in body for body in answers(world))
        world.available(world.peer1)
        assert world.accepts(world.peer1).contact_id == contact.id
        later = [each for each in world.all(Contact) if each.id != contact.id]
        assert [each.state for each in later] == ["after_hours"], "the second text is part of the first one's thread"


class TestClosingEarly:
    def test_until_the_next_opening_and_then_by_itself(self, world: World, supervisor: Account) -> None:
        set_up(hours=FRIDAY)
        closed = close(world, supervisor)
        assert closed.closed_until is not None
        assert closed.closed_until.isoformat() == "2026-11-23T09:00:00-05:00"
        assert turned_away(world)
        assert lines.opening(line(), world.now).early
        world.now = closed.closed_until - timedelta(seconds=1)
        assert not lines.is_open(line(), world.now)
        world.now = closed.closed_until
        assert lines.is_open(line(), world.now)
        assert not lines.opening(line(), world.now).early
        assert not turned_away(world)

    def test_a_line_around_the_clock_until_it_is_reopened(self, world: World, supervisor: Account) -> None:
        assert close(world, supervisor).closed_until is None
        world.now += timedelta(days=40)
        assert turned_away(world)
        lines.reopen(supervisor, line().id, world.now)
        assert not turned_away(world, CALLER)

    def test_until_a_time_outside_the_hours_it_opens_with_them(self, world: World, supervisor: Account) -> None:
        set_up(hours=FRIDAY)
        close(world, supervisor, world.now + timedelta(hours=8))
        opens = lines.opens_next(line(), world.now)
        assert opens is not None
        assert opens.isoformat() == "2026-11-23T09:00:00-05:00"

    def test_a_holiday_closes_too(self, world: World) -> None:
        set_up(holidays={"2026-11-20": []})
        assert turned_away(world)
        writes(world)
        assert "It opens again on Saturday at 12 AM." in answers(world)[0]

    def test_twice_is_once_and_the_boards_are_told(self, world: World, supervisor: Account) -> None:
        for _ in range(2):
            close(world, supervisor)
        assert len(events(world, "closed_early")) == 1
        assert world.pushed.count((f"line:{line().id}", "board", line().id)) == 1
        for _ in range(2):
            lines.reopen(supervisor, line().id, world.now)
        assert len(events(world, "reopened")) == 1
        assert world.pushed.count((f"line:{line().id}", "board", line().id)) == 2

    def test_of_two_at_once_one_closes(self, world: World, supervisor: Account) -> None:
        other = WHY | {"en": "The lights failed."}
        acts = [partial(lines.close_early, supervisor, line().id, words, None, world.now) for words in (WHY, other)]
        outcomes = at_once(*acts)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Line"]
        winner = next(outcome for outcome in outcomes if isinstance(outcome, Line))
        assert line().closed_words == winner.closed_words
        assert len(events(world, "closed_early")) == 1

    def test_another_organizations_line_is_not_there(self, world: World, supervisor: Account) -> None:
        foreign = line(HARBOR).id
        for act in (
            partial(lines.close_early, supervisor, foreign, WHY, None, world.now),
            partial(lines.reopen, supervisor, foreign, world.now),
            partial(lines.change, supervisor, foreign, SETTINGS, 1, world.now),
            partial(lines.find, world.lantern, foreign),
        ):
            with pytest.raises(NotFound):
                act()
        assert line(HARBOR).closed_at is None


class TestWhatCallersAreTold:
    def test_a_text_names_the_line_why_when_and_988(self, world: World, supervisor: Account) -> None:
        set_up(hours=FRIDAY | {"4": [["09:00", "14:00"], ["17:00", "20:00"]]})
        close(world, supervisor)
        writes(world)
        body, spanish = answers(world)
        assert "Falló la calefacción." in spanish
        assert body.startswith("Georgia: ")
        assert "The heating failed." in body
        assert "It opens again today at 5 PM." in body
        assert "988" in body

    def test_each_language_its_own(self, world: World, supervisor: Account) -> None:
        close(world, supervisor, world.now + timedelta(days=1, minutes=30))
        told = {code: lines.closed_message(line(), "outside_hours", code, world.now) for code in ("en", "es")}
        assert "Georgia warm line is closed" in told["en"]
        assert "The heating failed. It opens again on Saturday at 1:30 PM." in told["en"]
        assert "Falló la calefacción. Abre de nuevo el sábado a las 13:30." in told["es"]
        assert all("988" in words for words in told.values())

    def test_a_week_away_is_told_with_its_date(self, world: World, supervisor: Account) -> None:
        close(world, supervisor, world.now + timedelta(days=7))
        assert "again on Friday, November 27, at 1 PM." in lines.closed_message(line(), "text_closed", "en", world.now)
        assert "el viernes 27 de noviembre a las 13:00." in lines.closed_message(line(), "text_closed", "es", world.now)

    def test_own_words_are_completed_by_what_they_leave_out(self, world: World, supervisor: Account) -> None:
        set_up(words={"closed": {"en": "We rest. {reopening} Be well, from {line}."}}, hours=FRIDAY)
        close(world, supervisor)
        told = lines.closed_message(line(), "outside_hours", "en", world.now)
        assert told.startswith("We rest. It opens again on Monday at 9 AM. Be well, from Georgia. The heating failed.")
        assert told.count("988") == 1
        assert "está cerrada" in lines.closed_message(line(), "outside_hours", "es", world.now), "the built-in one"

    def test_own_words_with_braces_bring_nobody_down(self, world: World) -> None:
        set_up(words={"closed": {"en": "{0} {x.y} {"}}, holidays={"2026-11-20": []})
        assert "{0} {x.y} {" in lines.closed_message(line(), "outside_hours", "en", world.now)

    def test_asked_again_after_it_was_reopened_no_time_is_told(self, world: World, supervisor: Account) -> None:
        set_up(hours=FRIDAY)
        close(world, supervisor)
        lines.reopen(supervisor, line().id, world.now)
        told = lines.closed_message(line(), "outside_hours", "en", world.now)
        assert "opens again" not in told
        assert "heating" not in told


class TestSaving:
    def change(self, world: World, supervisor: Account, version: int = 1, **changes: Any) -> Line:
        wish = Settings(**{name: getattr(SETTINGS, name) for name in Settings.__slots__} | changes)
        return lines.change(supervisor, line().id, wish, version, world.now)

    def test_of_two_at_once_one_is_told(self, world: World, supervisor: Account) -> None:
        acts = [partial(self.change, world, supervisor, texts_at_once=number) for number in (3, 4)]
        outcomes = at_once(*acts)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Line"]
        assert line().version == 2
        assert len(events(world, "settings_changed")) == 1

    def test_an_old_page_does_not_overwrite(self, world: World, supervisor: Account) -> None:
        self.change(world, supervisor, card={"policy": "first"})
        with pytest.raises(Conflict):
            self.change(world, supervisor, card={"policy": "second"})
        assert line().card == {"policy": "first"}
        self.change(world, supervisor, 2, card={"policy": "second"})
        assert line().version == 3

    def test_closing_early_is_no_saving(self, world: World, supervisor: Account) -> None:
        close(world, supervisor)
        assert self.change(world, supervisor, texts_at_once=3).closed_words == WHY, "still closed"
