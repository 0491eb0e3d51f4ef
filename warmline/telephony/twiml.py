"""The documents that a call follows. Each function returns one TwiML document as text.

Source of verbs and attributes: https://www.twilio.com/docs/voice/twiml. A document of an `<Enqueue>` waitUrl
may hold Play, Say, Pause, Hangup, Redirect, Leave and Gather only; one of a `<Conference>` waitUrl only Play, Say,
Pause and Redirect.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from twilio.twiml.messaging_response import MessagingResponse
from twilio.twiml.voice_response import Gather, VoiceResponse

# Ask again, up to five times, when our side could not be reached or answered 5xx: a restart takes seconds, and the
# caller must not notice. https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
OVERRIDES = "#rc=5&rp=ct,rt,5xx"

MENU_SECONDS = 5
MENU_TRIES = 3
SURVEY_SECONDS = 3  # for a yes; silence is none
BOOKING_SECONDS = 10  # for a key, or the next digit
WAIT_SECONDS = 25  # the length of one wait document, about
REMIND_SECONDS = 150
TROUBLE_TRIES = 3
TROUBLE_PAUSE_SECONDS = 5

_catalogues: Mapping[str, Mapping[str, Any]] = {}
_base_url = ""
_fallback_number: str | None = None


def use(catalogues: Mapping[str, Mapping[str, Any]], base_url: str, fallback_number: str | None = None) -> None:
    """Speak from these catalogues and hand out addresses below `base_url`."""
    global _catalogues, _base_url, _fallback_number
    _catalogues, _base_url, _fallback_number = catalogues, base_url, fallback_number


def url(path: str) -> str:
    """One of our paths as an address for Twilio."""
    return f"{_base_url}{path}{OVERRIDES}"


def sentence(language: str, key: str, **values: Any) -> str:
    """A sentence of the catalogue; `{crisis}` and `{reopening}` are filled in where it has them."""
    words = _words(language)
    values.setdefault("crisis", words["crisis"])
    values.setdefault("reopening", "")
    return " ".join(str(words[key]).format(**values).split())


def reopening(language: str, opens: datetime | None, now: datetime) -> str:
    """When the line opens next, in words; nothing if it never does. `opens` is in the line's own zone."""
    if opens is None:
        return ""
    days = _days(opens, now)
    # A weekday alone names one of the next seven days.
    return _at(language, "reopens_today" if days <= 0 else "reopens" if days < 7 else "reopens_later", opens)


def again(language: str, opens: datetime | None, now: datetime) -> str:
    """When somebody may come again who may not today; nothing if nobody knows. `opens` is in the line's own zone."""
    if opens is None:
        return ""
    days = _days(opens, now)
    is_midnight = days == 1 and not opens.hour and not opens.minute  # "Friday at 12 AM" is misheard
    return _at(language, "again_midnight" if is_midnight else "again" if days < 7 else "again_later", opens)


def left(language: str, minutes: int | None, *, last: bool) -> str:
    """What of today is left, in words: few minutes, or this conversation and no other; nothing if it is much."""
    told = []
    if minutes is not None:
        told.append(sentence(language, "left_minutes" if minutes > 1 else "left_minute", minutes=minutes))
    if last:
        told.append(sentence(language, "left_last"))
    return " ".join(told)


def fill(language: str, own: str, **values: str) -> str:
    """A line's own words with its values; what they leave out follows, and 988 is always named.

    Filled by name and never by `format`: people write these words.
    """
    values["crisis"] = str(_words(language)["crisis"])
    for name, value in values.items():
        if f"{{{name}}}" in own:
            own = own.replace(f"{{{name}}}", value)
        elif name != "line" and not (name == "crisis" and "988" in own):
            own = f"{own} {value}"
    return " ".join(own.split())


def language_menu(
    contact_id: str, line: str, languages: Sequence[str], attempt: int = 1, own: Mapping[str, str] | None = None
) -> str:
    """Greet, and let the caller choose a language by key; silence asks the same address without a key.

    `own` holds the line's own greetings by language. In other languages than the first there is none but them.
    """
    response = VoiceResponse()
    path = f"/twilio/voice/contacts/{contact_id}/language?try={attempt}"
    # The greeting stands inside the Gather, so that whoever knows the line need not hear it out.
    gather = Gather(num_digits=1, timeout=MENU_SECONDS, action=url(path), method="POST")
    if attempt == 1:
        _greet(gather, line, languages, own or {})
    else:
        _say(gather, languages[0], "not_a_choice")
    if len(languages) > 1:
        for language in languages:
            _say(gather, language, "choose_language")
        response.append(gather)
    else:
        _greet(response, line, languages, own or {})
    response.redirect(url(path), method="POST")
    return str(response)


