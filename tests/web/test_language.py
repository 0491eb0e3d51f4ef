"""Pages speak English and Spanish: whose choice counts, and that no sentence is left out."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from jinja2 import Environment

from tests.cast import Cast
from warmline.web import language

ROOT = Path(__file__).parent.parent.parent
KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    **dict.fromkeys(("Invalid", "Conflict", "NotFound", "NotAllowed", "later", "say", "t")),
}
ERRORS = ("Invalid", "Conflict", "NotFound", "NotAllowed")
# What is the same in every language.
NAMES = {"Warmline", "Alt", "A", "O", "Ctrl", "Enter", "UTC"}
SPOKEN_ATTRIBUTES = {"aria-label", "title", "placeholder", "alt", "data-words"}
FIELD = re.compile(r"%\(\w+\)s|\{\w+\}|</?\w+>")


def catalogue(code: str) -> dict[str, tuple[str, ...]]:
    """English sentence → its translations (two where a number decides)."""
    with (ROOT / f"config/words/{code}.po").open("rb") as file:
        messages = [message for message in read_po(file, locale=code) if message.id]
    return {
        (message.id if isinstance(message.id, str) else message.id[0]): (
            (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        )
        for message in messages
    }


def sentences() -> set[str]:
    """Every sentence that is marked for translation, as `make words` finds it."""
    with (ROOT / "config/words/babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found = set()
    for place in ("templates", "warmline"):
        for _, _, message, _, _ in extract_from_dir(
            ROOT / place,
            [(pattern.removeprefix(f"{place}/"), method) for pattern, method in methods if pattern.startswith(place)],
            {pattern.removeprefix(f"{place}/"): option for pattern, option in options.items()},
            KEYWORDS,
        ):
            found.add(message if isinstance(message, str) else message[0])
    return found


def translations() -> list[str]:
    return [code for code in language.OFFERED if code != "en"]


def test_the_english_of_pages_is_american() -> None:
    british = re.compile(r"\w*(?:centre|colour|favour|honour|labour|behaviour|neighbour|programme|organis|recognis)\w*")
    assert [words for words in sentences() if british.search(words)] == []


@pytest.mark.parametrize("code", translations())
def test_every_sentence_of_pages_scripts_and_errors_is_translated_and_none_is_left_over(code: str) -> None:
    known, said = catalogue(code), sentences()
    assert len(said) > 200
    assert said - set(known) == set(), "run `make words`, then translate"
    assert set(known) - said == set(), "nobody says these any more: run `make words`"
    assert [english for english, translated in known.items() if not all(translated)] == []


@pytest.mark.parametrize("code", translations())
def test_a_translation_keeps_what_is_filled_in(code: str) -> None:
    for english, translated in catalogue(code).items():
        for one in translated:
            assert sorted(FIELD.findall(one)) == sorted(FIELD.findall(english)), english


class Words(HTMLParser):
    """What of a page is read by people: its text and some attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.inside.append(tag)
        self.found += [value or "" for name, value in attributes if name in SPOKEN_ATTRIBUTES]

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "script" not in self.inside:
            self.found.append(data)


def literal_parts(source: str) -> str:
    """A template without what Jinja fills in, and without what is marked for translation."""
    parts: list[str] = []
    block: list[str] = []
    translating = False
    for _, kind, text in Environment(extensions=["jinja2.ext.i18n"]).lex(source):
        if kind == "block_begin":
            block = []
        elif kind == "block_end":
            name = next((word for word in block if word.strip()), "")
            translating = (translating or name == "trans") and name != "endtrans"
        elif kind == "name" or block == []:
            block = [*block, text] if kind == "name" else block
        if kind == "data" and not translating:
            parts.append(text)
        elif kind == "variable_begin":
            parts.append(" ")
    return "".join(parts)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "templates").rglob("*.html")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_no_page_says_what_nobody_can_translate(path: Path) -> None:
    page = Words()
    page.feed(literal_parts(path.read_text("utf-8")))
    strays = {word for words in page.found for word in re.findall(r"[^\W\d_][\w’'-]*", words)} - NAMES
    assert strays == set()


