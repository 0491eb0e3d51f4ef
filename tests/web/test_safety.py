"""Alerts, hand-offs and boundaries over HTTP, and what console and board show of them."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.cast import Cast, Person
from tests.web import walk
from tests.web.test_hooks import Twilio
from tests.web.walk import calls, counted, hangs_up, is_ready, state, talk, writes
from warmline import clock, db
from warmline.contacts import parting
from warmline.models import Engagement, Leg, Role
from warmline.people import accounts

HANDOFF = {"given_to": "988", "agreed": "yes", "warmth": "warm", "outcome": "connected", "notes": "The bridge."}
BUTTONS = ["alert", "alert/withdraw", "handoff", "boundary"]


def takes_a_call(person: Person, **who: str) -> str:
    is_ready(person)
    contact = calls(**who)
    assert person.post(f"/console/offers/{state(person)['offers'][0]['id']}/accept").status_code == 200
    talk(contact)
    return contact


def takes_a_text(person: Person) -> str:
    is_ready(person)
    writes()
    return str(person.post(f"/console/offers/{state(person)['offers'][0]['id']}/accept").get_json()["contact"])


def alerts(person: Person) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = state(person, "/board")["alerts"]
    return shown


@pytest.fixture
def neighbour(cast: Cast) -> Person:
    """A supervisor of the other organization."""
    kept = cast.outsider.account
    with db.transaction() as session:
        email = "neighbour@example.org"
        accounts.create(session, kept.organization_id, Role.SUPERVISOR, "Noor Said", email, kept.password_hash)
    return Person(cast.app, email)


def test_an_alert_from_the_button_to_the_name_of_whoever_has_it(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    page = cast.peer1.get("/console").text
    assert "Get my supervisor" in page
    answer = cast.peer1.post(f"/console/contacts/{contact}/alert", words="He is <b>alone</b>")
    assert answer.json == {"ok": True, "alert": alerts(cast.supervisor)[0]["id"]}
    page = cast.peer1.get("/console").text
    assert "Waiting for your supervisor…" in page
    assert "Get my supervisor" not in page

    (alert,) = alerts(cast.supervisor)
    assert set(alert) == {"id", "contact", "line", "channel", "peer", "since", "acknowledged_by"}
    assert (alert["contact"], alert["line"], alert["channel"]) == (contact, "Georgia", "voice")
    assert (alert["peer"], alert["acknowledged_by"]) == ("Robin Hale", None)
    board = cast.supervisor.get("/board").text
    assert "Robin Hale needs a supervisor" in board
    assert "He is &lt;b&gt;alone" in board

    for person in (cast.supervisor, cast.admin, cast.supervisor):
        answer = person.post(f"/board/alerts/{alert['id']}/acknowledge")
        assert answer.json == {"ok": True, "acknowledged_by": "Dana Whitlock"}
    assert alerts(cast.admin)[0]["acknowledged_by"] == "Dana Whitlock"
    assert "Dana Whitlock has it" in cast.admin.get("/board").text
    assert "Your supervisor has seen it: Dana Whitlock" in cast.peer1.get("/console").text
    assert cast.peer1.post(f"/console/contacts/{contact}/alert/withdraw").json == {"ok": True}
    assert alerts(cast.supervisor) == []


@pytest.mark.parametrize("takes", [takes_a_call, takes_a_text])
def test_no_two_parts_of_the_console_have_the_same_id(cast: Cast, takes: Callable[[Person], str]) -> None:
    contact = takes(cast.peer1)
    cast.peer1.post(f"/console/contacts/{contact}/alert")
    ids = re.findall(r'\bid="([^"]+)"', cast.peer1.get("/console").text)
    assert len(ids) > 50
    assert sorted(ids) == sorted(set(ids))


def test_without_a_script_every_form_leads_back(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    for button in BUTTONS:
        answer = cast.peer1.post(f"/console/contacts/{contact}/{button}", accept="text/html", **HANDOFF)
        assert answer.status_code == 303
        assert answer.headers["Location"] == f"/console?contact={contact}"
    cast.peer1.post(f"/console/contacts/{contact}/alert")
    (alert,) = alerts(cast.supervisor)
    answer = cast.supervisor.post(f"/board/alerts/{alert['id']}/acknowledge", accept="text/html")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/board")


def test_the_fragments_change_with_an_alert(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    board = {"If-None-Match": cast.supervisor.get("/board/fragment").headers["ETag"]}
    console = {"If-None-Match": cast.peer1.get("/console/fragment").headers["ETag"]}
    assert cast.supervisor.client.get("/board/fragment", headers=board).status_code == 304
    cast.peer1.post(f"/console/contacts/{contact}/alert")
    assert cast.supervisor.client.get("/board/fragment", headers=board).status_code == 200
    assert cast.peer1.client.get("/console/fragment", headers=console).status_code == 200


def test_an_alert_of_the_call_stays_in_sight_while_another_contact_is_open(cast: Cast) -> None:
    first = takes_a_call(cast.peer1)
    hangs_up(first)
    cast.peer1.post(f"/console/contacts/{first}/report", disposition="dropped")
    second = takes_a_call(cast.peer1, number="+14045550124")
    cast.peer1.post(f"/console/contacts/{second}/alert")
    page = cast.peer1.get(f"/console?contact={first}").text
    assert f'id="alert-{second}"' in page
    assert "Waiting for your supervisor…" in page
    assert f'id="alert-{first}"' not in page


@pytest.mark.parametrize("button", BUTTONS)
def test_whose_contact_it_is_not_finds_nothing(cast: Cast, button: str) -> None:
    contact = takes_a_call(cast.peer1)
    for person in (cast.peer2, cast.outsider):
        assert person.post(f"/console/contacts/{contact}/{button}", **HANDOFF).status_code == 404
    assert cast.peer1.post(f"/console/contacts/nothing/{button}", **HANDOFF).status_code == 404
    for person in (cast.supervisor, cast.admin):
        assert person.post(f"/console/contacts/{contact}/{button}", **HANDOFF).status_code == 403
    assert state(cast.peer1)["contacts"][0]["state"] == "connected"


def test_an_alert_is_for_supervisors_of_its_own_organization(cast: Cast, neighbour: Person) -> None:
    contact = takes_a_call(cast.peer1)
    alert = cast.peer1.post(f"/console/contacts/{contact}/alert").get_json()["alert"]
    assert neighbour.post(f"/board/alerts/{alert}/acknowledge").status_code == 404
    assert cast.supervisor.post("/board/alerts/nothing/acknowledge").status_code == 404
    assert cast.peer1.post(f"/board/alerts/{alert}/acknowledge").status_code == 403
    assert alerts(neighbour) == []
    assert "Robin Hale" not in neighbour.get("/board").text
    assert alerts(cast.supervisor)[0]["acknowledged_by"] is None


def test_a_hand_off_that_is_not_recorded_is_asked_for(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    page = f"/console?contact={contact}"
    assert "Hand-off not recorded yet" not in cast.peer1.get(page).text
    report = {"disposition": "handed_off", "reasons": ["emotional"]}
    assert cast.peer1.post(f"/console/contacts/{contact}/report", **report).status_code == 200
    assert "Hand-off not recorded yet" in cast.peer1.get(page).text
    refused = cast.peer1.post(f"/console/contacts/{contact}/handoff", given_to="988")
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (422, "handoff_missing")
    assert cast.peer1.post(f"/console/contacts/{contact}/handoff", **HANDOFF).json == {"ok": True}
    shown = cast.peer1.get(page).text
    assert "Hand-off not recorded yet" not in shown
    assert "Hand-off recorded:" in shown
    assert "The bridge." in shown


def test_a_boundary_is_said_however_often_the_call_asks(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    page = cast.peer1.get("/console").text
    assert "End with a boundary" in page
    assert "This is where we end the conversation for today." in page, "the sentence is shown before it is said"
    for _ in range(2):
        assert cast.peer1.post(f"/console/contacts/{contact}/boundary").json == {"ok": True}
    with db.reading() as session:
        engagement = session.query(Engagement).filter_by(contact_id=contact).one()
        number = session.query(Leg).filter_by(contact_id=contact, kind="caller").one().call_sid
    twilio = Twilio(cast.app, twice=True)
    # After the conference, again through the fallback, and as a call that is being recalled.
    for path in (f"after?engagement={engagement.id}", "dropped", "join"):
        document = twilio.asks(f"/twilio/voice/contacts/{contact}/{path}", CallSid=number, CallStatus="in-progress")
        assert "This is where we end the conversation for today." in document.spoken
        assert "Goodbye" not in document.spoken
        assert document.ends
    page = cast.peer1.get("/console").text
    assert "Say this and end" not in page


def test_a_spanish_caller_hears_it_in_spanish(cast: Cast) -> None:
    is_ready(cast.peer2)
    contact = calls(language="es")
    cast.peer2.post(f"/console/offers/{state(cast.peer2)['offers'][0]['id']}/accept")
    talk(contact)
    assert "Hasta aquí llega la conversación" in cast.peer2.get("/console").text
    cast.peer2.post(f"/console/contacts/{contact}/boundary")
    document = Twilio(cast.app).asks(
        f"/twilio/voice/contacts/{contact}/dropped", CallSid=walk.caller_leg(contact), CallStatus="in-progress"
    )
    assert document.languages == {"es-US"}
    assert "Hasta aquí llega la conversación" in document.spoken


def test_a_thread_that_ends_with_a_boundary_shows_the_last_text(cast: Cast) -> None:
    contact = takes_a_text(cast.peer1)
    cast.peer1.post(f"/console/contacts/{contact}/boundary")
    page = cast.peer1.get(f"/console?contact={contact}").text
    assert "This is where we end the conversation for today." in page
    assert "the line&#39;s own words" in page or "the line's own words" in page


def test_no_boundary_by_text_to_somebody_who_wants_no_more_texts(cast: Cast) -> None:
    contact = takes_a_text(cast.peer1)
    assert "End with a boundary" in cast.peer1.get(f"/console?contact={contact}").text
    writes("STOP")
    assert "End with a boundary" not in cast.peer1.get(f"/console?contact={contact}").text


def test_a_peer_whose_phone_was_lost_is_told_so(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    with db.reading() as session:
        leg = session.query(Leg).filter_by(contact_id=contact, kind="peer").one().call_sid
    parting.leg_ended(leg, clock.now())
    page = cast.peer1.get("/console").text
    assert "Your phone lost the connection." in page
    assert "The caller kept their place and waits for the next peer." in page
    assert "has ended" not in page
    hangs_up(contact)
    page = cast.peer1.get("/console").text
    assert "Your phone lost the connection." in page
    assert "waits for the next peer" not in page


def test_a_caller_who_hung_up_is_not_a_lost_phone(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    hangs_up(contact)
    page = cast.peer1.get("/console").text
    assert "has ended" in page
    assert "Your phone lost the connection." not in page


def test_a_remembered_caller_is_known_and_forgotten_when_the_box_is_empty(cast: Cast) -> None:
    first = takes_a_call(cast.peer1)
    assert "The caller has not asked to be remembered." in cast.peer1.get("/console").text
    hangs_up(first)
    report = {"disposition": "support_given", "reasons": ["social"], "notes": "The garden."}
    remembered = {**report, "remember": "yes", "remember_as": "Call me Blue."}
    assert cast.peer1.post(f"/console/contacts/{first}/report", **remembered).status_code == 200
    second = takes_a_call(cast.peer1)
    page = cast.peer1.get("/console").text
    assert "1 earlier contact this year" in page
    assert "Call me Blue." in page
    assert "The garden." in page
    hangs_up(second)
    assert cast.peer1.post(f"/console/contacts/{second}/report", **report).status_code == 200
    takes_a_call(cast.peer1)
    page = cast.peer1.get("/console").text
    assert "The caller has not asked to be remembered." in page
    assert "Blue" not in page
    assert "earlier contact this year" not in page


def test_the_number_of_queries_does_not_grow(cast: Cast) -> None:
    report = {"disposition": "support_given", "reasons": ["social"], "remember": "yes"}

    def asks_and_looks() -> int:
        contact = takes_a_call(cast.peer1)
        cast.peer1.post(f"/console/contacts/{contact}/alert")
        with counted() as statements:
            cast.peer1.get("/console")
            cast.supervisor.get("/board")
        hangs_up(contact)
        assert cast.peer1.post(f"/console/contacts/{contact}/report", **report).status_code == 200
        return len(statements)

    asks_and_looks()
    second = asks_and_looks()
    assert [asks_and_looks() for _ in range(3)] == [second] * 3
