"""What a caller hears and answers by key: Say, Play, Pause, Gather.

Durations are nominal: they stand for a voice that nobody recorded. SIMULATOR_SPEED divides them all.
"""

from __future__ import annotations

from simulator.call import Call, Cut, Target
from simulator.flow import VERBS, runs
from simulator.twiml import Document, Verb

LETTERS_A_SECOND = 15
SECONDS_OF_A_PLAY = 5.0
FOR_EVER = 1000  # loop="0"; https://www.twilio.com/docs/voice/twiml/say#loop


def _times(verb: Verb) -> int:
    return int(verb.number("loop", 1)) or FOR_EVER


@runs("Say")
def say(call: Call, verb: Verb, document: Document) -> None:
    """Speak the text: https://www.twilio.com/docs/voice/twiml/say"""
    call.answer()
    for _ in range(_times(verb)):
        call.hear("Say", verb.text, language=verb.get("language", "en-US"))
        call.wait(len(verb.text) / LETTERS_A_SECOND)


@runs("Play")
def play(call: Call, verb: Verb, document: Document) -> None:
    """Play a sound, or keys: https://www.twilio.com/docs/voice/twiml/play"""
    call.answer()
    for _ in range(_times(verb)):
        call.hear("Play", document.resolve(verb.text) if verb.text else verb.get("digits"))
        call.wait(SECONDS_OF_A_PLAY)


@runs("Pause")
def pause(call: Call, verb: Verb, document: Document) -> None:
    """Be silent. A pause in front of everything else leaves the call ringing.

    https://www.twilio.com/docs/voice/twiml/pause
    """
    call.show({"verb": "Pause", "text": "", "length": verb.number("length", 1)})
    call.wait(verb.number("length", 1))


@runs("Gather")
def gather(call: Call, verb: Verb, document: Document) -> Target | None:
    """Collect keys: https://www.twilio.com/docs/voice/twiml/gather

    Keys pressed before it began do not count; the first one cuts the prompt short; each one starts the
    timeout anew. Nothing pressed: the next verb, or the action all the same with actionOnEmptyResult.
    """
    call.answer()
    call.keys.clear()
    call.show({"gather": True})
    if "dtmf" not in verb.get("input", "dtmf").split():
        call.company.note("unsupported", "<Gather> hears keys only, no speech", level="warning", call=call.sid)
    try:
        with call.until(lambda: bool(call.keys)):
            for child in verb.children:
                VERBS[child.name](call, child, document)
    except Cut:
        pass
    digits = _collect(call, int(verb.number("numDigits", 0)), verb.get("finishOnKey", "#"), verb.number("timeout", 5))
    call.show({"gather": False})
    if not digits and not verb.flag("actionOnEmptyResult"):
        return None
    action = document.resolve(verb.get("action"))
    return Target(action, verb.get("method", "POST").upper(), {"Digits": digits})


def _collect(call: Call, most: int, finish: str, timeout: float) -> str:
    """The keys pressed until there are `most` of them, one of `finish`, or `timeout` seconds of none."""
    digits = ""
    while call.wait(timeout, until=lambda: bool(call.keys)):
        key = call.keys.popleft()
        if key in finish:
            break
        digits += key
        if len(digits) == most:
            break
    return digits
