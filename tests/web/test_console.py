"""The peer's console over HTTP: the contract's answers, and what the page shows."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask, template_rendered
from jinja2 import Template
from jwt import decode
from sqlalchemy import select, update

from tests.cast import ENVIRONMENT, Cast, Person, settings
from tests.web.walk import ILLINOIS, calls, counted, hangs_up, is_ready, peer, sid, state, talk, writes
from warmline import clock, db
from warmline.app import create_app
from warmline.contacts import connect, dispatch, holding, messages, offers, parting, wrapup
from warmline.models import Direction, Line, Message

LATER = timedelta(hours=13)
A_PAUSE = timedelta(minutes=2)
REPORT: dict[str, Any] = {
    "disposition": "support_given",
    "reasons": ["emotional", "social"],
    "notes": "The garden.",
    "text_ok": "yes",
}


def offered(person: Person) -> dict[str, str]:
    (offer,) = state(person)["offers"]
    return offer


@contextmanager
def rendered() -> Iterator[list[str | None]]:
    """The templates that pages are made of meanwhile."""
    names: list[str | None] = []

    def note(sender: Flask, template: Template, **_: object) -> None:
        names.append(template.name)

    with template_rendered.connected_to(note):
        yield names


def takes_a_call(person: Person) -> str:
    """The contact's id; both are in the conference."""
    calls()
    offer = offered(person)
    assert person.post(f"/console/offers/{offer['id']}/accept").status_code == 200
    talk(offer["contact"])
    return offer["contact"]


def test_the_state_has_what_the_contract_says(cast: Cast) -> None:
    is_ready(cast.peer1)
    empty = state(cast.peer1)
    assert {key: empty[key] for key in ("status", "activity", "offers", "contacts")} == {
        "status": "available",
        "activity": "idle",
        "offers": [],
        "contacts": [],
    }
    contact = calls()
    answer = state(cast.peer1)
    assert set(answer) == {"version", "status", "activity", "rests_until", "offers", "contacts"}
    (offer,) = answer["offers"]
    assert set(offer) == {"id", "contact", "channel", "line", "deadline"}
    assert (offer["contact"], offer["channel"], offer["line"]) == (contact, "voice", "Georgia")
    left = datetime.fromisoformat(offer["deadline"]) - clock.now()
    assert timedelta(seconds=10) < left <= timedelta(seconds=20)

    cast.peer1.post(f"/console/offers/{offer['id']}/accept")
    assert state(cast.peer1)["activity"] == "connecting"
    talk(contact)
    answer = state(cast.peer1)
    assert answer["activity"] == "talking"
    assert answer["contacts"] == [
        {"id": contact, "state": "connected", "channel": "voice", "line": "Georgia", "logged": False}
    ]


def test_the_version_changes_with_the_answer_and_only_then(cast: Cast) -> None:
    is_ready(cast.peer1)
    before = state(cast.peer1)
    assert state(cast.peer1) == before
    calls()
    assert state(cast.peer1)["version"] != before["version"]


def test_whoever_was_less_quick_reads_who_took_it(cast: Cast) -> None:
    with db.transaction() as session:
        session.execute(update(Line).where(Line.name == "Georgia").values(policy={"strategy": "ring_several"}))
    is_ready(cast.peer1)
    is_ready(cast.peer2)
    calls()
    cast.peer2.post(f"/console/offers/{offered(cast.peer2)['id']}/accept")
    assert "Marisol Vega took it." in cast.peer1.get("/console").text
    assert "Marisol Vega took it." not in cast.peer2.get("/console").text
    with time_machine.travel(clock.now() + A_PAUSE):
        assert "Marisol Vega took it." not in cast.peer1.get("/console").text


def test_accepting_a_call_tells_the_browser_what_to_dial(cast: Cast) -> None:
    is_ready(cast.peer1)
    calls()
    offer = offered(cast.peer1)["id"]
    for _ in range(2):  # a second press does no harm
        answer = cast.peer1.post(f"/console/offers/{offer}/accept")
        assert answer.status_code == 200
        assert answer.get_json()["connect"] == {"offer": offer}
        assert re.fullmatch(r"[A-Za-z0-9_]{1,121}", answer.get_json()["identity"])


