"""Whom a caller wishes to talk with: what can be chosen, who is asked, and what becomes of a wish nobody can grant."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.contacts.world import CALLER, OTHER_CALLER, QUEUE, World
from warmline import clock, db
from warmline.contacts import intake, offers, wishes
from warmline.models import Apart, AskedBy, Contact, Event, Line, LineNumber, Offer, Peer, Shift
from warmline.models.base import new_id

REQUIRED = {"wishes": ["family", "veteran"], "wish_for": None}
PREFERRED = {"wishes": ["family", "veteran"], "wish_for": 60}


def line_has(policy: dict[str, Any]) -> None:
    with db.transaction() as session:
        session.execute(update(Line).where(Line.name == "Georgia").values(policy=policy))


def has(peer: Peer, *skills: str) -> None:
    with db.transaction() as session:
        session.get_one(Peer, peer.id).skills = list(skills)


def goes_off_shift(world: World, *peers: Peer) -> None:
    with db.transaction() as session:
        ids = [peer.id for peer in peers]
        session.execute(update(Shift).where(Shift.peer_id.in_(ids)).values(ends_at=world.now))


def arrives(world: World, language: str = "en", number: str = CALLER) -> Contact:
    contact, _ = world.arrives(number)
    contact, admission, _ = intake.choose_language(contact.id, language, world.now)
    assert admission is intake.Admission.QUEUE
    return contact


def waits(world: World, key: str, language: str = "en", number: str = CALLER) -> str:
    """A caller who has pressed this key of the menu, and is in the queue."""
    contact = arrives(world, language, number)
    wishes.choose(contact.id, key, world.now)
    intake.queued(contact.id, QUEUE, world.now)
    return contact.id


def menu(world: World, language: str = "en") -> dict[str, str]:
    return wishes.menu(arrives(world, language), world.now)


# The menu


def test_a_line_without_wishes_has_no_menu(world: World) -> None:
    has(world.peer1, "veteran")
    assert menu(world) == {}


def test_the_menu_has_what_somebody_on_shift_could_grant_whatever_their_status(world: World) -> None:
    line_has(REQUIRED)
    assert menu(world) == {}, "nobody has written any skills down"
    has(world.peer1, "veteran", "youth")
    assert menu(world) == {"2": "veteran"}, "the key is that of the policy's order"
    has(world.peer2, "family")
    assert menu(world) == {"1": "family", "2": "veteran"}
    goes_off_shift(world, world.peer1)
    assert menu(world) == {"1": "family"}


def test_the_menu_has_only_who_speaks_the_callers_language(world: World) -> None:
    line_has(REQUIRED)
    has(world.peer1, "veteran")  # speaks English
    has(world.peer2, "family")
    assert menu(world, "es") == {"1": "family"}


def test_the_menu_leaves_out_whom_the_caller_is_not_to_meet_again(world: World) -> None:
    line_has(REQUIRED)
    has(world.peer1, "veteran")
    contact = arrives(world)
    with db.transaction() as session:
        session.add(
            Apart(caller_id=contact.caller_id, peer_id=world.peer1.id, asked_by=AskedBy.CALLER, asked_at=world.now)
        )
    assert wishes.menu(contact, world.now) == {}
    assert wishes.menu(arrives(world, number=OTHER_CALLER), world.now) == {"2": "veteran"}


@pytest.mark.parametrize(
    ("policy", "heard"), [(REQUIRED, {"1": "family", "2": "veteran"}), (PREFERRED, {"1": "family"})]
)
def test_the_menu_has_who_comes_in_after_a_while_if_the_wish_still_counts_then(
    world: World, policy: dict[str, Any], heard: dict[str, str]
) -> None:
    """A peer who lacks a skill that the line asks for is asked when its policy widens."""
    line_has(policy | {"skills": ["parent"], "steps": [{"after": 120, "kind": "widen"}]})
    has(world.peer1, "veteran")
    has(world.peer2, "family", "parent")
    assert menu(world) == heard


# The choice


@pytest.mark.parametrize(("policy", "required"), [(REQUIRED, True), (PREFERRED, False)])
def test_a_choice_is_kept_with_its_event_and_only_once(world: World, policy: Any, required: bool) -> None:
    line_has(policy)
    has(world.peer1, "veteran")
    contact = arrives(world)
    for _ in range(2):
        chosen, had_meaning = wishes.choose(contact.id, "2", world.now)
        assert had_meaning
        assert (chosen.wish, chosen.wish_required) == ("veteran", required)
    assert world.events(contact.id) == ["began", "wish"]
    (event,) = world.all(Event, subject_id=contact.id, name="wish")
    assert (event.new, event.why) == ("veteran", {"required": required})


@pytest.mark.parametrize("key", ["9", "", "1", "7", "x"])
def test_any_other_key_and_silence_mean_anyone(world: World, key: str) -> None:
    line_has(REQUIRED)
    has(world.peer1, "veteran")
    contact = arrives(world)
    chosen, had_meaning = wishes.choose(contact.id, key, world.now)
    assert had_meaning is (key in ("9", ""))
    assert (chosen.wish, chosen.wish_required) == (None, False)
    assert world.events(contact.id) == ["began"]


def test_who_waits_already_chooses_no_more(world: World) -> None:
    line_has(REQUIRED)
    has(world.peer1, "veteran")
    contact_id, _ = world.waits()
    assert wishes.choose(contact_id, "2", world.now)[0].wish is None


# Who is asked


def test_a_required_wish_waits_for_whom_the_caller_wishes(world: World) -> None:
    line_has(REQUIRED)
    has(world.peer1, "veteran")
    contact_id = waits(world, "2")
    world.available(world.peer2)
    world.pass_time(300)
    assert world.offer_to(world.peer2) is None
    world.available(world.peer1)
    offer = world.offer_to(world.peer1)
    assert offer is not None
    assert offer.contact_id == contact_id


def test_a_preferred_wish_is_waited_for_as_long_as_the_policy_says(world: World) -> None:
    line_has(PREFERRED)
    has(world.peer1, "veteran")
    waits(world, "2")
    world.available(world.peer2)
    world.pass_time(50)
    assert world.offer_to(world.peer2) is None
    world.pass_time(15)
    assert world.offer_to(world.peer2) is not None


def test_a_wish_that_was_only_preferred_does_not_become_required_while_the_caller_waits(world: World) -> None:
    """The line's policy changes, and whom the caller wished for goes home: nobody would ever have lifted it."""
    line_has(PREFERRED)
    has(world.peer1, "veteran")
    contact_id = waits(world, "2")
    line_has(REQUIRED)
    goes_off_shift(world, world.peer1)
    world.available(world.peer2)
    world.pass_time(65)
    assert {offer.contact_id for offer in world.all(Offer, peer_id=world.peer2.id)} == {contact_id}


