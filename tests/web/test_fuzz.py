"""Bad input: every route of the url map is asked whatever a browser, a script, or a holder of Twilio's token could ask.

Nothing here names a route or a field. Routes come from the url map, ids from the schema, fields from what a route is
seen to read and from the forms that pages show, so what is new is asked by itself. Whatever is sent in words carries
SECRET, and the logs, at DEBUG and in both of their forms, may never hold it.

`FUZZ=500 pytest tests/web/test_fuzz.py` asks each route that often, and other things each time.
"""

import io
import itertools
import json
import os
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch
from urllib.parse import quote, quote_plus, unquote_to_bytes, urlsplit

import pytest
import simple_websocket
from flask import Flask, Request
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse, create_environ, run_wsgi_app

from config import logs
from tests import cast as house
from tests.cast import PASSWORD, Browser, Cast, Person, serve
from tests.web import walk
from tests.web.test_hooks import BASE, CALLBACKS, INWARD, NOBODY, ODD, QUERIES, SENSE, USUAL, Twilio, signature
from tests.web.test_hooks import rows as stored
from warmline import clock, db
from warmline.app import create_app
from warmline.contacts import alerts, handoffs, messages, parting, referrals, remembering, wrapup
from warmline.models import Account, Base, LoginSession, Peer, Resource, Role
from warmline.people import accounts
from warmline.telephony.twilio_gateway import FINISHED
from warmline.web.hooks import sms, voice

MANY = os.environ.get("FUZZ")
EXAMPLES = int(MANY or 4)
often = settings(
    max_examples=EXAMPLES,
    derandomize=not MANY,  # else a run could fail that says nothing of what was changed
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)

TIMES_TRIVIAL = 5000  # the time that the processor takes for the trivial request, about a second in all
PATIENCE = 15  # seconds: https://www.twilio.com/docs/usage/webhooks/webhooks-faq

SECRET = "zebrafinch"
OUR_PEOPLE = ("peer1", "supervisor", "admin")
OTHERS = ("outsider", "lookout", "stranger")  # a peer and a supervisor of another organization, and nobody
ORGANIZATION, THEIRS = "lantern", "harbor"
HARBOR_LINE = "+16065550104"
# What no log may hold. Ids are hex, and have digits that look like a number.
LEAK = re.compile(
    rf"{SECRET}|Robin Hale|Marisol Vega|Dana Whitlock|Jules Okoro|Sam Ferris|Ada Kestrel|@example\.org|{PASSWORD}"
    r"|(?<![0-9a-f])(?:\+?1?[ (.-]*[2-9]\d\d[ ).-]*)?555[ .-]*01\d\d(?![0-9a-f])",
    re.IGNORECASE,
)

ROUTES = sorted(
    (rule.rule, method)
    for rule in create_app(house.settings("sqlite:////nowhere/warmline.db")).url_map.iter_rules()
    for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
)
FORMS = [rule for rule, method in ROUTES if method == "POST" and not rule.startswith("/twilio/")]

# Forms


class Read(ImmutableMultiDict[str, str]):
    """A form or query that notes which of its fields are asked for."""

    names: ClassVar[set[str]] = set()

    def __getitem__(self, key: str) -> Any:
        self.names.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.names.add(str(key))
        return super().__contains__(key)

    def getlist(self, key: str, *rest: Any) -> Any:
        self.names.add(key)
        return super().getlist(key, *rest)


class Noting(Request):
    parameter_storage_class = Read


