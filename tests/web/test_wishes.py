"""The menu of wishes: its keys and words, its silence, and what a caller hears whose wish is lifted.

Twilio asks everything twice here, and each document is held to its grammar: see tests/web/test_hooks.py.
"""

import pytest
from sqlalchemy import select, update

from tests.cast import Cast
from tests.web import walk
from tests.web.test_hooks import ENGLISH, SPANISH, Call, Document, Twilio, failures, sid, twilio
from warmline import clock, db
from warmline.models import Contact, Direction, Line, Message, Peer, Shift

__all__ = ["failures", "twilio"]

# Robin (English) is a veteran in recovery, Marisol (English, Spanish) a parent who supports families: the demo's.
WISHES = ["family", "veteran", "youth"]
FAMILY, VETERAN, ANYONE = "a peer who supports families, press 1", "a peer who is a veteran, press 2", "anyone, press 9"


@pytest.fixture(autouse=True)
def _wishes(twilio: Twilio) -> None:
    the_line_has(WISHES)


def the_line_has(chosen: list[str], wish_for: int | None = None) -> None:
    with db.transaction() as session:
        session.execute(update(Line).values(policy={"wishes": chosen, "wish_for": wish_for}))


def goes_off_shift(peer: Peer) -> None:
    with db.transaction() as session:
        session.execute(update(Shift).where(Shift.peer_id == peer.id).values(ends_at=clock.now()))


def menu(call: Call, language: str = "1") -> Document:
    """What comes after the menu of languages."""
    return call.presses(call.rings(), language)


def wished(call: Call) -> tuple[str | None, bool]:
    return call.contact.wish, call.contact.wish_required


def test_a_caller_chooses_whom_to_talk_with_and_waits(twilio: Twilio) -> None:
    call = twilio.calls()
    document = menu(call)
    assert document.verbs == ["Gather", "Redirect"]
    assert document.languages == {ENGLISH}
    for words in (FAMILY, VETERAN, ANYONE):
        assert words in document.spoken
    assert "young" not in document.spoken, "nobody could grant it"
    enqueue = call.presses(document, "2")
    assert enqueue.verbs == ["Enqueue"]
    assert (call.contact.state, *wished(call)) == ("arriving", "veteran", True)
    assert "next in line" in call.waits(enqueue).spoken
    assert call.contact.state == "waiting"


def test_a_caller_hears_the_menu_in_spanish_with_who_speaks_it(twilio: Twilio) -> None:
    call = twilio.calls()
    document = menu(call, "2")
    assert document.languages == {SPANISH}
    assert "alguien que apoye a familias, oprima 1" in document.spoken
    assert "veteran" not in document.spoken
    call.presses(document, "1")
    assert wished(call) == ("family", True)


@pytest.mark.parametrize("key", ["9", None])
def test_nine_and_silence_mean_anyone(twilio: Twilio, key: str | None) -> None:
    call = twilio.calls()
    document = menu(call)
    enqueue = call.presses(document, key) if key else call.says_nothing_to(document)
    assert enqueue.verbs == ["Enqueue"]
    call.waits(enqueue)
    assert (call.contact.state, *wished(call)) == ("waiting", None, False)


@pytest.mark.parametrize("key", ["8", "*", "3"])
def test_a_key_without_a_meaning_is_asked_again_and_sends_nobody_away(twilio: Twilio, key: str) -> None:
    call = twilio.calls()
    document = menu(call)
    for _ in range(2):
        document = call.presses(document, key)
        assert document.verbs == ["Gather", "Redirect"]
        assert "no meaning" in document.spoken
        assert VETERAN in document.spoken
    assert call.presses(document, key).verbs == ["Enqueue"]
    assert wished(call) == (None, False)


def test_a_wrong_key_then_a_right_one(twilio: Twilio) -> None:
    call = twilio.calls()
    call.presses(call.presses(menu(call), "8"), "1")
    assert wished(call) == ("family", True)


