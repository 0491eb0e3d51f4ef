"""The survey by text: may it be asked and sent, when, what an answer means, and which question comes next."""

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

ASK_AFTER_SECONDS = 5  # of waiting: the first wait document is over by then
GRACE = timedelta(minutes=2)  # after a wrap-up without a report, in case that one is still being written
APART = timedelta(days=7)  # between two invitations of one caller
STALE = timedelta(hours=24)  # after the contact, an invitation would come out of nowhere
SILENCE = timedelta(hours=24)  # after our last text, the survey ends as it is
POSTPONED = timedelta(minutes=15)  # while the caller is in touch with us again
SHORT = 20  # characters: longer than that, and without an answer in it, a text is meant for a person
FEW = 2  # words, likewise
NEVER_AFTER = frozenset({"handed_off", "boundary", "not_a_conversation"})  # dispositions


class Question(StrEnum):
    """In the order in which they are asked."""

    FELT_SUPPORTED = "felt_supported"
    FEELING = "feeling"
    OTHERWISE = "otherwise"


class Otherwise(StrEnum):
    """What a caller would have done if nobody had been there, in the order of the keys from 1."""

    EMERGENCY_ROOM = "emergency_room"
    EMERGENCY_CALL = "emergency_call"
    CRISIS_LINE = "crisis_line"
    HOSPITAL = "hospital"
    WAITED_ALONE = "waited_alone"
    TALKED_TO_SOMEONE = "talked_to_someone"
    SOMETHING_ELSE = "something_else"


class Kind(StrEnum):
    """What an incoming text is to a survey."""

    ANSWER = "answer"
    SKIP = "skip"
    END = "end"  # no more questions, in words that are not the phone company's STOP
    MALFORMED = "malformed"  # meant as an answer, it seems
    OTHER = "other"  # not meant for the survey


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as it was understood; `answer` belongs to Kind.ANSWER alone."""

    kind: Kind
    answer: bool | int | Otherwise | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A peer's part in a contact: when their wrap-up was over, and when they logged it. None: not yet."""

    done_at: datetime | None
    logged_at: datetime | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the decision to invite may know of a contact and its caller."""

    talked: bool  # the contact is over, and a peer had answered
    agreed: bool  # by key, or as a logged report says
    reachable: bool  # both numbers are known, and the caller wants texts
    ended_at: datetime | None
    dispositions: frozenset[str]  # of this contact and of the caller's later ones, drafts too
    invited_at: datetime | None  # the caller's latest invitation


DIGITS = {
    "0": 0, "1": 1, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6, "7": 7,
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "cero": 0, "uno": 1, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "siete": 7,
}  # fmt: skip
SKIPS = {"skip", "saltar", "omitir"}
ENDS = {
    "stop", "stop it", "stop please", "please stop", "stop texting me", "no more", "no thanks", "no thank you",
    "alto", "basta", "pare", "parar", "no mas", "ya no", "no gracias",
}  # fmt: skip
YES = {"yes", "y", "yeah", "yep", "si", "s"}
NO = {"no", "n", "nope"}
# One of these words, as little as it says, is meant for a person.
DISTRESS = {
    "help", "die", "dying", "kill", "suicide", "suicidal", "hurt", "emergency", "crisis", "alone", "scared", "afraid",
    "ayuda", "auxilio", "socorro", "morir", "matar", "matarme", "suicidio", "suicidarme", "emergencia", "sola", "solo",
    "miedo",
}  # fmt: skip
FEELINGS = range(1, 6)
PLACES: Mapping[str, Otherwise] = {
    "emergency room": Otherwise.EMERGENCY_ROOM,
    "er": Otherwise.EMERGENCY_ROOM,
    "sala de emergencias": Otherwise.EMERGENCY_ROOM,
    "urgencias": Otherwise.EMERGENCY_ROOM,
    "911": Otherwise.EMERGENCY_CALL,
    "988": Otherwise.CRISIS_LINE,
    "crisis line": Otherwise.CRISIS_LINE,
    "linea de crisis": Otherwise.CRISIS_LINE,
    "hospital": Otherwise.HOSPITAL,
    "waited alone": Otherwise.WAITED_ALONE,
    "esperar a solas": Otherwise.WAITED_ALONE,
    "talked to someone": Otherwise.TALKED_TO_SOMEONE,
    "hablar con alguien": Otherwise.TALKED_TO_SOMEONE,
    "something else": Otherwise.SOMETHING_ELSE,
    "otra cosa": Otherwise.SOMETHING_ELSE,
}


def may_ask(*, waited: int, connecting: bool, reachable: bool, invited_at: datetime | None, now: datetime) -> bool:
    """Whether a caller who has waited so many seconds may be asked for their yes: not first of all, and not in vain."""
    return waited >= ASK_AFTER_SECONDS and not connecting and reachable and not _too_soon(invited_at, now)


def due_at(parts: Collection[Part]) -> datetime | None:
    """When everybody's report is known, or was given its time: never before. None while a peer is not done."""
    times = [part.logged_at or (part.done_at and part.done_at + GRACE) for part in parts]
    known = [at for at in times if at is not None]
    if not parts or len(known) < len(times) or any(part.done_at is None for part in parts):
        return None
    # A report may be finished during the talk; nothing is due before the wrap-up is over.
    return max(known + [part.done_at for part in parts if part.done_at is not None])


def why_not(facts: Facts, now: datetime) -> list[str]:
    """Every reason why a caller may not be invited at `now`; an empty list means that they may."""
    reasons = {
        "not_talked": not facts.talked,
        "not_agreed": not facts.agreed,
        "not_reachable": not facts.reachable,
        "disposition": bool(facts.dispositions & NEVER_AFTER),
        "invited_lately": _too_soon(facts.invited_at, now),
        "too_late": facts.ended_at is None or now - facts.ended_at > STALE,
    }
    return [code for code, holds in reasons.items() if holds]


def read(question: Question, text: str) -> Reading:
    """What `text` says to `question`: digits or words, in English or Spanish; case, accents and signs do not count."""
    plain = _plain(text)
    number = DIGITS.get(plain)
    if number == 0 or plain in SKIPS:
        return Reading(Kind.SKIP)
    if plain in ENDS:
        return Reading(Kind.END)
    answer = _answer(question, plain, number)
    if answer is not None:
        return Reading(Kind.ANSWER, answer)
    if len(text.strip()) > SHORT or len(plain.split()) > FEW or DISTRESS & set(plain.split()):
        return Reading(Kind.OTHER)
    return Reading(Kind.MALFORMED)


def following(question: Question) -> Question | None:
    """The question after this one; None after the last."""
    order = list(Question)
    place = order.index(question) + 1
    return order[place] if place < len(order) else None


def _answer(question: Question, plain: str, number: int | None) -> bool | int | Otherwise | None:
    match question:
        case Question.FELT_SUPPORTED:
            yes, no = number == 1 or plain in YES, number == 2 or plain in NO
            return yes if yes or no else None
        case Question.FEELING:
            return number if number in FEELINGS else None
        case Question.OTHERWISE:
            options = list(Otherwise)
            return options[number - 1] if number and number <= len(options) else PLACES.get(plain)


def _plain(text: str) -> str:
    """Lower-case letters and digits with single spaces between words; nothing else."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(sign for sign in apart if not unicodedata.combining(sign))
    return " ".join("".join(sign if sign.isalnum() else " " for sign in kept).split())


def _too_soon(invited_at: datetime | None, now: datetime) -> bool:
    return invited_at is not None and now - invited_at < APART
