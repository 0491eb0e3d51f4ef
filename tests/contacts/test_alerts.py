"""A peer gets a supervisor: once, until somebody has it."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.contacts.test_races import at_once, times
from tests.contacts.world import CALLER, GEORGIA, World
from warmline import db
from warmline.contacts import alerts, parting, screens, texts, wrapup
from warmline.errors import Conflict, Invalid, NotFound
from warmline.models import Account, Alert, Role
from warmline.models.base import keyed_hash, new_id


def supervisor(world: World, name: str = "Dana", organization: str = "") -> Account:
    with db.transaction() as session:
        account = Account(
            id=new_id(), organization_id=organization or world.lantern, role=Role.SUPERVISOR, name=name,
            email=f"{name}@example.org", email_hash=keyed_hash(name), password_hash="-",
        )  # fmt: skip
        session.add(account)
        return account


def on_board(world: World) -> list[dict[str, object]]:
    shown: list[dict[str, object]] = screens.board_state(world.lantern, world.now)["alerts"]
    return shown


def test_an_alert_is_on_the_board_until_the_contact_that_it_is_about_is_over(world: World) -> None:
    dana = supervisor(world)
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    assert on_board(world) == []
    alert = alerts.ask(world.peer1, contact_id, "He has stopped talking.", world.now)
    assert on_board(world) == [
        {
            "id": alert.id,
            "contact": contact_id,
            "line": "Georgia",
            "channel": "voice",
            "peer": "peer1",
            "since": world.now.isoformat(),
            "acknowledged_by": None,
        }
    ]
    assert alerts.acknowledge(dana, alert.id, world.now) == "Dana"
    assert [row["acknowledged_by"] for row in on_board(world)] == ["Dana"]
    parting.end(world.peer1, contact_id, world.now)
    assert on_board(world) == []
    assert world.events(alert.id) == ["raised", "acknowledged"]


def test_an_alert_of_a_contact_that_is_over_stays_until_somebody_has_it(world: World) -> None:
    dana = supervisor(world)
    world.available(world.peer1)
    contact_id, caller_sid, *_ = world.talks(world.peer1)
    alert = alerts.ask(world.peer1, contact_id, "", world.now)
    parting.leg_ended(caller_sid, world.now)
    wrapup.report(world.peer1, contact_id, "dropped", [], "", False, world.now)
    assert len(on_board(world)) == 1
    alerts.acknowledge(dana, alert.id, world.now)
    assert on_board(world) == []


def test_asking_twice_is_one_alert_and_keeps_the_latest_words(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    first = alerts.ask(world.peer1, contact_id, "", world.now)
    second = alerts.ask(world.peer1, contact_id, "He is alone.", world.now + timedelta(seconds=5))
    third = alerts.ask(world.peer1, contact_id, "", world.now + timedelta(seconds=9))
    assert first.id == second.id == third.id
    assert world.get(Alert, first.id).words == "He is alone."
    assert world.get(Alert, first.id).raised_at == first.raised_at
    assert world.events(first.id) == ["raised"]


def test_pressed_in_many_tabs_at_once_it_is_one_alert(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    found = at_once(*times(4, alerts.ask, world.peer1, contact_id, "", world.now))
    assert len({alert.id for alert in found}) == 1
    assert len(world.all(Alert)) == 1


def test_of_many_supervisors_one_has_it_and_all_see_who(world: World) -> None:
    several = [supervisor(world, f"supervisor{number}") for number in range(4)]
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    alert = alerts.ask(world.peer1, contact_id, "", world.now)
    names = at_once(*[lambda one=one: alerts.acknowledge(one, alert.id, world.now) for one in several])
    assert len(set(names)) == 1
    assert names[0] in {one.name for one in several}
    assert world.events(alert.id) == ["raised", "acknowledged"]


def test_an_alert_that_is_taken_back_is_gone_and_nobody_can_take_it(world: World) -> None:
    dana = supervisor(world)
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    alert = alerts.ask(world.peer1, contact_id, "", world.now)
    for _ in range(2):
        alerts.withdraw(world.peer1, contact_id, world.now)
    assert on_board(world) == []
    assert alerts.acknowledge(dana, alert.id, world.now) is None
    assert world.events(alert.id) == ["raised", "withdrawn"]
    assert alerts.ask(world.peer1, contact_id, "", world.now).id != alert.id


def test_asking_again_sounds_anew_only_once_somebody_has_it(world: World) -> None:
    dana = supervisor(world)
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    first = alerts.ask(world.peer1, contact_id, "", world.now)
    assert alerts.ask(world.peer1, contact_id, "", world.now, again=True).id == first.id
    alerts.acknowledge(dana, first.id, world.now)
    assert alerts.ask(world.peer1, contact_id, "", world.now).id == first.id, "a retry does not sound anew"
    second = alerts.ask(world.peer1, contact_id, "", world.now, again=True)
    assert second.id != first.id
    assert [(row["id"], row["acknowledged_by"]) for row in on_board(world)] == [(second.id, None)]


def test_a_peer_may_ask_in_wrap_up_and_not_when_it_is_over(world: World) -> None:
    world.available(world.peer1)
    contact_id, caller_sid, *_ = world.talks(world.peer1)
    parting.leg_ended(caller_sid, world.now)
    alert = alerts.ask(world.peer1, contact_id, "", world.now)
    alerts.withdraw(world.peer1, contact_id, world.now)
    wrapup.report(world.peer1, contact_id, "dropped", [], "", False, world.now)
    with pytest.raises(Conflict) as refused:
        alerts.ask(world.peer1, contact_id, "", world.now)
    assert refused.value.code == "contact_over"
    assert [each.id for each in world.all(Alert)] == [alert.id]


def test_a_thread_has_its_alert_too(world: World) -> None:
    world.available(world.peer1)
    texts.receive("SM1", CALLER, GEORGIA, "hello", False, world.now)
    engagement = world.accepts(world.peer1)
    alerts.ask(world.peer1, engagement.contact_id, "", world.now)
    assert [row["channel"] for row in on_board(world)] == ["text"]


def test_boards_and_the_peer_are_told_of_every_step(world: World) -> None:
    dana = supervisor(world)
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    line, mine = f"line:{world.contact(contact_id).line_id}", f"peer:{world.peer1.id}"
    alert = alerts.ask(world.peer1, contact_id, "", world.now)
    world.pushed.clear()
    alerts.acknowledge(dana, alert.id, world.now)
    assert {line, mine} <= {room for room, *_ in world.pushed}
    world.pushed.clear()
    alerts.acknowledge(dana, alert.id, world.now)
    assert world.pushed == [], "nothing changed"
    alerts.withdraw(world.peer1, contact_id, world.now)
    assert {line, mine} <= {room for room, *_ in world.pushed}


def test_a_contact_of_somebody_else_is_not_there(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    alert = alerts.ask(world.peer1, contact_id, "", world.now)
    for stranger in (world.peer2, world.outsider):
        with pytest.raises(NotFound):
            alerts.ask(stranger, contact_id, "", world.now)
        with pytest.raises(NotFound):
            alerts.withdraw(stranger, contact_id, world.now)
    sam = supervisor(world, "Sam", world.outsider.organization_id)
    for id in (alert.id, "nothing"):
        with pytest.raises(NotFound):
            alerts.acknowledge(sam, id, world.now)
    assert world.events(alert.id) == ["raised"]
    assert screens.board_state(world.outsider.organization_id, world.now)["alerts"] == []


def test_too_many_words_are_refused(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    with pytest.raises(Invalid):
        alerts.ask(world.peer1, contact_id, "x" * 501, world.now)
    assert world.all(Alert) == []


def test_the_words_are_stored_encrypted(world: World) -> None:
    world.available(world.peer1)
    contact_id, *_ = world.talks(world.peer1)
    alerts.ask(world.peer1, contact_id, "the bridge", world.now)
    with db.reading() as session:
        (stored,) = session.execute(text("SELECT words FROM alert")).scalars()
    assert "bridge" not in stored
