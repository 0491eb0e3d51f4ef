"""The directory's pages, and its buttons beside a contact, over HTTP."""

import re
from datetime import UTC, datetime

import pytest
from flask import render_template_string

from tests.cast import Cast, Person
from tests.web.walk import calls, counted, is_ready, state, talk
from warmline import clock, db
from warmline.contacts import messages, referrals
from warmline.models import Caller, Event, Message, Referral, Resource

FORM = {
    "name": "Sewing Room",
    "organization_name": "Needle & Friends",
    "description": "Mend it together.",
    "kind": "other",
    "place": "Maple Falls",
    "phone": "(404) 555-0188",
    "schedule": "Sat 10-2",
    "eligibility_description": "Anybody",
    "cost": "Free",
    "languages": "English",
    "status": "active",
    "assured_date": "2026-11-01",
}
PANTRY = "demo-service-01"


def takes_a_call(person: Person, number: str = "+14045550123") -> str:
    is_ready(person)
    contact = calls(number)
    (offer,) = state(person)["offers"]
    assert person.post(f"/console/offers/{offer['id']}/accept").status_code == 200
    talk(contact)
    return contact


def stored(name: str) -> Resource:
    with db.reading() as session:
        return session.query(Resource).filter_by(name=name).one()


def names(page: str) -> list[str]:
    """The services of the directory's page, in their order."""
    return re.findall(r'<a href="/directory/[\w-]+">([^<]+)</a>', page)


def test_a_directory_without_services_says_so(cast: Cast) -> None:
    assert "The directory has no services yet." in cast.outsider.get("/directory").text
    assert "No service fits." in cast.outsider.get("/directory?q=groceries").text


def test_everybody_who_is_logged_in_finds_a_service(cast: Cast) -> None:
    for person in (cast.peer1, cast.supervisor, cast.admin):
        page = person.get("/directory?q=groceries&place=Maple+Falls&kind=food").text
        assert names(page) == ["Maple Falls Community Pantry"]
        assert "1 service" in page
        assert 'value="groceries"' in page
        assert 'aria-current="page">Directory' in re.sub(r"\s+", " ", page)
        one = person.get(f"/directory/{PANTRY}").text
        assert "(404) 555-0160" in one
        assert "Nov 2, 2026" in one
        assert ("/edit" in one) == (person is not cast.peer1)
    assert cast.stranger.get("/directory").status_code == 302


def test_nothing_found_says_what_to_do(cast: Cast) -> None:
    assert "No service fits. Try fewer words" in cast.peer1.get("/directory?q=unicorn").text


def test_another_organization_sees_none_of_it(cast: Cast) -> None:
    assert names(cast.outsider.get("/directory").text) == []
    foreign, unknown = (cast.outsider.get(f"/directory/{id}", "application/json") for id in (PANTRY, "0" * 32))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json == unknown.json


def test_a_service_is_added_edited_and_taken_out(cast: Cast) -> None:
    answer = cast.supervisor.post("/directory/new", "text/html", **FORM)
    row = stored("Sewing Room")
    assert (answer.status_code, answer.location) == (303, f"/directory/{row.id}")
    assert row.phone == "+14045550188"
    edit = cast.admin.get(f"/directory/{row.id}/edit").text
    assert 'value="Needle &amp; Friends"' in edit
    assert 'value="2026-11-01"' in edit
    for _ in range(2):  # a double click
        assert cast.admin.post(f"/directory/{row.id}/edit", **FORM | {"schedule": "Sun 1-4"}).get_json()["ok"]
        assert cast.admin.post(f"/directory/{row.id}/deactivate").get_json()["ok"]
    assert names(cast.peer1.get("/directory?q=sewing").text) == []
    assert names(cast.peer1.get("/directory?q=sewing&all=1").text) == [], "peers see what can be given"
    assert names(cast.admin.get("/directory?q=sewing&all=1").text) == ["Sewing Room"]
    with db.reading() as session:
        events = [
            (event.name, event.old, event.new, event.why)
            for event in session.query(Event).filter_by(subject_id=row.id).order_by(Event.id)
        ]
    admin = cast.admin.account.id
    assert events[:3] == [
        ("added", None, "active", {"by": cast.supervisor.account.id}),
        ("changed", "active", "active", {"by": admin, "fields": ["schedule"]}),
        ("changed", "active", "inactive", {"by": admin, "fields": ["status"]}),
    ]


