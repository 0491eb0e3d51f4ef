"""A day's allowance by the verbs: who is turned away, who never is, and what does not count."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest
from sqlalchemy import select, update

from routing.allowance import NO_LIMIT, Left
from tests.contacts.world import CALLER, GEORGIA, OTHER_CALLER, World
from warmline import clock, db
from warmline.contacts import allowance, availability, calling_back, intake, messages, parting, texts, wrapup
from warmline.contacts.intake import Admission
from warmline.errors import Conflict, Invalid, NotFound
from warmline.models import Account, Caller, Contact, Event, Line, Message, Peer, Shift
from warmline.people import lines

WITHHELD = "anonymous"
_sids = count(1)


@pytest.fixture(autouse=True)
def _half_an_hour(world: World) -> None:
    """The line gives each caller half an hour a day."""
    set_up(world, policy={"minutes_a_day": 30})
    world.available(world.peer1)


def set_up(world: World, **columns: object) -> None:
    with db.transaction() as session:
        session.execute(update(Line).values(**columns))


def talked(world: World, minutes: float, number: str = CALLER, how: str = "ended") -> str:
    """A talk of so many minutes, after which the peer logs it and is free; the contact."""
    contact_id, caller_sid, peer_sid, _ = world.talks(world.peer1, number)
    world.now += timedelta(minutes=minutes)
    match how:
        case "ended":
            parting.end(world.peer1, contact_id, world.now)
        case "caller left":
            parting.leg_ended(caller_sid, world.now)
        case "peer lost":
            parting.leg_ended(peer_sid, world.now)
            parting.leg_ended(caller_sid, world.now)
    wrapup.report(world.peer1, contact_id, "support_given", ["social"], "", False, world.now)
    world.available(world.peer1)
    return contact_id


def calls(world: World, number: str = CALLER, language: str = "en") -> tuple[Contact, Admission]:
    """A caller who calls and chooses a language, and what becomes of them."""
    contact, _ = world.arrives(number)
    contact, admission, _ = intake.choose_language(contact.id, language, world.now)
    return contact, admission


def writes(world: World, body: str = "is anybody there", number: str = CALLER) -> list[str]:
    """A text comes in; what the line has written to this caller so far."""
    texts.receive(f"SM7{next(_sids):031d}", number, GEORGIA, body, False, world.now)
    return [message.body for message in world.all(Message, direction="out")]


def left(world: World, contact_id: str) -> Left:
    with db.reading() as session:
        return allowance.left(session, session.get_one(Contact, contact_id), world.now)


def told(world: World, contact: Contact) -> str:
    return allowance.in_advance(contact, world.now)


def supervisor(world: World, of: Peer | None = None) -> Account:
    return world.get(Account, (of or world.peer2).account_id)


def why(world: World, contact_id: str) -> list[dict[str, object]]:
    with db.reading() as session:
        return list(session.scalars(select(Event.why).where(Event.contact_id == contact_id, Event.name == "nobody")))


def test_a_caller_whose_time_is_used_up_is_turned_away_until_tomorrow(world: World) -> None:
    talked(world, 30)
    contact, admission = calls(world)
    assert (admission, contact.state, contact.ended_how) == (Admission.ALLOWANCE, "missed", "allowance")
    assert why(world, contact.id) == [{"reason": "allowance"}]
    assert "after midnight" in allowance.again(contact, "en")
    again, admission, _ = intake.choose_language(contact.id, "en", world.now)
    assert again.state == "missed", "asked twice, it is said twice and done once"
    assert len(why(world, contact.id)) == 1
    world.now += timedelta(hours=12)
    world.available(world.peer1)
    assert calls(world)[1] is Admission.QUEUE


def test_whoever_has_time_left_comes_in_and_hears_it_when_it_is_little(world: World) -> None:
    assert told(world, calls(world)[0]) == ""
    talked(world, 15)
    assert told(world, calls(world)[0]) == "", "fifteen minutes are left"
    talked(world, 6)
    contact, admission = calls(world)
    assert admission is Admission.QUEUE
    assert told(world, contact) == "You have about 9 minutes left on this line today."
    talked(world, 8.5)
    assert told(world, calls(world)[0]) == "You have about a minute left on this line today."


def test_a_line_may_count_conversations(world: World) -> None:
    set_up(world, policy={"contacts_a_day": 2})
    talked(world, 1)
    contact, admission = calls(world)
    assert (admission, told(world, contact)) == (
        Admission.QUEUE,
        "This is your last conversation on this line today.",
    )
    talked(world, 1)
    assert calls(world)[1] is Admission.ALLOWANCE


def test_a_call_that_nobody_answered_is_no_conversation(world: World) -> None:
    set_up(world, policy={"contacts_a_day": 1})
    for _ in range(2):
        contact_id, sid = world.waits()
        parting.leg_ended(sid, world.now)
        assert world.contact(contact_id).state == "abandoned"
    assert calls(world)[1] is Admission.QUEUE


def test_without_a_limit_nobody_is_asked_anything(world: World) -> None:
    set_up(world, policy=None)
    talked(world, 300)
    contact, admission = calls(world)
    assert (admission, told(world, contact), left(world, contact.id)) == (Admission.QUEUE, "", NO_LIMIT)


@pytest.mark.parametrize("number", [OTHER_CALLER, WITHHELD])
def test_somebody_elses_time_and_a_withheld_number_count_for_nobody(world: World, number: str) -> None:
    talked(world, 40)
    talked(world, 40, WITHHELD)
    assert calls(world, number)[1] is Admission.QUEUE


def test_another_line_has_its_own_allowance(world: World) -> None:
    talked(world, 40)
    with db.transaction() as session:
        session.add(Line(id="illinois", organization_id=world.lantern, name="Illinois", time_zone="America/Chicago",
                         languages=["en"], hours={}, policy={"minutes_a_day": 30}))  # fmt: skip
    contact, _ = world.arrives()
    with db.transaction() as session:
        session.get_one(Contact, contact.id).line_id = "illinois"
    assert left(world, contact.id) == Left(minutes=30)


def test_a_closed_line_and_an_empty_one_come_first(world: World) -> None:
    talked(world, 40)
    contact, _ = world.arrives()
    with db.transaction() as session:
        session.execute(update(Shift).values(ends_at=world.now))
    assert intake.choose_language(contact.id, "en", world.now)[1] is Admission.NOBODY_ON_SHIFT
    set_up(world, hours={"0": [["09:00", "10:00"]]})
    contact, _ = world.arrives()
    assert contact.state == "after_hours"


def test_it_comes_before_the_question_whether_to_wait_for_a_language(world: World) -> None:
    """Whoever stays is asked nothing more, and would come in by the side door."""
    talked(world, 40)
    with db.transaction() as session:
        session.execute(update(Shift).where(Shift.peer_id == world.peer2.id).values(ends_at=world.now))
    assert calls(world, language="es")[1] is Admission.ALLOWANCE


def test_a_talk_that_goes_on_is_never_cut(world: World) -> None:
    contact_id, _, _, engagement = world.talks(world.peer1)
    world.now += timedelta(minutes=29.5)
    assert left(world, contact_id) == Left(minutes=1)
    world.now += timedelta(hours=1)
    clock.tick(world.now)
    assert left(world, contact_id) == Left(minutes=0)
    assert (world.contact(contact_id).state, world.events(engagement.id)[-1]) == ("connected", "joined")


def test_a_caller_in_line_stays_there(world: World) -> None:
    """A second call under way uses the time up: the first keeps its place."""
    world.available(world.peer1)
    world.talks(world.peer1)
    contact_id, _ = world.waits()
    with db.transaction() as session:
        session.execute(update(Line).values(policy={"minutes_a_day": 5}))
    world.pass_time(20 * 60)
    assert calls(world)[1] is Admission.ALLOWANCE, "whoever comes now is over it"
    assert world.contact(contact_id).state == "waiting"
    assert intake.choose_language(contact_id, "en", world.now)[1] is Admission.QUEUE


def test_a_caller_in_line_who_must_choose_another_language_keeps_the_place(world: World) -> None:
    set_up(world, policy=None)
    talked(world, 40)
    contact_id, _ = world.waits(language="es")
    set_up(world, policy={"minutes_a_day": 30})
    with db.transaction() as session:
        session.execute(update(Shift).where(Shift.peer_id == world.peer2.id).values(ends_at=world.now))
    assert intake.nobody_left(contact_id, world.now)
    contact, admission, _ = intake.choose_language(contact_id, "en", world.now)
    assert (admission, contact.state) == (Admission.QUEUE, "waiting")


def test_a_thread_that_began_days_ago_counts_by_what_was_written_today(world: World) -> None:
    availability.choose(world.peer1, "break", world.now)
    writes(world)
    world.now += timedelta(days=3)
    world.available(world.peer1)
    engagement = world.accepts(world.peer1)
    world.now += timedelta(minutes=20)
    assert left(world, engagement.contact_id) == Left(minutes=10)
    parting.end(world.peer1, engagement.contact_id, world.now)
    assert told(world, calls(world)[0]) == "You have about 10 minutes left on this line today."


def test_whoever_was_dropped_may_come_back_at_once(world: World) -> None:
    talked(world, 40, how="peer lost")
    contact, admission = calls(world)
    assert (admission, told(world, contact)) == (Admission.QUEUE, "")


def test_a_dropped_caller_whose_first_call_still_waits_at_the_front_may_come_in(world: World) -> None:
    contact_id, _, peer_sid, _ = world.talks(world.peer1)
    world.now += timedelta(minutes=40)
    parting.leg_ended(peer_sid, world.now)
    assert world.contact(contact_id).state in ("waiting", "offered")
    assert calls(world)[1] is Admission.QUEUE


def test_a_peer_who_logs_a_drop_lets_the_caller_come_back(world: World) -> None:
    contact_id = talked(world, 40, how="caller left")
    assert calls(world)[1] is Admission.ALLOWANCE
    wrapup.report(world.peer1, contact_id, "dropped", [], "", False, world.now)
    assert calls(world)[1] is Admission.QUEUE


def test_a_drop_counts_until_they_talk_again(world: World) -> None:
    talked(world, 40, how="peer lost")
    talked(world, 1)
    assert calls(world)[1] is Admission.ALLOWANCE


def test_a_call_about_a_booked_callback_takes_its_place(world: World) -> None:
    talked(world, 29)
    set_up(world, policy={"minutes_a_day": 30, "steps": [{"after": 0, "kind": "callback"}]})
    availability.choose(world.peer1, "break", world.now)
    contact_id, sid = world.waits()
    clock.tick(world.now)
    assert calling_back.ask(world.contact(contact_id), 5, world.now)
    assert calling_back.wish(contact_id, world.now)
    calling_back.book(contact_id, world.now)
    parting.leg_ended(sid, world.now)
    set_up(world, policy={"minutes_a_day": 5, "steps": [{"after": 0, "kind": "callback"}]})
    contact, _ = world.arrives()
    assert contact.id == contact_id
    assert contact.state in ("waiting", "offered")


@pytest.mark.parametrize("code", allowance.EXEMPT)
def test_a_contact_by_relay_or_with_an_interpreter_does_not_count(world: World, code: str) -> None:
    contact_id = talked(world, 40)
    afterwards = wrapup.Afterwards(exempt=code)
    for _ in range(2):
        wrapup.report(world.peer1, contact_id, "support_given", ["social"], "", False, world.now, None, afterwards)
    assert world.contact(contact_id).exempt == code
    assert world.events(contact_id).count("exempt") == 1
    assert calls(world)[1] is Admission.QUEUE
    assert left(world, contact_id) == NO_LIMIT
    afterwards = wrapup.Afterwards(exempt="")
    wrapup.report(world.peer1, contact_id, "support_given", ["social"], "", False, world.now, None, afterwards)
    assert world.events(contact_id)[-1] == "counts"
    assert calls(world)[1] is Admission.ALLOWANCE


def test_a_report_that_does_not_say_leaves_it_as_it_is(world: World) -> None:
    contact_id = talked(world, 40)
    for afterwards in (wrapup.Afterwards(exempt="relay"), wrapup.Afterwards(), None):
        wrapup.report(world.peer1, contact_id, "support_given", ["social"], "", False, world.now, None, afterwards)
    assert world.contact(contact_id).exempt == "relay"


def test_a_reason_that_is_none_is_refused_and_changes_nothing(world: World) -> None:
    contact_id = talked(world, 40)
    with pytest.raises(Invalid, match="no reason"):
        wrapup.report(world.peer1, contact_id, "information", ["social"], "", False, world.now, None,
                      wrapup.Afterwards(exempt="nuisance"))  # fmt: skip
    assert world.contact(contact_id).exempt is None


def test_a_supervisor_lifts_the_limit_until_the_day_ends(world: World) -> None:
    contact_id = talked(world, 40)
    for _ in range(2):
        allowance.lift(supervisor(world), contact_id, world.now)
    assert world.events(contact_id).count("allowance_lifted") == 1
    (caller,) = world.all(Caller)
    assert caller.allowance_free_until.isoformat() == "2026-11-21T05:00:00+00:00", "midnight in Georgia"
    assert calls(world)[1] is Admission.QUEUE
    talked(world, 40)
    assert calls(world)[1] is Admission.QUEUE
    world.now = caller.allowance_free_until + timedelta(hours=1)
    world.available(world.peer1)
    talked(world, 40)
    assert calls(world)[1] is Admission.ALLOWANCE, "the next day has its limit again"


def test_a_supervisor_lifts_it_for_nobody_elses_caller_and_for_no_withheld_number(world: World) -> None:
    contact_id = talked(world, 40)
    with pytest.raises(NotFound):
        allowance.lift(supervisor(world, world.outsider), contact_id, world.now)
    with pytest.raises(NotFound):
        allowance.lift(supervisor(world), "0" * 32, world.now)
    contact, _ = world.arrives(WITHHELD)
    with pytest.raises(Conflict):
        allowance.lift(supervisor(world), contact.id, world.now)
    assert calls(world)[1] is Admission.ALLOWANCE


def test_a_line_that_is_closed_tomorrow_says_when_it_opens(world: World) -> None:
    hours = {"4": [["09:00", "17:00"]], "0": [["09:30", "17:00"]]}  # Friday, Monday
    set_up(world, hours=hours)
    talked(world, 31)
    contact, admission = calls(world)
    assert admission is Admission.ALLOWANCE
    for language, words in (("en", "on Monday from 9:30 AM"), ("es", "el lunes a partir de las 09:30")):
        assert words in allowance.again(contact, language)
    set_up(world, holidays={"2026-11-23": []})
    later = world.contact(contact.id)
    assert "on Friday, November 27, from 9 AM" in allowance.again(later, "en")
    assert lines.is_open(later.line, world.now)
    set_up(world, hours={"4": [["09:00", "17:00"]]}, holidays={"2026-11-27": [], "2026-12-04": [], "2026-12-11": []})
    assert "December 18" in allowance.again(world.contact(contact.id), "en")


class TestTexts:
    """A new thread is admitted like a call; one that is open goes on."""

    def test_a_new_thread_gets_one_kind_text_and_ends(self, world: World) -> None:
        talked(world, 40)
        english, spanish = writes(world)
        assert english.startswith("Thanks for writing. Your time on this line for today is used up.")
        assert "after midnight" in english
        assert "medianoche" in spanish
        assert "988" in english
        assert "988" in spanish
        (contact,) = world.all(Contact, channel="text")
        assert contact.state == "missed"
        assert why(world, contact.id) == [{"reason": "allowance"}]

    def test_whoever_chooses_a_language_is_told_in_it_alone(self, world: World) -> None:
        talked(world, 40)
        (told,) = writes(world, "Español")
        assert "Su tiempo de hoy en esta línea se ha terminado" in told

    def test_little_is_said_with_the_acknowledgement(self, world: World) -> None:
        talked(world, 25)
        (told,) = writes(world)
        assert "You have about 5 minutes left on this line today." in told
        assert told.startswith("Thanks for writing.")

    def test_little_is_said_to_whoever_waits_for_a_language(self, world: World) -> None:
        talked(world, 25)
        with db.transaction() as session:
            session.execute(update(Shift).where(Shift.peer_id == world.peer2.id).values(ends_at=world.now))
        assert "unos 5 minutos" in writes(world, "Español")[0]

    def test_an_open_thread_goes_on(self, world: World) -> None:
        writes(world)
        engagement = world.accepts(world.peer1)
        world.now += timedelta(hours=1)
        before = writes(world, "one more thing")
        assert world.contact(engagement.contact_id).state == "connected"
        messages.write(world.peer1, engagement.contact_id, "I am here", world.now)
        assert len(before) == 1, "only the first was acknowledged, and nothing is said of time"
        parting.end(world.peer1, engagement.contact_id, world.now)
        assert "used up" in writes(world, "hello again")[-2]

    def test_a_keyword_is_a_keyword(self, world: World) -> None:
        talked(world, 40)
        assert not any("used up" in told for told in writes(world, "STOP"))


def test_the_figures_take_one_query_however_often_somebody_called(
    world: World, queries: Callable[[Callable[[], object]], int]
) -> None:
    contact_id = talked(world, 1)
    once = queries(lambda: left(world, contact_id))
    for _ in range(3):
        talked(world, 1)
    assert queries(lambda: left(world, contact_id)) == once
    assert left(world, contact_id) == Left(minutes=26)


@pytest.fixture
def queries(world: World) -> Callable[[Callable[[], object]], int]:
    """Counts the statements of a deed."""
    from tests.web.walk import counted

    def counts(deed: Callable[[], object]) -> int:
        with counted() as asked:
            deed()
        return len(asked)

    return counts