def instead(contact_id: str, wished: str, others: Sequence[str], attempt: int = 1) -> str:
    """Nobody on shift speaks the wished language: say so; another language by its key, or to wait, or the end.

    Silence asks the same address without a key.
    """
    response = VoiceResponse()
    path = f"/twilio/voice/contacts/{contact_id}/instead?try={attempt}"
    gather = Gather(num_digits=1, timeout=MENU_SECONDS, action=url(path), method="POST")
    _say(gather, wished, "nobody_speaks" if others else "nobody_here")
    for language in others:
        _say(gather, language, "or_other_language")
    _say(gather, wished, "or_stay")
    response.append(gather)
    response.redirect(url(path), method="POST")
    return str(response)


def wish_menu(contact_id: str, language: str, wishes: Mapping[str, str], attempt: int = 1) -> str:
    """Let the caller choose whom to talk with, by the keys of `wishes`; silence asks the same address without a key."""
    response = VoiceResponse()
    path = f"/twilio/voice/contacts/{contact_id}/wish?try={attempt}"
    gather = Gather(num_digits=1, timeout=MENU_SECONDS, action=url(path), method="POST")
    if attempt > 1:
        _say(gather, language, "not_a_choice")
    for key, wish in wishes.items():
        _say(gather, language, "wish", whom=sentence(language, f"whom_{wish}"), digit=key)
    _say(gather, language, "wish_anyone")
    response.append(gather)
    response.redirect(url(path), method="POST")
    return str(response)


def enqueue(contact_id: str, queue: str, language: str = "", told: str = "") -> str:
    """Into the waiting room, after what is `told` in this language, if anything is."""
    response = VoiceResponse()
    if told:
        response.say(told, language=_words(language)["say"])
    _enqueue(response, contact_id, queue)
    return str(response)


def wait(
    language: str,
    waited: int,
    *,
    place: int | None = None,
    minutes: tuple[int, int] | None = None,
    connecting: bool = False,
    survey: str | None = None,
    thanks: bool = False,
    callback: str | None = None,
    lifted: str | None = None,
) -> str:
    """What a waiting caller hears; Twilio asks for it again when it ends.

    `place` is told with the `minutes` that it will take, from and to, or None if nobody knows; without a place there is
    nothing new to tell. Whoever has waited long (`waited` in seconds) hears now and then whom else to call. `survey` is
    the path that a yes to the survey is posted to, if it is asked for now; `thanks` for one that was just given.
    `callback` is likewise the path for the key of whoever wants to hang up and be called.
    `lifted` is a wish that nobody can grant any more, and of which the caller has not heard.
    """
    response = VoiceResponse()
    if lifted is not None:
        _say(response, language, "wish_lifted", whom=sentence(language, f"whom_{lifted}"))
    if connecting:
        _say(response, language, "connecting")
    elif thanks:
        _say(response, language, "survey_noted")
    elif place is not None:
        _say(response, language, "place_next" if place <= 1 else "place", place=place)
        low, high = minutes or (0, 0)
        key = "wait_unknown" if not high else "wait_between" if low else "wait_one" if high == 1 else "wait_up_to"
        _say(response, language, key, low=low, high=high)
    if waited >= REMIND_SECONDS and waited % REMIND_SECONDS < WAIT_SECONDS and not connecting:
        _say(response, language, "crisis")
    if survey is not None:
        gather = Gather(num_digits=1, timeout=SURVEY_SECONDS, action=url(survey), method="POST")
        _say(gather, language, "survey_ask")
        response.append(gather)
    if callback is not None:
        gather = Gather(num_digits=1, timeout=SURVEY_SECONDS, action=url(callback), method="POST")
        _say(gather, language, "callback_offer")
        response.append(gather)
    response.play(f"{_base_url}/static/audio/wait.wav")
    return str(response)


def read_back(
    contact_id: str,
    language: str,
    number: str,
    reason: str = "",
    attempt: int = 1,
    *,
    may_wait: bool = True,
    later: bool = False,
) -> str:
    """The number that we would call, digit by digit: confirmed by 1, another one by 2; silence asks without a key.

    `reason` says why the caller is asked, if they did not ask for it themselves; `may_wait`, whether silence leads
    back into the line; `later`, whether the reason says that we are closed and would call after we open. The answer
    brings what the caller was told.
    """
    response = VoiceResponse()
    told = f"{'&stay=1' if may_wait else ''}{'&later=1' if later else ''}"
    path = f"/twilio/voice/contacts/{contact_id}/book?step=confirm&try={attempt}{told}"
    gather = Gather(num_digits=1, timeout=BOOKING_SECONDS, action=url(path), method="POST")
    if reason:
        gather.say(reason, language=_words(language)["say"])
    _say(gather, language, "callback_confirm" if may_wait else "callback_confirm_only", number=digits(number))
    if not may_wait:
        _say(gather, language, "silence_ends")
    response.append(gather)
    response.redirect(url(path), method="POST")
    return str(response)


