"""Reading TwiML, compared with the grammar that Twilio generates its own library from."""

from __future__ import annotations

import inspect

import pytest
from twilio.twiml.messaging_response import Message, MessagingResponse
from twilio.twiml.voice_response import Dial, VoiceResponse

from simulator.twiml import ATTRIBUTES, Place, TwimlError, parse
from simulator.webhooks import BODY_LIMIT
from tests.simulator.world import twiml

OWNERS = {"Conference": Dial, "Message": MessagingResponse, "Body": Message}
TEXT = {"message", "url", "name", "number", "body"}  # the element's own text, no attribute of it


@pytest.mark.parametrize("verb", sorted(ATTRIBUTES))
def test_attributes_are_those_of_twilio(verb: str) -> None:
    method = getattr(OWNERS.get(verb, VoiceResponse), verb.lower())
    names = [name.strip("_") for name in inspect.signature(method).parameters if name not in ("self", "kwargs")]
    words = {first + "".join(word.title() for word in rest) for first, *rest in (name.split("_") for name in names)}
    assert words - TEXT == ATTRIBUTES[verb]


def test_the_words_of_marked_up_speech_are_kept() -> None:
    document = parse("/", twiml("<Say>One <break strength='weak'/> and <emphasis>two</emphasis></Say>"), Place.CALL)
    assert document.verbs[0].text == "One and two"
    assert document.warnings == []


@pytest.mark.parametrize("place", [Place.QUEUE, Place.CONFERENCE])
@pytest.mark.parametrize("verb", ["Enqueue", "Dial", "Reject", "Record"])
def test_wait_documents_are_strict(place: Place, verb: str) -> None:
    with pytest.raises(TwimlError):
        parse("/", twiml(f"<{verb}/>"), place)


@pytest.mark.parametrize(
    "text", ["", "no", "<Response>", "<Response/><Response/>", "<a/>", "\0", "<Response>&x;</Response>"]
)
def test_what_is_not_twiml_is_refused(text: str) -> None:
    with pytest.raises(TwimlError):
        parse("/", text, Place.CALL)


def test_relative_urls_start_at_the_document() -> None:
    document = parse("http://host/a/b?c=1#rc=2", twiml(""), Place.CALL)
    assert document.resolve("d") == "http://host/a/d"
    assert document.resolve("/e#rp=all") == "http://host/e#rp=all"
    assert document.resolve("") == "http://host/a/b?c=1#rc=2"


def test_documents_have_a_limit() -> None:
    """https://www.twilio.com/docs/api/errors/11750"""
    assert BODY_LIMIT == 64 * 1024
