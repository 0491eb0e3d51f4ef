"""Pages speak English and Spanish: whose choice counts, and that no sentence is left out."""

import ast
import re
from collections.abc import Iterator
from enum import Enum
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.jslexer import tokenize, unquote_string
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes

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
# Literals that look like words, and whose only reader is a program.
TECHNICAL = {
    "DOMContentLoaded": "an event",
    "ETag": "a header of HTTP",
    "Enter": "a key, as events name it",
    "If-None-Match": "a header of HTTP",
    "KeyA": "a key, as events name it",
    "KeyO": "a key, as events name it",
    "Notification": "a property of window",
    "POST": "a method of HTTP",
    "The call was ended before it was connected.": "an error that phone.js puts into other words",
    "X-CSRFToken": "a header of HTTP",
    "(prefers-color-scheme: dark)": "a media query",
    "true": "an attribute's value, for the browser",
    "use strict": "a directive",
}
MARKS = {"_", "gettext", "ngettext"}
SPOKEN_ATTRIBUTES = {"aria-label", "title", "placeholder", "alt", "data-words"}
WORD = re.compile(r"[^\W\d_][\w’'-]*")
ONE_WORD = re.compile(r"[^\W\d_]+([’'-][^\W\d_]+)*[.…!?]*")
BEGINS_LARGE = re.compile(r"[^\w%#./\[]*[A-ZÁÉÍÓÚÑ]")
# A letter on one side of the blank at least, for "3 waiting". Our selectors have a bracket or a # beside it.
SEVERAL_WORDS = re.compile(r"\w[,;:.!?…”’)]*\s+[“‘(]?[^\W\d_]|[^\W\d_][,;:.!?…”’)]*\s+[“‘(]?\w")
FORMAT = re.compile(r"%\d*[ds]")
FILLED = re.compile(r"\$\{([^{}`]*)\}")  # in a script's template
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


@pytest.mark.parametrize("code", translations())
def test_a_catalogue_s_header_is_filled_in(code: str) -> None:
    with (ROOT / f"config/words/{code}.po").open("rb") as file:
        header = dict(read_po(file, locale=code).mime_headers)
    blanks = dict(Catalog(locale=code).mime_headers)
    for name in ("Project-Id-Version", "Report-Msgid-Bugs-To", "PO-Revision-Date", "Last-Translator", "Language-Team"):
        assert header[name] != blanks[name]


# What nobody can translate


def looks_said(literal: str) -> bool:
    """It begins with a capital letter, or there are words with a blank between them."""
    return bool(BEGINS_LARGE.match(literal) or SEVERAL_WORDS.search(FIELD.sub("0", literal)))


class Words(HTMLParser):
    """What of a page is read by people: its text and some attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.inside.append(tag)
        for name, value in attributes:
            if name in SPOKEN_ATTRIBUTES or (name.startswith("data-") and looks_said(value or "")):
                self.found.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "script" not in self.inside:
            self.found.append(data)


class Use(Enum):
    """What a template does with a literal."""

    WRITTEN = "put out where it stands"
    KEPT = "in a variable or a dictionary, to be put out later"
    GIVEN = "to a macro or a function, or looked at"


# Where an expression's part is used otherwise than the whole.
USES = {
    (nodes.Output, "nodes"): Use.WRITTEN,
    (nodes.Assign, "node"): Use.KEPT,
    (nodes.Pair, "value"): Use.KEPT,
    (nodes.CondExpr, "test"): Use.GIVEN,
    (nodes.Call, "args"): Use.GIVEN,
    (nodes.Call, "kwargs"): Use.GIVEN,
    (nodes.Filter, "kwargs"): Use.GIVEN,
    (nodes.Test, "args"): Use.GIVEN,
}
# Names of files and codes that are compared; keys.
READ_BY_PROGRAMS = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport, nodes.Compare)
KEYS = ((nodes.Pair, "key"), (nodes.Getitem, "arg"))


def literals(node: nodes.Node, use: Use = Use.GIVEN) -> Iterator[tuple[str, Use]]:
    """The strings in a template's expressions, without those that are marked and those that only programs read."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value, use
    if isinstance(node, READ_BY_PROGRAMS):
        return
    for name, value in node.iter_fields():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, nodes.Node) and (type(node), name) not in KEYS and not is_marked(part, node):
                yield from literals(part, USES.get((type(node), name), use))


