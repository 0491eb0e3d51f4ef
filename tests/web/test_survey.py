"""The survey over HTTP: the yes in the wait room, answers as Twilio brings them, and what console and board show."""

import pytest
from sqlalchemy import select

from tests import cast as house
from tests.cast import Cast
from tests.web import walk
from tests.web.test_hooks import (
    CALLER,
    FORM,
    GEORGIA,
    NOBODY,
    SPANISH,
    TEXT,
    Call,
    Document,
    Twilio,
    failures,
    once,
    rows,
    sid,
    twilio,
)
from warmline import clock, db
from warmline.app import create_app
from warmline.contacts import parting
from warmline.models import Account, Direction, Message, Survey

__all__ = ["failures", "once", "twilio"]  # fixtures

QUESTION = "short questions by text"


def asked(call: Call, key: str = "1") -> tuple[Document, Document, str]:
    """A caller hears the question in the second wait document: their Enqueue, that document, and the QueueSid."""
    enqueue, queue = call.presses(call.rings(), key), sid("QU")
    first = call.waits(enqueue, queue)
    assert first.verbs == ["Say", "Say", "Play"], "not in the first"
    return enqueue, call.waits(enqueue, queue, "26"), queue


def presses(call: Call, document: Document, queue: str, key: str) -> Document:
    return call.asks(document.url("Gather", "action"), Digits=key, QueueSid=queue, QueueTime="40")


def texts(body: str, twilio: Twilio, message_sid: str = "", number: str = CALLER) -> str:
    """A signed text; its MessageSid."""
    form = {"MessageSid": message_sid or sid("SM"), "From": number, "To": GEORGIA, "Body": body}
    response = twilio.posts(TEXT, form)
    assert response.status_code == 200
    assert Document(TEXT, response.text).verbs == [], "what we answer goes out as a text of its own"
    return form["MessageSid"]


def written() -> list[str]:
    """Our own texts of surveys, oldest first."""
    with db.reading() as session:
        ours = select(Message).where(Message.direction == Direction.OUT, Message.survey_id.is_not(None))
        return [message.body for message in session.scalars(ours.order_by(Message.at))]


def the_survey() -> Survey:
    with db.reading() as session:
        return session.scalars(select(Survey)).one()


@pytest.fixture
def invited(cast: Cast) -> str:
    """Peer1 has talked with a caller who said yes to a text, and logged it; the caller is invited. The contact."""
    walk.is_ready(cast.peer1)
    contact = walk.calls(number=CALLER)
    cast.peer1.post(f"/console/offers/{walk.state(cast.peer1)['offers'][0]['id']}/accept")
    walk.talk(contact)
    walk.hangs_up(contact)
    report = {"disposition": "support_given", "reasons": "emotional", "notes": "", "text_ok": "yes"}
    assert cast.peer1.post(f"/console/contacts/{contact}/report", **report).status_code == 200
    clock.tick(clock.now())
    assert len(written()) == 1
    return contact


# In the wait room


def test_a_caller_says_yes_by_key_and_keeps_their_place(twilio: Twilio) -> None:
    call = twilio.calls()
    enqueue, second, queue = asked(call)
    assert second.verbs == ["Gather", "Play"], "silence: the music goes on"
    assert QUESTION in second.spoken
    assert call.contact.survey_ok_at is None
    before = call.contact
    thanks = presses(call, second, queue, "1")
    assert thanks.verbs == ["Say", "Play"]
    assert "keep your place" in thanks.spoken
    after = call.contact
    assert after.survey_ok_at is not None
    assert (after.state, after.queued_at, after.queue_sid) == (before.state, before.queued_at, before.queue_sid)
    for waited in ("51", "76"):
        assert call.waits(enqueue, queue, waited).verbs == ["Play"], "once a contact"


def test_silence_and_any_other_key_are_no_yes(twilio: Twilio) -> None:
    call = twilio.calls()
    enqueue, second, queue = asked(call)
    for key in ("2", "0", "*", "11"):
        document = presses(call, second, queue, key)
        assert document.verbs == ["Play"], "the music goes on"
    assert call.waits(enqueue, queue, "51").verbs == ["Play"]
    assert call.contact.survey_ok_at is None


def test_a_spanish_caller_is_asked_in_spanish(twilio: Twilio) -> None:
    _, second, _ = asked(twilio.calls(), "2")
    assert second.languages == {SPANISH}
    assert "preguntas cortas por texto" in second.spoken


def test_a_caller_who_comes_back_to_the_queue_is_not_asked_again(twilio: Twilio) -> None:
    call = twilio.calls()
    enqueue, _, _ = asked(call)
    trouble = call.asks(enqueue.url("Enqueue", "action"), QueueResult="system-error")
    queue = sid("QU")
    for waited in ("0", "27", "54"):
        assert QUESTION not in call.waits(trouble, queue, waited).spoken


@pytest.mark.parametrize("number", ["anonymous", "+266696687", ""])
def test_a_withheld_number_is_not_asked(twilio: Twilio, number: str) -> None:
    _, second, _ = asked(twilio.calls(number))
    assert second.verbs == ["Play"]


def test_whoever_wants_no_texts_is_not_asked(twilio: Twilio) -> None:
    texts("STOP", twilio)
    _, second, _ = asked(twilio.calls())
    assert QUESTION not in second.spoken