# Nobody is left


def test_when_the_last_one_goes_off_shift_the_wish_is_lifted_and_the_next_free_peer_is_asked(world: World) -> None:
    line_has(REQUIRED)
    has(world.peer1, "veteran")
    contact_id = waits(world, "2")
    world.available(world.peer2)
    goes_off_shift(world, world.peer1)
    queued_at = world.contact(contact_id).queued_at
    clock.tick(world.now)
    contact = world.contact(contact_id)
    assert (contact.wish, contact.queued_at) == (None, queued_at)
    assert world.offer_to(world.peer2) is not None
    assert world.events(contact_id) == ["began", "wish", "queued", "wish_lifted", "offered"]
    assert world.finds(wishes.stranded) == []
    wishes.lift(contact_id, world.now)
    assert world.events(contact_id).count("wish_lifted") == 1


def test_a_wish_is_not_lifted_while_somebody_is_left(world: World) -> None:
    line_has(REQUIRED)
    has(world.peer1, "veteran")
    has(world.peer2, "veteran")
    contact_id = waits(world, "2")
    goes_off_shift(world, world.peer1)
    world.pass_time(10)
    wishes.lift(contact_id, world.now)
    assert world.contact(contact_id).wish == "veteran"


def test_a_wish_is_lifted_when_the_one_who_is_left_does_not_speak_the_language(world: World) -> None:
    line_has(REQUIRED)
    has(world.peer1, "veteran")  # speaks English
    has(world.peer2, "veteran")
    contact_id = waits(world, "2", "es")
    goes_off_shift(world, world.peer2)
    world.pass_time(5)
    assert world.contact(contact_id).wish is None