def is_marked(part: nodes.Node, node: nodes.Node) -> bool:
    """`part` is a sentence that `node` translates."""
    return isinstance(part, nodes.Const) and isinstance(node, nodes.Call) and getattr(node.node, "name", "") in MARKS


def strays_of_page(source: str) -> set[str]:
    """What a template says to people without a mark.

    What it puts out is read as part of the page, and there every word counts, because a page shows nothing else. For
    other literals nothing tells where they end up: they count if they look like words for people, and in a variable or
    a dictionary one small word alone counts too.
    """
    template = Environment(extensions=["jinja2.ext.i18n"]).parse(source)
    page = Words()
    for output in template.find_all(nodes.Output):
        for part in output.nodes:
            if isinstance(part, nodes.TemplateData):
                page.feed(part.data)
            else:
                written = [words for words, use in literals(part, Use.WRITTEN) if use is Use.WRITTEN]
                page.feed(f" {escape(' '.join(written))} ")
    page.close()
    shown = {word for text in page.found for word in WORD.findall(FORMAT.sub("", text))} - NAMES
    elsewhere = {
        words
        for words, use in literals(template)
        if use is not Use.WRITTEN and (looks_said(words) or (use is Use.KEPT and ONE_WORD.fullmatch(words)))
    }
    return shown | (elsewhere - TECHNICAL.keys())