def test_what_was_typed_is_not_lost_when_something_does_not_fit(cast: Cast) -> None:
    answer = cast.admin.post("/directory/new", "text/html", **FORM | {"phone": "ask Mary"})
    assert answer.status_code == 422
    assert "That is not a telephone number that can be called." in answer.text
    assert 'value="ask Mary"' in answer.text
    assert "Mend it together." in answer.text
    assert 'aria-invalid="true"' in answer.text
    refused = cast.admin.post("/directory/new", **FORM | {"name": ""})
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (422, "name_missing")


@pytest.mark.parametrize("path", ["/directory/new", f"/directory/{PANTRY}/edit", f"/directory/{PANTRY}/deactivate"])
def test_only_those_who_keep_the_directory_change_it(cast: Cast, path: str) -> None:
    assert cast.peer1.post(path, **FORM).status_code == 403
    if not path.endswith("deactivate"):
        assert cast.peer1.get(path).status_code == 403
    assert cast.outsider.post(path, **FORM).status_code == 403
    with db.reading() as session:
        assert session.query(Event).filter_by(subject="resource", name="changed").count() == 0


def test_a_foreign_service_cannot_be_changed(cast: Cast) -> None:
    harbor = cast.outsider.account.organization_id
    with db.transaction() as session:
        session.get_one(Resource, PANTRY).organization_id = harbor
    for path in (f"/directory/{PANTRY}/edit", f"/directory/{PANTRY}/deactivate"):
        assert cast.admin.post(path, **FORM).status_code == 404
    assert cast.admin.get(f"/directory/{PANTRY}/edit").status_code == 404


