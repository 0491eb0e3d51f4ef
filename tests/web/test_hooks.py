"""What Twilio asks: the whole path, each request of it twice; odd requests; forged ones; and a database that is down.

Every signed request here goes through `Twilio`, which signs it and looks at the answer: whether it is TwiML that
Twilio understands where it reads it, leads somewhere, and names 988 where a call ends that nobody served.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from flask import Flask
from sqlalchemy import select
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from tests import cast as house
from tests.cast import ENVIRONMENT, Cast, prepare
from tests.servers import Postgres
from tests.telephony import grammar
from tests.web import walk
from warmline import clock, db
from warmline.app import create_app
from warmline.contacts import offers
from warmline.models import Base, Caller, Contact, Engagement, Leg, Line, LineNumber, Message, Offer, Peer, Shift
from warmline.people import accounts, lines, roster
from warmline.telephony import twiml
from warmline.web.hooks import sms, voice

BASE = ENVIRONMENT["PUBLIC_BASE_URL"]
GEORGIA, ILLINOIS = walk.GEORGIA, walk.ILLINOIS
CALLER = "+14045550123"
INCOMING = "/twilio/voice/incoming"
TEXT = "/twilio/sms/incoming"
NOBODY = "0" * 32  # the id of nothing
FALLBACK = "4 0 4 5 5 5 0 1 9 9"  # FALLBACK_NUMBER as it is spoken
ENGLISH, SPANISH = "en-US", "es-US"
# https://help.twilio.com/articles/223179988
WITHHELD = [
    "", "anonymous", "Anonymous", "unknown", "restricted", "unavailable", "private",
    "+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253",
]  # fmt: skip

ROUTES = sorted(
    rule.rule
    for rule in create_app(house.settings("sqlite:////nowhere/warmline.db")).url_map.iter_rules()
    if rule.rule.startswith("/twilio")
)
CALLBACKS = ("/status", "/conference", "/call")  # nobody hears their answers
# Where a caller hears the answer, or would.
# Whoever picks up a call of ours may be anybody, and hears nothing of what it is about: tests/web/test_calling_back.py.
UNHEARD = (*CALLBACKS, "/client", "/ended", "/called")
HEARD = [route for route in ROUTES if "/voice/" in route and not route.endswith(UNHEARD)]
# No answer says how we are made.
INWARD = re.compile(
    r"Traceback|File \"|sqlalchemy|psycopg|sqlite|werkzeug|warmline[./]|Error:|Exception", re.IGNORECASE
)

sids = count(1)


def sid(prefix: str = "CA") -> str:
    return f"{prefix}{next(sids):032x}"


def signature(url: str, form: MultiDict[str, Any], token: str = ENVIRONMENT["TWILIO_AUTH_TOKEN"]) -> str:
    return str(RequestValidator(token).compute_signature(url, form))


@dataclass
class Document:
    """A TwiML document, and where it was given."""

    path: str
    text: str

    @property
    def root(self) -> ET.Element:
        return ET.fromstring(self.text)

    @property
    def place(self) -> grammar.Place:
        """Where Twilio reads it."""
        route = self.path.partition("?")[0]
        if route.startswith("/twilio/sms/"):
            return grammar.Place.TEXT
        waiting = {"wait": grammar.Place.QUEUE, "quiet": grammar.Place.CONFERENCE}
        return waiting.get(route.rpartition("/")[2], grammar.Place.CALL)

    @property
    def verbs(self) -> list[str]:
        return [verb.tag for verb in self.root]

    @property
    def spoken(self) -> str:
        return " ".join(say.text or "" for say in self.root.iter("Say"))

    @property
    def languages(self) -> set[str | None]:
        return {say.get("language") for say in self.root.iter("Say")}

    @property
    def ends(self) -> bool:
        return "Hangup" in self.verbs

    def url(self, verb: str, attribute: str | None = None) -> str:
        """The address that the document hands out with this verb."""
        (found,) = self.root.iter(verb)
        return str(found.get(attribute) if attribute else found.text)

    @property
    def urls(self) -> list[str]:
        """Every address that it hands out."""
        names = ("action", "waitUrl", "statusCallback", "url")
        given = [element.get(name) for element in self.root.iter() for name in names]
        return [url for url in [*given, *(element.text for element in self.root.iter("Redirect"))] if url]


class Twilio:
    """Signs requests and reads the answers. `twice`: makes each a second time, as after a lost answer."""

    def __init__(self, app: Flask, *, twice: bool = False) -> None:
        self.app = app
        self.client = app.test_client()
        self.routes = app.url_map.bind(urlsplit(BASE).netloc)
        self.twice = twice

    def posts(self, path: str, form: Any = (), **options: Any) -> TestResponse:
        """A signed POST of a form, given as pairs or a mapping; any answer."""
        fields: MultiDict[str, Any] = MultiDict(form)
        headers = {"X-Twilio-Signature": signature(BASE + path, fields)}
        return self.client.post(path, data=fields, headers=headers, **options)

    def asks(
        self,
        url: str,
        fields: Mapping[str, str] | None = None,
        *,
        served: bool = False,
        over: bool = False,
        **more: str,
    ) -> Document:
        """A request of the ordinary path, by path or by an address that was handed out; its document.

        Args:
            url: if an address, then one below ours, with the connection overrides, which Twilio takes off.
            served: the caller has talked to a peer, or it is a peer who hears it: 988 need not be named.
            over: the call is over or goes on elsewhere: the answer is empty.
        """
        path, form = url.removeprefix(BASE).removesuffix(twiml.OVERRIDES), dict(fields or {}) | more
        document = self.reads(path, self.posts(path, form), served, over)
        if self.twice:
            before = rows()
            again = self.posts(path, form)
            assert again.text == document.text, f"asked twice, {path} answers differently"
            assert rows() == before, f"asked twice, {path} stores more"
        return document

    def reads(self, path: str, response: TestResponse, served: bool, over: bool) -> Document:
        assert response.status_code == 200, (path, response.text)
        assert response.mimetype == "text/xml"
        document = Document(path, response.text)
        assert grammar.faults(document.text, document.place) == []
        self._leads_to_known_routes(document)
        verbs = document.verbs
        if over:
            assert verbs == []
        elif document.place is not grammar.Place.CALL:
            assert verbs, "silence"
        else:
            # Gather falls through when nobody presses a key, so something must follow it.
            assert verbs[-1] in {"Hangup", "Redirect", "Enqueue", "Dial"}, f"a dead end: {document.text}"
        if document.ends and not served:
            assert "988" in document.spoken
        return document

    def _leads_to_known_routes(self, document: Document) -> None:
        for url in document.urls:
            assert url.startswith(f"{BASE}/twilio/voice/")
            assert url.endswith(twiml.OVERRIDES), "a restart would be heard"
            self.routes.match(urlsplit(url).path, method="POST")  # raises NotFound
        for play in document.root.iter("Play"):
            assert play.text
            assert play.text.startswith(f"{BASE}/static/")
            assert self.client.get(play.text.removeprefix(BASE)).status_code == 200

    def calls(self, number: str = CALLER, line: str = GEORGIA) -> "Call":
        return Call(self, sid(), number, line)

    def accepts(self, peer: Peer) -> "Connection":
        """The peer accepts the offer on their console; the browser has not called yet."""
        with db.reading() as session:
            offer = session.scalars(select(Offer).filter_by(peer_id=peer.id, state="pending")).one()
        return Connection(self, peer.identity, offers.accept(peer, offer.id, clock.now()))


@dataclass
class Call:
    """A caller's call, as Twilio sees it."""

    twilio: Twilio
    sid: str
    number: str
    line: str

    @property
    def form(self) -> dict[str, str]:
        return {"CallSid": self.sid, "From": self.number, "To": self.line, "CallStatus": "in-progress"}

    def asks(self, url: str, *, served: bool = False, over: bool = False, **more: str) -> Document:
        return self.twilio.asks(url, self.form | more, served=served, over=over)

    def rings(self) -> Document:
        return self.asks(INCOMING, CallStatus="ringing")

    def picks_up_the_fallback(self, served: bool = False) -> Document:
        return self.asks("/twilio/voice/fallback", served=served, ErrorCode="11200")

    def presses(self, menu: Document, key: str) -> Document:
        return self.asks(menu.url("Gather", "action"), Digits=key)

    def says_nothing_to(self, menu: Document) -> Document:
        return self.asks(menu.url("Redirect"))

    def waits(self, enqueue: Document, queue_sid: str = "", queue_time: str = "0") -> Document:
        return self.asks(
            enqueue.url("Enqueue", "waitUrl"),
            QueueSid=queue_sid or sid("QU"),
            QueuePosition="9",
            QueueTime=queue_time,
            CurrentQueueSize="12",
        )

    def is_waiting(self, key: str = "1") -> Document:
        """The way from ringing into the queue."""
        enqueue = self.presses(self.rings(), key)
        self.waits(enqueue)
        return enqueue

    def hangs_up(self, enqueue: Document) -> None:
        self.asks(enqueue.url("Enqueue", "action"), over=True, QueueResult="hangup", CallStatus="completed")
        self.asks("/twilio/voice/status", over=True, CallStatus="completed")

    @property
    def contact(self) -> Contact:
        with db.reading() as session:
            return session.scalars(select(Contact).join(Leg).where(Leg.call_sid == self.sid)).one()


