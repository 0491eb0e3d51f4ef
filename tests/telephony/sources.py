"""What Twilio publishes about itself, as package-lock.json names it and scripts/assets.py fetches it."""

from pathlib import Path

FOLDER = Path(__file__).with_name("published")


def read(name: str) -> str:
    """One file of it; FileNotFoundError that says how to get it."""
    path = FOLDER / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: make tests/telephony/published/manifest.json fetches it")
    return path.read_text()
