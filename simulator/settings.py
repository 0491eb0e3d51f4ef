"""What the simulator is told from outside: environment variables, read once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

E164 = re.compile(r"\+[1-9]\d{6,14}")


class SettingsError(ValueError):
    """A variable is missing or malformed; the message is one sentence that names it."""


@dataclass(frozen=True)
class Settings:
    """Who the customer is, where the product listens, which numbers it owns."""

    base_url: str
    account_sid: str
    auth_token: str
    api_key_sid: str
    api_key_secret: str
    twiml_app_sid: str
    numbers: dict[str, str]
    port: int = 5001
    speed: float = 1.0
    script: bool = True
    overrides: str = ""
    origins: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables; raise SettingsError for the first that is missing or malformed."""

        def need(name: str) -> str:
            value = environment.get(name, "").strip()
            if not value:
                raise SettingsError(f"{name} is missing: the simulator cannot start without it.")
            return value

        def number(name: str, default: float) -> float:
            try:
                return float(environment.get(name, default))
            except ValueError:
                raise SettingsError(f"{name} must be a number.") from None

        base_url = need("PUBLIC_BASE_URL").rstrip("/")
        if not re.fullmatch(r"https?://[^/?#\s]+", base_url):
            raise SettingsError("PUBLIC_BASE_URL must be an origin such as http://127.0.0.1:5000.")
        speed = number("SIMULATOR_SPEED", 1.0)
        if speed <= 0:
            raise SettingsError("SIMULATOR_SPEED must be greater than zero.")
        return cls(
            base_url=base_url,
            account_sid=need("TWILIO_ACCOUNT_SID"),
            auth_token=need("TWILIO_AUTH_TOKEN"),
            api_key_sid=need("TWILIO_API_KEY_SID"),
            api_key_secret=need("TWILIO_API_KEY_SECRET"),
            twiml_app_sid=need("TWILIO_TWIML_APP_SID"),
            numbers=_numbers(need("SIMULATOR_NUMBERS")),
            port=int(number("SIMULATOR_PORT", 5001)),
            speed=speed,
            script=environment.get("SIMULATOR_SCRIPT", "on").lower() != "off",
            overrides=environment.get("SIMULATOR_OVERRIDES", "").lstrip("#"),
            origins=_twins(base_url),
        )


def _numbers(text: str) -> dict[str, str]:
    """Parse `+14045550101=Georgia,+13125550102=Illinois` into {number: label}."""
    numbers = {}
    for entry in text.split(","):
        number, _, label = entry.strip().partition("=")
        if not E164.fullmatch(number):
            raise SettingsError(f"SIMULATOR_NUMBERS has {number!r}, which is not a number like +14045550101.")
        numbers[number] = label.strip() or number
    return numbers


def _twins(origin: str) -> frozenset[str]:
    """A page opened as localhost or as 127.0.0.1 is the same page to a person, but not to a browser."""
    twin = {"//localhost": "//127.0.0.1", "//127.0.0.1": "//localhost"}
    also = {
        origin.replace(name, other) for name, other in twin.items() if re.search(re.escape(name) + r"(:|$)", origin)
    }
    return frozenset({origin, *also})
