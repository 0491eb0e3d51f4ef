"""The check against Twilio's description lets pass what Twilio itself gives as an example, and finds what is wrong."""

import json
import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

import pytest
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from tests.telephony.openapi import GAPS, HOST, Exchange, Wire, description

ACCOUNT, CALL, QUEUE = "AC" + "1" * 32, "CA" + "1" * 32, "QU" + "1" * 32
BASE = f"/2010-04-01/Accounts/{ACCOUNT}"
MEMBER = f"{BASE}/Queues/{QUEUE}/Members/{CALL}.json"
MOVE = "Url=https%3A%2F%2Fwarmline.example.org%2Fjoin%23rc%3D5&Method=POST"
MOVED = {
    "call_sid": CALL,
    "date_enqueued": "Sat, 01 Mar 2031 20:15:07 +0000",
    "position": 1,
    "queue_sid": QUEUE,
    "uri": MEMBER,
    "wait_time": 7,
}
REFUSED = {
    "code": 20404,
    "message": "The requested resource was not found",
    "more_info": "https://www.twilio.com/docs/errors/20404",
    "status": 404,
}

# The resources that the product and its simulator know.
OURS = re.compile(r".*\{AccountSid\}/(Calls|Conferences|Messages|Queues)(/\{\w+\}(/(Members|Participants).*)?)?\.json")


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of each operation on them."""
    for path, item in description()["paths"].items():
        if OURS.fullmatch(path):
            yield from ((path, method, item[method]) for method in ("get", "post", "delete") if method in item)


def answers() -> list[Exchange]:
    """Twilio's own examples of answers."""
    return [
        Exchange(method, HOST + path, "", int(status), json.dumps(example["value"]))
        for path, method, operation in operations()
        for status, response in operation["responses"].items()
        for media in response.get("content", {}).values()
        for example in media["examples"].values()
    ]


def forms() -> list[Exchange]:
    """Twilio's own examples of forms."""
    kinds = {
        "Calls": "CA",
        "Conferences": "CF",
        "Members": "CA",
        "Messages": "SM",
        "Participants": "CA",
        "Queues": "QU",
    }
    found = []
    for path, method, operation in operations():
        path = path.replace("{AccountSid}", ACCOUNT)
        path = re.sub(r"/(\w+)/\{\w+\}", lambda match: f"/{match[1]}/{kinds[match[1]]}{'1' * 32}", path)
        for media in operation.get("requestBody", {}).get("content", {}).values():
            for example in media.get("examples", {}).values():
                given = {name: value for name, value in example["value"].items() if value != ""}  # "" is left out
                form = {name: json.dumps(v) if isinstance(v, bool) else v for name, v in given.items()}
                found.append(Exchange(method, HOST + path, urlencode(form, doseq=True), 200, ""))
    return found


def test_twilios_own_answers_pass() -> None:
    assert len(answers()) > 50
    assert [exchange for exchange in answers() if exchange.answer_faults()] == []


@pytest.mark.parametrize("gap", GAPS)
def test_each_gap_is_seen_in_them(gap: str) -> None:
    with patch.dict(GAPS):
        del GAPS[gap]
        assert any(exchange.answer_faults() for exchange in answers())


def test_twilios_own_forms_pass_but_for_parameters_of_old() -> None:
    assert len(forms()) > 20
    faults = [fault for exchange in forms() for fault in exchange.request_faults()]
    assert [fault for fault in faults if not re.fullmatch(r"\w+ is no parameter", fault)] == []


def test_a_right_request_and_its_answer_pass() -> None:
    exchange = Exchange("POST", HOST + MEMBER, MOVE, 200, json.dumps(MOVED))
    assert exchange.operation
    assert exchange.operation.id == "UpdateMember"
    assert exchange.request_faults() == exchange.answer_faults() == []