def test_a_word_that_is_not_marked_is_found() -> None:
    page = Words()
    page.feed(literal_parts('<p aria-label="Hello">{{ name }} {% trans %}marked{% endtrans %} {# no #} bare</p>'))
    assert [words.strip() for words in page.found if words.strip()] == ["Hello", "bare"]


def scripts() -> list[Path]:
    return sorted((ROOT / "warmline/static").glob("*.js"))


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.name)
def test_no_script_says_what_nobody_can_translate(path: Path) -> None:
    code = re.sub(r"^\s*//.*$|(?<=\s)// .*$", "", path.read_text("utf-8"), flags=re.MULTILINE)
    said = re.findall(r"""(\bt\(\s*)?(["`])([A-Z][a-z]+ (?:(?!\2).)*)\2""", code)
    strays = [words for marked, _, words in said if not marked]
    if path.name == "softphone.js":
        strays.remove("The call was ended before it was connected.")  # an error that phone.js puts into other words
    assert strays == []


def errors() -> Iterator[tuple[Path, ast.Call]]:
    for path in (ROOT / "warmline").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
                yield path, node


def test_an_error_is_a_sentence_of_the_catalogue_with_its_values_beside_it() -> None:
    found = list(errors())
    assert len(found) > 10
    for path, call in found:
        for words in call.args[:1]:
            assert isinstance(words, ast.Constant), f"{path}:{call.lineno}"


# Whose choice counts


def test_a_browser_s_wish_counts_until_somebody_chooses(cast: Cast) -> None:
    stranger = cast.stranger
    assert 'lang="es"' in stranger.get("/login", headers={"Accept-Language": "es-MX,en;q=0.5"}).text
    assert 'lang="en"' in stranger.get("/login", headers={"Accept-Language": "fr"}).text


def test_a_peer_s_choice_is_kept_with_the_account(cast: Cast) -> None:
    peer = cast.peer2
    assert "Disponible" not in peer.get("/console").text
    answer = peer.post("/language", "text/html", language="es", next="/console")
    assert (answer.status_code, answer.location) == (302, "/console")
    page = peer.get("/console").text
    assert '<html lang="es"' in page
    assert "Disponible" in page
    peer.post("/logout")
    peer.log_in()
    assert "Disponible" in peer.get("/console").text
    assert "Disponible" not in cast.peer1.get("/console").text


def test_an_error_is_answered_in_the_page_s_language(cast: Cast) -> None:
    cast.peer1.post("/language", language="es")
    refused = cast.peer1.post("/console/status", status="asleep")
    assert refused.get_json()["error"] == {"code": "status_unknown", "message": "Ese no es un estado."}
    assert "Aquí no hay nada con ese nombre." in cast.peer1.get("/nowhere").text


def test_scripts_get_their_words_with_the_page(cast: Cast) -> None:
    english = cast.peer1.get("/console").text
    assert '<script type="application/json" id="words">{}</script>' in english
    cast.peer1.post("/language", language="es")
    assert '"Reconnecting\\u2026": "Reconectando\\u2026"' in cast.peer1.get("/console").text


@pytest.mark.parametrize("wish", ["", "fr", "en\0", "../es"])
def test_a_language_that_is_not_offered_changes_nothing(cast: Cast, wish: str) -> None:
    assert cast.peer1.post("/language", language=wish).status_code == 422
    assert '<html lang="en"' in cast.peer1.get("/console").text


@pytest.mark.parametrize("elsewhere", ["https://example.org/", "//example.org", "/\\example.org"])
def test_the_switch_leads_nowhere_else(cast: Cast, elsewhere: str) -> None:
    answer = cast.peer1.post("/language", "text/html", language="es", next=elsewhere)
    assert answer.location == "/"
