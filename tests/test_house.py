"""The repository keeps its own rules."""

import ast
import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ["requirements.txt", "requirements-dev.txt", "scripts/requirements-node.txt"]

# What a pure decision must not reach for: the time, chance, the process and its surroundings.
IMPURE = {
    "time",
    "random",
    "secrets",
    "uuid",
    "os",
    "sys",
    "io",
    "pathlib",
    "socket",
    "subprocess",
    "threading",
}

# A telephone number as people and machines write it in the United States.
PHONE_NUMBER = re.compile(
    r"""(?<![\w.-])
    (?: (?:\+|%2B)1[ .-]?\(?(\d{3})\)?[ .-]?(\d{3})[ .-]?(\d{4})
      | \(?([2-9]\d\d)\)?[ .-]([2-9]\d\d)[.-](\d{4}) )
    (?![\w-])""",
    re.VERBOSE,
)
# Twilio's documentation computes its example of a signature over these.
SIGNED_EXAMPLE = {"+14158675309", "+14158675310", "+18005551212"}


def files() -> list[str]:
    """What is or would be committed: the files that git tracks, and the new ones that it does not ignore."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listing, cwd=ROOT, text=True).split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


def imports(path: Path) -> set[str]:
    """The modules that a Python file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module))
    return found


def test_everything_is_where_the_readme_says():
    packages = {"bench", "config", "migrations", "routing", "simulator", "templates", "tests", "warmline"}
    papers = {"LICENSE", "Makefile", "Procfile", "README.md", "requirements.txt"}
    assert packages | papers <= {path.name for path in ROOT.iterdir()}


def test_routing_is_pure():
    modules = list(ROOT.glob("routing/**/*.py"))
    assert modules
    for module in modules:
        roots = {name.partition(".")[0] for name in imports(module)} - {"routing"}
        assert roots <= sys.stdlib_module_names - IMPURE, module


def test_imports_go_downward():
    lint = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    result = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_nothing_generated_is_committed():
    folders = r"^(\.venv|var|warmline/static/vendor|tests/telephony/published)/|(^|/)(node_modules|__pycache__)/"
    kinds = r"\.(pyc|db|sqlite3?)$"
    assert not [name for name in files() if re.search(f"{folders}|{kinds}", name)]


@pytest.mark.parametrize("lock", LOCKS)
def test_python_locks_pin_and_hash_everything_and_name_no_host(lock: str):
    text = (ROOT / lock).read_text()
    assert "://" not in text
    requirements = re.split(r"\n(?=\S)", text.rstrip())
    requirements = [requirement for requirement in requirements if not requirement.startswith("#")]
    assert requirements
    for requirement in requirements:
        assert re.match(r"[\w.-]+(\[[\w,]+\])?==\S+", requirement)
        assert "--hash=sha256:" in requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_python_locks_hold_what_was_asked_for(lock: str):
    def names(text: str) -> set[str]:
        return {name.lower().replace("_", "-") for name in re.findall(r"^[A-Za-z][\w.-]*", text, re.MULTILINE)}

    wanted = names((ROOT / lock).with_suffix(".in").read_text())
    assert wanted
    assert wanted <= names((ROOT / lock).read_text())


def test_npm_lock_records_hashes_and_no_download_address():
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    asked = json.loads((ROOT / "package.json").read_text())
    locked = packages.pop("")
    for name, package in packages.items():
        assert "integrity" in package, name
        assert "resolved" not in package, name
    for kind in ("dependencies", "devDependencies"):
        assert locked[kind] == asked[kind]
        for name, version in asked[kind].items():
            assert packages[f"node_modules/{name}"]["version"] == version


@pytest.mark.parametrize("name", ["warmline/static/vendor", "tests/telephony/published"])
def test_fetched_files_are_those_of_the_lock(name: str):
    folder = ROOT / name
    manifest = json.loads((folder / "manifest.json").read_text())
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert set(manifest) | {"manifest.json"} == {path.name for path in folder.iterdir()}
    for file, asset in manifest.items():
        digest = hashlib.sha384((folder / file).read_bytes()).digest()
        assert asset["integrity"] == f"sha384-{base64.b64encode(digest).decode()}"
        assert asset["version"] == packages[f"node_modules/{asset['package']}"]["version"]


def real_looking_numbers(text: str) -> list[str]:
    """The United States numbers in a text that are not set apart for fiction: NXX 555-01XX."""
    found = []
    for match in PHONE_NUMBER.finditer(text):
        _, exchange, subscriber = filter(None, match.groups())
        if not (exchange == "555" and subscriber.startswith("01")):
            found.append(match.group())
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call +14155552671 now", ["+14155552671"]),
        ("(415) 555-2671", ["(415) 555-2671"]),
        ("415-867-2671.", ["415-867-2671"]),
        ("From=%2B14155552671&To=", ["%2B14155552671"]),
        ("+14045550101, (404) 555-0101, +1 404-555-0199", []),
        ("+266696687, 2026-11-22, 127.0.0.1, 1763779200, 988", []),
    ],
)
def test_real_looking_numbers_are_found(text: str, found: list[str]):
    assert real_looking_numbers(text) == found


def test_every_telephone_number_is_fictional():
    source = {".css", ".html", ".js", ".json", ".md", ".py", ".toml"}
    itself = "tests/test_house.py"
    names = {name for name in files() if Path(name).suffix in source}
    assert itself in names
    for name in names - {itself}:
        allowed = SIGNED_EXAMPLE if "signature" in Path(name).name else set()
        assert set(real_looking_numbers((ROOT / name).read_text())) <= allowed, name
