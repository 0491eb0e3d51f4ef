"""What the papers say is so: state tables, files, functions, commands, variables, decisions."""

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

import pytest

from config.settings import Settings
from routing import states
from routing.eligibility import EVERY_REFUSAL
from routing.facts import TIMES
from routing.states import (
    Activity,
    ContactState,
    EngagementState,
    LegState,
    MessageState,
    OfferState,
    PeerStatus,
    RequestState,
    SurveyState,
)
from tests.test_house import files
from warmline import cli
from warmline.people import demo

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAPERS = [name for name in files() if name.endswith(".md")]

# The README's heading of each enum's table; the transitions, where it has any.
TABLES: Mapping[str, tuple[type[StrEnum], Mapping[tuple[StrEnum, str], StrEnum]]] = {
    "Contact": (ContactState, states.CONTACT),
    "Engagement": (EngagementState, states.ENGAGEMENT),
    "Offer": (OfferState, states.OFFER),
    "Leg": (LegState, states.LEG),
    "Message": (MessageState, states.MESSAGE),
    "Request": (RequestState, states.REQUEST),
    "Survey": (SurveyState, states.SURVEY),
    "Peer's status": (PeerStatus, {}),
    "Peer's activity": (Activity, {}),
}

# Beside the root, files are named as one sees them from here.
SHELVES = [
    ROOT / name for name in ("", "config", "routing", "tests", "warmline/contacts", "warmline/models", "warmline/web")
]
FILE = re.compile(
    r"`([\w.-]*(?:/[\w.-]+)*(?:\.(?:py|md|js|css|html|toml|txt|in|json|ini|cfg|yml|sh)|/)|Procfile|Makefile)`"
)
FUNCTION = re.compile(r"`(\w+)\.(\w+)\(")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its rank or above."""
    begin = re.search(rf"^(#+) {re.escape(heading)}\n", text, re.MULTILINE)
    assert begin, f"no heading {heading!r}"
    end = re.compile(rf"^#{{1,{len(begin[1])}}} ", re.MULTILINE).search(text, begin.end())
    return text[begin.end() : end.start() if end else None]


def rows(text: str) -> Iterator[list[str]]:
    """The rows of the tables in a text that begin with a code, as their cells."""
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split(" |")]


def anchors(paper: Path) -> set[str]:
    """The anchors that a Markdown file's headings get: lower case, dashes, no signs."""
    headings = re.findall(r"^#+ (.+)$", paper.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_state_machine_has_its_table_and_no_other():
    assert re.findall(r"^### (.+)$", section(README, "States"), re.MULTILINE) == list(TABLES)


@pytest.mark.parametrize("heading", TABLES)
def test_tables_of_states_are_those_of_the_code(heading: str):
    enum, table = TABLES[heading]
    printed = list(rows(section(README, heading)))
    assert [row[0] for row in printed] == [f"`{state}`" for state in enum], "every state once, in the code's order"
    assert all(row[1] for row in printed), "each says what it means"
    transitions = {
        (row[0].strip("`"), event, after)
        for row in printed
        for event, after in re.findall(r"`(\w+)` → `(\w+)`", " ".join(row[2:]))
    }
    assert transitions == {(str(state), event, str(after)) for (state, event), after in table.items()}


def test_nothing_but_transitions_stands_in_their_column():
    for heading in TABLES:
        for row in rows(section(README, heading)):
            assert not re.sub(r"`\w+` → `\w+`(, )?", "", " ".join(row[2:]))


def test_every_refusal_is_explained_to_people():
    asked = section(README, "Why was I not asked?")
    printed = list(rows(asked))
    assert [row[0] for row in printed] == [f"`{refusal.code}`" for refusal in EVERY_REFUSAL], (
        "once, in the code's order"
    )
    assert all(len(row) == 3 and all(row) for row in printed), "what it means, and what one can do"
    assert f"in the last {TIMES.presence.seconds} seconds" in asked
    assert TIMES.breath.seconds == 5
    assert "after five seconds" in asked


@pytest.mark.parametrize("paper", PAPERS)
def test_local_links_lead_somewhere(paper: str):
    for link in LINK.findall((ROOT / paper).read_text()):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / paper).parent / name if name else ROOT / paper
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("paper", ["README.md", "CONTRIBUTING.md", *(name for name in PAPERS if "docs/adr/" in name)])
def test_files_that_are_named_exist(paper: str):
    for name in FILE.findall((ROOT / paper).read_text()):
        assert any((shelf / name).exists() for shelf in SHELVES), name