class Forms(HTMLParser):
    """The forms of a page: method and action, and the values that each field offers."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, dict[str, list[str]]]] = []
        self.name = ""
        self.buttons: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append((given.get("method", "get").upper(), given.get("action", ""), defaultdict(list)))
        elif self.found and tag in {"input", "select", "textarea", "button"} and given.get("name"):
            self.name = given["name"]
            self.buttons |= {self.name} if tag == "button" else set()
            self.offers(given.get("value") or TYPED.get(given.get("type", ""), ""))
        elif self.found and tag == "option":
            self.offers(given.get("value", ""))

    def offers(self, value: str) -> None:
        fields = self.found[-1][2]
        fields[self.name] += [value] if value and value not in fields[self.name] else []


# What somebody would type into a field of this kind.
TYPED = {
    "date": "2026-11-01",
    "datetime-local": "2026-12-24T17:00",
    "email": "peer1@example.org",
    "password": PASSWORD,
    "tel": "(404) 555-0188",
    "time": "17:00",
}


def secret(name: str) -> str:
    """What is planted into this field."""
    return f"{SECRET} {name}"


# The world


@dataclass(frozen=True)
class Asked:
    """One request; `path` and `query` as they stand on the wire."""

    who: str
    method: str
    path: str
    query: str = ""
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)  # under their names in WSGI
    token: str | None = None  # another CSRF token than one's own


class World:
    """The product in the middle of things, everybody's browser, and what is written to the log."""

    def __init__(self, app: Flask, log: dict[str, io.StringIO], failures: list[Exception]) -> None:
        self.app, self.log, self.failures = app, log, failures
        self.cast, self.twilio = Cast(app), Twilio(app)
        self.ids: dict[str, list[str]] = {}  # by table
        self.ours: dict[str, list[str]] = {}  # likewise, of one organization
        self.fields: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(dict)
        self.buttons: set[str] = set()  # fields that are sent only if they are pressed
        self.open: dict[tuple[str, str], list[tuple[str, str]]] = {}  # by route: to whom, at which addresses
        self.own: set[str] = set()  # ids of the other organization's people
        self.cookies: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self.numbers = itertools.count(1)
        _things_happen(self)
        people: dict[str, Person] = {name: getattr(self.cast, name) for name in (*OUR_PEOPLE, "outsider")}
        for name, person in (people | {"lookout": _their_supervisor(self.cast)}).items():
            cookie = person.client.get_cookie("warmline")
            assert cookie
            self.cookies[name], self.tokens[name] = f"warmline={cookie.value}", person.token
        with db.reading() as session:
            for name, table in Base.metadata.tables.items():
                if "id" in table.c:
                    self.ids[name] = [str(id) for id in session.scalars(select(table.c.id))]
                if "id" in table.c and "organization_id" in table.c:
                    ours = select(table.c.id).where(table.c.organization_id == ORGANIZATION)
                    self.ours[name] = [str(id) for id in session.scalars(ours)]
            for account in session.scalars(select(Account).filter_by(organization_id=THEIRS)):
                self.own |= {account.id, account.peer.id} if account.peer else {account.id}
        self.cookies["stranger"], self.tokens["stranger"] = self.a_strangers_session()
        self.learn_from_forms()
        self.learn_from_reading()
        times = [self.answers(Asked("stranger", "GET", "/healthz"))[1] for _ in range(21)]
        self.trivial = statistics.median(times)

    def a_strangers_session(self) -> tuple[str, str]:
        """What a browser without a login has: a cookie, and a token that goes with it."""
        token = house.TOKEN.search(self.cast.stranger.get("/login").text)
        cookie = self.cast.stranger.get_cookie("warmline")
        assert token
        assert cookie
        return f"warmline={cookie.value}", token[1]

    def learn_from_forms(self) -> None:
        """Which fields each route has by the forms of every page, and what they offer."""
        addresses = self.app.url_map.bind("localhost")
        pages = [rule for rule, method in ROUTES if method == "GET" and "<path:" not in rule]
        for rule, who in itertools.product(pages, (*OUR_PEOPLE, "stranger")):
            for path in self.paths(rule)[:4]:
                page, _ = self.answers(Asked(who, "GET", path))
                forms = Forms(page.text if page.mimetype == "text/html" else "")
                self.buttons |= forms.buttons
                for kind, action, fields in forms.found:
                    with suppress(HTTPException):  # an address elsewhere
                        found, _ = addresses.match(urlsplit(action).path or path, method=kind, return_rule=True)
                        self.offer(found.rule, kind, fields)

    def learn_from_reading(self) -> None:
        """Which fields each route is seen to read (some only once others make sense), and what is open to whom."""
        for most, (rule, method) in itertools.product((1, 12), ROUTES):
            self.everybody_is_logged_in()
            self.open[rule, method] = []
            for who in ("twilio",) if rule.startswith("/twilio/") else (*OUR_PEOPLE, "stranger"):
                self.learn_as(who, rule, method, most)

    def learn_as(self, who: str, rule: str, method: str, most: int) -> None:
        """Ask at this many addresses of a route, or at one if it is not for people like this."""
        for path in self.paths(rule)[:most]:
            Read.names.clear()
            answer, _ = self.answers(Asked(who, method, path, **sent(method, self.usual(rule, method))))
            self.offer(rule, method, {name: self.sense(name) for name in Read.names})
            if answer.status_code in {401, 403} or "/login" in (answer.location or ""):
                break
            if answer.status_code != 404:
                self.open[rule, method].append((who, path))

    def sense(self, name: str) -> list[str]:
        """What makes sense in a field of this name, wherever it stands."""
        elsewhere = [fields[name] for fields in self.fields.values() if name in fields]
        return [*SENSE.get(name, []), USUAL[name]] if name in USUAL else max(elsewhere, key=len, default=[])

    def offer(self, rule: str, method: str, fields: dict[str, list[str]]) -> None:
        """These fields belong to the route, and these values make sense in them."""
        for name in sorted(fields.keys() - {"csrf_token"}):
            known = self.fields[rule, method].setdefault(name, [])
            known += [value for value in fields[name] if value not in known]

    def usual(self, rule: str, method: str) -> dict[str, str]:
        """What a browser would send: every field with the first value that makes sense in it, and no further button."""
        fields = self.fields[rule, method].items()
        return {name: (values or [secret(name)])[0] for name, values in fields if name not in self.buttons}

    def paths(self, rule: str, ids: dict[str, list[str]] | None = None) -> list[str]:
        """The rule's addresses with every id that may stand in it: those of the database, if none are given."""
        ids = self.ids if ids is None else ids
        tables = [name.removesuffix("_id") for name in re.findall(r"<(\w+)>", rule)]
        if not tables:
            return [re.sub(r"<path:\w+>", "warmline.css", rule)]
        choices = [ids.get(table) or [NOBODY] for table in tables]
        longest = max(map(len, choices))
        return [
            re.sub(r"<\w+>", "{}", rule).format(*(choice[turn % len(choice)] for choice in choices))
            for turn in range(longest)
        ]

    def answers(self, asked: Asked) -> tuple[TestResponse, float]:
        """The answer to a request, and how long the processor worked on it."""
        environ = create_environ("/", BASE, method=asked.method, input_stream=io.BytesIO(asked.body))
        turn = next(self.numbers)
        environ |= {
            "PATH_INFO": unquote_to_bytes(asked.path).decode("latin-1"),
            "QUERY_STRING": asked.query,
            "CONTENT_LENGTH": str(len(asked.body)),
            "REMOTE_ADDR": f"127.{turn >> 16 & 255}.{turn >> 8 & 255}.{turn & 255}",  # each has tries of its own
        }
        cookies = [self.cookies.get(asked.who), asked.headers.get("HTTP_COOKIE")]
        token = self.tokens.get(asked.who, "") if asked.token is None else asked.token
        environ |= {"HTTP_X_CSRFTOKEN": token} | asked.headers
        environ["HTTP_COOKIE"] = "; ".join(cookie for cookie in cookies if cookie)
        if asked.who == "twilio":
            environ["HTTP_X_TWILIO_SIGNATURE"] = self.signs(environ, asked.body)
        began, worked = time.monotonic(), time.thread_time()
        body, status, headers = run_wsgi_app(self.app.wsgi_app, environ, buffered=True)
        worked = time.thread_time() - worked
        assert time.monotonic() - began < PATIENCE, asked
        return TestResponse(body, status, headers, Request(environ)), worked

    def signs(self, environ: dict[str, Any], body: bytes) -> str:
        """Twilio's signature of what the product will read."""
        seen = Request(environ | whole(body))
        query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
        return signature(BASE + seen.path + query, seen.form)

    def is_sound(self, asked: Asked, rule: str) -> None:
        """Ask, and hold the answer and the log to what always applies."""
        for stream in self.log.values():
            stream.seek(0)
            stream.truncate()
        self.failures.clear()
        answer, worked = self.answers(asked)
        written = {form: stream.getvalue() for form, stream in self.log.items()}
        assert answer.status_code < 500, written["text"][-3000:]
        assert self.failures == [], written["text"][-3000:]
        if answer.mimetype in {"text/html", "text/xml", "application/json"}:
            inward = INWARD.search(answer.text.replace("/static/warmline.css", ""))
            assert not inward or inward[0] in asked.query + str(asked.body), answer.text
        if "/voice/" in rule and asked.method == "POST" and answer.status_code == 200:
            self.leads_on(asked, rule, answer)
        for form, text in written.items():
            leak = LEAK.search(text)
            assert not leak, (form, text[max(0, leak.start() - 300) : leak.end() + 100])
        for line in written["json"].splitlines():
            json.loads(line)
        assert worked < TIMES_TRIVIAL * self.trivial, f"{worked:.3f} s for {asked}"

    def leads_on(self, asked: Asked, rule: str, answer: TestResponse) -> None:
        """A document in which whoever calls has somewhere to go, unless the call is over or nobody hears it."""
        form = Request(answer.request.environ | whole(asked.body)).form
        over = rule.endswith((*CALLBACKS, "/left")) or form.get("CallStatus") in FINISHED
        empty = "<Response />" in answer.text
        assert over or not empty, f"silence: {asked}"
        self.twilio.reads(asked.path, answer, served=True, over=empty)

    def of_us(self) -> set[str]:
        """Every row that does not belong to the other organization."""
        return {
            f"{table} {row}"
            for table, rows in stored().items()
            for row in rows
            # Whoever knows a password may log in.
            if table != "login_session" and THEIRS not in row and not any(id in row for id in self.own)
        }

    def everybody_is_logged_in(self) -> None:
        """Whoever logged out a moment ago is back."""
        with db.transaction() as session:
            session.execute(update(LoginSession).values(revoked_at=None))