@pytest.mark.parametrize(
    "path", sorted((ROOT / "templates").rglob("*.html")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_no_page_says_what_nobody_can_translate(path: Path) -> None:
    assert strays_of_page(path.read_text("utf-8")) == set()


@pytest.mark.parametrize(
    ("source", "strays"),
    [
        ('<p aria-label="Hello">{{ name }} {% trans %}marked{% endtrans %} {# no #} bare</p>', {"Hello", "bare"}),
        ('<p data-said="Added" data-id="added"></p>', {"Added"}),
        ('<p>{{ "Available" }}</p>', {"Available"}),
        ('<p>{{ "ringing" if rings else _("quiet") }}</p>', {"ringing"}),
        ('<p title="{{ peer or "nobody" }}">{{ peer|default("none") }}</p>', {"nobody", "none"}),
        ("<p>{{ {'idle': 'waiting'}[state] }}</p>", {"waiting"}),
        ('<p>{{ "waits %02d minutes"|format(minutes) }}</p>', {"waits", "minutes"}),
        ('{{ button("Save") }} {{ button(label="not now") }}', {"Save", "not now"}),
        ('{{ names|join(" and ") }}{{ wait(text="“Call”") }}', {"and", "“Call”"}),
        ('{% set word = "Call" %}{% set state = "waiting" %}', {"Call", "waiting"}),
        ('{% set words = {"warm": "warm", "Cold": _("cold"), "off": "hand-off"} %}', {"warm", "hand-off"}),
        ('{% for word in ["Call", _("Text")] %}{% endfor %}', {"Call"}),
        ('{% macro button(label="Send it") %}{% endmacro %}', {"Send it"}),
        ('{{ _("A call" if rings else "no call") }}', {"A call", "no call"}),
        ('{{ _("%(peer)s talks", peer="Nobody else") }}', {"Nobody else"}),
        ('{% trans peer="Nobody" %}{{ peer }} talks{% endtrans %}', {"Nobody"}),
    ],
)
def test_a_word_of_a_page_that_is_not_marked_is_found(source: str, strays: set[str]) -> None:
    assert strays_of_page(source) == strays


@pytest.mark.parametrize(
    "source",
    [
        "<p class=\"row{{ ' row-open' if open }}\" aria-pressed=\"{{ 'true' if open else 'false' }}\"></p>",
        '{% extends "A base.html" %}',
        '{% if request.method == "GET" or state in ("temporarily closed", "Gone") %}{% endif %}',
        "<a href=\"{{ url_for('lines.page', id=line.id) }}\">{{ values['Own words'] }}</a>",
        '{% set key = "day-" ~ number %}{{ field("name", type="tel") }}',
        '{{ at.strftime("%H:%M") }} {{ "%02d"|format(minutes) }} {{ names|join(", ") or "–" }}',
        '{{ ngettext("%(num)d call", "%(num)d calls", count) }} {{ _("A call") }}',
    ],
)
def test_what_only_the_program_reads_is_no_word_of_a_page(source: str) -> None:
    assert strays_of_page(source) == set()


def strays_of_script(source: str) -> list[str]:
    """What a script says to people without t(): literals that look like words, whatever is done with them.

    It is read with the lexer that `make words` reads scripts with, which knows no question mark.
    """
    tokens = list(tokenize(source, jsx=False))
    read = "".join(token.value for token in tokens)
    assert re.sub(r"[\s?]", "", read) == re.sub(r"[\s?]", "", source), "the lexer lost its way"
    tokens = [token for token in tokens if not token.type.endswith("comment")]
    strays = []
    for at, token in enumerate(tokens):
        marked = [before.value for before in tokens[max(at - 2, 0) : at]] == ["t", "("]
        if token.type == "template_string" and "${" in token.value:
            text = FILLED.sub("0", token.value)
            assert "${" not in text, f"too deep to be read, make it simpler: {token.value}"
            marked = False  # what is filled in before t() sees it is in no catalogue
            for inside in FILLED.findall(token.value):
                strays += strays_of_script(inside)
        elif token.type in ("string", "template_string"):
            text = token.value
        else:
            continue
        words = unquote_string(text)
        if looks_said(words) and not marked and words not in TECHNICAL:
            strays.append(words)
    return strays


@pytest.mark.parametrize("path", sorted((ROOT / "warmline/static").glob("*.js")), ids=lambda path: path.name)
def test_no_script_says_what_nobody_can_translate(path: Path) -> None:
    assert strays_of_script(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("source", "strays"),
    [
        ('say("Ringing"); // "Nothing"', ["Ringing"]),
        ("say(`Muted`);", ["Muted"]),
        ("say('it is not saved');", ["it is not saved"]),
        ('show(muted ? "Muted" : t("Connected"));', ["Muted"]),
        ('say(t("Ringing") + " and waiting on");', [" and waiting on"]),
        ('say("{count} waiting");', ["{count} waiting"]),
        ("say(`${count} waiting`);", ["0 waiting"]),
        ('say(`${muted ? "Muted" : ""}`);', ["Muted"]),
        ("t(`Saved ${time}`);", ["Saved 0"]),
        ('t(muted ? "Muted" : "");', ["Muted"]),
        ('words.replace(/["\']/g, "Quote"); a = b / 2; say("Half");', ["Quote", "Half"]),
    ],
)
def test_a_word_of_a_script_that_is_not_marked_is_found(source: str, strays: list[str]) -> None:
    assert strays_of_script(source) == strays


@pytest.mark.parametrize(
    "source",
    [
        't("Ringing"); t(`Muted`);',
        'page.querySelector("[data-call] button, #call-title");',
        'page.querySelector("time[data-since], time[data-until]");',
        "document.getElementById(`notice-${name}`).title = `● ${words}`;",
        'import { t } from "./words.js"; state("logged-out");',
    ],
)
def test_what_only_the_program_reads_is_no_word_of_a_script(source: str) -> None:
    assert strays_of_script(source) == []


def test_what_is_technical_is_still_there() -> None:
    files = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "warmline/static").glob("*.js")]
    everything = "".join(path.read_text("utf-8") for path in files)
    assert [words for words in TECHNICAL if f'"{words}"' not in everything and f"'{words}'" not in everything] == []


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
    peer.log_out()
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
