"""Reading TwiML: which verbs and attributes there are, and which are allowed where.

A document is read for a place: the call itself, a queue's wait document, or a conference's. Where Twilio
lists the allowed verbs, any other one spoils the whole document.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urljoin
from xml.etree import ElementTree

from simulator.webhooks import Answer


class Place(Enum):
    """Where a document runs."""

    CALL = "call"
    QUEUE = "queue wait document"
    CONFERENCE = "conference wait document"
    TEXT = "text message"


# https://www.twilio.com/docs/voice/twiml and https://www.twilio.com/docs/messaging/twiml have a page for each
# verb; a test compares these with the grammar of Twilio's own helper library
ATTRIBUTES = {
    verb: frozenset(attributes.split())
    for verb, attributes in {
        "Say": "voice loop language",
        "Play": "loop digits",
        "Pause": "length",
        "Gather": (
            "input action method timeout speechTimeout maxSpeechTime profanityFilter finishOnKey numDigits "
            "partialResultCallback partialResultCallbackMethod language hints bargeIn debug "
            "actionOnEmptyResult speechModel enhanced"
        ),
        "Redirect": "method",
        "Hangup": "",
        "Reject": "reason",
        "Enqueue": "action maxQueueSize method waitUrl waitUrlMethod workflowSid",
        "Leave": "",
        "Dial": (
            "action method timeout hangupOnStar timeLimit callerId record trim recordingStatusCallback "
            "recordingStatusCallbackMethod recordingStatusCallbackEvent answerOnBridge ringTone "
            "recordingTrack sequential referUrl referMethod events recordingConfigurationId passports"
        ),
        "Conference": (
            "muted beep startConferenceOnEnter endConferenceOnExit waitUrl waitMethod maxParticipants record "
            "region coach trim statusCallbackEvent statusCallback statusCallbackMethod "
            "recordingStatusCallback recordingStatusCallbackMethod recordingStatusCallbackEvent "
            "eventCallbackUrl jitterBufferSize participantLabel recordingConfigurationId"
        ),
        "Message": "to from action method statusCallback",
        "Body": "",
    }.items()
}

# The values of attributes that have a closed list of them, whatever the verb; LISTS take several, with blanks between.
VALUES = {
    "beep": frozenset({"true", "false", "onEnter", "onExit"}),
    "input": frozenset({"dtmf", "speech"}),
    "reason": frozenset({"rejected", "busy"}),
    "statusCallbackEvent": frozenset(
        {"start", "end", "join", "leave", "mute", "hold", "modify", "speaker", "announcement"}
    ),
    **dict.fromkeys(
        ("actionOnEmptyResult", "endConferenceOnExit", "muted", "startConferenceOnEnter"), frozenset({"true", "false"})
    ),
    **dict.fromkeys(("method", "statusCallbackMethod", "waitMethod", "waitUrlMethod"), frozenset({"GET", "POST"})),
}
LISTS = frozenset({"input", "statusCallbackEvent"})

NESTED = {
    "Gather": frozenset({"Say", "Play", "Pause"}),
    "Dial": frozenset({"Conference"}),
    "Message": frozenset({"Body"}),
}

ALLOWED = {
    Place.CALL: frozenset(ATTRIBUTES) - {"Conference", "Message", "Body"},
    # https://www.twilio.com/docs/voice/twiml/enqueue#attributes-waiturl
    Place.QUEUE: frozenset({"Play", "Say", "Pause", "Hangup", "Redirect", "Leave", "Gather"}),
    # https://www.twilio.com/docs/voice/twiml/conference#attributes-waiturl
    Place.CONFERENCE: frozenset({"Play", "Say", "Pause", "Redirect"}),
    Place.TEXT: frozenset({"Message", "Redirect"}),
}

# TwiML that this phone company does not do yet: said so in the log instead of passed over in silence.
NOT_BUILT = frozenset(
    {"Record", "Connect", "Start", "Stop", "Sms", "Refer", "Prompt", "Pay", "Echo", "Task", "Media"}
    | {"Number", "Client", "Queue", "Sip", "Sim", "Application", "WhatsApp", "Parameter"}
)

# https://www.twilio.com/docs/api/errors/12100, /12200, /12300 and /13238
PARSE_FAILURE, SCHEMA_WARNING, CONTENT_TYPE, CONFERENCE_VERB = 12100, 12200, 12300, 13238


class TwimlError(Exception):
    """The document cannot be run; `code` is Twilio's error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Verb:
    """One element: its name, attributes, own text and nested verbs."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Verb] = field(default_factory=list)

    def get(self, name: str, default: str = "") -> str:
        return self.attributes.get(name, default)

    def number(self, name: str, default: float) -> float:
        try:
            return max(0.0, float(self.attributes.get(name, default)))
        except ValueError:
            return default

    def flag(self, name: str, default: bool = False) -> bool:
        return self.attributes.get(name, str(default)).lower() == "true"


@dataclass
class Document:
    """The verbs to run, the URL they came from (relative URLs start there), and what was odd about them."""

    url: str
    verbs: list[Verb]
    warnings: list[tuple[int | str, str]] = field(default_factory=list)

    def resolve(self, reference: str) -> str:
        return urljoin(self.url, reference.strip())


def read(url: str, answer: Answer, place: Place) -> Document:
    """Turn an answer into a document, by its content type, or raise TwimlError.

    https://www.twilio.com/docs/voice/twiml#understanding-twiml-content-types
    """
    if answer.content_type.startswith("audio/"):
        return Document(url, [Verb("Play", {}, url)])
    if answer.content_type == "text/plain":
        return Document(url, [Verb("Say", {}, answer.body)])
    if answer.content_type not in ("text/xml", "application/xml", "text/html"):
        raise TwimlError(CONTENT_TYPE, f"content type {answer.content_type} is not TwiML")
    return parse(url, answer.body, place)


def parse(url: str, text: str, place: Place) -> Document:
    """Parse and check TwiML.

    Unknown verbs and attributes are warnings; in a wait document, TwiML that does not belong is an error.
    """
    if "<!DOCTYPE" in text:
        raise TwimlError(PARSE_FAILURE, "a document type declaration is not TwiML")
    try:
        # Without a document type there are no entities, and so no harm in them.
        root = ElementTree.fromstring(text.encode())  # nosec B314
    except ElementTree.ParseError as error:
        raise TwimlError(PARSE_FAILURE, f"not XML: {error}") from None
    if root.tag != "Response":
        raise TwimlError(PARSE_FAILURE, f"the root is <{root.tag}>, not <Response>")
    document = Document(url, [])
    for element in root:
        if verb := _verb(element, ALLOWED[place], place, document):
            document.verbs.append(verb)
    return document


def _verb(element: ElementTree.Element, allowed: frozenset[str], place: Place, document: Document) -> Verb | None:
    name = element.tag
    if name not in allowed:
        if place in (Place.QUEUE, Place.CONFERENCE) and (name in ATTRIBUTES or name in NOT_BUILT):
            code = CONFERENCE_VERB if place is Place.CONFERENCE else SCHEMA_WARNING
            raise TwimlError(code, f"<{name}> is not allowed in a {place.value}")
        if name in NOT_BUILT:
            document.warnings.append(("unsupported", f"<{name}> is TwiML, but this simulator does not do it"))
        else:
            document.warnings.append((SCHEMA_WARNING, f"<{name}> is not allowed here and was passed over"))
        return None
    known = ATTRIBUTES[name]
    for attribute in sorted(element.attrib.keys() - known):
        document.warnings.append((SCHEMA_WARNING, f"<{name}> has no attribute {attribute}"))
    for attribute, value in element.items():
        given = value.split() if attribute in LISTS else [value]
        if attribute in VALUES and not VALUES[attribute].issuperset(given):
            document.warnings.append((SCHEMA_WARNING, f"<{name}> has no {attribute} {value!r}"))
    verb = Verb(name, {key: value for key, value in element.items() if key in known}, _text(element))
    nested = NESTED.get(name, frozenset())
    for child in element:
        if name == "Say":
            continue  # SSML: only its words matter here, and _text has them
        if inner := _verb(child, nested, Place.CALL, document):
            verb.children.append(inner)
    return verb


def _text(element: ElementTree.Element) -> str:
    """All words of a Say, without SSML marks; of another verb its own text, lines of a message kept."""
    if element.tag in ("Message", "Body"):
        return (element.text or "").strip()
    text = "".join(element.itertext()) if element.tag == "Say" else element.text or ""
    return " ".join(text.split())