def whole(body: bytes) -> dict[str, Any]:
    """The body as it was sent, whatever the headers claim."""
    return {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _things_happen(world: World) -> None:
    """Contacts in every stage, in both organizations, with something in every table that a page shows."""
    cast, twilio = world.cast, world.twilio
    for person, line in ((cast.peer2, walk.GEORGIA), (cast.outsider, HARBOR_LINE)):
        walk.is_ready(person)
        past = walk.calls(line=line)
        twilio.accepts(walk.peer(person))
        walk.talk(past)
        _is_logged(walk.peer(person), past)
        walk.is_ready(person)
        walk.writes(secret("Body"), line=line)
        thread = twilio.accepts(walk.peer(person)).engagement.contact_id
        messages.write(walk.peer(person), thread, secret("body"), clock.now())
        alerts.ask(walk.peer(person), thread, secret("words"), clock.now())
    walk.is_ready(cast.peer1)
    talking = walk.calls("+14045550124")
    twilio.accepts(walk.peer(cast.peer1))
    walk.talk(talking)
    wrapup.draft(walk.peer(cast.peer1), talking, "", [], secret("notes"), False, clock.now())
    walk.calls("+14045550125", language="es")
    walk.hangs_up(walk.calls("+14045550126"))
    twilio.calls("+14045550127").rings()


def _their_supervisor(cast: Cast) -> Person:
    """A supervisor of the other organization, of which the demo has none."""
    with db.transaction() as session:
        email, password_hash = "lookout@example.org", cast.outsider.account.password_hash
        accounts.create(session, THEIRS, Role.SUPERVISOR, "Ada Kestrel", email, password_hash)
    return Person(cast.app, email)


def _is_logged(peer: Peer, contact: str) -> None:
    """The peer does with a call whatever can be done, and logs it."""
    now = clock.now()
    alerts.ask(peer, contact, secret("words"), now)
    with db.reading() as session:
        directory = select(Resource.id).filter_by(organization_id=peer.organization_id)
        service = session.scalars(directory.order_by(Resource.id)).first()
    if service:
        referrals.add(peer, contact, service, now)
        referrals.text(peer, contact, True, now)
    parting.end(peer, contact, now)
    handoffs.keep(peer, contact, handoffs.Said("988", "", "yes", "warm", "connected", secret("notes")), now)
    wish = remembering.Wish(True, secret("remember_as"))
    wrapup.report(peer, contact, "support_given", ["emotional"], secret("notes"), True, now, wish)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("fuzz") / "warmline.db"
        path.write_bytes(Path(request.getfixturevalue("sqlite_template")).read_bytes())
        url = f"sqlite:///{path}"
    else:
        url = request.getfixturevalue("postgres").database(template=request.getfixturevalue("postgres_template"))
    log = {"json": io.StringIO(), "text": io.StringIO()}
    failures: list[Exception] = []
    everything = listening(log)
    with (
        patch.object(accounts, "hasher", house.QUICK),
        patch.object(accounts, "NOBODY", house.QUICK.hash("nobody")),
        patch.object(logs, "configuration", lambda form: everything),
        patch.object(voice, "log_failure", failures.append),
        patch.object(sms, "log_failure", failures.append),
    ):
        app = create_app(house.settings(url))
        app.request_class = Noting
        yield World(app, log, failures)
    db.bound().dispose()
    logs.use("text")


def listening(log: dict[str, io.StringIO]) -> dict[str, Any]:
    """The product's own configuration, at DEBUG and in both forms at once, written to where a test can read it."""
    whole = logs.configuration("json")
    whole["formatters"] = {form: logs.configuration(form)["formatters"]["structured"] for form in log}
    whole["handlers"] = {
        form: {"class": "logging.StreamHandler", "formatter": form, "stream": stream} for form, stream in log.items()
    }
    whole["root"] = {"handlers": list(log), "level": "DEBUG"}
    return whole


# Requests


# Bytes that are no text: broken UTF-8, a lone surrogate, NUL written in two bytes.
NO_TEXT = [b"\xff\xfe\x00", b"\xed\xa0\x80", b"\xc0\x80", b"caf\xe9"]
NUMBERS = ["0", "-1", "１２", "9" * 30, "1e308", "NaN", "0x10", "one", "+14045550177", "(404) 555-0177", "404.555.0177"]
TIMES = [
    "2026-02-30", "0001-01-01", "9999-12-31", "2026-W48-1", "0001-01-01T00:00+14:00", "9999-12-31T23:59:59-12:00",
    "2026-11-22T10:00", "24:00", "25:61", "9999-12-31T23:59:59-12:00~x", "0001-01-01T00:00:00+14:00~x",
]  # fmt: skip
SIGNS = [
    "\u202eright to left",
    "مرحبا",
    "👩‍👩‍👧‍👦",
    "%s %n {0} {line!r} {{",
    "${jndi:x}",
    "'\"<script>",
    "\ud7ff\ue000",
    "\r\n\r\nX: 1",
]
VALUES: list[str | bytes] = [*ODD, *NUMBERS, *TIMES, *SIGNS, *NO_TEXT, "yes", "true", "[]"]
ODD_IDS = ["0", "x" * 33, "x" * 2000, "\0", NOBODY + "\0", "💛", "'", "a b", "%", "<Say>", "\x0b"]
IDS = [*map(quote, ODD_IDS), "..", "%2e%2e", "..%2f..%2fetc", "-1", "%ff%fe", "%ed%a0%80", "%25", "%00%00", SECRET]
WORDS = [
    "",
    ",",
    "x" * 5000,
    "*",
    "\xe9\xff",
    ";;;q=",
    "en;q=nan,es;q=inf",
    "a/b;q=1e309,application/json;q=-1",
    "%s{0}",
]
HEADERS = {
    "HTTP_ACCEPT": [
        "*/*",
        "application/json",
        "text/html",
        "text/*;q=0.1,application/json;q=0.1",
        "/",
        "a/b/c",
        *WORDS,
    ],
    "HTTP_ACCEPT_LANGUAGE": ["es", "es-419,en;q=0.1", "zh-Hant-x", "-", *WORDS],
    "HTTP_ACCEPT_ENCODING": WORDS,
    "HTTP_COOKIE": [
        "warmline=",
        "warmline=.eJw.x.y",
        "=",
        ";;;",
        "remember_token=1|\xe9",
        "remember_token=x",
        "session=\xff",
        "warmline=" + "a" * 4000,
        '"',
        'a="\\777"',
        "io=1",
    ],
    "HTTP_IF_NONE_MATCH": ["*", '"', 'W/"x"', *WORDS],
    "HTTP_IF_MODIFIED_SINCE": ["0", "Sun, 99 Nov 2026 99:99:99 GMT", *WORDS],
    "HTTP_RANGE": ["bytes=0-", "bytes=-1", "bytes=9-1", "bytes=\xb2-", *WORDS],
    "HTTP_HOST": ["evil.example.org", "", "[::1", "a:b", "\xe9", "localhost:99999"],
    "HTTP_X_FORWARDED_FOR": ["\xff, 1", "unknown"],
    "HTTP_ORIGIN": ["null", "https://evil.example.org"],
    "HTTP_REFERER": ["\xff", "https://evil.example.org", "//"],
    "HTTP_X_CSRFTOKEN": WORDS,
    "HTTP_X_TWILIO_SIGNATURE": WORDS,
    "HTTP_I_TWILIO_IDEMPOTENCY_TOKEN": [SECRET, *WORDS],
    "HTTP_X_HTTP_METHOD_OVERRIDE": ["DELETE", "\xff"],
    "HTTP_X_REQUEST_ID": [SECRET],
    "HTTP_TRANSFER_ENCODING": ["chunked", "x"],
    "HTTP_CONTENT_ENCODING": ["gzip"],
    "HTTP_USER_AGENT": [SECRET, "\xff"],
    "CONTENT_LENGTH": [str(10**15), "-1", "x", "", "\xb2", "0"],
    "CONTENT_TYPE": [
        "application/json",
        "text/plain",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "\xff",
        "application/x-www-form-urlencoded; charset=utf-16",
        "multipart/form-data; boundary=" + "b" * 300,
        "",
    ],
}
UNKNOWN: list[str | bytes] = ["unknown", "", b"\xff", "csrf_token[]", SECRET]
METHODS = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "BREW", "post"]
FORM = "application/x-www-form-urlencoded"


