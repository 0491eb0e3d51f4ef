"""The prompt catalogues: one TOML file a language."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


@cache
def load() -> dict[str, dict[str, Any]]:
    """Every catalogue by its language code; ValueError if one lacks a sentence that another has."""
    catalogues = {
        path.stem: tomllib.loads(path.read_text("utf-8")) for path in sorted(Path(__file__).parent.glob("*.toml"))
    }
    every = set().union(*catalogues.values())
    for language, catalogue in catalogues.items():
        if missing := every - set(catalogue):
            raise ValueError(f"config/prompts/{language}.toml lacks {', '.join(sorted(missing))}")
    return catalogues