def test_accepting_a_text_opens_the_thread(cast: Cast) -> None:
    is_ready(cast.peer1)
    writes("<script>alert('is anybody there?')</script>")
    offer = offered(cast.peer1)
    answer = cast.peer1.post(f"/console/offers/{offer['id']}/accept")
    assert answer.json == {"contact": offer["contact"]}
    assert cast.peer1.post(f"/console/contacts/{offer['contact']}/messages", body="I am here.").get_json()["ok"]
    page = cast.peer1.get("/console").text
    assert "&lt;script&gt;alert(" in page
    assert "<script>alert" not in page
    assert page.index("is anybody there?") < page.index("Reply STOP") < page.index("I am here.")


def test_a_late_accept_says_that_the_offer_is_over(cast: Cast) -> None:
    is_ready(cast.peer1)
    contact = calls()
    offer = offered(cast.peer1)["id"]
    hangs_up(contact)
    answer = cast.peer1.post(f"/console/offers/{offer}/accept")
    assert answer.status_code == 409
    assert answer.get_json()["error"]["code"] == "offer_gone"
    assert "The caller hung up before you answered" in cast.peer1.get("/console").text


def test_not_now_passes_the_caller_on(cast: Cast) -> None:
    is_ready(cast.peer1)
    contact = calls()
    offer = offered(cast.peer1)["id"]
    is_ready(cast.peer2)
    assert cast.peer1.post(f"/console/offers/{offer}/decline").json == {"ok": True}
    assert state(cast.peer1)["offers"] == []
    assert offered(cast.peer2)["contact"] == contact


@pytest.mark.parametrize(
    ("channel", "reason", "told"),
    [
        ("voice", "no_answer", "The call on the Georgia line was not answered in time."),
        ("text", "no_answer", "The text on the Georgia line was not answered in time."),
        ("voice", "peer_gone", "so the Georgia line took the offer back."),
        ("voice", "outage", "We were out of reach for a moment, so the Georgia line took the offer back."),
    ],
)
def test_whoever_did_not_answer_is_promised_no_other_peer(cast: Cast, channel: str, reason: str, told: str) -> None:
    """Nobody else is there, so the same peer is asked again after a pause."""
    is_ready(cast.peer1)
    calls() if channel == "voice" else writes()
    rings = " ".join(cast.peer1.get("/console").text.split())
    assert "another peer is asked, or after a pause you again" in rings
    offers.expire(offered(cast.peer1)["id"], reason, clock.now())
    page = " ".join(cast.peer1.get("/console").text.split())
    assert told in page
    assert "kept their place, and you may be asked again." in page
    assert "next peer" not in rings + page
    with time_machine.travel(clock.now() + A_PAUSE):
        is_ready(cast.peer1)
        dispatch.run(peer(cast.peer1).organization_id, clock.now())
        assert offered(cast.peer1)["line"] == "Georgia"


def test_without_a_script_every_button_leads_back_to_the_page(cast: Cast) -> None:
    is_ready(cast.peer1)
    writes()
    offer = offered(cast.peer1)
    contact = f"/console/contacts/{offer['contact']}"
    for path, form in (
        ("/console/status", {"status": "available"}),
        ("/console/heartbeat", {}),
        (f"/console/offers/{offer['id']}/accept", {}),
        (f"{contact}/messages", {"body": "I am here."}),
        (f"{contact}/draft", {}),
        (f"{contact}/end", {}),
        (f"{contact}/report", REPORT),
    ):
        answer = cast.peer1.post(path, accept="text/html", **form)
        assert (answer.status_code, answer.location) == (303, "/console"), path


def test_unknown_and_foreign_look_the_same(cast: Cast) -> None:
    is_ready(cast.peer1)
    writes()
    offer = offered(cast.peer1)
    cast.peer1.post(f"/console/offers/{offer['id']}/accept")
    for contact, offer_id in ((offer["contact"], offer["id"]), ("0" * 32, "0" * 32)):
        for path, form in (
            (f"/console/offers/{offer_id}/accept", {}),
            (f"/console/offers/{offer_id}/decline", {}),
            (f"/console/contacts/{contact}/messages", {"body": "hello"}),
            (f"/console/contacts/{contact}/end", {}),
            (f"/console/contacts/{contact}/draft", {}),
            (f"/console/contacts/{contact}/report", REPORT),
        ):
            for person in (cast.outsider, cast.peer2):
                answer = person.post(path, **form)
                assert answer.status_code == 404, path
                assert answer.get_json()["error"]["code"] == "not_found"
        for page in ("/console", "/console/fragment"):
            assert cast.outsider.get(f"{page}?contact={contact}").status_code == 404
    assert state(cast.outsider)["contacts"] == []