def encoded(pairs: list[tuple[str | bytes, str | bytes]]) -> str:
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)


def sent(method: str, form: dict[str, str]) -> dict[str, Any]:
    """A form as it is sent with this method: in the address or in the body."""
    text = encoded(list(form.items()))
    if method == "GET":
        return {"query": text}
    return {"body": text.encode(), "headers": {"CONTENT_TYPE": FORM}}


def multipart(pairs: list[tuple[str | bytes, str | bytes]]) -> bytes:
    """The fields as a form with files, some of which are files."""
    parts = []
    for turn, (name, value) in enumerate(pairs):
        file = b'; filename="../%s"\r\nContent-Type: image/png' % SECRET.encode() if turn % 3 == 2 else b""
        words = [each if isinstance(each, bytes) else each.encode("utf-8", "replace") for each in (name, value)]
        name_there = words[0].replace(b'"', b"%22").replace(b"\r\n", b"%0D%0A")
        parts.append(b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (name_there, file, words[1]))
    return b"".join(parts) + b"--b--\r\n"


@st.composite
def requests(draw: st.DrawFn, world: World, rule: str, method: str, asking: list[tuple[str, str]]) -> Asked:
    """Whatever one of these could ask at these addresses of a route: mostly sense, with something odd in it."""
    sometimes = st.integers(0, 7).map(lambda chance: chance == 7)
    who, path = draw(st.sampled_from(asking))
    if "<" in rule and draw(sometimes):
        path = re.sub(r"<[\w:]+>", lambda _: draw(st.sampled_from(IDS)), rule)
    if draw(sometimes):
        method = draw(st.sampled_from(METHODS))
    known = world.fields[rule, "POST" if method != "GET" else "GET"]
    names = sorted(known)
    pairs: list[tuple[str | bytes, str | bytes]] = []
    odd = draw(st.sets(st.sampled_from(names), max_size=3)) if names else set()
    left_out = set(world.buttons) if draw(st.booleans()) else set()
    if draw(st.booleans()) and names:
        left_out |= draw(st.sets(st.sampled_from(names)))
    for name in names:
        usual = draw(st.sampled_from([*known[name], ""])) if known[name] else secret(name)
        if name in odd or name not in left_out:
            pairs.append((name, draw(_odd(name)) if name in odd else usual))
    for change in draw(st.lists(st.sampled_from(["drop", "repeat", "unknown"]), max_size=3)):
        if change == "drop" and pairs:
            pairs.pop(draw(st.integers(0, len(pairs) - 1)))
        elif change == "repeat" and names:
            name = draw(st.sampled_from(names))
            pairs.append((name, draw(_odd(name))))
        else:
            pairs.append((draw(st.sampled_from(UNKNOWN)), draw(_odd("unknown"))))
    headers = {name: draw(st.sampled_from(HEADERS[name])) for name in draw(_some_headers)}
    query = draw(st.sampled_from(["", "", *(each[1:] for each in QUERIES), "?", "&&=", "%00=%ff", f"q={SECRET}"]))
    body, kind = b"", FORM
    if method in {"GET", "HEAD"}:
        query = encoded(pairs)
    else:
        body, kind = draw(_bodies(pairs)) if draw(sometimes) else (encoded(pairs).encode(), FORM)
    return Asked(who, method, path, query, body, {"CONTENT_TYPE": kind} | headers)


