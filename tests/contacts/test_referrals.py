"""Services given to a caller: chosen, taken back, texted once with the caller's yes."""

from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest

from tests.contacts.world import CALLER, GEORGIA, HARBOR, World
from warmline import db
from warmline.contacts import messages, offers, outbox, parting, referrals, screens, texts, wrapup
from warmline.directory import resources
from warmline.errors import Conflict, DomainError, Invalid, NotFound
from warmline.models import Event, Message, Referral, Resource, ResourceStatus
from warmline.models.base import new_id
from warmline.telephony.gateway import NotTaken, Refused, Uncertain

PANTRY = {
    "name": "Corner Pantry",
    "organization_name": "Table for All",
    "kind": "food",
    "place": "Maple Falls",
    "phone": "(404) 555-0160",
    "schedule": "Mon–Fri 9–5",
}


def service(world: World, organization_id: str = "", **changes: str) -> str:
    values = resources.read(PANTRY | changes, world.now)
    with db.transaction() as session:
        return resources.insert(session, organization_id or world.lantern, new_id(), values).id


def given(world: World, contact_id: str) -> Any:
    opened = screens.console(world.peer1.id, world.now, contact_id).open
    assert opened is not None
    return opened.beside


def sent(world: World) -> list[Any]:
    return [asked for asked in world.company.asked if asked[0] == "text"]


@pytest.fixture
def contact(world: World) -> str:
    """Peer1 talks with a caller."""
    world.available(world.peer1)
    return world.talks(world.peer1)[0]


def refused(code: str, kind: type[DomainError], act: Any, *arguments: Any) -> None:
    with pytest.raises(kind) as error:
        act(*arguments)
    assert error.value.code == code


def test_a_service_is_added_and_texted_and_the_delivery_is_seen(world: World, contact: str) -> None:
    pantry = service(world)
    closed = service(world, name="The Porch", phone="211", schedule="", status="temporarily closed")
    first = referrals.add(world.peer1, contact, pantry, world.now)
    world.now += timedelta(seconds=1)
    referrals.add(world.peer1, contact, closed, world.now)
    beside = given(world, contact)
    assert [(one.service.name, one.fixed) for one in beside.given] == [("Corner Pantry", False), ("The Porch", False)]
    assert (beside.text.services, beside.text.segments, beside.text.hindrance) == (2, 1, None)

    message = referrals.text(world.peer1, contact, True, world.now)
    words = (
        "Here is what you asked for:\n"
        "- Corner Pantry, Table for All. (404) 555-0160. Mon-Fri 9-5\n"
        "- The Porch, Table for All. 211. closed for now\n"
        "Reply STOP to end texts."
    )
    assert sent(world) == [("text", CALLER, words)]
    row = world.get(Message, message)
    assert (row.contact_id, row.line_number, row.peer_id) == (contact, GEORGIA, world.peer1.id)
    beside = given(world, contact)
    assert [(one.delivery, one.fixed) for one in beside.given] == [("sent", True), ("sent", True)]
    assert beside.text is None

    messages.delivered(message, row.message_sid, "delivered", "", world.now)
    assert [one.delivery for one in given(world, contact).given] == ["delivered", "delivered"]
    referral = world.get(Referral, first)
    assert (referral.peer_id, referral.given_by, referral.texted_at) == (world.peer1.id, "text", world.now)
    assert world.events(first) == ["added", "texted"]
    with db.reading() as session:
        (why,) = session.query(Event.why).filter_by(subject_id=first, name="texted").one()
    assert why == {"message": message, "caller_agreed": True}


def test_adding_twice_is_one_referral(world: World, contact: str) -> None:
    pantry = service(world)
    assert referrals.add(world.peer1, contact, pantry, world.now) == referrals.add(
        world.peer1, contact, pantry, world.now
    )
    assert len(world.all(Referral)) == 1
    assert world.all(Referral)[0].given_by == "voice"


def test_removing_twice_is_no_error_and_it_can_be_added_again(world: World, contact: str) -> None:
    pantry = service(world)
    id = referrals.add(world.peer1, contact, pantry, world.now)
    for _ in range(2):
        referrals.remove(world.peer1, contact, id, world.now)
    assert world.all(Referral) == []
    assert world.events(id) == ["added", "removed"]
    assert referrals.add(world.peer1, contact, pantry, world.now) != id


