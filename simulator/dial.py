"""The verb that joins a conference: <Dial><Conference>. Other nouns are said to be not built.

https://www.twilio.com/docs/voice/twiml/dial and https://www.twilio.com/docs/voice/twiml/conference
"""

from __future__ import annotations

from simulator.call import Call, Cut, HungUp, Redirected, Target
from simulator.conferences import Conference, Participant
from simulator.flow import Lost, perform, runs
from simulator.twiml import Document, Place, Verb

MOST = 250  # participants; https://www.twilio.com/docs/voice/twiml/conference#attributes-max-participants
LONGEST = 14400  # seconds; https://www.twilio.com/docs/voice/twiml/dial#timelimit


@runs("Dial")
def dial(call: Call, verb: Verb, document: Document) -> Target | None:
    """Join the conference, stay until out of it, then ask the action, which takes over.

    Somebody who hangs up is out as well: the action is told, and its answer ignored. A call that REST sends
    elsewhere is out without a word to the action.
    """
    call.answer()
    action = document.resolve(verb.get("action")) if verb.get("action") else ""
    method = verb.get("method", "POST").upper()
    try:
        status = _confer(call, verb, document)
    except HungUp:
        call.company.webhooks.tell(action, method, call.facts() | {"DialCallStatus": "answered"})
        raise
    call.move("menu")
    return Target(action, method, {"DialCallStatus": status}) if action else None


def _confer(call: Call, verb: Verb, document: Document) -> str:
    """The time in the conference; returns the DialCallStatus."""
    noun = next(iter(verb.children), None)
    if noun is None:
        call.company.note("unsupported", "<Dial> reaches a <Conference> only", level="warning", call=call.sid)
        return "failed"
    conference = Conference.named(call.company, noun.text)
    label = noun.get("participantLabel")
    if label and any(p.label == label for p in conference.participants.values()):
        call.company.note(16025, f"the label {label} is taken", call=call.sid)
        return "failed"
    if len(conference.participants) >= min(MOST, noun.number("maxParticipants", MOST)):
        call.company.note(16020, f"the conference {conference.name} is full", call=call.sid)
        return "failed"
    callback = noun.get("statusCallback")
    conference.listen(
        document.resolve(callback) if callback else "",
        noun.get("statusCallbackMethod", "POST").upper(),
        noun.get("statusCallbackEvent"),
    )
    me = Participant(
        call,
        label,
        muted=noun.flag("muted"),
        starts=noun.flag("startConferenceOnEnter", True),
        ends=noun.flag("endConferenceOnExit"),
    )
    conference.join(me)
    try:
        _stay(me, conference, noun, document, verb.number("timeLimit", LONGEST))
    except Lost:
        # "If the request to your waitUrl fails, the Conference will not be fully established."
        conference.leave(me, "participant_hung_up")
        return "failed"
    except Redirected:
        conference.leave(me, "participant_updated_via_api")
        raise
    except HungUp as end:
        conference.leave(me, "participant_updated_via_api" if end.by_rest else "participant_hung_up")
        raise
    return "answered"


def _stay(me: Participant, conference: Conference, noun: Verb, document: Document, limit: float) -> None:
    """Wait music, conversation, hold: whichever fits, until `me` is out or the time limit is reached."""
    call = me.call

    def scene() -> str:
        return "out" if me.left else "hold" if me.hold else "wait" if conference.status == "init" else "talk"

    while (playing := scene()) != "out":
        try:
            with call.until(lambda: scene() != playing):
                if playing == "hold":
                    _music(call, me.hold_url or None, me.hold_method, document)
                elif playing == "wait":
                    wait_method = noun.get("waitMethod", "POST").upper()
                    _music(call, noun.attributes.get("waitUrl"), wait_method, document)
                elif not call.wait(limit):
                    conference.leave(me, "participant_hung_up")
        except Cut:
            continue


def _music(call: Call, url: str | None, method: str, document: Document) -> None:
    """The document once, then silence; without one, Twilio's own music."""
    if url:
        perform(call, Target(document.resolve(url), method), Place.CONFERENCE)
    elif url is None:
        call.hear("Play", "Twilio's own waiting music")
    call.wait()
