"""What is tried in every run of the tests, of kinds of which `make thorough` tries all."""

from zlib import crc32

import pytest


def is_one_in(many: int, name: str) -> bool:
    """True for so large a share of all names, always for the same."""
    return crc32(name.encode()) % many == 0


def thorough_unless(always: bool) -> tuple[pytest.MarkDecorator, ...]:
    """The marks of a parameter that is tried always, or else in `make thorough` only."""
    return () if always else (pytest.mark.thorough,)
