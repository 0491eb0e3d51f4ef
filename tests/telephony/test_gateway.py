"""What the gateway asks of Twilio, sent to the simulator and held to Twilio's own description of its API."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from twilio.base.exceptions import TwilioException

from tests.simulator.world import (
    ACCOUNT,
    CALLER,
    GEORGIA,
    ILLINOIS,
    OTHER,
    TOKEN,
    Product,
    Simulator,
    client_for,
    eventually,
    twiml,
)
from tests.telephony.openapi import Wire
from warmline.telephony import twilio_gateway
from warmline.telephony.gateway import Gateway, GatewayError, Membership, NotTaken, Refused, Uncertain
from warmline.telephony.twilio_gateway import TwilioGateway
from warmline.telephony.twiml import OVERRIDES

INCOMING = "/twilio/voice/incoming"
ROOM = "a" * 32

# What each method asks, by the description's names.
OPERATIONS = {
    "sign_in": {"ListQueue"},
    "move_caller": {"UpdateMember"},
    "redirect": {"UpdateCall"},
    "hang_up": {"UpdateCall"},
    "call": {"CreateCall"},
    "calls_made": {"ListCall"},
    "end_conference": {"UpdateConference"},
    "send_text": {"CreateMessage"},
    "locate": {"FetchCall", "FetchMember", "ListConference", "FetchParticipant"},
}


@pytest.fixture
def gateway(product: Product, simulator: Simulator) -> Iterator[TwilioGateway]:
    """The gateway as the product has it, with a look at its wire."""
    gateway = TwilioGateway(ACCOUNT, TOKEN, product.base_url, simulator.url)
    gateway.client.http_client = Wire(gateway.client.http_client)
    yield gateway
    for exchange in gateway.client.http_client.exchanges:
        assert exchange.request_faults() == [], "refused or not, it was a request that Twilio understands"


def waiting(product: Product, simulator: Simulator) -> tuple[str, str]:
    """A caller in a queue: its SID and the queue's."""
    product.replies[INCOMING] = twiml("<Enqueue waitUrl='/wait'>line</Enqueue>")
    product.replies["/wait"] = product.replies["/next"] = twiml("<Pause length='600'/>")
    sid = simulator.dial()
    return sid, product.wait_for("/wait", CallSid=sid).params["QueueSid"]


def conferring(product: Product, simulator: Simulator) -> tuple[str, str]:
    """Two callers in a conference: the SID of the second, and the conference's."""
    product.replies[INCOMING] = twiml(f"<Dial><Conference>{ROOM}</Conference></Dial>")
    simulator.dial()
    sid = simulator.dial(from_="+13125550142")
    eventually(lambda: (simulator.call(sid)["conference"] or {}).get("status") == "in-progress")
    return sid, simulator.call(sid)["conference"]["sid"]


def sign_in(gateway: TwilioGateway, product: Product, simulator: Simulator) -> None:
    waiting(product, simulator)
    gateway.sign_in()


def move_caller(gateway: TwilioGateway, product: Product, simulator: Simulator) -> None:
    sid, queue = waiting(product, simulator)
    gateway.move_caller(queue, sid, "/next")
    product.wait_for("/next", CallSid=sid)


def redirect(gateway: TwilioGateway, product: Product, simulator: Simulator) -> None:
    sid, _ = conferring(product, simulator)
    gateway.redirect(sid, "/next")
    product.wait_for("/next", CallSid=sid)


def hang_up(gateway: TwilioGateway, product: Product, simulator: Simulator) -> None:
    sid, _ = waiting(product, simulator)
    gateway.hang_up(sid)
    simulator.reaches(sid, "ended")


def call(gateway: TwilioGateway, product: Product, simulator: Simulator) -> None:
    product.replies["/called"] = twiml("<Say>Hello</Say><Pause length='600'/>")
    sid = gateway.call(GEORGIA, CALLER, "/called?call=7", "/call?call=7", 25)
    assert product.wait_for("/call", CallStatus="initiated").params["CallSid"] == sid
    simulator.ask("POST", f"/script/calls/{sid}/answer")
    assert product.wait_for("/called").params["call"] == "7"
    simulator.hang_up(sid)
    assert product.wait_for("/call", CallStatus="completed").params["CallSid"] == sid
    unanswered = gateway.call(GEORGIA, CALLER, "/called", "/call", 5)
    assert product.wait_for("/call", CallStatus="no-answer").params["CallSid"] == unanswered