@dataclass
class Connection:
    """A peer's leg and the conference, as Twilio sees them."""

    twilio: Twilio
    identity: str
    engagement: Engagement

    def __post_init__(self) -> None:
        self.sid, self.conference_sid, self.numbers = sid(), sid("CF"), count()

    def browser_calls(self) -> Document:
        return self.twilio.asks(
            "/twilio/voice/client",
            served=True,
            CallSid=self.sid,
            From=f"client:{self.identity}",
            offer=self.engagement.offer_id,
        )

    def happens(self, dial: Document, event: str, call_sid: str, **form: str) -> None:
        self.twilio.asks(
            dial.url("Conference", "statusCallback"),
            form,
            over=True,
            StatusCallbackEvent=event,
            CallSid=call_sid,
            ConferenceSid=self.conference_sid,
            SequenceNumber=str(next(self.numbers)),
        )

    def brings(self, call: Call) -> tuple[Document, Document]:
        """The peer comes up, then the caller is moved: the documents that lead both into the conference."""
        peer = self.browser_calls()
        self.happens(peer, "conference-start", self.sid)
        self.twilio.asks(peer.url("Conference", "waitUrl"))
        self.happens(peer, "participant-join", self.sid)
        caller = call.asks(f"/twilio/voice/contacts/{call.contact.id}/join")
        self.happens(caller, "participant-join", call.sid)
        assert call.contact.state == "connected"
        return peer, caller


def rows() -> dict[str, list[str]]:
    """Everything that is stored."""
    with db.bound().connect() as connection:
        return {
            table: sorted(map(str, connection.exec_driver_sql(f"SELECT * FROM {table}")))  # ours
            for table in Base.metadata.tables
        }


def how_many(kind: type[Base]) -> int:
    with db.reading() as session:
        return session.query(kind).count()


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """What went wrong inside a hook, which its safe answer hides."""
    failures: list[Exception] = []
    for module in (voice, sms):
        monkeypatch.setattr(module, "log_failure", failures.append)
    return failures


