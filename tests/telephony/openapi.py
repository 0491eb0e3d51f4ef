"""What Twilio's own OpenAPI description of its REST API (2010-04-01) says of requests and of their answers.

Stricter than its schemas are: a request has no parameter that the description does not name, and an answer has no
field that neither the schema nor an example has, and every field of the schema that all of its examples have.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache, cached_property
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import requests
from jsonschema import FormatChecker
from openapi_schema_validator import OAS30ReadValidator, OAS30WriteValidator
from referencing import Registry
from referencing.jsonschema import DRAFT4
from twilio.http import HttpClient
from twilio.http.response import Response

from tests.telephony.sources import read

HOST = "https://api.twilio.com"


def _is_path(value: Any) -> bool:
    return str(value).startswith("/2010-04-01/")


# Where Twilio itself does not do what its description says, by field: its own examples show each of these.
GAPS = {
    # "uri", but only a path
    "uri": _is_path,
    "first_page_uri": _is_path,
    "next_page_uri": _is_path,
    "previous_page_uri": _is_path,
    # not nullable, and null as long as the conference goes on
    "reason_conference_ended": lambda value: value is None,
}

# The description has no refusals. https://www.twilio.com/docs/usage/twilios-response#response-formats-exceptions
REFUSAL = {
    "type": "object",
    "required": ["code", "message", "more_info", "status"],
    "additionalProperties": False,
    "properties": {
        "code": {"type": "integer", "minimum": 10000, "maximum": 99999},
        "message": {"type": "string", "minLength": 1},
        "more_info": {"type": "string", "pattern": r"^https://www\.twilio\.com/docs/errors/\d{5}$"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
    },
}

FORMATS = FormatChecker()


@FORMATS.checks("date-time-rfc-2822", ValueError)
def _is_rfc_2822(value: Any) -> bool:
    return not isinstance(value, str) or bool(parsedate_to_datetime(value))


@FORMATS.checks("uri", ValueError)
def _is_uri(value: Any) -> bool:
    return not isinstance(value, str) or (value.startswith(("http://", "https://")) and bool(urlsplit(value).hostname))


@cache
def description() -> Any:
    return json.loads(read("twilio_api_v2010.json"))


@cache
def _registry() -> Registry[Any]:
    return Registry().with_resource("twilio", DRAFT4.create_resource(description()))


@cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    """Each path of the description, as an expression that finds the values in it."""
    return [
        (re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+?)", re.escape(path))), path)
        for path in description()["paths"]
    ]


@dataclass
class Operation:
    """What one method does at one path of the description; `values` are those in the path."""

    path: str
    method: str
    values: dict[str, str]

    @property
    def described(self) -> dict[str, Any]:
        return dict(description()["paths"][self.path][self.method])

    @property
    def id(self) -> str:
        """Its name, such as FetchCall."""
        return str(self.described["operationId"])

    def schema(self, *place: str) -> dict[str, Any]:
        """A reference to a schema of this operation."""
        parts = ["paths", self.path, self.method, *place]
        return {"$ref": "twilio#/" + "/".join(part.replace("/", "~1") for part in parts)}


def operation(method: str, url: str) -> Operation | None:
    """The operation that a request asks for, if there is one."""
    address, method = urlsplit(url), method.lower()
    if f"{address.scheme}://{address.netloc}" == HOST:
        for expression, path in _paths():
            if (found := expression.fullmatch(address.path)) and method in description()["paths"][path]:
                return Operation(path, method, found.groupdict())
    return None


@dataclass
class Exchange:
    """A request as it goes over the wire, and its answer. `form` is the request's body."""

    method: str
    url: str
    form: str
    status: int
    answer: str

    @cached_property
    def operation(self) -> Operation | None:
        return operation(self.method, self.url)

    @property
    def fields(self) -> dict[str, list[str]]:
        return parse_qs(self.form, keep_blank_values=True)

    def request_faults(self) -> list[str]:
        """What Twilio would not understand."""
        if self.operation is None:
            return [f"{self.method} {self.url} is no operation"]
        query = parse_qs(urlsplit(self.url).query, keep_blank_values=True)
        given = {"path": {name: [unquote(value)] for name, value in self.operation.values.items()}, "query": query}
        faults = []
        for number, parameter in enumerate(self.operation.described["parameters"]):
            values = given[parameter["in"]].pop(parameter["name"], None)
            if values is not None:
                schema = self.operation.schema("parameters", str(number), "schema")
                value = _typed(values, parameter["schema"])
                faults += [f"{parameter['name']}: {fault}" for fault in _errors(schema, value, OAS30WriteValidator)]
            elif parameter.get("required"):
                faults.append(f"{parameter['name']} is missing")
        return [*faults, *(f"{name} is no parameter" for name in query), *self._form_faults(self.operation)]

    def _form_faults(self, operation: Operation) -> list[str]:
        form = self.fields
        place = ("requestBody", "content", "application/x-www-form-urlencoded", "schema")
        known = _resolved(operation.schema(*place))["properties"] if "requestBody" in operation.described else {}
        faults = [f"{name} is no parameter" for name in form if name not in known]
        if known:
            typed = {name: _typed(values, known[name]) for name, values in form.items() if name in known}
            faults += _errors(operation.schema(*place), typed, OAS30WriteValidator)
        return faults

    def answer_faults(self) -> list[str]:
        """What Twilio would not answer."""
        if self.status >= 400:
            return self._refusal_faults()
        if self.operation is None:
            return [f"{self.method} {self.url} is no operation"]
        responses = self.operation.described["responses"]
        if str(self.status) not in responses:
            return [f"{self.operation.id} does not answer {self.status}"]
        content = responses[str(self.status)].get("content")
        if not content:
            return ["an answer without content has some"] if self.answer else []
        value = _parsed(self.answer)
        schema = self.operation.schema("responses", str(self.status), "content", "application/json", "schema")
        examples = [example["value"] for example in content["application/json"]["examples"].values()]
        return [*_errors(schema, value, OAS30ReadValidator), *_fields(value, schema, examples)]

    def _refusal_faults(self) -> list[str]:
        refusal = _parsed(self.answer)
        if faults := _errors(REFUSAL, refusal, OAS30ReadValidator):
            return faults
        same = refusal["status"] == self.status and refusal["more_info"].endswith(f"/{refusal['code']}")
        return [] if same else ["the refusal contradicts itself"]


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while reference := schema.get("$ref"):
        schema = _registry().resolver("twilio").lookup(reference).contents
    return schema