def test_beside_a_call_it_is_searched_added_removed_and_texted(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    page = cast.peer1.get("/console").text
    assert re.search(r"<option\s+selected>\s*Maple Falls\s*</option>", page), "the line's place"
    found = cast.peer1.get(f"/console/contacts/{contact}/resources?q=groceries&place=&kind=").text
    assert "2 services" in found
    assert "Maple Falls Community Pantry" in found

    for _ in range(2):
        answer = cast.peer1.post(f"/console/contacts/{contact}/resources/{PANTRY}/add")
        assert answer.get_json()["ok"]
    other = cast.peer1.post(f"/console/contacts/{contact}/resources/demo-service-08/add").get_json()["referral"]
    for _ in range(2):
        assert cast.peer1.post(f"/console/contacts/{contact}/referrals/{other}/remove").get_json() == {"ok": True}
    page = cast.peer1.get("/console").text
    assert f'data-given="{PANTRY}"' in page
    assert "1 segment" in page

    refused = cast.peer1.post(f"/console/contacts/{contact}/referrals/text")
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (422, "yes_missing")
    sent = [cast.peer1.post(f"/console/contacts/{contact}/referrals/text", agreed="yes").get_json() for _ in range(2)]
    assert sent[0] == sent[1]
    with db.reading() as session:
        assert session.query(Message).filter_by(contact_id=contact).count() == 1


def test_without_a_script_every_form_leads_back_to_the_same_search(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    page = cast.peer1.get(f"/console?contact={contact}&q=groceries&place=&kind=food").text
    (action,) = [path for path in re.findall(r'action="([^"]+/add[^"]*)"', page) if "demo-service-01" in path]
    assert re.search(r"<option value=\"\"\s*>\s*Everywhere", page)
    answer = cast.peer1.post(action.replace("&amp;", "&"), "text/html")
    assert answer.status_code == 303
    assert answer.location == f"/console?contact={contact}&q=groceries&place=&kind=food#resources"
    assert "Added" in cast.peer1.get(answer.location).text
    answer = cast.peer1.post(f"/console/contacts/{contact}/referrals/text", "text/html", agreed="yes")
    assert answer.location == f"/console?contact={contact}#resources"


def test_the_reason_stands_where_the_button_would_be(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1, "anonymous")
    cast.peer1.post(f"/console/contacts/{contact}/resources/{PANTRY}/add")
    page = cast.peer1.get("/console").text
    reason = "The caller's number is withheld, so no text can be sent."
    assert reason in page
    assert "Text them" not in page
    refused = cast.peer1.post(f"/console/contacts/{contact}/referrals/text", agreed="yes")
    assert (refused.status_code, refused.get_json()["error"]["message"]) == (409, reason)


STOPPED = Caller(texts_stopped_at=datetime(2026, 11, 1, tzinfo=UTC))


@pytest.mark.parametrize(("caller", "length"), [(None, 1), (STOPPED, 1), (Caller(), 1601)])
def test_page_and_refusal_give_the_same_reason(cast: Cast, caller: Caller | None, length: int) -> None:
    reason = referrals.hindrance(caller, "a" * length)
    assert reason is not None
    words = '{% import "directory/_words.html" as words with context %}{{ words.HINDRANCE[code] }}'
    with cast.app.test_request_context():
        assert render_template_string(words, code=reason.code) == reason.message


def test_a_text_that_did_not_arrive_says_so_and_can_be_tried_again(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    cast.peer1.post(f"/console/contacts/{contact}/resources/{PANTRY}/add")
    message = cast.peer1.post(f"/console/contacts/{contact}/referrals/text", agreed="yes").get_json()["message"]
    page = cast.peer1.get("/console").text
    assert "Remove" not in page
    messages.delivered(message, "SM" + "1" * 32, "undelivered", "30003", clock.now())
    page = " ".join(cast.peer1.get("/console").text.split())
    assert "The caller did not get the text with Maple Falls Community Pantry. Remove it and add it again" in page
    assert "texted · not delivered" in page


@pytest.mark.parametrize("path", ["resources/%00/add", "referrals/%00/remove", "referrals/text"])
def test_ids_that_nobody_could_have_made_are_unknown(cast: Cast, path: str) -> None:
    contact = takes_a_call(cast.peer1)
    for id in (contact, "0" * 32):
        answer = cast.peer1.post(f"/console/contacts/{id}/{path}", agreed="yes")
        assert answer.status_code in {200, 404, 422}, answer.text
    assert cast.peer1.get("/directory/%00").status_code == 404
    assert cast.peer1.get("/console/contacts/%00/resources?q=%00&kind=%00&place=%00").status_code == 404
    assert cast.peer1.get(f"/console/contacts/{contact}/resources?q=%00&kind=%00&place=%00").status_code == 200
    assert cast.peer1.get("/directory?q=%00&kind=%00&place=%00&shown=x").status_code == 200


def test_only_the_contacts_own_peer_searches_adds_removes_and_texts(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    added = cast.peer1.post(f"/console/contacts/{contact}/resources/{PANTRY}/add").get_json()["referral"]
    paths = [f"resources/{PANTRY}/add", f"referrals/{added}/remove", "referrals/text"]
    for person, status in ((cast.peer2, 404), (cast.outsider, 404), (cast.supervisor, 403), (cast.admin, 403)):
        for path in paths:
            answer = person.post(f"/console/contacts/{contact}/{path}", agreed="yes")
            assert answer.status_code == status, (person.email, path)
        answer = person.get(f"/console/contacts/{contact}/resources", "application/json")
        assert answer.status_code == status
    unknown = cast.peer2.get(f"/console/contacts/{'0' * 32}/resources", "application/json")
    assert unknown.json == cast.peer2.get(f"/console/contacts/{contact}/resources", "application/json").json
    with db.reading() as session:
        assert session.query(Referral).count() == 1
        assert session.query(Message).count() == 0


def test_the_console_asks_as_many_questions_however_many_services_were_given(cast: Cast) -> None:
    contact = takes_a_call(cast.peer1)
    path = f"/console?contact={contact}&q=&place=&kind="
    cast.peer1.get(path)
    with counted() as few:
        cast.peer1.get(path)
    for number in range(1, 12):
        cast.peer1.post(f"/console/contacts/{contact}/resources/demo-service-{number:02}/add")
    with counted() as many:
        cast.peer1.get(path)
    assert len(many) == len(few)


def test_pages_of_the_directory_speak_each_readers_language(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of the codes are not remembered from an earlier reader's page."""
    spanish, _ = cast.app.extensions["words"]["es"]
    monkeypatch.setitem(spanish._catalog, "Food", "Comida")
    assert "Food" in cast.peer1.get("/directory").text
    cast.peer2.post("/language", language="es")
    assert ">Comida<" in re.sub(r"\s+", "", cast.peer2.get("/directory").text)
    assert ">Comida<" not in re.sub(r"\s+", "", cast.peer1.get("/directory").text)
