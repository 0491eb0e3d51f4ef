"""docs/contract.md says what the code does."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from config.settings import Settings
from routing.states import Activity, ContactState, PeerStatus
from warmline.app import ROOT
from warmline.models import Channel, Disposition, Reason, ResourceKind

CONTRACT = (ROOT / "docs/contract.md").read_text()


def section(title: str) -> str:
    return CONTRACT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def codes(text: str) -> list[str]:
    return re.findall(r"`([a-z_]+)`", text)


def row(name: str) -> list[str]:
    """The codes in the row of the table of codes that begins so."""
    (found,) = (line for line in section("Codes").splitlines() if line.startswith(f"| {name}"))
    return codes(found)


def raised() -> Iterator[str]:
    """The codes with which the verbs refuse."""
    for path in Path(ROOT, "warmline/contacts").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                for keyword in node.keywords:
                    if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                        yield str(keyword.value.value)


def test_the_environment_is_the_settings() -> None:
    table = re.findall(r"^\| `([A-Z_]+)` \|", section("Environment"), re.MULTILINE)
    assert sorted(table) == sorted(name.upper() for name in Settings.model_fields)


@pytest.mark.parametrize(
    ("name", "enum"),
    [
        ("channel", Channel),
        ("state of a contact", ContactState),
        ("status of a peer", PeerStatus),
        ("activity of a peer", Activity),
        ("disposition", Disposition),
        ("reason", Reason),
        ("kind of a service", ResourceKind),
    ],
)
def test_codes_are_the_enums(name: str, enum: type[Channel]) -> None:
    assert row(name) == [member.value for member in enum]


def test_every_refusal_is_named() -> None:
    assert set(raised()) <= set(codes(section("Errors")))


@pytest.mark.parametrize("title", ["Twilio calls us", "People: pages and forms", "Health"])
def test_every_address_is_there(app: Flask, title: str) -> None:
    addresses = app.url_map.bind("localhost")
    named = re.findall(r"`(GET|POST)? ?(/(?!socket)[a-z/<>]*)`", section(title))
    assert named
    for method, path in named:
        if path != "/twilio/":
            addresses.match(path.replace("<id>", "0"), method=method or "POST")
