"""A call's life: fetch a document, run its verbs, follow where they lead, until nothing is left."""

from __future__ import annotations

import logging

from simulator import dial, queues, speech  # noqa: F401 (they register their verbs)
from simulator.call import Call, HungUp, Redirected, Target
from simulator.flow import Hangup, Lost, fetch, run, runs
from simulator.twiml import Document, Place, Verb

APOLOGY = "We are sorry, an application error has occurred. Goodbye."


def start(call: Call, target: Target) -> None:
    """Put the call on a greenlet of its own."""
    call.company.spawn(live, call, target)


def live(call: Call, target: Target) -> None:
    """Run `call` from its first document to its end."""
    status = "completed"
    following: Target | None = target
    try:
        while following:
            try:
                following = run(call, _fetch_or_fall_back(call, following))
            except Redirected as move:
                following = move.target
    except Hangup as end:
        status = end.status
    except Lost:
        call.answer()
        call.hear("Say", APOLOGY, language="en-US")
    except HungUp as end:
        status = "completed" if call.answered_at else "canceled" if end.by_rest else "no-answer"
    except Exception as error:  # our own mistake must not leave a caller on the line for ever
        status = "failed"
        call.company.note("simulator", f"a fault of the simulator: {error!r}", call=call.sid)
        logging.getLogger(__name__).exception("call %s", call.sid)
    call.finish(status)


def _fetch_or_fall_back(call: Call, target: Target) -> Document:
    """The document, or else the fallback URL's.

    https://www.twilio.com/docs/usage/security/availability-reliability
    """
    try:
        return fetch(call, target, Place.CALL)
    except Lost as lost:
        if not call.line.voice_fallback_url:
            raise
        why = {"ErrorCode": str(lost.code), "ErrorUrl": lost.url.partition("#")[0]}
        return fetch(call, Target(call.line.voice_fallback_url, params=why), Place.CALL)


@runs("Redirect")
def _redirect(call: Call, verb: Verb, document: Document) -> Target:
    return Target(document.resolve(verb.text), verb.get("method", "POST").upper())


@runs("Hangup")
def _hang_up(call: Call, verb: Verb, document: Document) -> None:
    call.gone = True
    raise Hangup


@runs("Reject")
def _reject(call: Call, verb: Verb, document: Document) -> None:
    """Turns away a call that was not answered yet; afterwards it is a plain hang-up."""
    busy = verb.get("reason", "rejected") == "busy"
    raise Hangup("completed" if call.answered_at else "busy" if busy else "no-answer")