def test_a_line_without_wishes_asks_nothing(twilio: Twilio) -> None:
    the_line_has([])
    assert menu(twilio.calls()).verbs == ["Enqueue"]


def test_where_nobody_could_grant_one_nothing_is_asked(twilio: Twilio) -> None:
    the_line_has(["youth", "idd"])
    assert menu(twilio.calls()).verbs == ["Enqueue"]


def test_a_line_of_one_language_asks_for_the_wish_all_the_same(twilio: Twilio) -> None:
    with db.transaction() as session:
        session.execute(update(Line).values(languages=["en"]))
    call = twilio.calls()
    assert VETERAN in call.says_nothing_to(call.rings()).spoken


def test_the_line_says_whether_a_wish_is_required(twilio: Twilio) -> None:
    the_line_has(WISHES, wish_for=60)
    call = twilio.calls()
    call.presses(menu(call), "2")
    assert wished(call) == ("veteran", False)


def test_who_could_grant_it_leaves_while_the_menu_is_read(twilio: Twilio, cast: Cast) -> None:
    call = twilio.calls()
    document = menu(call)
    goes_off_shift(walk.peer(cast.peer1))
    again = call.presses(document, "2")
    assert "no meaning" in again.spoken
    assert "veteran" not in again.spoken
    goes_off_shift(walk.peer(cast.peer2))
    assert call.presses(again, "1").verbs == ["Enqueue"], "nothing is left to choose"


def test_whoever_waits_and_asks_for_the_menu_again_waits_on(twilio: Twilio) -> None:
    call = twilio.calls()
    document = menu(call)
    call.waits(call.presses(document, "2"))
    assert call.presses(document, "9").verbs == ["Enqueue"]
    assert wished(call) == ("veteran", True)


def test_the_fallback_picks_a_call_up_from_the_menu(twilio: Twilio) -> None:
    call = twilio.calls()
    menu(call)
    again = call.picks_up_the_fallback()
    call.presses(call.presses(again, "1"), "2")
    assert wished(call) == ("veteran", True)


def test_a_caller_whose_wish_is_lifted_is_told_once_in_kind_words(twilio: Twilio, cast: Cast) -> None:
    call = twilio.calls()
    enqueue = call.presses(menu(call), "2")
    queue = sid("QU")
    call.waits(enqueue, queue)
    goes_off_shift(walk.peer(cast.peer1))
    clock.tick(clock.now())
    document = call.waits(enqueue, queue, "25")
    assert "nobody who is a veteran is here any more" in document.spoken
    assert "The next free peer will talk with you" in document.spoken
    assert "veteran" not in call.waits(enqueue, queue, "50").spoken
    assert call.contact.state == "waiting"


def test_whoever_writes_is_not_asked(twilio: Twilio) -> None:
    walk.writes("I served. Is anybody there?")
    with db.reading() as session:
        assert session.scalars(select(Contact.wish)).one() is None
        answers = session.scalars(select(Message.body).where(Message.direction == Direction.OUT)).all()
    assert answers
    assert not any("peer who" in answer for answer in answers)


def test_a_history_has_words_for_all_of_it(twilio: Twilio, cast: Cast) -> None:
    call = twilio.calls()
    enqueue = call.presses(menu(call), "2")
    queue = sid("QU")
    call.waits(enqueue, queue)
    goes_off_shift(walk.peer(cast.peer1))
    clock.tick(clock.now())
    call.waits(enqueue, queue, "25")
    page = cast.supervisor.get(f"/contacts/{call.contact.id}").text
    assert "The caller chose whom to talk with" in page
    assert "Nobody was left for the caller" in page
    assert "The caller was told so" in page


def test_the_offer_says_whom_the_caller_wishes_for(twilio: Twilio, cast: Cast) -> None:
    walk.is_ready(cast.peer1)
    call = twilio.calls()
    call.waits(call.presses(menu(call), "2"))
    assert "wishes to talk with a veteran" in cast.peer1.get("/console").text