def _parsed(text: str) -> Any:
    with suppress(ValueError):
        return json.loads(text)
    return text


def _typed(values: list[str], schema: dict[str, Any]) -> Any:
    """The values of a form's field as the schema has them; what cannot be one stays text, which the schema refuses."""
    schema = _resolved(schema)
    if schema.get("type") == "array":
        return [_typed([value], schema["items"]) for value in values]
    if len(values) > 1:
        return values
    (text,) = values
    if schema.get("type") in ("integer", "number", "boolean"):
        return _parsed(text)
    return text


def _errors(schema: dict[str, Any], value: Any, validator: Any) -> list[str]:
    """Where a value does not fit its schema, except for the gaps."""
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}".removeprefix(": ")
        for error in validator(schema, registry=_registry(), format_checker=FORMATS).iter_errors(value)
        if not (error.absolute_path and GAPS.get(error.absolute_path[-1], lambda _: False)(error.instance))
    ]


def _fields(value: Any, schema: dict[str, Any], examples: list[Any]) -> Iterator[str]:
    """The fields that an answer has too many, and too few."""
    schema = _resolved(schema)
    if isinstance(value, list):
        items = [item for example in examples for item in example]
        for item in value:
            yield from _fields(item, schema["items"], items)
    elif isinstance(value, dict) and "properties" in schema:
        named, shown = schema["properties"], [set(example) for example in examples]
        usual = set.intersection(*shown) & named.keys() if shown else set()
        yield from (f"{name} is no field of it" for name in value.keys() - named.keys() - set().union(*shown))
        yield from (f"{name} is missing" for name in usual - value.keys())
        for name in value.keys() & named.keys():
            yield from _fields(value[name], named[name], [example[name] for example in examples if name in example])


class Wire(HttpClient):  # type: ignore[misc]  # has no types
    """Passes requests on to another client of twilio-python, and keeps each with its answer.

    An answer that is not Twilio's fails the test, and so does a request that is not for it and was taken all the same.
    """

    def __init__(self, client: HttpClient) -> None:
        super().__init__(None, False, None)
        self.client = client
        self.exchanges: list[Exchange] = []

    def request(self, method: str, url: str, *, params: Any = None, data: Any = None, **options: Any) -> Response:
        sent = requests.Request(method, url, params=params, data=data).prepare()
        answer = self.client.request(method, url, params=params, data=data, **options)
        exchange = Exchange(method, str(sent.url), str(sent.body or ""), answer.status_code, answer.text)
        self.exchanges.append(exchange)
        assert not exchange.answer_faults(), (method, url, answer.status_code, exchange.answer_faults())
        assert exchange.status >= 400 or not exchange.request_faults(), (method, url, exchange.request_faults())
        return answer
