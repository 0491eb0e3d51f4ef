"""The grammar of TwiML, read out of the helper library that Twilio generates from it (npm package `twilio`).

Its declarations (VoiceResponse.d.ts) know attributes, their types and which element has which children; its code
(VoiceResponse.js) knows how each element is spelt. What neither knows is where a document may hold which verbs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from xml.etree import ElementTree as ET

from tests.telephony.sources import read


class Place(Enum):
    """Where Twilio reads a document."""

    CALL = "a call's document"
    QUEUE = "a queue's wait document"
    CONFERENCE = "a conference's wait document"
    TEXT = "an answer to a text"


VERBS = {
    # https://www.twilio.com/docs/voice/twiml/enqueue#attributes-waiturl
    Place.QUEUE: {"Play", "Say", "Pause", "Hangup", "Redirect", "Leave", "Gather"},
    # https://www.twilio.com/docs/voice/twiml/conference#attributes-waiturl
    Place.CONFERENCE: {"Play", "Say", "Pause", "Redirect"},
}


@dataclass
class Element:
    """What an element may hold. `text` is "" for none, "?" if it may have some, "!" if it is nothing without."""

    attributes: dict[str, re.Pattern[str]] = field(default_factory=dict)
    children: dict[str, "Element"] = field(default_factory=dict)
    text: str = ""


METHOD = re.compile("GET|POST")  # a string for the library; https://www.twilio.com/docs/voice/twiml: "GET or POST"
SIMPLE = {"string": re.compile(".*", re.DOTALL), "number": re.compile(r"-?\d+"), "boolean": re.compile("true|false")}


@cache
def response(library: str) -> Element:
    """<Response> as `VoiceResponse` or `MessagingResponse` knows it, with everything below."""
    declared, code = read(f"{library}.d.ts"), read(f"{library}.js")
    spelt = dict(re.findall(rf'new {library}\.(\w+)\(this\.\w+\.ele\("([^"]+)"', code))
    types = SIMPLE | {
        name: re.compile("|".join(map(re.escape, re.findall(r'"([^"]*)"', values))))
        for name, values in re.findall(r'type (\w+) = ("[^;]+);', declared)
    }
    attributes: dict[str, dict[str, re.Pattern[str]]] = {"object": {}}
    for name, body in re.findall(r"interface (\w+) \{(.*?)\n    \}", declared, re.DOTALL):
        # One that is declared again adds to the first.
        attributes.setdefault(name, {}).update(
            (attribute, METHOD if attribute.lower().endswith("method") else _values(kind, types))
            for attribute, kind in re.findall(r'^ +"?([\w:.-]+)"?\?: (.+);$', body, re.MULTILINE)
        )
    elements = {name: Element() for name in [library, *spelt]}
    for name, body in re.findall(r"class (\w+) extends TwiML \{(.*?)\n *\}\n", declared, re.DOTALL):
        for with_attributes, text, child in re.findall(
            rf"\(attributes\??: (?:{library}\.)?(\w+)(?:, (\w+\??): string)?\): {library}\.(\w+);", body
        ):
            elements[name].children[spelt[child]] = elements[child]
            elements[child].attributes |= attributes[with_attributes]
            elements[child].text = text and ("?" if text.endswith("?") else "!")
    return elements[library]


def _values(kind: str, types: dict[str, re.Pattern[str]]) -> re.Pattern[str]:
    """The values of a declared type; of a list of them, with a blank between."""
    one = types[kind.removesuffix("[]")]
    return re.compile(f"(?:{one.pattern})(?: (?:{one.pattern}))*") if kind.endswith("[]") else one


def faults(document: str, place: Place) -> list[str]:
    """What Twilio would not understand in a document, or not allow in this place."""
    try:
        root = ET.fromstring(document)
    except ET.ParseError as error:
        return [f"not XML: {error}"]
    if root.tag != "Response":
        return [f"the root is <{root.tag}>"]
    known = response("MessagingResponse" if place is Place.TEXT else "VoiceResponse")
    verbs = VERBS.get(place, {verb.tag for verb in root})
    found = [f"<{verb.tag}> has no place in {place.value}" for verb in root if verb.tag not in verbs]
    return found + list(_faults(root, known))


def _faults(given: ET.Element, known: Element) -> Iterator[str]:
    for name, value in given.items():
        if name not in known.attributes:
            yield f"<{given.tag}> has no attribute {name}"
        elif not known.attributes[name].fullmatch(value):
            yield f"<{given.tag}> has no {name} {value!r}"
    words = "".join([given.text or "", *(child.tail or "" for child in given)]).strip()
    if words and not known.text:
        yield f"<{given.tag}> has no text"
    if known.text == "!" and not words and not len(given):
        yield f"<{given.tag}> has nothing in it"
    for child in given:
        if child.tag in known.children:
            yield from _faults(child, known.children[child.tag])
        else:
            yield f"<{child.tag}> has no place in <{given.tag}>"