_some_headers = st.sets(st.sampled_from(sorted(HEADERS)), max_size=2)


def _odd(name: str) -> st.SearchStrategy[str | bytes]:
    planted = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(lambda text: f"{secret(name)}{text}")
    return st.sampled_from(VALUES) | planted | st.sampled_from([secret(name) * 700, f"+14045550177 {secret(name)}"])


@st.composite
def _bodies(draw: st.DrawFn, pairs: list[tuple[str | bytes, str | bytes]]) -> tuple[bytes, str]:
    """What is no form, or one of the other kind."""
    words = json.dumps({str(name): str(value) for name, value in pairs}).encode()
    return draw(
        st.sampled_from(
            [
                (multipart(pairs), "multipart/form-data; boundary=b"),
                (multipart(pairs)[:-20], "multipart/form-data; boundary=b"),
                (multipart(pairs * 300)[:60_000], "multipart/form-data; boundary=b"),
                (words, "application/json"),
                (words, FORM),
                (b"[" * 9000, "application/json"),
                (b"&".join([b"a=1"] * 12_000), FORM),
                (b"a" * 70_000, FORM),
                (b"\0\xff" * 100, FORM),
                (b"\0\xff" * 100, "application/octet-stream"),
                (b"", FORM),
            ]
        )
    )