@pytest.fixture
def twilio(app: Flask, failures: list[Exception]) -> Iterator[Twilio]:
    """Twilio, which asks everything twice."""
    yield Twilio(app, twice=True)
    assert failures == []


@pytest.fixture
def once(app: Flask) -> Twilio:
    return Twilio(app)


@dataclass(frozen=True)
class Scene:
    """A database in the middle of things, to be copied: ids of contacts in every stage, their engagements, nothing."""

    url: str
    ids: list[str]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("scene") / "warmline.db"
        path.write_bytes(request.getfixturevalue("sqlite_template").read_bytes())
        url = f"sqlite:///{path}"
    else:
        url = request.getfixturevalue("postgres").database(template=request.getfixturevalue("postgres_template"))
    app = create_app(house.settings(url))
    twilio = Twilio(app)
    with patch.object(accounts, "hasher", house.QUICK):
        cast = Cast(app)
        walk.is_ready(cast.peer1)
        talking = walk.calls()
        twilio.accepts(walk.peer(cast.peer1))
        walk.talk(talking)
        walk.is_ready(cast.peer2)
        connecting = walk.calls()
        twilio.accepts(walk.peer(cast.peer2))
    waiting, gone, arriving = walk.calls(language="es"), walk.calls(), twilio.calls()
    walk.hangs_up(gone)
    arriving.rings()
    with db.reading() as session:
        engagements = list(session.scalars(select(Engagement.id)))
    ids = [waiting, talking, connecting, gone, arriving.contact.id, *engagements, NOBODY]
    db.bound().dispose()
    return Scene(url, ids)


@pytest.fixture
def stage(
    scene: Scene,
    copied: Callable[[str], AbstractContextManager[str]],
    kept_app: Callable[[str], Flask],
    failures: list[Exception],
) -> Iterator[Twilio]:
    """Twilio in the middle of things; whatever it asks, no hook may fail."""
    with copied(scene.url) as url:
        yield Twilio(kept_app(url))
    assert failures == []


def filled(route: str, ids: Iterable[str]) -> list[str]:
    """A route's paths with these ids in it."""
    return [re.sub(r"<\w+>", id, route) for id in ids] if "<" in route else [route]


# Forged


FORM = {"CallSid": "CA" + "7" * 32, "From": CALLER, "To": GEORGIA, "Digits": "1", "QueueSid": "QU" + "7" * 32}
SENT = FORM | {
    "MessageSid": "SM" + "7" * 32,
    "Body": "is anybody there?",
    "CallStatus": "completed",
    "QueueResult": "hangup",
}