@pytest.mark.parametrize("path", ["/console", "/console/fragment", "/console/state", "/console/softphone"])
def test_the_console_is_for_peers(cast: Cast, path: str) -> None:
    assert cast.peer1.get(path).status_code == 200
    assert cast.supervisor.get(path).status_code == 403
    assert cast.admin.get(path).status_code == 403
    assert cast.stranger.get(path, headers={"Accept": "application/json"}).status_code == 401


def test_the_report_says_what_is_missing(cast: Cast) -> None:
    is_ready(cast.peer1)
    contact = takes_a_call(cast.peer1)
    path = f"/console/contacts/{contact}/report"
    for form, code in (
        ({}, "disposition_missing"),
        ({"disposition": "support_given"}, "reasons_missing"),
        (REPORT | {"disposition": "no such thing"}, "disposition_unknown"),
        (REPORT | {"reasons": ["no such thing"]}, "reason_unknown"),
    ):
        answer = cast.peer1.post(path, **form)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, code)


def test_a_draft_survives_and_the_finished_report_ends_wrap_up(cast: Cast) -> None:
    is_ready(cast.peer1)
    contact = takes_a_call(cast.peer1)
    path = f"/console/contacts/{contact}"
    assert cast.peer1.post(f"{path}/draft", notes="The gar", reasons=["social"]).json == {"ok": True}
    page = cast.peer1.get("/console").text
    assert ">The gar</textarea>" in page
    assert checked(page) == {"social"}

    assert cast.peer1.post(f"{path}/end").json == {"ok": True}
    assert state(cast.peer1)["activity"] == "wrapping"
    assert "Wrap-up" in cast.peer1.get("/console").text
    assert cast.peer1.post(f"{path}/report", **REPORT).json == {"ok": True}
    answer = state(cast.peer1)
    assert answer["activity"] == "idle"
    assert [entry["logged"] for entry in answer["contacts"]] == [True]
    page = cast.peer1.get(f"/console?contact={contact}").text
    assert checked(page) == {"support_given", "emotional", "social", "yes"}
    assert ">The garden.</textarea>" in page


def checked(page: str) -> set[str]:
    return {found[1] for found in re.finditer(r'<input[^>]*value="(\w+)"\s+checked', page)}


def test_an_unlogged_contact_stays_and_a_logged_one_leaves_the_list(cast: Cast) -> None:
    is_ready(cast.peer1)
    logged = takes_a_call(cast.peer1)
    cast.peer1.post(f"/console/contacts/{logged}/end")
    cast.peer1.post(f"/console/contacts/{logged}/report", **REPORT)
    unlogged = takes_a_call(cast.peer1)
    cast.peer1.post(f"/console/contacts/{unlogged}/end")
    assert [entry["id"] for entry in state(cast.peer1)["contacts"]] == [unlogged, logged]
    with time_machine.travel(clock.now() + LATER):
        cast.peer1.log_in()
        assert [entry["id"] for entry in state(cast.peer1)["contacts"]] == [unlogged]
        assert "1 to log" in cast.peer1.get("/console").text


def test_a_report_in_the_making_stays_open_when_wrap_up_is_over(cast: Cast) -> None:
    is_ready(cast.peer1)
    contact = takes_a_call(cast.peer1)
    cast.peer1.post(f"/console/contacts/{contact}/end")
    with db.reading() as session:
        (engagement,) = wrapup.overdue(session, clock.now() + LATER)
    wrapup.expire(engagement, clock.now() + LATER)
    assert state(cast.peer1)["activity"] == "idle"
    assert f'data-open="{contact}"' in cast.peer1.get(f"/console/fragment?contact={contact}").text
    assert "data-open=" not in cast.peer1.get("/console/fragment").text