named = pytest.mark.parametrize(("rule", "method"), ROUTES, ids=[f"{method} {rule}" for rule, method in ROUTES])


@named
@often
@given(data=st.data())
def test_nothing_that_is_sent_brings_a_route_down(world: World, rule: str, method: str, data: st.DataObject) -> None:
    world.everybody_is_logged_in()
    anybody = [(who, path) for who in (*OUR_PEOPLE, "twilio") for path in world.paths(rule)]
    asking = data.draw(st.sampled_from([world.open[rule, method] or anybody] * 3 + [anybody]))
    world.is_sound(data.draw(requests(world, rule, method, asking)), rule)


@pytest.mark.parametrize(("rule", "method"), [route for route in ROUTES if "<" in route[0]])
def test_an_odd_id_is_nobodys(world: World, rule: str, method: str) -> None:
    world.everybody_is_logged_in()
    form = world.usual(rule, method)
    for who, id in itertools.product(sorted({who for who, _ in world.open[rule, method]}), IDS):
        world.is_sound(Asked(who, method, id.join(re.split(r"<[\w:]+>", rule)), **sent(method, form)), rule)


@pytest.mark.parametrize(
    ("rule", "method"),
    [(rule, method) for rule, method in ROUTES if "_id>" in rule and not rule.startswith("/twilio/")],
)
def test_an_id_of_ours_looks_unknown_to_others(world: World, rule: str, method: str) -> None:
    world.everybody_is_logged_in()
    asked = sent(method, world.usual(rule, method))
    asked["headers"] = {"CONTENT_TYPE": FORM, "HTTP_ACCEPT": "application/json"}
    (unknown,) = world.paths(rule, {})
    for who in ("outsider", "lookout"):
        nothing, _ = world.answers(Asked(who, method, unknown, **asked))
        assert nothing.status_code in {403, 404, 422}
        for path in world.paths(rule, world.ours)[:8]:
            answer, _ = world.answers(Asked(who, method, path, **asked))
            assert (answer.status_code, answer.json) == (nothing.status_code, nothing.json), (who, path)