def ask_number(contact_id: str, language: str, reason: str = "", attempt: int = 1, *, may_wait: bool = True) -> str:
    """A number by keypad; silence asks the same address without a key. `reason` and `may_wait` as in `read_back`."""
    response = VoiceResponse()
    path = f"/twilio/voice/contacts/{contact_id}/book?step=number&try={attempt}"
    gather = Gather(finish_on_key="#", num_digits=11, timeout=BOOKING_SECONDS, action=url(path), method="POST")
    if reason:
        gather.say(reason, language=_words(language)["say"])
    _say(gather, language, "callback_number" if attempt == 1 else "callback_number_again")
    if not may_wait:
        _say(gather, language, "silence_ends")
    response.append(gather)
    response.redirect(url(path), method="POST")
    return str(response)


def ask_later(contact_id: str, language: str) -> str:
    """Whether we may call after the line has closed and opened again; silence is no."""
    response = VoiceResponse()
    path = f"/twilio/voice/contacts/{contact_id}/book?step=later"
    gather = Gather(num_digits=1, timeout=MENU_SECONDS, action=url(path), method="POST")
    _say(gather, language, "callback_later")
    response.append(gather)
    response.redirect(url(path), method="POST")
    return str(response)


def called(contact_id: str, call: str, language: str, attempt: int = 1) -> str:
    """Whoever picks up: nothing here says who calls, or why. 1 takes the call; without a key it ends."""
    response = VoiceResponse()
    path = f"/twilio/voice/contacts/{contact_id}/called?call={call}&try={attempt}"
    for _ in range(2):
        gather = Gather(num_digits=1, timeout=MENU_SECONDS, action=url(path), method="POST")
        _say(gather, language, "called")
        response.append(gather)
    response.hangup()
    return str(response)


def called_in_trouble(path: str, attempt: int) -> str:
    """Our own failure, to whoever picks up: silence, for nobody knows who it is, and then as if nobody had answered."""
    response = VoiceResponse()
    if attempt < TROUBLE_TRIES:
        response.pause(length=TROUBLE_PAUSE_SECONDS)
        response.redirect(url(f"{path}{'&' if '?' in path else '?'}trouble={attempt + 1}"), method="POST")
    else:
        response.hangup()
    return str(response)


def digits(number: str) -> str:
    """A number as it is read out: digit by digit, in groups."""
    national = number.removeprefix("+1")
    return ", ".join(" ".join(group) for group in (national[:3], national[3:6], national[6:]) if group)


def wait_blind() -> str:
    """The wait document when we cannot look anything up: the caller stays in line and hears that somebody is there."""
    response = VoiceResponse()
    _apologize(response, "trouble")
    response.play(f"{_base_url}/static/audio/wait.wav")
    return str(response)


def leave() -> str:
    """Out of the queue, on to the action of its `<Enqueue>`."""
    response = VoiceResponse()
    response.leave()
    return str(response)


def requeue_after_trouble(contact_id: str, queue: str, language: str) -> str:
    """The queue would not take the caller: say so, wait a little, try again."""
    response = VoiceResponse()
    _say(response, language, "queue_trouble")
    response.pause(length=TROUBLE_PAUSE_SECONDS)
    _enqueue(response, contact_id, queue)
    return str(response)


def dropped(contact_id: str, queue: str, language: str) -> str:
    """The peer was lost: "press 1 to go to the front, or hang up"; silence counts as 1."""
    response = VoiceResponse()
    gather = Gather(
        num_digits=1,
        timeout=MENU_SECONDS,
        action=url(f"/twilio/voice/contacts/{contact_id}/dropped?pressed=1"),
        method="POST",
    )
    _say(gather, language, "dropped")
    response.append(gather)
    _enqueue(response, contact_id, queue)
    return str(response)


def caller_into(contact_id: str, engagement_id: str, conference: str) -> str:
    """The caller into the conference: when the caller leaves, it is over."""
    action = f"/twilio/voice/contacts/{contact_id}/after?engagement={engagement_id}"
    return _into(action, engagement_id, conference, end_on_exit=True)


def peer_into(engagement_id: str, conference: str) -> str:
    """The peer into the conference: when the peer leaves, the caller is still there."""
    return _into(f"/twilio/voice/engagements/{engagement_id}/ended", engagement_id, conference, end_on_exit=False)