def test_a_connection_that_failed_is_not_the_peers_contact_and_is_explained(cast: Cast) -> None:
    is_ready(cast.peer1)
    calls()
    cast.peer1.post(f"/console/offers/{offered(cast.peer1)['id']}/accept")
    with db.reading() as session:
        (engagement,) = connect.overdue(session, clock.now() + timedelta(seconds=16))
    connect.give_up(engagement, clock.now() + timedelta(seconds=16))
    answer = state(cast.peer1)
    assert (answer["status"], answer["activity"], answer["contacts"]) == ("away", "idle", [])
    page = cast.peer1.get("/console").text
    assert "because your phone did not connect within 15 seconds" in page
    cast.peer1.post("/console/status", status="available")
    assert "because your phone did not connect" not in cast.peer1.get("/console").text


def test_a_fragment_is_sent_again_only_when_it_changed(cast: Cast) -> None:
    is_ready(cast.peer1)
    first = cast.peer1.get("/console/fragment")
    held = {"If-None-Match": first.headers["ETag"]}
    cast.supervisor.get("/board")  # logs in
    with rendered() as templates:
        assert cast.peer1.client.get("/console/fragment", headers=held).status_code == 304
        assert cast.supervisor.get("/board/fragment").status_code == 200
    assert templates == ["board/_live.html"], "what nobody will see was rendered"
    # A new text changes the page though it does not change the state of any contact.
    writes()
    cast.peer1.post(f"/console/offers/{offered(cast.peer1)['id']}/accept")
    held = {"If-None-Match": cast.peer1.get("/console/fragment").headers["ETag"]}
    writes("are you there?")
    assert cast.peer1.client.get("/console/fragment", headers=held).status_code == 200


def test_what_waits_on_my_lines(cast: Cast) -> None:
    def said() -> str:
        return re.sub(r"\s+", " ", cast.peer1.get("/console").text)

    def row(line: str, number: int, hidden: str = "") -> str:
        return f'<li data-line="\\w+" {hidden}> <span>{line}</span> <span> <span data-number>{number}</span>'

    assert '<p class="hint" > Nobody is waiting' in said()
    assert re.search(row("Georgia", 0, "hidden"), said())
    writes(number="+14045550145")
    writes(number="+14045550146")
    writes(number="+14045550147", line=ILLINOIS)
    page = said()
    assert re.search(row("Georgia", 2) + " <span >· longest", page)
    assert re.search(row("Illinois", 1) + " <span >· longest", page)
    assert '<p class="hint" hidden> Nobody is waiting' in page
    assert "You are not on shift" not in page


def test_a_peer_whose_lines_are_paused_reads_why_nothing_rings(cast: Cast) -> None:
    is_ready(cast.peer1)
    running = {"If-None-Match": cast.peer1.get("/console/fragment").headers["ETag"]}
    for paused_at in (clock.now(), None):
        with db.transaction() as session:
            lantern = peer(cast.peer1).organization_id
            session.execute(update(Line).where(Line.organization_id == lantern).values(paused_at=paused_at))
        answer = cast.peer1.client.get("/console/fragment", headers=running)
        page = cast.peer1.get("/console").text
        assert ("Nothing rings just now" in page) == ("(paused)" in page) == (paused_at is not None)
        assert ("You are ready" in page) == (paused_at is None)
        assert answer.status_code == (200 if paused_at else 304)


def test_a_token_for_the_softphone(cast: Cast) -> None:
    answer = cast.peer1.get("/console/softphone").get_json()
    assert set(answer) == {"token", "identity", "ttl"}
    key = ENVIRONMENT["TWILIO_API_KEY_SECRET"]
    claims = decode(answer["token"], key, algorithms=["HS256"])
    assert claims["grants"]["identity"] == answer["identity"]
    assert claims["grants"]["voice"]["outgoing"]["application_sid"] == ENVIRONMENT["TWILIO_TWIML_APP_SID"]
    assert abs(claims["exp"] - clock.now().timestamp() - answer["ttl"]) < 60


def test_the_phone_is_the_simulators_only_while_there_is_one(app: Flask, database_url: str) -> None:
    page = Cast(app).peer1.get("/console").text
    assert f'data-softphone="{ENVIRONMENT["TWILIO_API_BASE_URL"]}/softphone.js"' in page
    real = create_app(settings(database_url, TWILIO_API_BASE_URL=""))
    assert 'data-softphone="/static/softphone.js"' in Cast(real).peer1.get("/console").text


