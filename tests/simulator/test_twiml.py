"""Reading TwiML, compared with the grammar of Twilio's own helper library."""

from __future__ import annotations

import re

import pytest

from simulator import twiml as reader
from simulator.twiml import ATTRIBUTES, LISTS, NESTED, NOT_BUILT, VALUES, Place, TwimlError, parse
from simulator.webhooks import BODY_LIMIT
from tests.simulator.world import twiml
from tests.telephony import grammar

VOICE, MESSAGING = grammar.response("VoiceResponse"), grammar.response("MessagingResponse")
ELEMENTS = {
    **{
        name: inner
        for verb in (*VOICE.children.values(), *MESSAGING.children.values())
        for name, inner in verb.children.items()
    },
    **MESSAGING.children,
    **VOICE.children,
}


@pytest.mark.parametrize("verb", sorted(ATTRIBUTES))
def test_attributes_are_those_of_twilio(verb: str) -> None:
    assert ATTRIBUTES[verb] == ELEMENTS[verb].attributes.keys()


@pytest.mark.parametrize(
    ("verb", "attribute"), [(v, a) for v in sorted(ATTRIBUTES) for a in VALUES if a in ATTRIBUTES[v]]
)
def test_values_are_those_of_twilio(verb: str, attribute: str) -> None:
    known = ELEMENTS[verb].attributes[attribute]
    assert VALUES[attribute] == set(re.findall(r"[\w-]+", known.pattern))
    assert (attribute in LISTS) == bool(known.fullmatch(" ".join(VALUES[attribute])))


@pytest.mark.parametrize(
    "inside",
    [
        "<Reject reason='later'/>",
        "<Redirect method='PUT'>/x</Redirect>",
        "<Gather input='dtmf voice'/>",
        "<Gather numDigit='1'/>",
        "<Dial><Conference beep='loud'>a</Conference></Dial>",
        "<Dial><Conference statusCallbackEvent='start stop'>a</Conference></Dial>",
        "<Gather><Dial/></Gather>",
        "<say>a</say>",
    ],
)
def test_what_twilio_does_not_understand_is_a_warning(inside: str) -> None:
    """https://www.twilio.com/docs/api/errors/12200"""
    document = parse("/", twiml(inside), Place.CALL)
    assert [code for code, _ in document.warnings] == [12200]
    assert grammar.faults(twiml(inside), grammar.Place.CALL)


@pytest.mark.parametrize("verb", sorted(ATTRIBUTES.keys() - {"Say"}))
def test_what_may_stand_in_a_verb_is_what_twilio_says(verb: str) -> None:
    """Of a Say only the words matter. What is left out is said to be not built, and not that it is no TwiML."""
    inside = NESTED.get(verb, frozenset())
    assert inside <= ELEMENTS[verb].children.keys() <= inside | NOT_BUILT


@pytest.mark.parametrize("place", list(Place))
def test_the_verbs_of_a_document_are_those_that_twilio_allows_there(place: Place) -> None:
    there = grammar.Place[place.name]
    allowed = grammar.VERBS.get(there, (MESSAGING if place is Place.TEXT else VOICE).children.keys())
    assert reader.ALLOWED[place] <= allowed <= reader.ALLOWED[place] | NOT_BUILT


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
