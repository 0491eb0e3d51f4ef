"""In how many segments a text travels: what it costs, and in how many pieces it may arrive.

GSM 03.38 has 160 characters for a text in one piece, and 153 for each of several, where some count twice. One
character outside of it makes the whole text UCS-2: 70, or 67 each.
https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding
"""

GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_TWICE = frozenset("^{}\\[~]|€\f")  # each is an escape and a character
# What people and word processors type, and what says the same within GSM 03.38.
PLAIN = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "•": "-", "\u00a0": " ", "\u202f": " "}
)


def plain(body: str) -> str:
    """The same words without typographic signs, one of which would double what the text costs."""
    return body.translate(PLAIN)


def count(body: str) -> int:
    """The number of segments of a text; an empty one is one as well."""
    if set(body) <= GSM_7 | GSM_7_TWICE:
        return _pack([2 if character in GSM_7_TWICE else 1 for character in body], 160, 153)
    return _pack([2 if ord(character) > 0xFFFF else 1 for character in body], 70, 67)


def _pack(sizes: list[int], alone: int, each: int) -> int:
    """How many segments these characters fill; a character is never cut in two."""
    if sum(sizes) <= alone:
        return 1
    segments, left = 1, each
    for size in sizes:
        if size > left:
            segments, left = segments + 1, each
        left -= size
    return segments