def test_while_somebody_joins_nothing_is_asked(twilio: Twilio, cast: Cast) -> None:
    walk.is_ready(cast.peer1)
    call = twilio.calls()
    enqueue, queue = call.presses(call.rings(), "1"), sid("QU")
    call.waits(enqueue, queue)
    twilio.accepts(walk.peer(cast.peer1))
    document = call.waits(enqueue, queue, "26")
    assert "joining" in document.spoken
    assert document.verbs == ["Say", "Play"]


def test_a_key_for_which_nobody_asked_is_no_yes(twilio: Twilio) -> None:
    call = twilio.calls()
    enqueue, queue = call.presses(call.rings(), "1"), sid("QU")
    call.waits(enqueue, queue)
    path = enqueue.url("Enqueue", "waitUrl").partition("#")[0].removeprefix("http://localhost") + "?survey=1"
    assert call.asks(path, Digits="1", QueueSid=queue, QueueTime="26").verbs == ["Play"]
    assert call.contact.survey_ok_at is None


@pytest.mark.parametrize("waited", ["9" * 3000, "-1", "²", "", "1e9"])
def test_an_odd_time_of_waiting_brings_nothing_down(once: Twilio, waited: str) -> None:
    call = once.calls()
    enqueue, queue = call.presses(call.rings(), "1"), sid("QU")
    call.waits(enqueue, queue)
    assert "Play" in call.waits(enqueue, queue, waited).verbs
    assert "Play" in call.waits(enqueue, queue, "30").verbs


def test_without_a_database_the_key_keeps_the_caller_in_line() -> None:
    app = create_app(house.settings("sqlite:////nowhere/warmline.db"))
    form = FORM | {"Digits": "1"}
    document = Twilio(app).asks(f"/twilio/voice/contacts/{NOBODY}/wait?survey=1", form)
    assert set(document.verbs) == {"Say", "Play"}
    db.bound().dispose()


# What comes back


def test_answers_come_in_and_each_only_once(once: Twilio, invited: str, failures: list[Exception]) -> None:
    for body, number in (("YES", 2), ("cuatro", 3), ("7", 4)):
        message_sid = texts(body, once)
        before = rows()
        texts(body, once, message_sid)
        assert rows() == before, "told twice, stored once"
        assert len(written()) == number
    found = the_survey()
    assert (found.state, found.felt_supported, found.feeling, found.otherwise) == (
        "completed", True, 4, "something_else",
    )  # fmt: skip
    assert failures == []


def test_a_delivery_that_overtakes_our_own_answer_is_taken(once: Twilio, invited: str) -> None:
    with db.reading() as session:
        message = session.scalars(select(Message).where(Message.survey_id.is_not(None))).one()
    for status in ("delivered", "sent", "delivered"):
        form = {"MessageSid": "SM" + "7" * 32, "MessageStatus": status}
        assert once.posts(f"/twilio/sms/status?message={message.id}", form).status_code == 200
    with db.reading() as session:
        assert session.get_one(Message, message.id).state == "delivered"


# What people see


def test_no_answer_is_on_the_console_or_in_its_json(once: Twilio, cast: Cast, invited: str) -> None:
    page, state = cast.peer1.get(f"/console?contact={invited}"), walk.state(cast.peer1)
    for body in ("2", "1", "kind of", "5"):
        texts(body, once)
    after = cast.peer1.get(f"/console?contact={invited}")
    assert after.headers["ETag"] == page.headers["ETag"], "nothing there has changed"
    assert walk.state(cast.peer1) == state
    for word in (*written(), "kind of", "felt_supported", "otherwise"):
        assert word not in after.text
        assert word not in str(state)


def test_the_board_counts_and_names_nobody(once: Twilio, cast: Cast, invited: str) -> None:
    assert "no answer yet" in cast.supervisor.get("/board").text
    held = {"If-None-Match": cast.supervisor.get("/board/fragment").headers["ETag"]}
    texts("no", once)
    fragment = cast.supervisor.client.get("/board/fragment", headers=held)
    assert fragment.status_code == 200, "it has changed"
    panel = " ".join(fragment.text.split('id="survey"')[1].split())
    assert "0 of 1" in panel
    assert "1 of 1" in panel
    assert CALLER not in panel
    assert invited not in panel


def test_another_organizations_board_counts_none_of_it(cast: Cast, invited: str) -> None:
    moves, there = cast.supervisor.account, cast.outsider.account.organization_id
    with db.transaction() as session:
        session.get_one(Account, moves.id).organization_id = there
    assert "Nobody was invited yet today." in cast.supervisor.get("/board").text


def test_a_peer_has_no_board(cast: Cast, invited: str) -> None:
    assert cast.peer1.get("/board").status_code == 403


def test_a_tick_for_another_peers_contact_is_refused(cast: Cast, invited: str) -> None:
    form = {"disposition": "support_given", "reasons": "emotional", "notes": "", "text_ok": "yes"}
    for person in (cast.peer2, cast.outsider):
        assert person.post(f"/console/contacts/{invited}/report", **form).status_code == 404


def test_a_contact_that_ends_by_the_consoles_end_is_asked_about_as_well(cast: Cast) -> None:
    walk.is_ready(cast.peer1)
    contact = walk.calls()
    cast.peer1.post(f"/console/offers/{walk.state(cast.peer1)['offers'][0]['id']}/accept")
    walk.talk(contact)
    parting.end(walk.peer(cast.peer1), contact, clock.now())
    report = {"disposition": "support_given", "reasons": "emotional", "notes": "", "text_ok": "yes"}
    for _ in range(2):  # a double click
        assert cast.peer1.post(f"/console/contacts/{contact}/report", **report).status_code == 200
    clock.tick(clock.now())
    clock.tick(clock.now())
    assert len(written()) == 1