def forged(path: str) -> dict[str, dict[str, Any]]:
    """Requests that Twilio did not sign, by what is wrong with them."""
    right = signature(BASE + path, MultiDict(SENT))

    def post(given: str | None = right, data: Any = None, **options: Any) -> dict[str, Any]:
        headers = {} if given is None else {"X-Twilio-Signature": given}
        return {"data": SENT if data is None else data, "headers": headers | options.pop("headers", {}), **options}

    elsewhere = "https://evil.example.org"
    return {
        "unsigned": post(None),
        "an empty signature": post(""),
        "a made-up signature": post("AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        "a signature that is not ASCII": post("é" * 28),
        "another token": post(signature(BASE + path, MultiDict(SENT), "another-token")),
        "another path": post(signature(f"{BASE}/twilio/voice/nothing", MultiDict(SENT))),
        "a shorter address": post(query_string="try=2"),
        "another scheme": post(signature(f"https://localhost{path}", MultiDict(SENT))),
        "another host": post(signature(elsewhere + path, MultiDict(SENT)), base_url=elsewhere),
        "another host, forwarded": post(
            signature(elsewhere + path, MultiDict(SENT)),
            headers={"X-Forwarded-Host": "evil.example.org", "X-Forwarded-Proto": "https"},
        ),
        "an altered value": post(data=SENT | {"From": "+14045550199"}),
        "an emptied value": post(data=SENT | {"From": ""}),
        "an extra parameter": post(data=SENT | {"More": "1"}),
        "an extra value": post(data={**SENT, "Digits": ["1", "2"]}),
        "a parameter less": post(data={name: value for name, value in SENT.items() if name != "To"}),
        "no form": post(data={}),
        "the form as JSON": post(data=json.dumps(SENT), content_type="application/json"),
        "the form in the address": post(data={}, query_string=SENT),
        "bytes that are no text": post(data=b"\xff\xfe\x00", content_type="application/x-www-form-urlencoded"),
    }


@pytest.mark.parametrize("route", ROUTES)
def test_what_twilio_did_not_sign_or_post_is_refused_and_nothing_is_stored(
    stage: Twilio, scene: Scene, route: str
) -> None:
    before = rows()
    for path in filled(route, scene.ids)[:1]:
        for wrong, request in forged(path).items():
            response = stage.client.post(path, **request)
            assert response.status_code == 403, wrong
            assert not INWARD.search(response.text), wrong
        given = {"X-Twilio-Signature": signature(BASE + path, MultiDict())}
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
            response = stage.client.open(path, method=method, headers=given)
            assert response.status_code == 405, method
            assert "POST" in response.headers["Allow"]
    assert rows() == before


# Signed but odd


LONG = "x" * 10_000
ODD = [
    "", " ", "\0", "+1404\x005550123", LONG, "9" * 5000, "💛" * 50, "é\u0301", "١٢٣", "２", "²", "-1", "1e9",
    "<Say>hello</Say>", "]]>", "\r\nX-More: 1", "\x0b\x1b", "\ufffe", "%00", "{}", "null",
    "../..", "client:", "sip:a@b.example", "x' OR 1=1",
]  # fmt: skip
NAMES = [
    "CallSid", "From", "To", "Digits", "CallStatus", "QueueSid", "QueueTime", "QueueResult", "ConferenceSid",
    "SequenceNumber", "StatusCallbackEvent", "ReasonParticipantLeft", "offer", "MessageSid", "SmsSid", "MessageStatus",
    "ErrorCode", "Body", "OptOutType",
]  # fmt: skip
SENSE = {
    "CallSid": ["CA" + "7" * 32, "CA" + "8" * 32],
    "From": [CALLER, *WITHHELD],
    "To": [GEORGIA, "+14045550177", "988"],
    "Digits": ["1", "2", "7", "*"],
    "CallStatus": ["in-progress", "completed", "busy"],
    "QueueResult": ["hangup", "leave", "redirected", "queue-full", "system-error", "error", "bridged"],
    "StatusCallbackEvent": ["participant-join", "participant-leave", "conference-end"],
    "MessageStatus": ["sent", "delivered", "failed"],
}
USUAL = SENT | {
    "ConferenceSid": "CF" + "7" * 32,
    "StatusCallbackEvent": "participant-join",
    "CallStatus": "in-progress",
    "QueueResult": "leave",
    "MessageStatus": "sent",
    "offer": NOBODY,
}
QUERIES = [
    "?try=-5", "?try=0", "?try=x", "?try=%00", "?try=%D9%A3", "?try=" + "9" * 5000, "?trouble=-1", "?trouble=3",
    "?trouble=x&trouble=2", "?keys=xx", "?try=2&keys=9", "?keys=%00", "?keys=%FF%FE", "?message=%00",
    "?message=" + "0" * 100, "?pressed=1", "?pressed=1&engagement=%00",
]  # fmt: skip


def is_safe(response: TestResponse) -> None:
    """TwiML, or a refusal; and no word of how we are made."""
    assert not INWARD.search(response.text), response.text
    if response.status_code == 200:
        assert response.mimetype == "text/xml"
        document = Document(response.request.path, response.text)
        assert grammar.faults(document.text, document.place) == []
        to_anybody = document.path.endswith("/called")
        assert to_anybody or not document.ends or re.search("988|console|^$", document.spoken)
    else:
        assert 400 <= response.status_code < 500


@pytest.mark.parametrize("route", ROUTES)
def test_an_odd_form_is_answered_safely(stage: Twilio, scene: Scene, route: str) -> None:
    path = filled(route, scene.ids)[0]
    for missing in NAMES:
        is_safe(stage.posts(path, {name: value for name, value in USUAL.items() if name != missing}))
    for again in ("", "other"):
        is_safe(stage.posts(path, [*USUAL.items(), *((name, again) for name in NAMES), *USUAL.items()]))
    names = {"CallSid", "QueueSid", "ConferenceSid", "MessageSid", "SmsSid", "To"}  # without them much is not looked at
    for turn in range(len(ODD)):  # each field has every odd value once
        strange = {name: ODD[(turn + place) % len(ODD)] for place, name in enumerate(NAMES)}
        is_safe(stage.posts(path, {name: USUAL.get(name, "") if name in names else strange[name] for name in NAMES}))
        is_safe(stage.posts(path, USUAL | {name: strange[name] for name in names - {"To"}}))


@pytest.mark.parametrize("route", ROUTES)
def test_an_odd_address_or_body_is_answered_safely(stage: Twilio, scene: Scene, route: str) -> None:
    usual = filled(route, scene.ids)
    for path in usual:
        is_safe(stage.posts(path, FORM))
    for path in (usual[0] + query for query in QUERIES):
        is_safe(stage.posts(path, FORM))
    before = rows()
    assert stage.posts(usual[-1], {"Body": "x" * 70_000}).status_code == 413
    given = {"X-Twilio-Signature": signature(BASE + usual[-1], MultiDict())}
    for kind, body in {
        "application/json": json.dumps(USUAL),
        "text/plain": "CallSid=1",
        "": "CallSid=1",
        "multipart/form-data": "no boundary",
        "application/x-www-form-urlencoded": b"\xff\xfe\x00=1",
    }.items():
        is_safe(stage.client.post(usual[-1], data=body, content_type=kind, headers=given))
    assert rows() == before


def test_calls_without_a_callsid_are_no_ones_contact(once: Twilio, failures: list[Exception]) -> None:
    before = rows()
    for call_sid in ["", " ", "\0", "CA" + "7" * 40, "CA 1", "é"]:
        for path in (INCOMING, "/twilio/voice/fallback"):
            document = once.asks(path, From=CALLER, To=GEORGIA, CallSid=call_sid)
            assert document.ends
            assert document.languages == {ENGLISH, SPANISH}
            assert FALLBACK in document.spoken
    assert once.asks(INCOMING, From=CALLER, To=GEORGIA).ends, "none at all"
    assert rows() == before
    assert failures == []


def test_callers_who_withhold_their_number_are_never_merged(once: Twilio) -> None:
    calls = [once.calls(number) for number in [*WITHHELD, *WITHHELD]]
    for call in calls:
        assert call.is_waiting().verbs[-1] == "Enqueue"
    assert len({call.contact.id for call in calls}) == len(calls)
    assert {call.contact.caller_id for call in calls} == {None}
    assert how_many(Caller) == 0


def test_two_calls_of_one_number_are_two_contacts_of_one_caller(once: Twilio) -> None:
    first, second = once.calls(), once.calls()
    first.is_waiting()
    second.is_waiting()
    assert first.contact.id != second.contact.id
    assert first.contact.caller_id == second.contact.caller_id is not None


def test_texts_without_a_messagesid_or_a_number_are_not_stored(once: Twilio, failures: list[Exception]) -> None:
    before = rows()
    for message_sid in ["", "\0", "x" * 35]:
        response = once.posts(TEXT, {"MessageSid": message_sid, "From": CALLER, "To": GEORGIA, "Body": "hello"})
        assert response.status_code == 400
    for number in WITHHELD:
        form = {"MessageSid": sid("SM"), "From": number, "To": GEORGIA, "Body": "hello"}
        assert Document(TEXT, once.posts(TEXT, form).text).verbs == []
    assert rows() == before, "nobody could be answered"
    assert failures == []


def test_a_text_comes_in_whatever_it_says_and_only_once(once: Twilio, failures: list[Exception]) -> None:
    for number, body in enumerate([LONG, "💛" * 5000, "a\0b", "", "<b>", "\x0b"], start=1):
        form = {"MessageSid": sid("SM"), "From": f"+1404555012{number}", "To": GEORGIA, "Body": body}
        before = how_many(Message)
        assert Document(TEXT, once.posts(TEXT, form).text).verbs == []
        stored = rows()
        assert how_many(Message) == before + 2, "it, and our acknowledgement"
        assert once.posts(TEXT, form).status_code == 200
        assert rows() == stored
    with db.reading() as session:
        bodies = session.scalars(select(Message.body).where(Message.direction == "in")).all()
    assert {len(body) for body in bodies} <= {0, 1, 2, 3, 1600}
    assert failures == []


def test_a_text_to_nobodys_number_is_told_so(once: Twilio) -> None:
    before = rows()
    form = {"MessageSid": sid("SM"), "From": CALLER, "To": "+14045550177", "Body": "hello"}
    document = ET.fromstring(once.posts(TEXT, form).text)
    assert [message.tag for message in document] == ["Message"]
    assert "988" in (document[0].text or "")
    assert rows() == before


def test_the_delivery_of_a_text_needs_the_name_of_the_text(once: Twilio) -> None:
    walk.writes()
    with db.reading() as session:
        ours = session.scalars(select(Message).where(Message.direction == "out")).one()
    before = rows()
    for message_sid in ["", "\0", "x" * 35]:
        path = f"/twilio/sms/status?message={ours.id}"
        assert once.posts(path, {"MessageSid": message_sid, "MessageStatus": "delivered"}).status_code == 200
    assert rows() == before


def test_a_browser_that_has_accepted_nothing_gets_no_leg(once: Twilio, cast: Cast) -> None:
    walk.is_ready(cast.peer1)
    call = once.calls()
    call.is_waiting()
    connection = once.accepts(walk.peer(cast.peer1))
    stranger, outsider = walk.peer(cast.peer2), walk.peer(cast.outsider)
    before = rows()
    right = {"CallSid": sid(), "From": f"client:{connection.identity}", "offer": connection.engagement.offer_id}
    for wrong in [
        {"CallSid": ""},
        {"CallSid": "\0"},
        {"CallSid": call.sid},
        {"offer": ""},
        {"offer": NOBODY},
        {"offer": LONG},
        {"From": ""},
        {"From": "client:"},
        {"From": CALLER},
        {"From": f"client:{stranger.identity}"},
        {"From": f"client:{outsider.identity}"},
    ]:
        document = once.asks("/twilio/voice/client", right | wrong, served=True)
        assert document.verbs == ["Say", "Hangup"], wrong
    assert rows() == before
    assert once.asks("/twilio/voice/client", right, served=True).verbs == ["Dial"]


def test_a_key_without_a_meaning_is_no_choice(once: Twilio) -> None:
    for key in ["7", "*", "12", "9" * 1000, "２", "٢", "²", "💛"]:
        call = once.calls()
        assert "no meaning" in call.presses(call.rings(), key).spoken
        assert (call.contact.state, call.contact.language) == ("arriving", "en")
    for key in ["", "\0"]:
        call = once.calls()
        assert call.presses(call.rings(), key).verbs == ["Enqueue"], "as silence"


# The whole path


def test_a_caller_chooses_english_and_waits(twilio: Twilio) -> None:
    call = twilio.calls()
    menu = call.rings()
    assert "Georgia" in menu.spoken
    assert menu.languages == {ENGLISH, SPANISH}
    enqueue = call.presses(menu, "1")
    assert call.contact.state == "arriving", "nothing is offered before the first wait request"
    queue = sid("QU")
    first = call.waits(enqueue, queue)
    assert call.contact.state == "waiting"
    assert first.languages == {ENGLISH}
    assert "next in line" in first.spoken
    long = call.waits(enqueue, queue, str(twiml.REMIND_SECONDS))
    assert "988" in long.spoken
    call.hangs_up(enqueue)
    assert call.contact.state == "abandoned"


def test_a_caller_chooses_spanish_and_hears_spanish(twilio: Twilio) -> None:
    first, call = twilio.calls(), twilio.calls("+14045550124")
    first.is_waiting()
    enqueue = call.presses(call.rings(), "2")
    document = call.waits(enqueue)
    assert document.languages == {SPANISH}
    assert "2" in document.spoken, "our own place, and not Twilio's"
    trouble = call.asks(enqueue.url("Enqueue", "action"), QueueResult="queue-full")
    assert trouble.languages == {SPANISH}


def test_a_wrong_key_twice_then_a_right_one(twilio: Twilio) -> None:
    call = twilio.calls()
    menu = call.presses(call.rings(), "7")
    menu = call.presses(menu, "8")
    assert menu.verbs == ["Gather", "Redirect"]
    assert call.contact.state == "arriving"
    call.waits(call.presses(menu, "2"))
    assert call.contact.language == "es"


def test_a_wrong_key_again_and_again_leads_into_the_queue_all_the_same(twilio: Twilio) -> None:
    call = twilio.calls()
    document = call.rings()
    for _ in range(twiml.MENU_TRIES):
        document = call.presses(document, "9")
    assert document.verbs == ["Enqueue"]


def test_silence_is_no_reason_to_send_anybody_away(twilio: Twilio) -> None:
    call = twilio.calls()
    call.waits(call.says_nothing_to(call.rings()))
    assert (call.contact.state, call.contact.language) == ("waiting", "en")


def test_a_line_of_one_language_asks_nothing(twilio: Twilio) -> None:
    change_line(GEORGIA, languages=["es"])
    call = twilio.calls()
    greeting = call.rings()
    assert greeting.verbs == ["Say", "Redirect"]
    assert call.waits(call.says_nothing_to(greeting)).languages == {SPANISH}


def test_nobody_on_shift(twilio: Twilio) -> None:
    nobody_on_shift()
    document = twilio.calls().rings()
    assert document.verbs == ["Say", "Hangup"]


def test_the_last_peer_goes_off_shift_while_the_menu_is_read(twilio: Twilio) -> None:
    call = twilio.calls()
    menu = call.rings()
    nobody_on_shift()
    document = call.presses(menu, "2")
    assert document.verbs == ["Say", "Hangup"]
    assert document.languages == {SPANISH}


@pytest.mark.parametrize("answer", ["3", None])
def test_the_last_peer_goes_off_shift_while_the_caller_waits(twilio: Twilio, answer: str | None) -> None:
    call = twilio.calls()
    enqueue = call.presses(call.rings(), "2")
    queue = sid("QU")
    call.waits(enqueue, queue)
    nobody_on_shift()
    assert call.waits(enqueue, queue).verbs == ["Leave"]
    asked = call.asks(enqueue.url("Enqueue", "action"), QueueResult="leave")
    assert asked.verbs == ["Gather", "Redirect"]
    assert asked.languages == {SPANISH}
    assert "988" in asked.spoken
    if answer:
        place = call.contact.queued_at
        assert call.waits(call.presses(asked, answer), queue).languages == {SPANISH}
        assert call.contact.state == "waiting"
        assert call.contact.queued_at == place, "the place is kept"
    else:
        document = call.says_nothing_to(asked)
        assert document.verbs == ["Say", "Hangup"]
        assert document.languages == {SPANISH}
        assert call.contact.state == "missed"


def test_the_last_peer_of_a_language_goes_off_shift_and_the_caller_takes_another(twilio: Twilio, cast: Cast) -> None:
    call = twilio.calls()
    enqueue = call.presses(call.rings(), "2")
    queue = sid("QU")
    call.waits(enqueue, queue)
    place = call.contact.queued_at
    off_shift(walk.peer(cast.peer2))
    assert call.waits(enqueue, queue).verbs == ["Leave"]
    asked = call.asks(enqueue.url("Enqueue", "action"), QueueResult="leave")
    assert asked.languages == {SPANISH, ENGLISH}
    assert call.waits(call.presses(asked, "1"), sid("QU")).languages == {ENGLISH}
    assert (call.contact.state, call.contact.language, call.contact.queued_at) == ("waiting", "en", place)


def test_whoever_chose_to_wait_is_told_when_the_line_has_closed_and_nobody_is_left(twilio: Twilio) -> None:
    call = twilio.calls()
    enqueue = call.presses(call.rings(), "2")
    queue = sid("QU")
    call.waits(enqueue, queue)
    nobody_on_shift()
    call.waits(enqueue, queue)
    asked = call.asks(enqueue.url("Enqueue", "action"), QueueResult="leave")
    again = call.presses(asked, "3")
    assert call.waits(again, queue).verbs[-1] == "Play"
    change_line(GEORGIA, hours={"0": []})
    assert call.waits(again, queue).verbs == ["Leave"]
    offered = call.asks(again.url("Enqueue", "action"), QueueResult="leave")
    assert "ya no hay nadie" in offered.spoken
    assert call.says_nothing_to(offered).verbs == ["Say", "Hangup"]
    assert call.contact.state == "missed"


@pytest.mark.parametrize("answer", ["1", "3", "7", "2", None])
def test_nobody_who_speaks_the_language(twilio: Twilio, cast: Cast, answer: str | None) -> None:
    off_shift(walk.peer(cast.peer2))
    call = twilio.calls()
    other = call.presses(call.rings(), "2")
    assert other.verbs == ["Gather", "Redirect"]
    assert "988" in other.spoken
    assert other.languages == {SPANISH, ENGLISH}, "why, in Spanish; the way on, in English"
    document = call.presses(other, answer) if answer else call.says_nothing_to(other)
    if answer in ("1", "3"):
        assert call.waits(document).languages == {ENGLISH if answer == "1" else SPANISH}
        assert call.contact.state == "waiting"
    elif answer:
        assert document.verbs == ["Gather", "Redirect"], "asked again"
    else:
        assert document.verbs == ["Say", "Hangup"]
        assert document.languages == {SPANISH}
        assert call.contact.state == "missed"


def test_outside_hours_a_line_says_when_it_opens_in_its_own_zone(
    twilio: Twilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    saturday_night = datetime(2031, 3, 2, 3, 30, tzinfo=UTC)  # 22:30 in Georgia, 21:30 in Illinois
    monkeypatch.setattr(clock, "now", lambda: saturday_night)
    for line in (GEORGIA, ILLINOIS):
        change_line(line, hours={"5": [["22:00", "23:00"]]})
    assert twilio.calls(line=GEORGIA).rings().verbs == ["Gather", "Redirect"]
    call = twilio.calls(line=ILLINOIS)
    document = call.rings()
    assert "opens again today at 10 PM" in document.spoken
    assert call.contact.state == "after_hours"
    monkeypatch.setattr(clock, "now", lambda: saturday_night + timedelta(hours=5))
    assert "opens again on Saturday at 10 PM" in twilio.calls("+14045550126", ILLINOIS).rings().spoken


def test_a_line_closed_early_says_why_when_it_opens_and_988(
    twilio: Twilio, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = datetime(2031, 3, 3, 17, 0, tzinfo=UTC)  # a Monday
    monkeypatch.setattr(clock, "now", lambda: noon)
    with db.reading() as session:
        line = session.get_one(LineNumber, GEORGIA).line_id
    why = {"en": "The heating failed & it is cold.", "es": "Hace frío."}
    lines.close_early(cast.supervisor.account, line, why, noon + timedelta(hours=5), noon)
    call = twilio.calls()
    document = call.rings()
    assert document.verbs == ["Say", "Say", "Hangup"]
    assert document.languages == {ENGLISH, SPANISH}, "nobody could choose a language yet"
    assert "Hace frío. Abre de nuevo hoy a las 17:00." in document.spoken
    assert "The Georgia warm line is closed" in document.spoken
    assert "The heating failed & it is cold. It opens again today at 5 PM." in document.spoken
    assert call.contact.state == "after_hours"
    lines.reopen(cast.supervisor.account, line, noon)
    assert twilio.calls("+14045550126").rings().verbs == ["Gather", "Redirect"]


def test_a_line_greets_in_its_own_words(twilio: Twilio) -> None:
    change_line(GEORGIA, words={"greeting": {"en": "Hi from {line} & friends."}})
    document = twilio.calls().rings()
    assert document.spoken.startswith("Hi from Georgia & friends.")
    assert "Thank you for calling" not in document.spoken
    change_line(GEORGIA, words={"greeting": {"es": "Hola de {line}."}})
    document = twilio.calls("+14045550126").rings()
    assert "Thank you for calling the Georgia warm line" in document.spoken
    assert "Hola de Georgia." in document.spoken
    assert document.languages == {ENGLISH, SPANISH}


def test_a_line_that_never_opens_says_no_time(twilio: Twilio) -> None:
    change_line(GEORGIA, hours={"0": []})
    document = twilio.calls().rings()
    assert document.ends
    assert "opens again" not in document.spoken


def test_nobodys_number(twilio: Twilio) -> None:
    before = rows()
    for number in ["+14045550177", "", "988", GEORGIA + "0", "x" * 100]:
        document = twilio.calls(line=number).rings()
        assert document.verbs == ["Say", "Say", "Hangup"]
        assert document.languages == {ENGLISH, SPANISH}
    assert rows() == before


def test_a_call_is_answered_lost_and_answered_again(twilio: Twilio, cast: Cast) -> None:
    walk.is_ready(cast.peer1)
    call = twilio.calls()
    enqueue = call.is_waiting()
    first = twilio.accepts(walk.peer(cast.peer1))
    assert "joining" in call.waits(enqueue, str(call.contact.queue_sid)).spoken
    peer, caller = first.brings(call)
    call.asks(enqueue.url("Enqueue", "action"), over=True, QueueResult="redirected")
    assert peer.url("Conference") == caller.url("Conference") == first.engagement.conference_name

    first.happens(caller, "participant-leave", first.sid, ReasonParticipantLeft="participant_hung_up")
    assert twilio.asks(peer.url("Dial", "action"), served=True, CallSid=first.sid).verbs == ["Hangup"]
    dropped = call.asks(f"/twilio/voice/contacts/{call.contact.id}/dropped?engagement={first.engagement.id}")
    assert dropped.verbs == ["Gather", "Enqueue"], "silence counts as 1"
    assert "lost" in dropped.spoken
    assert call.presses(dropped, "1").verbs == ["Enqueue"]
    call.waits(dropped)
    assert call.contact.priority > 0

    walk.is_ready(cast.peer2)
    second = twilio.accepts(walk.peer(cast.peer2))
    _, caller = second.brings(call)
    call.asks(caller.url("Dial", "action"), over=True, CallStatus="completed")
    assert call.contact.state == "closed"


def test_a_caller_comes_out_of_a_conference_that_lost_its_peer(twilio: Twilio, cast: Cast) -> None:
    walk.is_ready(cast.peer2)
    call = twilio.calls()
    call.is_waiting("2")
    _, caller = twilio.accepts(walk.peer(cast.peer2)).brings(call)
    document = call.asks(caller.url("Dial", "action"), DialCallStatus="completed")
    assert document.verbs == ["Gather", "Enqueue"]
    assert document.languages == {SPANISH}


def test_a_queue_in_trouble_sends_nobody_away(twilio: Twilio) -> None:
    call = twilio.calls()
    document = call.is_waiting()
    for result in ["queue-full", "system-error", "error", "", "something new"]:
        document = call.asks(document.url("Enqueue", "action"), QueueResult=result)
        assert document.verbs == ["Say", "Pause", "Enqueue"], result
        assert "988" in document.spoken
        call.waits(document)


def test_the_fallback_picks_a_call_up_wherever_it_is(twilio: Twilio, cast: Cast) -> None:
    call = twilio.calls()
    assert call.picks_up_the_fallback().verbs == ["Gather", "Redirect"], "arriving"
    enqueue = call.is_waiting("2")
    assert call.picks_up_the_fallback().verbs == ["Enqueue"], "waiting"
    walk.is_ready(cast.peer2)
    assert call.picks_up_the_fallback().verbs == ["Enqueue"], "offered"
    connection = twilio.accepts(walk.peer(cast.peer2))
    assert call.picks_up_the_fallback().verbs == ["Enqueue"], "connecting"
    connection.brings(call)
    assert call.picks_up_the_fallback().verbs[-1] in {"Dial", "Enqueue"}, "connected"
    assert call.contact.state == "connected"
    call.hangs_up(enqueue)
    assert call.picks_up_the_fallback(served=True).languages == {SPANISH}, "closed"

    left = twilio.calls("+14045550124")
    left.hangs_up(left.is_waiting())
    assert left.picks_up_the_fallback().ends, "abandoned"

    nobody_on_shift()
    missed = twilio.calls("+14045550125")
    missed.rings()
    assert missed.picks_up_the_fallback().ends, "missed"
    change_line(GEORGIA, hours={"0": []})
    closed = twilio.calls("+14045550126")
    closed.rings()
    assert "closed" in closed.picks_up_the_fallback().spoken, "after hours"
    assert twilio.calls(line="+14045550177").picks_up_the_fallback().ends, "nobody's number"


def test_every_address_about_nothing_is_answered_safely(twilio: Twilio) -> None:
    for route in ROUTES:
        if "<contact_id>" in route:
            assert twilio.asks(filled(route, [NOBODY])[0], CallSid=sid()).ends


# The database is down


@pytest.fixture(params=["sqlite:////nowhere/warmline.db", "postgresql://warmline@127.0.0.1:9/warmline"])
def broken(request: pytest.FixtureRequest, kept_app: Callable[[str], Flask]) -> Iterator[Twilio]:
    """The product on a database that cannot be opened."""
    yield Twilio(kept_app(request.param))
    db.bound().dispose()


@pytest.mark.parametrize("route", HEARD)
def test_without_a_database_a_caller_hears_of_988_and_stays(broken: Twilio, route: str) -> None:
    (path,) = filled(route, [NOBODY])
    began = time.monotonic()
    document = broken.asks(path, FORM)
    assert time.monotonic() - began < 5
    if path.endswith("/quiet"):
        return  # needs no database
    assert not document.ends
    assert document.languages == {ENGLISH, SPANISH}
    assert document.spoken.count("988") == 2
    assert document.spoken.count(FALLBACK) == 2
    if path.endswith("/wait"):
        assert set(document.verbs) == {"Say", "Play"}, "kept in line"
        return
    tries = 1
    while not document.ends:
        document = broken.asks(document.url("Redirect"), FORM)
        tries += 1
    assert tries == twiml.TROUBLE_TRIES
    assert document.languages == {ENGLISH, SPANISH}
    assert document.spoken.count("988") == 2
    assert document.spoken.count(FALLBACK) == 2


def test_without_a_database_whoever_writes_hears_that_nobody_read_it_and_of_988(broken: Twilio) -> None:
    answer = broken.posts("/twilio/sms/incoming", SENT | {"MessageSid": sid("SM"), "Body": "hello?"})
    assert answer.status_code == 200
    assert answer.text.count("988") == 2, "in both languages"
    stopped = broken.posts("/twilio/sms/incoming", SENT | {"MessageSid": sid("SM"), "Body": " Stop "})
    assert "Message" not in stopped.text, "nothing is sent to whoever says stop"
    assert stopped.status_code == 503, "so that it is told again"


@pytest.mark.parametrize("route", sorted(set(ROUTES) - set(HEARD)))
def test_without_a_database_nothing_else_fails_worse_than_503(broken: Twilio, route: str) -> None:
    (path,) = filled(route, [NOBODY])
    response = broken.posts(path, SENT | {"ConferenceSid": sid("CF"), "StatusCallbackEvent": "participant-join"})
    assert response.status_code in {200, 503}
    assert response.status_code == 200 or path.startswith("/twilio/sms/") or path.endswith(CALLBACKS)
    assert ET.fromstring(response.text).tag == "Response"
    assert not INWARD.search(response.text)


def test_without_a_fallback_number_none_is_spoken() -> None:
    app = create_app(house.settings("sqlite:////nowhere/warmline.db", FALLBACK_NUMBER=""))
    document = Twilio(app).asks(INCOMING, FORM)
    assert "988" in document.spoken
    assert "You can also call" not in document.spoken


def test_without_a_database_forged_requests_are_refused_all_the_same(broken: Twilio) -> None:
    for route in ROUTES:
        assert broken.client.post(filled(route, [NOBODY])[0], data=FORM).status_code == 403


def test_a_call_goes_on_when_the_database_comes_back(own_postgres: Postgres) -> None:
    url = own_postgres.database()
    prepare(url)
    call = Twilio(create_app(house.settings(url))).calls()
    menu = call.rings()
    own_postgres.kill()
    began = time.monotonic()
    trouble = call.presses(menu, "2")
    assert time.monotonic() - began < 5
    assert trouble.spoken.count("988") == 2
    again = call.asks(trouble.url("Redirect"))
    own_postgres.start()
    enqueue = call.asks(again.url("Redirect"))
    assert enqueue.verbs == ["Enqueue"]
    assert call.waits(enqueue).languages == {SPANISH}, "the key was not forgotten"
    own_postgres.kill()
    assert set(call.waits(enqueue).verbs) == {"Say", "Play"}
    own_postgres.start()
    assert call.waits(enqueue).languages == {SPANISH}
    db.bound().dispose()


def change_line(number: str, **values: Any) -> None:
    with db.transaction() as session:
        line = session.scalars(select(Line).join(LineNumber).where(LineNumber.number == number)).one()
        for name, value in values.items():
            setattr(line, name, value)


def off_shift(peer: Peer) -> None:
    with db.transaction() as session:
        for shift in session.scalars(select(Shift).filter_by(peer_id=peer.id)):
            shift.ends_at = clock.now()


def nobody_on_shift() -> None:
    with db.transaction() as session:
        for shift in session.scalars(select(Shift).where(roster.on_now(clock.now()))):
            shift.ends_at = clock.now()