def calls_made(gateway: TwilioGateway, product: Product, simulator: Simulator) -> None:
    def made(sender: str = GEORGIA, recipient: str = CALLER, ago: float = 30) -> list[str]:
        return gateway.calls_made(sender, recipient, datetime.now(UTC) - timedelta(seconds=ago))

    twilio = client_for(simulator.url)
    busy = twilio.calls.create(to=CALLER, from_=GEORGIA, url=f"{product.base_url}/called", timeout=600).sid
    simulator.hang_up(busy)
    simulator.reaches(busy, "ended")
    rings = twilio.calls.create(to=CALLER, from_=GEORGIA, url=f"{product.base_url}/called", timeout=600).sid
    elsewhere = twilio.calls.create(to=OTHER, from_=GEORGIA, url=f"{product.base_url}/called", timeout=600).sid
    waiting(product, simulator)
    assert made() == [rings, busy], "newest first, those that are over too"
    assert made(recipient=OTHER) == [elsewhere]
    assert made(ILLINOIS) == made(ago=-30) == []


def end_conference(gateway: TwilioGateway, product: Product, simulator: Simulator) -> None:
    sid, conference = conferring(product, simulator)
    gateway.end_conference(conference)
    simulator.reaches(sid, "ended")


def send_text(gateway: TwilioGateway, product: Product, simulator: Simulator) -> None:
    sid = gateway.send_text(GEORGIA, CALLER, "¿Qué tal? 💛 a&b=c", "7")
    told = product.wait_for("/twilio/sms/status", MessageStatus="delivered")
    assert (told.params["MessageSid"], told.params["message"]) == (sid, "7")
    (text,) = simulator.ask("GET", f"/script/texts?number={CALLER.replace('+', '%2B')}")["texts"]
    assert text["body"] == "¿Qué tal? 💛 a&b=c"


def locate(gateway: TwilioGateway, product: Product, simulator: Simulator) -> None:
    queued, queue = waiting(product, simulator)
    assert gateway.locate(queued, queue, None) == Membership(False, in_queue=True)
    assert gateway.locate(queued, queue, ROOM) == Membership(False, in_queue=True), "and no conference of that name"
    talking, conference = conferring(product, simulator)
    for asked in (conference, ROOM):
        assert gateway.locate(talking, queue, asked) == Membership(False, conference_sid=conference)
        assert gateway.locate(queued, None, asked) == Membership(False), "somebody else's conference"
    simulator.hang_up(talking)
    simulator.reaches(talking, "ended")
    for over in (talking, "CA" + "0" * 32):
        assert gateway.locate(over, queue, conference) == Membership(True)


EXAMPLES: list[Callable[[TwilioGateway, Product, Simulator], None]] = [
    sign_in, move_caller, redirect, hang_up, call, calls_made, end_conference, send_text, locate,
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__)
def test_each_request_and_its_answer_are_twilios(
    gateway: TwilioGateway, product: Product, simulator: Simulator, example: Callable[..., None]
) -> None:
    example(gateway, product, simulator)
    asked = {exchange.operation.id for exchange in gateway.client.http_client.exchanges}
    assert asked == OPERATIONS[example.__name__]


def test_every_method_has_its_example() -> None:
    methods = {name for name, _ in inspect.getmembers(TwilioGateway, inspect.isfunction) if not name.startswith("_")}
    assert methods == {example.__name__ for example in EXAMPLES} == OPERATIONS.keys()
    assert methods == {name for name, _ in inspect.getmembers(Gateway, inspect.isfunction) if not name.startswith("_")}


