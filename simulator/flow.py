"""How a call moves from document to document: fetching them, running their verbs, and leaving off.

A verb is a function (call, verb, document) that returns None (go on with the next verb) or the Target that
takes over. The modules that know a verb register it here with @runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simulator import twiml
from simulator.call import Call, Target
from simulator.twiml import Document, Place, TwimlError, Verb
from simulator.webhooks import Answer, Failure

Runner = Callable[[Call, Verb, Document], Target | None]

VERBS: dict[str, Runner] = {}


class Hangup(Exception):
    """The TwiML hangs up; `status` is what the call ends with."""

    def __init__(self, status: str = "completed") -> None:
        super().__init__()
        self.status = status


class Leave(Exception):
    """The TwiML takes the call out of its queue."""


class Lost(Exception):
    """No document could be had or run; carries what Twilio would log."""

    def __init__(self, code: int, url: str, message: str) -> None:
        super().__init__(message)
        self.code, self.url = code, url


def runs(name: str) -> Callable[[Runner], Runner]:
    """Register the function that runs the verb `name`."""

    def register(runner: Runner) -> Runner:
        VERBS[name] = runner
        return runner

    return register


def fetch(call: Call, target: Target, place: Place) -> Document:
    """Ask for a document and read it; note what is wrong, and raise Lost if it cannot be run."""
    try:
        if target.twiml is not None:
            document = twiml.parse(target.url, target.twiml, place)
        else:
            document = twiml.read(target.url, _ask(call, target), place)
    except TwimlError as error:
        lost = Lost(error.code, target.url, str(error))
    except Lost as error:
        lost = error
    else:
        for code, message in document.warnings:
            call.company.note(code, message, level="warning", url=target.url, call=call.sid)
        return document
    call.company.note(lost.code, str(lost), url=target.url, call=call.sid)
    raise lost


def _ask(call: Call, target: Target) -> Answer:
    """Wait for the product's answer. If the call is interrupted, the request still goes on, unheard."""
    params = call.facts() | dict(target.params)
    asking = call.company.spawn(call.company.webhooks.ask, target.url, target.method, params)
    asking.rawlink(lambda _: call.wake())
    call.wait(until=asking.ready)
    result = asking.value
    if isinstance(result, Answer):
        return result
    failure = result if isinstance(result, Failure) else Failure(11205, "", "the request was cut off")
    raise Lost(failure.code, target.url, failure.message)


def run(call: Call, document: Document) -> Target | None:
    """Run a document's verbs until one of them leads elsewhere."""
    for verb in document.verbs:
        if target := VERBS[verb.name](call, verb, document):
            return target
    return None


def perform(call: Call, target: Target, place: Place, facts: Callable[[], Mapping[str, str]] = dict) -> None:
    """Run a wait document, and those that it leads to, until there is no TwiML left.

    `facts` gives the parameters that each of its requests carries besides the call's own.
    """
    following: Target | None = target
    while following:
        asked = Target(following.url, following.method, {**facts(), **following.params}, following.twiml)
        following = run(call, fetch(call, asked, place))
