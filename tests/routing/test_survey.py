"""What an answer means, which question follows, and when a caller may be asked or invited."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.survey import (
    APART,
    ASK_AFTER_SECONDS,
    FEW,
    GRACE,
    NEVER_AFTER,
    SHORT,
    STALE,
    Facts,
    Kind,
    Otherwise,
    Part,
    Question,
    Reading,
    due_at,
    following,
    may_ask,
    read,
    why_not,
)

NOW = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MAY = Facts(talked=True, agreed=True, reachable=True, ended_at=NOW - MINUTE, dispositions=frozenset(), invited_at=None)
SUPPORTED, FEELING, OTHERWISE = Question
questions = st.sampled_from(Question)


@pytest.mark.parametrize(
    ("question", "text", "answer"),
    [
        (SUPPORTED, "1", True),
        (SUPPORTED, " Yes! ", True),
        (SUPPORTED, "YES", True),
        (SUPPORTED, "sí", True),
        (SUPPORTED, "SI\u0301.", True),
        (SUPPORTED, "1️⃣", True),
        (SUPPORTED, "2", False),
        (SUPPORTED, "No", False),
        (SUPPORTED, "two", False),
        (FEELING, "1", 1),
        (FEELING, "5.", 5),
        (FEELING, "３", 3),
        (FEELING, "Cuatro", 4),
        (OTHERWISE, "1", Otherwise.EMERGENCY_ROOM),
        (OTHERWISE, "(7)", Otherwise.SOMETHING_ELSE),
        (OTHERWISE, "911", Otherwise.EMERGENCY_CALL),
        (OTHERWISE, "988", Otherwise.CRISIS_LINE),
        (OTHERWISE, "Línea de crisis", Otherwise.CRISIS_LINE),
        (OTHERWISE, "siete", Otherwise.SOMETHING_ELSE),
    ],
)
def test_an_answer_is_read_by_digit_or_word(question: Question, text: str, answer: bool | int | Otherwise) -> None:
    understood = read(question, text)
    assert understood == Reading(Kind.ANSWER, answer)
    assert type(understood.answer) is type(answer)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (SUPPORTED, "3"),
        (SUPPORTED, "kind of"),
        (SUPPORTED, ""),
        (SUPPORTED, "1 2"),
        (SUPPORTED, "🙂"),
        (FEELING, "6"),
        (FEELING, "yes"),
        (FEELING, "-"),
        (FEELING, "911"),
        (OTHERWISE, "8"),
        (OTHERWISE, "no idea"),
    ],
)
def test_a_short_text_without_an_answer_is_malformed(question: Question, text: str) -> None:
    assert read(question, text) == Reading(Kind.MALFORMED)


@pytest.mark.parametrize("question", Question)
@pytest.mark.parametrize("text", ["suicide", "Help!", "quiero morir", "AYUDA", "so alone"])
def test_one_word_of_distress_is_for_a_person(question: Question, text: str):
    assert read(question, text) == Reading(Kind.OTHER)


@pytest.mark.parametrize("question", Question)
@pytest.mark.parametrize(
    "text",
    [
        "I want to die",
        "can you help me",
        "Is somebody there for me tonight?",
        "yes, but I would like to talk again",
        "necesito hablar ya",
        "x" * (SHORT + 1),
    ],
)
def test_a_sentence_is_meant_for_a_person(question: Question, text: str) -> None:
    assert read(question, text) == Reading(Kind.OTHER)


@pytest.mark.parametrize("question", Question)
def test_any_question_may_be_skipped_and_the_survey_ended(question: Question) -> None:
    for skip in ("0", " zero", "Skip.", "cero", "omitir"):
        assert read(question, skip).kind is Kind.SKIP
    for end in ("stop.", "Please stop!", "no thank you", "No más", "basta"):
        assert read(question, end).kind is Kind.END


@given(questions, st.text())
def test_whatever_comes_is_read_as_something(question: Question, text: str) -> None:
    understood = read(question, text)
    assert (understood.answer is not None) == (understood.kind is Kind.ANSWER)
    if understood.kind is Kind.MALFORMED:
        assert len(text.strip()) <= SHORT


@given(questions, st.lists(st.text("abcdefg", min_size=1, max_size=5), min_size=FEW + 1, max_size=FEW + 4))
def test_more_than_a_few_words_are_never_called_malformed(question: Question, words: list[str]) -> None:
    assert read(question, " ".join(words)).kind is not Kind.MALFORMED


@given(questions, st.text("0123456789yesinoSÍ", max_size=6), st.text(" \t\n.!", max_size=5), st.booleans())
def test_case_spaces_and_signs_around_a_text_do_not_count(question: Question, text: str, more: str, up: bool) -> None:
    if len(more) + len(text) <= SHORT:
        assert read(question, more + (text.upper() if up else text.lower()) + more) == read(question, text)


@given(st.integers(0, 9), questions)
def test_a_digit_means_its_place_among_the_answers(digit: int, question: Question) -> None:
    answers: dict[Question, list[object]] = {
        SUPPORTED: [True, False], FEELING: [1, 2, 3, 4, 5], OTHERWISE: [*Otherwise],
    }  # fmt: skip
    if digit == 0:
        assert read(question, "0").kind is Kind.SKIP
    elif digit <= len(answers[question]):
        assert read(question, str(digit)).answer == answers[question][digit - 1]
    else:
        assert read(question, str(digit)).kind is Kind.MALFORMED


def test_three_questions_follow_each_other() -> None:
    assert [following(question) for question in Question] == [FEELING, OTHERWISE, None]


def test_a_waiting_caller_is_asked_only_if_that_makes_sense() -> None:
    def asked(**changes: Any) -> bool:
        usual: dict[str, Any] = {"waited": 30, "connecting": False, "reachable": True, "invited_at": None, "now": NOW}
        return may_ask(**usual | changes)

    assert asked()
    assert asked(waited=ASK_AFTER_SECONDS)
    assert not asked(waited=ASK_AFTER_SECONDS - 1), "the first wait document"
    assert not asked(connecting=True)
    assert not asked(reachable=False)
    assert not asked(invited_at=NOW - APART + MINUTE)
    assert asked(invited_at=NOW - APART)


def test_nothing_is_due_before_every_part_is_over_and_known() -> None:
    assert due_at([]) is None
    assert due_at([Part(None, None)]) is None
    assert due_at([Part(None, NOW)]) is None, "logged during the talk"
    assert due_at([Part(NOW, NOW)]) == NOW
    assert due_at([Part(NOW, NOW + MINUTE)]) == NOW + MINUTE, "logged after wrap-up"
    assert due_at([Part(NOW, NOW - MINUTE)]) == NOW, "logged during the talk, which is over now"
    assert due_at([Part(NOW, None)]) == NOW + GRACE
    assert due_at([Part(NOW, NOW), Part(None, None)]) is None
    assert due_at([Part(NOW - MINUTE, None), Part(NOW, NOW)]) == NOW - MINUTE + GRACE


times = st.timedeltas(timedelta(0), timedelta(days=400)).map(lambda after: NOW + after)


@given(st.lists(st.builds(Part, st.none() | times, st.none() | times), max_size=4))
def test_it_is_due_after_each_part_or_never(parts: list[Part]) -> None:
    at = due_at(parts)
    assert (at is None) == (not parts or any(part.done_at is None for part in parts))
    for part in parts:
        if at is None or part.done_at is None:
            continue
        assert at >= part.done_at
        assert at >= (part.logged_at or part.done_at + GRACE)


@pytest.mark.parametrize(
    ("changes", "against"),
    [
        ({}, []),
        ({"dispositions": frozenset({"support_given", "information"})}, []),
        ({"talked": False}, ["not_talked"]),
        ({"agreed": False}, ["not_agreed"]),
        ({"reachable": False}, ["not_reachable"]),
        *(({"dispositions": frozenset({"support_given", code})}, ["disposition"]) for code in sorted(NEVER_AFTER)),
        ({"invited_at": NOW - APART}, []),
        ({"invited_at": NOW - APART + MINUTE}, ["invited_lately"]),
        ({"ended_at": NOW - STALE}, []),
        ({"ended_at": NOW - STALE - MINUTE}, ["too_late"]),
        ({"ended_at": None}, ["too_late"]),
        ({"agreed": False, "talked": False}, ["not_talked", "not_agreed"]),
    ],
)
def test_why_a_caller_may_not_be_invited(changes: dict[str, Any], against: list[str]) -> None:
    assert why_not(replace(MAY, **changes), NOW) == against
