"""Every document that we can give, in every language, held to the grammar of Twilio's own helper library."""

import inspect
import re
from collections.abc import Iterator
from functools import partial
from itertools import product

import pytest

from config import prompts
from routing.policy import Skill
from tests.telephony.grammar import VERBS, Element, Place, faults, response
from tests.telephony.sources import read
from warmline.telephony import twiml

ID, OTHER = "0" * 32, "f" * 32
BASE = "https://warmline.example.org"
LANGUAGES = sorted(prompts.load())
ODD = 'St. Mary\'s <&> "night" line ☎'  # a name that somebody typed

# What hands no document to Twilio.
WORDS = {"use", "url", "sentence", "reopening", "again", "left", "fill", "digits"}

Example = tuple["partial[str]", Place]  # a function with its arguments, and where its document is read


def in_one_language(language: str) -> Iterator[Example]:
    """Each function that speaks one language, with the arguments that make a difference."""
    others = [each for each in LANGUAGES if each != language]
    survey = f"/twilio/voice/contacts/{ID}/wait?survey=1"
    for attempt, languages, own in product((1, 2), ([language], [language, *others]), ({}, {language: "Hi, {line}."})):
        yield partial(twiml.language_menu, ID, ODD, languages, attempt, own), Place.CALL
    for spoken, attempt in product(([], others), (1, 2)):
        yield partial(twiml.instead, ID, language, spoken, attempt), Place.CALL
    every_wish = {str(key): wish.value for key, wish in enumerate(Skill, 1)}
    for attempt, wishes in product((1, 2), ({"1": "veteran"}, every_wish)):
        yield partial(twiml.wish_menu, ID, language, wishes, attempt), Place.CALL
    for lifted in Skill:
        yield partial(twiml.wait, language, 0, lifted=lifted), Place.QUEUE
    for waited, connecting, asked, thanks in product(
        (0, twiml.REMIND_SECONDS), (False, True), (None, survey), (False, True)
    ):
        wait = partial(twiml.wait, connecting=connecting, survey=asked, thanks=thanks)
        for place, minutes in ((None, None), (1, None), (7, (0, 1)), (7, (0, 5)), (1, (3, 12))):
            yield partial(wait, language, waited, place=place, minutes=minutes), Place.QUEUE
    yield partial(twiml.wait, language, 60, callback=f"/twilio/voice/contacts/{ID}/wait?callback=1"), Place.QUEUE
    for reason, attempt, stays in product(("", ODD), (1, 2), (True, False)):
        yield partial(twiml.read_back, ID, language, "+14045550123", reason, attempt, may_wait=stays), Place.CALL
        yield partial(twiml.ask_number, ID, language, reason, attempt, may_wait=stays), Place.CALL
    yield partial(twiml.ask_later, ID, language), Place.CALL
    yield partial(twiml.called, ID, OTHER, language), Place.CALL
    yield partial(twiml.requeue_after_trouble, ID, OTHER, language), Place.CALL
    yield partial(twiml.dropped, ID, OTHER, language), Place.CALL
    yield partial(twiml.speak_and_hang_up, dict.fromkeys([language, *others], ODD)), Place.CALL
    yield partial(twiml.enqueue, ID, OTHER, language, ODD), Place.CALL
    yield partial(twiml.say_and_hang_up, language, "allowance", again=ODD), Place.CALL
    for key in ("nobody_on_shift", "nobody_speaks", "peer_refused", "trouble_end", "goodbye"):
        yield partial(twiml.say_and_hang_up, language, key), Place.CALL


def in_all_languages() -> Iterator[Example]:
    """Each function that speaks all of them, or none."""
    yield partial(twiml.enqueue, ID, OTHER), Place.CALL
    yield partial(twiml.caller_into, ID, OTHER, ID), Place.CALL
    yield partial(twiml.peer_into, OTHER, ID), Place.CALL
    for attempt in range(1, twiml.TROUBLE_TRIES + 1):
        yield partial(twiml.trouble, "/twilio/voice/incoming?try=1&keys=1", attempt), Place.CALL
        yield partial(twiml.called_in_trouble, f"/twilio/voice/contacts/{ID}/called?call={OTHER}", attempt), Place.CALL
    for function in (twiml.trouble_end, twiml.hang_up, twiml.nothing, twiml.unknown_number):
        yield partial(function), Place.CALL
    # Whoever waits for a contact that nobody knows any more is told so too.
    for function in (twiml.wait_blind, twiml.leave, twiml.unknown_number):
        yield partial(function), Place.QUEUE
    yield partial(twiml.quiet), Place.CONFERENCE
    yield partial(twiml.no_reply), Place.TEXT
    for key in ("text_unknown", "text_trouble"):
        yield partial(twiml.reply, key), Place.TEXT


EXAMPLES = [*(each for language in LANGUAGES for each in in_one_language(language)), *in_all_languages()]


@pytest.fixture(autouse=True, params=[None, "+14045550199"], ids=["no fallback number", "a fallback number"])
def _spoken(request: pytest.FixtureRequest) -> None:
    twiml.use(prompts.load(), BASE, request.param)


def test_every_document_is_one_that_twilio_understands_where_it_reads_it() -> None:
    for give, place in EXAMPLES:
        assert faults(give(), place) == [], give()