def test_functions_that_are_named_exist():
    named = FUNCTION.findall(README)
    assert len(named) > 20
    for module, function in named:
        homes = [ROOT / name for name in files() if Path(name).stem == module and not name.startswith("tests/")]
        assert homes, module
        assert any(function in functions(home) for home in homes), f"{module}.{function}"


def functions(home: Path) -> set[str]:
    if home.suffix == ".js":
        return set(re.findall(r"function (\w+)", home.read_text()))
    if home.suffix != ".py":
        return set()
    return {node.name for node in ast.parse(home.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_no_room_is_left_out():
    named = set(re.findall(r"`([^`]+)`", section(README, "Where things are")))
    there = [path.parts for path in map(Path, files()) if not path.name.startswith("__")]
    folders = {f"{top}/" for top, *rest in there if rest and not top.startswith(".") and top != "warmline"}
    inside = [parts[1:] for parts in there if parts[0] == "warmline"]
    product = {f"warmline/{part}{'/' if rest else ''}" for part, *rest in inside}
    stages = {parts[-1] for parts in there if parts[:-1] in {("routing",), ("warmline", "contacts")}}
    assert min(len(folders), len(product), len(stages)) > 5
    assert not (folders | product | stages) - named


def test_the_pictures_of_the_tour_are_those_that_the_evening_takes():
    shown = re.findall(r"!\[[^\]]+\]\((docs/tour/[\w-]+\.png)\)", section(README, "A tour of ten minutes"))
    taken = re.findall(r'picture\(\w+(?:\.page)?, "([\w-]+)"', (ROOT / "tests/e2e/test_evening.py").read_text())
    assert shown == [f"docs/tour/{name}.png" for name in taken]
    assert {path.name for path in (ROOT / "docs/tour").iterdir()} == {f"{name}.png" for name in taken}
    for path in shown:
        assert (ROOT / path).read_bytes().startswith(b"\x89PNG")


def test_people_numbers_and_times_of_the_tour_are_those_of_the_demo():
    people = {person.email: person.name for place in demo.ORGANIZATIONS for person in place.people}
    numbers = {line.number: line.name for place in demo.ORGANIZATIONS for line in place.lines}
    tour = section(README, "A tour of ten minutes")
    assert set(re.findall(r"\w+@example\.org", tour)) <= set(people)
    assert set(re.findall(r"\+\d+", tour)) <= set(numbers)
    assert f"the {numbers['+14045550101']} line (+14045550101)" in tour
    assert f"that {people['peer1@example.org']} is talking" in tour
    assert f"within {TIMES.ring.seconds} seconds" in tour
    walk = " ".join(section(README, "One call through the house").split())
    assert f"has {TIMES.connect.seconds} seconds" in walk
    assert f"gives the peer {TIMES.wrap_up.seconds} seconds" in walk
    assert f"in the last {TIMES.presence.seconds} seconds" in section(README, "Words")


def test_make_lists_its_commands_in_straight_columns():
    listed = subprocess.check_output(["make", "--no-print-directory", "help"], cwd=ROOT, text=True).splitlines()
    assert {re.match(r"  make [a-z]+ +", line).end() for line in listed} == {len("  make pictures ")}


def test_commands_that_are_named_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for paper in PAPERS:
        text = (ROOT / paper).read_text()
        assert set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)) <= targets, paper
        assert set(re.findall(r"python -m warmline\.cli ([a-z-]+)", text)) <= set(cli.main.commands), paper


def test_the_environment_of_the_contract_is_that_of_the_settings():
    contract = section((ROOT / "docs/contract.md").read_text(), "Environment")
    named = [row[0].strip("`") for row in rows(contract)]
    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)


def test_every_variable_that_is_named_is_a_setting():
    known = {name.upper() for name in Settings.model_fields}
    for paper in ["README.md", *(name for name in PAPERS if "docs/adr/" in name)]:
        named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", (ROOT / paper).read_text()))
        assert named <= known, paper


def test_decisions_are_numbered_and_listed():
    decisions = sorted(path.name for path in (ROOT / "docs/adr").glob("*.md"))
    listed = section(README, "Why it is built this way")
    for number, name in enumerate(decisions, start=1):
        text = (ROOT / "docs/adr" / name).read_text()
        title = re.match(rf"# {number}\. (.+)\n", text)
        assert name.startswith(f"{number:04}-")
        assert title, name
        assert f"{number}. [{title[1]}](docs/adr/{name})" in listed
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert len(re.findall(r"docs/adr/", listed)) == len(decisions)