@named
@settings(often, max_examples=max(1, EXAMPLES // 4))
@given(data=st.data())
def test_an_outsider_or_a_stranger_changes_nothing_of_ours(
    world: World, rule: str, method: str, data: st.DataObject
) -> None:
    world.everybody_is_logged_in()
    before = world.of_us()
    asking = list(itertools.product(OTHERS, world.paths(rule)))
    for _ in range(4):
        world.is_sound(data.draw(requests(world, rule, method, asking)), rule)
    assert world.of_us() == before


@pytest.mark.parametrize("rule", FORMS)
def test_no_form_changes_anything_without_its_own_token(world: World, rule: str) -> None:
    world.everybody_is_logged_in()
    before = stored()
    people = (*OUR_PEOPLE, "outsider", "lookout")
    usual = world.usual(rule, "POST")
    for turn, (who, path) in enumerate(itertools.product(people, world.paths(rule)[:4])):
        wrong = ("", "wrong", world.tokens[people[people.index(who) - 1]])[turn % 3]
        fields: dict[str, str] = {"csrf_token": wrong} if turn % 2 else {}
        asked = Asked(who, "POST", path, **sent("POST", usual | fields), token="" if turn % 2 else wrong)
        asked.headers["HTTP_ACCEPT"] = "application/json"
        answer, _ = world.answers(asked)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "csrf"), asked
    assert stored() == before


# Sockets

# https://socket.io/docs/v4/engine-io-protocol/ and https://socket.io/docs/v4/socket-io-protocol/
HELLO = "40"
PACKETS: list[str | bytes] = [
    "", "0", "1", "2probe", "3", "5", "6", "9", "x", "4", "4x", "41", "49", "40/nowhere,", '40{"a":',
    f'40{{"{SECRET}":1}}',
    "42", "42[", "42[]", "42{}", "42null", '42"x"', "42[1]", "42[null,1]", '42["connect"]', '42["disconnect"]',
    '42["heartbeat",{}]', f'42["{SECRET}","+14045550177"]', '42/nowhere,["heartbeat"]', '420["heartbeat"]',
    f'42{"9" * 400}["heartbeat"]', '43["x"]', '430["x"]', f'44{{"message":"{SECRET}"}}', "451-[", '45-["heartbeat"]',
    '451-["heartbeat",{"_placeholder":true,"num":0}]', '451-["heartbeat",{"_placeholder":true,"num":-7}]',
    '4599999999-["heartbeat"]', f'42["heartbeat",{"[" * 9000}', f'42["{"x" * 20_000}"]', '42["heartbeat","\\ud800"]',
    "4\0", "42[\"heartbeat\\u0000\"]", b"", b"\0\xff", b"4", b"\x04" * 100,
]  # fmt: skip
HANDSHAKES = [
    "", "EIO=4", "EIO=x&transport=websocket", "EIO=3&transport=websocket", "EIO=4&transport=polling",
    "EIO=4&transport=%00", "EIO=4&transport=websocket&sid=x", f"EIO=4&transport=polling&sid={SECRET}",
    "j=%ff&EIO=4&transport=polling",
]  # fmt: skip


def test_nothing_that_a_socket_says_brings_the_process_down(
    sqlite_template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "warmline.db"
    path.write_bytes(sqlite_template.read_bytes())
    with serve(f"sqlite:///{path}", LOG_FORMAT="json") as base:
        capfd.readouterr()
        peer = Browser(base, "peer1@example.org")
        cookies = "; ".join(f"{name}={value}" for name, value in peer.cookies.items())
        address = f"{base.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket"
        headers = {"Origin": base, "Cookie": cookies}

        for packet, greeted in itertools.product(PACKETS, (True, False)):
            socket = simple_websocket.Client(address, headers=headers)
            try:
                for each in (HELLO, packet, '42["heartbeat"]') if greeted else (packet, HELLO):
                    socket.send(each)
                socket.receive(timeout=1)
                socket.close()
            except simple_websocket.ConnectionClosed:
                pass  # it may be hung up on
        for query, method in itertools.product(HANDSHAKES, ("GET", "POST", "PUT", "OPTIONS")):
            answer = peer.request(method, f"{base}/socket.io/?{query}", data="4x", timeout=PATIENCE)
            assert answer.status_code < 500, (method, query)
            assert not INWARD.search(answer.text)
        assert peer.get(f"{base}/console/state", timeout=PATIENCE).ok
    logged = capfd.readouterr().err
    # engineio's writer may find a socket closed that the other side has hung up on.
    logged = re.sub(r"Traceback(?:(?!Traceback).)*?failed with OSError\n", "", logged, flags=re.DOTALL)
    assert "Traceback" not in logged, logged
    assert not LEAK.search(logged), logged