def test_every_function_has_its_examples() -> None:
    functions = {
        name
        for name, function in inspect.getmembers(twiml, inspect.isfunction)
        if function.__module__ == twiml.__name__ and not name.startswith("_")
    }
    assert functions - WORDS == {give.func.__name__ for give, _ in EXAMPLES}


@pytest.mark.parametrize(
    ("inside", "place", "fault"),
    [
        ("<Dial answerOnBrige='true'/>", Place.CALL, "<Dial> has no attribute answerOnBrige"),
        ("<Dial><Conference beep='loud'>a</Conference></Dial>", Place.CALL, "<Conference> has no beep 'loud'"),
        (
            "<Dial><Conference statusCallbackEvent='start stop'>a</Conference></Dial>",
            Place.CALL,
            "<Conference> has no statusCallbackEvent 'start stop'",
        ),
        ("<Dial><Conference/></Dial>", Place.CALL, "<Conference> has nothing in it"),
        ("<Say language='es-GE'>Hola</Say>", Place.CALL, "<Say> has no language 'es-GE'"),
        ("<Say>Hola <loud>tú</loud></Say>", Place.CALL, "<loud> has no place in <Say>"),
        ("<Gather numDigits='one'/>", Place.CALL, "<Gather> has no numDigits 'one'"),
        ("<Gather actionOnEmptyResult='yes'/>", Place.CALL, "<Gather> has no actionOnEmptyResult 'yes'"),
        ("<Gather method='PUT'/>", Place.CALL, "<Gather> has no method 'PUT'"),
        ("<Gather><Dial/></Gather>", Place.CALL, "<Dial> has no place in <Gather>"),
        ("<Conference>a</Conference>", Place.CALL, "<Conference> has no place in <Response>"),
        ("<Message>a</Message>", Place.CALL, "<Message> has no place in <Response>"),
        ("<say>a</say>", Place.CALL, "<say> has no place in <Response>"),
        ("<Redirect/>", Place.CALL, "<Redirect> has nothing in it"),
        ("<Hangup>now</Hangup>", Place.CALL, "<Hangup> has no text"),
        ("now", Place.CALL, "<Response> has no text"),
        ("<Enqueue>a</Enqueue>", Place.QUEUE, "<Enqueue> has no place in a queue's wait document"),
        ("<Dial><Conference>a</Conference></Dial>", Place.QUEUE, "<Dial> has no place in a queue's wait document"),
        ("<Gather/>", Place.CONFERENCE, "<Gather> has no place in a conference's wait document"),
        ("<Hangup/>", Place.CONFERENCE, "<Hangup> has no place in a conference's wait document"),
        ("<Say>a</Say>", Place.TEXT, "<Say> has no place in <Response>"),
        ("<Message form='+14045550101'>a</Message>", Place.TEXT, "<Message> has no attribute form"),
    ],
)
def test_what_twilio_does_not_understand_is_found(inside: str, place: Place, fault: str) -> None:
    assert faults(f"<Response>{inside}</Response>", place) == [fault]


@pytest.mark.parametrize("document", ["", "<Response>", "<response/>", "Hello"])
def test_what_is_no_document_is_found(document: str) -> None:
    assert faults(document, Place.CALL)


@pytest.mark.parametrize(
    ("inside", "place"),
    [
        (
            "<Say voice='Polly.Joanna'>One <break strength='weak'/> <emphasis level='strong'>two</emphasis></Say>",
            Place.CALL,
        ),
        ("<Gather input='dtmf speech'><Say>a</Say><Play loop='2'>b</Play><Pause/></Gather>", Place.QUEUE),
        ("<Leave/>", Place.QUEUE),
        ("<Dial timeLimit='14400'><Number>+14045550123</Number></Dial><Reject reason='busy'/>", Place.CALL),
        ("<Message><Body>a</Body><Media>b</Media></Message><Redirect method='GET'>c</Redirect>", Place.TEXT),
    ],
)
def test_what_twilio_understands_passes(inside: str, place: Place) -> None:
    assert faults(f"<Response>{inside}</Response>", place) == []


def test_the_grammar_is_read_whole() -> None:
    """What the library begins to spell in another way must not get lost."""
    voice, text = response("VoiceResponse"), response("MessagingResponse")
    assert VERBS[Place.QUEUE] | {"Dial", "Enqueue"} <= voice.children.keys()
    assert {"action", "maxQueueSize", "method", "waitUrl", "waitUrlMethod"} <= voice.children[
        "Enqueue"
    ].attributes.keys()
    assert not voice.children["Dial"].children["Conference"].attributes["beep"].fullmatch("loud")
    assert text.children.keys() == {"Message", "Redirect"}
    for library, root in (("VoiceResponse", voice), ("MessagingResponse", text)):
        assert set(re.findall(r'ele\("([^"]+)"', read(f"{library}.js"))) == tags(root)


def tags(element: Element, seen: frozenset[str] = frozenset()) -> set[str]:
    """All elements below one; those of marked up speech hold each other."""
    new = {name: child for name, child in element.children.items() if name not in seen}
    return set(new).union(*(tags(child, seen | set(new)) for child in new.values()))