@pytest.mark.parametrize(
    ("method", "path", "form", "fault"),
    [
        ("POST", MEMBER, "Method=POST", "'Url' is a required property"),
        ("POST", MEMBER, "Ur=https%3A%2F%2Fa.example", "Ur is no parameter"),
        ("POST", MEMBER, "Url=%2Fjoin", "Url: '/join' is not a 'uri'"),
        ("POST", MEMBER, f"{MOVE}&Method=GET", "Method: ['POST', 'GET'] is not of type 'string'"),
        ("POST", MEMBER, MOVE.replace("POST", "PUT"), "Method: 'PUT' is not one of ['GET', 'POST']"),
        ("POST", MEMBER.replace("QU", "CF"), MOVE, "QueueSid: 'CF1"),
        ("POST", MEMBER.replace(ACCOUNT, ACCOUNT[:-1]), MOVE, "AccountSid: 'AC1"),
        ("POST", f"{BASE}/Calls/{CALL}.json", "Status=hangup", "Status: 'hangup' is not one of"),
        ("POST", f"{BASE}/Calls/{CALL}.json", "Timeout=soon", "Timeout is no parameter"),
        ("POST", f"{BASE}/Calls/{CALL}.json", "TimeLimit=soon", "TimeLimit: 'soon' is not of type 'integer'"),
        ("POST", f"{BASE}/Conferences/CF{'1' * 32}/Participants/x.json", "Muted=yes", "Muted: 'yes' is not of type"),
        ("GET", f"{BASE}/Conferences.json?Status=live", "", "Status: 'live' is not one of"),
        ("GET", f"{BASE}/Conferences.json?Name=x", "", "Name is no parameter"),
        ("GET", f"{BASE}/Messages.json?PageSize=0", "", "PageSize: 0 is less than the minimum"),
        ("GET", f"{BASE}/Messages.json", "To=1", "To is no parameter"),
        ("GET", f"{BASE}/Waiters.json", "", "GET https://api.twilio.com/2010-04-01/"),
        ("PUT", MEMBER, MOVE, "PUT https://api.twilio.com/2010-04-01/"),
    ],
)
def test_a_wrong_request_is_found(method: str, path: str, form: str, fault: str) -> None:
    found = Exchange(method, HOST + path, form, 200, "").request_faults()
    assert any(each.startswith(fault) for each in found), found


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"position": "1"}, "position: '1' is not of type 'integer'"),
        ({"call_sid": "CA1"}, "call_sid: 'CA1' is too short"),
        (
            {"date_enqueued": "2031-03-01T20:15:07Z"},
            "date_enqueued: '2031-03-01T20:15:07Z' is not a 'date-time-rfc-2822'",
        ),
        ({"wait_time": None}, "wait_time: None for not nullable"),
        ({"status": "waiting"}, "status is no field of it"),
        ({"uri": ...}, "uri is missing"),
    ],
)
def test_a_wrong_answer_is_found(changed: dict[str, Any], fault: str) -> None:
    answer = {name: value for name, value in (MOVED | changed).items() if value is not ...}
    assert fault in Exchange("POST", HOST + MEMBER, MOVE, 200, json.dumps(answer)).answer_faults()


@pytest.mark.parametrize(
    ("status", "answer", "fault"),
    [
        (201, MOVED, "UpdateMember does not answer 201"),
        (200, "", "'' is not of type 'object'"),
        (404, {}, "'code' is a required property"),
        (404, "<html>", "'<html>' is not of type 'object'"),
        (404, REFUSED | {"code": "20404"}, "code: '20404' is not of type 'integer'"),
        (404, REFUSED | {"code": 20003}, "the refusal contradicts itself"),
        (400, REFUSED, "the refusal contradicts itself"),
        (404, REFUSED | {"details": {}}, "Additional properties are not allowed ('details' was unexpected)"),
    ],
)
def test_a_wrong_kind_of_answer_is_found(status: int, answer: Any, fault: str) -> None:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    assert fault in Exchange("POST", HOST + MEMBER, MOVE, status, text).answer_faults()


def test_wrong_values_inside_a_list_are_found() -> None:
    page = next(e for e in answers() if e.operation and e.operation.id == "ListCall" and '"calls": [{' in e.answer)
    wrong = json.loads(page.answer)
    wrong["calls"][0] |= {"status": "talking", "mood": "good"}
    del wrong["calls"][1]["direction"]
    faults = Exchange(page.method, page.url, "", 200, json.dumps(wrong)).answer_faults()
    assert "mood is no field of it" in faults
    assert "direction is missing" in faults
    assert any(fault.startswith("calls/0/status: 'talking' is not one of") for fault in faults)


class Canned(HttpClient):  # type: ignore[misc]  # has no types
    """Answers everything with one answer."""

    def __init__(self, status: int, answer: Any) -> None:
        self.answer = Response(status, json.dumps(answer))

    def request(self, *_: Any, **__: Any) -> Response:
        return self.answer


def test_the_wire_refuses_an_answer_that_is_not_twilios_and_a_request_that_nobody_refused() -> None:
    def member(status: int, answer: Any) -> Any:
        return Client(ACCOUNT, "token", http_client=Wire(Canned(status, answer))).queues(QUEUE).members(CALL)

    member(200, MOVED).update(url="https://warmline.example.org/join")
    with pytest.raises(AssertionError, match="position"):
        member(200, MOVED | {"position": "1"}).update(url="https://warmline.example.org/join")
    with pytest.raises(AssertionError, match="is not a 'uri'"):
        member(200, MOVED).update(url="/join")
    with pytest.raises(Exception, match="not found"):
        member(404, REFUSED).update(url="/join")
