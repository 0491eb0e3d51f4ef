"""Segments are counted as Twilio counts them."""

import pytest

from warmline.telephony import segments

DIGITS = "1234567890" * 40


# The lengths are those of the tests of Twilio's own calculator:
# https://github.com/TwilioDevEd/message-segment-calculator/blob/main/tests/index.test.js
@pytest.mark.parametrize(
    ("body", "number"),
    [
        ("{" + DIGITS[:158], 1),
        ("{" + DIGITS[:159], 2),
        ("😜" + DIGITS[:68], 1),
        ("😜" + DIGITS[:69], 2),
    ],
)
def test_as_twilio_counts_its_own_examples(body: str, number: int) -> None:
    assert segments.count(body) == number


# https://www.twilio.com/docs/glossary/what-sms-character-limit
@pytest.mark.parametrize(
    ("body", "number"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("’" + "a" * 69, 1),
        ("’" + "a" * 70, 2),
        ("’" + "a" * 133, 2),
        ("’" + "a" * 134, 3),
    ],
)
def test_at_the_published_limits(body: str, number: int) -> None:
    assert segments.count(body) == number


def test_a_character_of_two_units_is_not_cut_in_two() -> None:
    assert segments.count("a" * 152 + "€" + "a" * 152) == 3, "306 units, of which one cannot be used"
    assert segments.count("á" + "a" * 65 + "😜" + "a" * 66) == 3


def test_spanish_signs_of_the_small_alphabet_cost_nothing() -> None:
    assert segments.count("ñÑ¿¡éüà" + "a" * 153) == 1
    assert segments.count("á" + "a" * 159) == 3


def test_typographic_signs_become_plain_ones() -> None:
    typed = "St. Anne’s “open door” – Mon–Fri… • all"
    assert segments.plain(typed) == 'St. Anne\'s "open door" - Mon-Fri... - all'
    assert segments.count(segments.plain(typed) + "a" * 110) == 1