def test_a_wish_is_lifted_when_the_one_who_is_left_is_not_to_meet_the_caller_again(world: World) -> None:
    line_has(REQUIRED)
    has(world.peer1, "veteran")
    contact_id = waits(world, "2")
    with db.transaction() as session:
        caller_id = session.get_one(Contact, contact_id).caller_id
        session.add(Apart(caller_id=caller_id, peer_id=world.peer1.id, asked_by=AskedBy.PEER, asked_at=world.now))
    clock.tick(world.now)
    assert world.contact(contact_id).wish is None


def test_of_those_who_wish_alike_only_the_one_who_is_kept_apart_from_all_of_them_is_told(world: World) -> None:
    line_has(REQUIRED)
    has(world.peer1, "veteran")
    has(world.peer2, "veteran")
    both, one, none = (waits(world, "2", number=f"+1404555014{number}") for number in range(3))
    withheld = waits(world, "2", number="anonymous")
    with db.transaction() as session:
        for contact_id, peers in ((both, [world.peer1, world.peer2]), (one, [world.peer1])):
            caller_id = session.get_one(Contact, contact_id).caller_id
            session.add_all(
                Apart(caller_id=caller_id, peer_id=peer.id, asked_by=AskedBy.PEER, asked_at=world.now) for peer in peers
            )
    assert world.finds(wishes.stranded) == [both]
    goes_off_shift(world, world.peer2)
    assert sorted(world.finds(wishes.stranded)) == sorted([both, one])
    goes_off_shift(world, world.peer1)
    assert sorted(world.finds(wishes.stranded)) == sorted([both, one, none, withheld])


def test_a_sister_lines_peer_who_will_be_asked_is_somebody_left(world: World) -> None:
    with db.transaction() as session:
        sister = Line(
            id=new_id(), organization_id=world.lantern, name="Illinois", time_zone="America/Chicago",
            languages=["en"], hours={},
        )  # fmt: skip
        session.add(sister)
        session.flush()
        session.add(LineNumber(number="+13125550102", line_id=sister.id))
        session.add(
            Shift(id=new_id(), peer_id=world.peer1.id, line_id=sister.id, starts_at=world.now - timedelta(hours=1))
        )
    line_has(REQUIRED | {"steps": [{"after": 120, "kind": "sister", "line": sister.id}]})
    has(world.peer1, "veteran")
    contact_id = waits(world, "2")
    with db.transaction() as session:
        of_georgia = Shift.line_id == world.contact(contact_id).line_id
        session.execute(update(Shift).where(Shift.peer_id == world.peer1.id, of_georgia).values(ends_at=world.now))
    world.available(world.peer1)
    world.pass_time(60)
    assert world.contact(contact_id).wish == "veteran"
    assert menu(world) == {"2": "veteran"}, "whoever requires it waits for that step"
    world.pass_time(65)
    assert world.offer_to(world.peer1) is not None


def test_a_preferred_wish_ends_by_itself_and_is_not_lifted(world: World) -> None:
    line_has(PREFERRED)
    has(world.peer1, "veteran")
    contact_id = waits(world, "2")
    goes_off_shift(world, world.peer1)
    world.pass_time(10)
    assert world.contact(contact_id).wish == "veteran"
    assert world.finds(wishes.stranded) == []


def test_the_caller_is_told_once_and_alike_when_asked_twice(world: World) -> None:
    line_has(REQUIRED)
    has(world.peer1, "veteran")
    contact_id = waits(world, "2")
    assert wishes.tell(world.contact(contact_id), 0, world.now) is None
    goes_off_shift(world, world.peer1)
    clock.tick(world.now)
    contact = world.contact(contact_id)
    assert [wishes.tell(contact, waited, world.now) for waited in (25, 25, 50, 25)] == [
        "veteran", "veteran", None, "veteran",
    ]  # fmt: skip
    assert world.events(contact_id).count("wish_told") == 1


def test_a_caller_who_is_being_connected_is_told_nothing_of_it(world: World) -> None:
    line_has(REQUIRED)
    has(world.peer1, "veteran")
    contact_id = waits(world, "2")
    world.available(world.peer2)
    goes_off_shift(world, world.peer1)
    clock.tick(world.now)
    offer = world.offer_to(world.peer2)
    assert offer is not None
    offers.accept(world.peer2, offer.id, world.now)
    assert wishes.tell(world.contact(contact_id), 25, world.now) is None


def test_a_caller_without_a_wish_is_told_nothing(world: World) -> None:
    contact_id, _ = world.waits()
    assert wishes.tell(world.contact(contact_id), 0, world.now) is None