def chains(source: str) -> set[tuple[str, ...]]:
    """What is called on `….client`, by its names: ("calls", "fetch") for self.client.calls(sid).fetch()."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        while isinstance(node, ast.Call | ast.Attribute):
            if isinstance(node, ast.Attribute):
                names.insert(0, node.attr)
            node = node.func if isinstance(node, ast.Call) else node.value
        if names[:1] == ["client"]:
            found.add(tuple(names[1:]))
    return {chain for chain in found if not any(other[: len(chain)] == chain != other for other in found)} - {()}


def test_nothing_else_is_asked() -> None:
    named = {
        verb.title() + noun.removesuffix("s").title() for *_, noun, verb in chains(inspect.getsource(twilio_gateway))
    }
    assert named == set.union(*OPERATIONS.values())


def test_a_new_request_would_be_noticed() -> None:
    source = "def more(self): self.client.calls(sid).recordings.create(); rooms = self.client.conferences('CF1')"
    assert chains(source) == {("calls", "recordings", "create"), ("conferences",)}


def test_twilio_python_is_the_only_client() -> None:
    clients = {"aiohttp", "http", "httpx", "pycurl", "requests", "socket", "urllib.request", "urllib3"}
    found = set()
    package = Path(twilio_gateway.__file__).parents[1]
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{name}" for name in names]
            found |= {
                (str(path.relative_to(package)), name)
                for name in names
                if any(f"{name}.".startswith(f"{client}.") for client in clients)
            }
    assert found == {
        ("run.py", "requests"),  # are our own processes up?
        ("run.py", "socket"),  # is the port free?
        # the names of the failures of twilio-python, which stands on these
        ("telephony/twilio_gateway.py", "requests"),
        ("telephony/twilio_gateway.py", "urllib3.exceptions.ConnectTimeoutError"),
        ("telephony/twilio_gateway.py", "urllib3.exceptions.NewConnectionError"),
    }
    used = re.findall(r"requests\.(\w+)", inspect.getsource(twilio_gateway))
    assert set(used) == {"RequestException", "ConnectTimeout"}


def test_addresses_are_below_the_public_one_and_ask_for_retries(gateway: TwilioGateway, product: Product) -> None:
    with pytest.raises(Refused):
        gateway.redirect("CA" + "0" * 32, "/twilio/voice/contacts/1/dropped?engagement=2")
    (exchange,) = gateway.client.http_client.exchanges
    url = f"{product.base_url}/twilio/voice/contacts/1/dropped?engagement=2{OVERRIDES}"
    assert exchange.fields == {"Url": [url], "Method": ["POST"]}


def test_a_wrong_token_is_refused(product: Product, simulator: Simulator) -> None:
    """https://www.twilio.com/docs/api/errors/20003"""
    stranger = TwilioGateway(ACCOUNT, "another token", product.base_url, simulator.url)
    for ask in (stranger.sign_in, lambda: stranger.hang_up("CA" + "0" * 32)):
        with pytest.raises(Refused) as refusal:
            ask()
        assert refusal.value.status == 401


def test_a_second_move_is_refused(gateway: TwilioGateway, product: Product, simulator: Simulator) -> None:
    sid, queue = waiting(product, simulator)
    gateway.move_caller(queue, sid, "/next")
    with pytest.raises(Refused) as refusal:
        gateway.move_caller(queue, sid, "/next")
    assert refusal.value.status == 400


def test_a_finished_call_can_be_neither_redirected_nor_ended(
    gateway: TwilioGateway, product: Product, simulator: Simulator
) -> None:
    """https://www.twilio.com/docs/api/errors/21220"""
    sid, _ = waiting(product, simulator)
    simulator.hang_up(sid)
    simulator.reaches(sid, "ended")
    for ask in (lambda: gateway.redirect(sid, "/next"), lambda: gateway.hang_up(sid)):
        with pytest.raises(Refused) as refusal:
            ask()
        assert (refusal.value.status, refusal.value.code) == (400, 21220)


@pytest.mark.parametrize(
    ("status", "kind"), [(429, NotTaken), (500, Uncertain), (503, Uncertain), ("timeout", Uncertain)]
)
@pytest.mark.parametrize("asked", ["Calls/", "Messages.json", "Conferences.json"])
def test_a_failure_says_whether_it_may_be_asked_again(
    gateway: TwilioGateway, product: Product, simulator: Simulator, asked: str, status: int | str, kind: type[Exception]
) -> None:
    """twilio-python has an error of its own for a list that fails."""
    sid, _ = waiting(product, simulator)
    gateway.client.http_client.client.timeout = 0.3
    simulator.fault(status=status, path=asked, seconds=0.6)
    texts = asked == "Messages.json"
    with pytest.raises(kind):
        gateway.send_text(GEORGIA, CALLER, "Hi", "7") if texts else gateway.locate(sid, None, ROOM)


def test_where_nobody_listens_nothing_was_taken() -> None:
    gateway = TwilioGateway(ACCOUNT, TOKEN, "https://warmline.example.org", "http://127.0.0.1:9")
    with pytest.raises(NotTaken):
        gateway.hang_up("CA" + "0" * 32)


@pytest.mark.parametrize("answer", ["<html>404</html>", '{"status": 404}', "{}", ""])
def test_somebody_elses_404_says_nothing_about_a_call(product: Product, answer: str) -> None:
    sid = "CA" + "0" * 32
    product.replies[f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{sid}.json"] = (404, "text/html", answer)
    with pytest.raises(GatewayError):
        TwilioGateway(ACCOUNT, TOKEN, product.base_url, product.base_url).locate(sid, None, None)


def test_no_other_host_is_asked_while_the_api_is_replaced(gateway: TwilioGateway) -> None:
    with pytest.raises(TwilioException, match=r"lookups\.twilio\.com"):
        gateway.client.http_client.client.request("GET", "https://lookups.twilio.com/v2/PhoneNumbers")