def test_pressing_twice_sends_once_and_what_comes_later_is_sent_alone(world: World, contact: str) -> None:
    referrals.add(world.peer1, contact, service(world), world.now)
    first = referrals.text(world.peer1, contact, True, world.now)
    assert referrals.text(world.peer1, contact, True, world.now) == first
    assert len(sent(world)) == 1
    world.now += timedelta(seconds=30)
    referrals.add(world.peer1, contact, service(world, name="Warm Beds"), world.now)
    second = referrals.text(world.peer1, contact, True, world.now)
    assert referrals.text(world.peer1, contact, True, world.now) == second != first
    assert len(sent(world)) == 2
    assert "Warm Beds" in sent(world)[1][2]
    assert "Corner Pantry" not in sent(world)[1][2]


def test_two_tabs_at_the_same_moment_send_once(world: World, contact: str) -> None:
    pantry = service(world)
    together = Barrier(4)
    errors: list[Exception] = []

    def press(*acts: Any) -> None:
        together.wait()
        try:
            for act, *arguments in acts:
                act(world.peer1, contact, *arguments, world.now)
        except Exception as error:
            errors.append(error)

    acts = ((referrals.add, pantry), (referrals.text, True))
    tabs = [Thread(target=press, args=acts) for _ in range(4)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert errors == []
    assert len(world.all(Referral)) == 1
    assert len(sent(world)) == 1


def test_nothing_is_sent_without_a_yes_or_without_a_service(world: World, contact: str) -> None:
    refused("referrals_missing", Invalid, referrals.text, world.peer1, contact, True, world.now)
    referrals.add(world.peer1, contact, service(world), world.now)
    refused("yes_missing", Invalid, referrals.text, world.peer1, contact, False, world.now)
    assert sent(world) == []


def test_a_withheld_number_gets_no_text_and_the_reason_is_shown(world: World) -> None:
    world.available(world.peer1)
    contact = world.talks(world.peer1, "anonymous")[0]
    referrals.add(world.peer1, contact, service(world), world.now)
    assert given(world, contact).text.hindrance == "number_withheld"
    refused("number_withheld", Conflict, referrals.text, world.peer1, contact, True, world.now)


def test_nothing_is_texted_after_stop(world: World, contact: str) -> None:
    referrals.add(world.peer1, contact, service(world), world.now)
    texts.receive("SM1", CALLER, GEORGIA, "STOP", True, world.now)
    assert given(world, contact).text.hindrance == "texts_stopped"
    refused("texts_stopped", Conflict, referrals.text, world.peer1, contact, True, world.now)
    assert sent(world) == []


def test_too_much_for_one_text_is_refused_until_something_is_removed(world: World, contact: str) -> None:
    ids = [
        referrals.add(world.peer1, contact, service(world, name=f"{number} {'a' * 100}", schedule="b" * 200), world.now)
        for number in range(5)
    ]
    assert given(world, contact).text.hindrance == "too_long"
    refused("too_long", Conflict, referrals.text, world.peer1, contact, True, world.now)
    referrals.remove(world.peer1, contact, ids[0], world.now)
    assert given(world, contact).text.hindrance is None
    referrals.text(world.peer1, contact, True, world.now)
    assert len(sent(world)[0][2]) <= 1600


def test_what_was_texted_stays_unless_it_never_arrived(world: World, contact: str) -> None:
    pantry = service(world)
    id = referrals.add(world.peer1, contact, pantry, world.now)
    world.company.failures = [Refused("cannot be reached", 400, 30003)]
    referrals.text(world.peer1, contact, True, world.now)
    (one,) = given(world, contact).given
    assert (one.delivery, one.fixed) == ("failed", False)
    referrals.text(world.peer1, contact, True, world.now)
    assert len(sent(world)) == 1, "a second press is no second try"
    referrals.remove(world.peer1, contact, id, world.now)
    id = referrals.add(world.peer1, contact, pantry, world.now)
    world.company.failures = [Uncertain("timed out")]
    referrals.text(world.peer1, contact, True, world.now)
    assert given(world, contact).given[0].delivery == "unconfirmed"
    refused("texted", Conflict, referrals.remove, world.peer1, contact, id, world.now)


def test_a_text_whose_process_died_is_sent_by_the_clock(world: World, contact: str) -> None:
    referrals.add(world.peer1, contact, service(world), world.now)
    deliver, outbox.deliver = outbox.deliver, lambda contact_id: None
    try:
        referrals.text(world.peer1, contact, True, world.now)
    finally:
        outbox.deliver = deliver
    assert sent(world) == []
    world.pass_time(5)
    assert len(sent(world)) == 1


def test_only_the_contacts_own_peer(world: World, contact: str) -> None:
    pantry = service(world)
    id = referrals.add(world.peer1, contact, pantry, world.now)
    for stranger in (world.peer2, world.outsider):
        for act, argument in ((referrals.add, pantry), (referrals.remove, id), (referrals.text, True)):
            for where in (contact, new_id()):
                refused("not_found", NotFound, act, stranger, where, argument, world.now)
    assert len(world.all(Referral)) == 1


def test_another_organizations_service_looks_unknown(world: World, contact: str) -> None:
    harbor = world.all(Resource) or service(world, world.outsider.organization_id)
    for id in (harbor, new_id(), "\0"):
        refused("not_found", NotFound, referrals.add, world.peer1, contact, id, world.now)
    world.available(world.outsider)
    theirs, _ = world.waits(dialled=HARBOR)
    offer = world.offer_to(world.outsider)
    assert offer is not None
    offers.accept(world.outsider, offer.id, world.now)
    foreign = referrals.add(world.outsider, theirs, str(harbor), world.now)
    referrals.remove(world.peer1, contact, foreign, world.now)
    assert [row.id for row in world.all(Referral)] == [foreign], "an id of another contact removes nothing"


def test_a_service_that_is_not_active_is_not_given(world: World, contact: str) -> None:
    pantry = service(world)
    referrals.add(world.peer1, contact, pantry, world.now)
    with db.transaction() as session:
        session.get_one(Resource, pantry).status = ResourceStatus.INACTIVE
    assert given(world, contact).text is None, "it ended while it was on the list"
    refused("referrals_missing", Invalid, referrals.text, world.peer1, contact, True, world.now)
    gone = service(world, status="defunct")
    refused("service_inactive", Conflict, referrals.add, world.peer1, contact, gone, world.now)


def test_it_is_possible_until_the_time_to_correct_the_report_is_over(world: World, contact: str) -> None:
    pantry = service(world)
    parting.end(world.peer1, contact, world.now)
    wrapup.report(world.peer1, contact, "support_given", ["social"], "", False, world.now)
    world.now += referrals.CORRECTION - timedelta(seconds=1)
    id = referrals.add(world.peer1, contact, pantry, world.now)
    referrals.text(world.peer1, contact, True, world.now)
    assert len(sent(world)) == 1
    world.now += timedelta(seconds=1)
    for act, argument in ((referrals.add, pantry), (referrals.remove, id), (referrals.text, True)):
        refused("logged_long_ago", Conflict, act, world.peer1, contact, argument, world.now)


def test_a_peer_whose_talk_is_over_is_told_of_each_step_of_the_text(world: World, contact: str) -> None:
    told = (f"peer:{world.peer1.id}", "console", world.peer1.id)
    parting.end(world.peer1, contact, world.now)
    referrals.add(world.peer1, contact, service(world), world.now)
    world.company.failures = [NotTaken("429")]
    message = referrals.text(world.peer1, contact, True, world.now)
    assert world.get(Message, message).state == "pending"
    world.pushed.clear()
    world.now += timedelta(seconds=2)
    outbox.deliver(contact)
    assert world.get(Message, message).state == "sent"
    assert told in world.pushed
    world.pushed.clear()
    messages.delivered(message, world.get(Message, message).message_sid, "delivered", "", world.now)
    assert told in world.pushed


def test_in_a_thread_it_is_one_more_text_in_the_callers_language(world: World) -> None:
    world.available(world.peer2)
    texts.receive("SM1", CALLER, GEORGIA, "hola", False, world.now)
    engagement = world.accepts(world.peer2)
    with db.transaction() as session:
        session.get_one(type(world.contact(engagement.contact_id)), engagement.contact_id).language = "es"
    world.now += timedelta(seconds=1)
    referrals.add(world.peer2, engagement.contact_id, service(world), world.now)
    referrals.text(world.peer2, engagement.contact_id, True, world.now)
    assert sent(world)[-1][2].splitlines()[0] == "Estos son los datos de los que hablamos:"
    thread = screens.console(world.peer2.id, world.now).open
    assert thread is not None
    assert thread.texts[-1].mine
    assert "Corner Pantry" in thread.texts[-1].body


def test_the_first_words_name_neither_mental_health_nor_the_line(world: World) -> None:
    for language in ("en", "es"):
        first = referrals.compose(language, []).splitlines()[0].lower()
        for word in ("mental", "health", "salud", "warm", "peer", "crisis", "apoyo", "support", "georgia", "lantern"):
            assert word not in first