def quiet() -> str:
    """What a peer hears for the second until the caller comes."""
    response = VoiceResponse()
    response.pause(length=10)
    return str(response)


def hang_up() -> str:
    """The end, without words."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def nothing() -> str:
    """No instruction: for an action whose call went elsewhere."""
    return str(VoiceResponse())


def say_and_hang_up(language: str, key: str, **values: Any) -> str:
    """One sentence, then the end."""
    response = VoiceResponse()
    _say(response, language, key, **values)
    response.hangup()
    return str(response)


def speak_and_hang_up(words: Mapping[str, str]) -> str:
    """Words that are no sentence of the catalogue, in each language that they are given in, then the end."""
    response = VoiceResponse()
    for language, spoken in words.items():
        response.say(spoken, language=_words(language)["say"])
    response.hangup()
    return str(response)


def unknown_number() -> str:
    """Nobody's number, in every language that we have: we cannot know the caller's."""
    response = VoiceResponse()
    for language in _catalogues:
        _say(response, language, "unknown_number")
    response.hangup()
    return str(response)


def trouble(path: str, attempt: int) -> str:
    """Our own failure: name 988 and the fallback number, then try `path` again, a few times."""
    if attempt >= TROUBLE_TRIES:
        return trouble_end()
    response = VoiceResponse()
    _apologize(response, "trouble")
    response.pause(length=TROUBLE_PAUSE_SECONDS)
    response.redirect(url(f"{path}{'&' if '?' in path else '?'}trouble={attempt + 1}"), method="POST")
    return str(response)


def trouble_end() -> str:
    """The end of a call that we could not take: name 988 and the fallback number."""
    response = VoiceResponse()
    _apologize(response, "trouble_end")
    response.hangup()
    return str(response)


def no_reply() -> str:
    """Answer to a text webhook: replies are sent through the outbox, so that each is sent once."""
    return str(MessagingResponse())


def reply(key: str) -> str:
    """Answer to a text that belongs to no line, so to no outbox, in every language that we have."""
    response = MessagingResponse()
    response.message("\n".join(sentence(language, key) for language in _catalogues))
    return str(response)


def _into(action: str, engagement_id: str, conference: str, *, end_on_exit: bool) -> str:
    response = VoiceResponse()
    dial = response.dial(action=url(action), method="POST")
    dial.conference(
        conference,
        beep="false",
        start_conference_on_enter=True,
        end_conference_on_exit=end_on_exit,
        wait_url=url("/twilio/voice/quiet"),
        wait_method="POST",
        # Twilio keeps the callback of the first participant and ignores later ones: both name the same.
        status_callback=url(f"/twilio/voice/engagements/{engagement_id}/conference"),
        status_callback_event="start end join leave",
        status_callback_method="POST",
    )
    return str(response)


def _apologize(response: VoiceResponse, key: str) -> None:
    """In every language that we have: we cannot look up the caller's."""
    for language in _catalogues:
        _say(response, language, key)
        if _fallback_number:
            _say(response, language, "fallback_number", number=" ".join(_fallback_number.removeprefix("+1")))


def _greet(parent: VoiceResponse | Gather, line: str, languages: Sequence[str], own: Mapping[str, str]) -> None:
    if languages[0] not in own:
        _say(parent, languages[0], "greeting", line=line)
    for language in languages:
        if language in own:
            parent.say(own[language].replace("{line}", line), language=_words(language)["say"])


def _enqueue(response: VoiceResponse, contact_id: str, queue: str) -> None:
    base = f"/twilio/voice/contacts/{contact_id}"
    response.enqueue(
        queue, wait_url=url(f"{base}/wait"), wait_url_method="POST", action=url(f"{base}/left"), method="POST"
    )


def _say(parent: VoiceResponse | Gather, language: str, key: str, **values: Any) -> None:
    parent.say(sentence(language, key, **values), language=_words(language)["say"])


def _days(at: datetime, now: datetime) -> int:
    """How many days lie between, where `at` is."""
    return (at.date() - now.astimezone(at.tzinfo).date()).days


def _at(language: str, key: str, at: datetime) -> str:
    """A sentence of the catalogue with day and time."""
    words, hour = _words(language), "%-I %p" if at.minute == 0 else "%-I:%M %p"
    return sentence(
        language,
        key,
        day=words["days"][at.weekday()],
        date=at.day,
        month=words["months"][at.month - 1],
        time=at.strftime(hour if language == "en" else "%H:%M"),
    )


def _words(language: str) -> Mapping[str, Any]:
    return _catalogues.get(language) or _catalogues[_first_language()]


def _first_language() -> str:
    return "en" if "en" in _catalogues else next(iter(_catalogues))