def test_a_peer_reads_why_a_text_that_rang_is_withdrawn(cast: Cast) -> None:
    is_ready(cast.peer1)
    writes()
    contact = offered(cast.peer1)["contact"]
    writes("STOP")
    assert state(cast.peer1)["offers"] == []
    assert "The caller asked for no more texts before you answered." in cast.peer1.get("/console").text
    told = " ".join(cast.supervisor.get(f"/contacts/{contact}").text.split())
    assert "The caller left before anybody answered (the caller asked for no more texts)" in told
    assert "Stopped ringing (the caller asked for no more texts)" in told


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("caller_left", "The caller hung up before you answered."),
        ("callback_booked", "The caller wants to be called instead, and keeps their place."),
        ("outside_hours", "The line has closed, so this caller is not called now."),
        ("caller_unanswered", "The caller did not take our call, and is not called just now."),
    ],
)
def test_a_peer_reads_why_a_call_that_rang_is_withdrawn(cast: Cast, reason: str, told: str) -> None:
    is_ready(cast.peer1)
    contact = calls()
    with db.transaction() as session:
        parting.stop_asking(session, holding.contact(session, contact), reason, clock.now())
    page = cast.peer1.get("/console").text
    assert told in page
    assert page.count("before you answered") == (reason == "caller_left")


def test_whoever_wants_no_texts_is_not_written_to_and_the_peer_is_told_why(cast: Cast) -> None:
    is_ready(cast.peer1)
    writes()
    offered = state(cast.peer1)["offers"][0]
    cast.peer1.post(f"/console/offers/{offered['id']}/accept")
    path = f"/console/contacts/{offered['contact']}/messages"
    assert path in cast.peer1.get("/console").text
    writes("STOP")
    page = cast.peer1.get("/console").text
    assert "The caller asked for no more texts, so none can be sent." in page
    assert path not in page
    assert cast.peer1.post(path, body="Are you there?").status_code == 409


def test_our_confirmation_of_stop_that_the_phone_company_had_sent_itself_is_no_failure(cast: Cast) -> None:
    is_ready(cast.peer1)
    writes()
    offered = state(cast.peer1)["offers"][0]
    cast.peer1.post(f"/console/offers/{offered['id']}/accept")
    writes("STOP")
    with db.reading() as session:
        ours = session.scalars(select(Message.id).where(Message.direction == Direction.OUT)).all()
    for number, code in enumerate(["30003", "21610"]):
        messages.delivered(ours[number], sid("SM"), "failed", code, clock.now())
    page = cast.peer1.get("/console").text
    assert page.count("not sent: the caller asked for no more texts") == 1
    assert page.count("This text could not be delivered.") == 1


def test_nothing_on_the_page_is_inline(cast: Cast) -> None:
    is_ready(cast.peer1)
    takes_a_call(cast.peer1)
    page = cast.peer1.get("/console").text
    # A block of data is no code: no browser runs it.
    assert all("src=" in tag or "application/json" in tag for tag in re.findall(r"<script[^>]*>", page))
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)


def test_the_number_of_queries_does_not_grow(cast: Cast) -> None:
    is_ready(cast.peer1)
    takes_a_call(cast.peer1)
    cast.peer1.get("/console")
    with counted() as few:
        cast.peer1.get("/console")
        state(cast.peer1)
    for number in range(150, 160):
        writes(number=f"+14045550{number}")
    cast.peer1.post(f"/console/contacts/{state(cast.peer1)['contacts'][0]['id']}/end")
    for _ in range(5):
        cast.peer1.post(f"/console/contacts/{state(cast.peer1)['contacts'][0]['id']}/report", **REPORT)
        cast.peer1.post(f"/console/offers/{offered(cast.peer1)['id']}/accept")
        cast.peer1.post(f"/console/contacts/{state(cast.peer1)['contacts'][0]['id']}/end")
    with counted() as many:
        cast.peer1.get("/console")
        state(cast.peer1)
    # A text thread has its messages beside what a call has.
    assert len(many) <= len(few) + 1
