"""What the product is told from outside: environment variables, typed, checked once, in one place."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class SettingsError(Exception):
    """A variable is missing or malformed; the message is one sentence that names it."""


def _origin(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in {"http", "https"} or not url.hostname or "@" in url.netloc:
        raise ValueError("neither http nor https, or no host, or a user")
    if url.port == 0 or value != f"{url.scheme}://{url.netloc}":
        raise ValueError("something after the host and port")
    return value


def _fernet_key(value: SecretStr) -> SecretStr:
    Fernet(value.get_secret_value())
    return value


def _begins(*schemes: str) -> AfterValidator:
    def check(value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(schemes):
            raise ValueError("another kind of address")
        return value

    return AfterValidator(check)


def _sid(prefix: str) -> Any:
    return Field(pattern=f"^{prefix}[0-9a-fA-F]{{32}}$", description=f"{prefix} followed by 32 hexadecimal digits")


Origin = Annotated[str, AfterValidator(_origin)]
Port = Annotated[int, Field(ge=1, le=65535, description="a port from 1 to 65535")]
Secret = Annotated[SecretStr, Field(min_length=1)]
Key = Annotated[SecretStr, Field(min_length=32, description="a random text of at least 32 characters")]
DatabaseUrl = Annotated[SecretStr, _begins("sqlite:///", "postgresql://", "postgresql+psycopg://", "postgres://")]
RedisUrl = Annotated[SecretStr, _begins("redis://", "rediss://")]
FernetKeys = Annotated[
    tuple[Annotated[SecretStr, AfterValidator(_fernet_key)], ...],
    NoDecode,
    BeforeValidator(lambda value: value.split(",") if isinstance(value, str) else value),
    Field(min_length=1),
]


class Settings(BaseSettings):
    """The settings of one process; a field is the variable of the same name in capitals.

    A field's description completes the sentence "NAME must be …", which is all that an operator gets to read.
    """

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, hide_input_in_errors=True)

    port: Port = 5000
    bind_host: str = "127.0.0.1"
    public_base_url: Origin = Field(
        description="where Twilio and people reach us, such as https://line.example.org, with nothing after it"
    )
    proxies: int = Field(0, ge=0, description="the number of trusted reverse proxies in front of us")
    web_concurrency: int = Field(1, ge=1, description="the number of web processes, at least 1")

    data_dir: Annotated[Path, AfterValidator(Path.absolute)] = Path("var").absolute()
    database_url: DatabaseUrl = Field(
        default_factory=lambda data: SecretStr(f"sqlite:///{data['data_dir'] / 'warmline.db'}"),
        description="an address such as postgresql://user:password@host/database or sqlite:////var/lib/warmline.db",
    )
    redis_url: RedisUrl | None = Field(None, description="an address such as redis://host:6379/0")

    secret_key: Key
    index_key: Key
    field_keys: FernetKeys = Field(
        description="Fernet keys separated by commas: the first one encrypts, each of them decrypts"
    )

    twilio_account_sid: str = _sid("AC")
    twilio_auth_token: Secret = Field(description="the auth token of the Twilio account")
    twilio_api_key_sid: str = _sid("SK")
    twilio_api_key_secret: Secret = Field(description="the secret of the Twilio API key")
    twilio_twiml_app_sid: str = _sid("AP")
    twilio_api_base_url: Origin | None = Field(
        None, description="what replaces https://api.twilio.com, such as http://127.0.0.1:5001, with nothing after it"
    )
    fallback_number: str | None = Field(
        None,
        pattern=r"^\+[1-9][0-9]{6,14}$",
        description="a number such as +14045550199 that callers are told while we cannot serve them",
    )

    simulator: bool = Field(True, description="on or off")
    simulator_port: Port = 5001
    demo_password: Secret | None = None
    log_format: Literal["json", "text"] = Field("json", description="json or text")

    @model_validator(mode="after")
    def _one_process_without_redis(self) -> Self:
        # Pushes from one process to the sockets of another travel through Redis, and SQLite has one writer.
        if self.web_concurrency > 1 and not self.clock_apart:
            raise ValueError("WEB_CONCURRENCY must be 1 unless DATABASE_URL names PostgreSQL and REDIS_URL is set")
        return self

    @property
    def clock_apart(self) -> bool:
        """Whether the clock is a process of its own: with PostgreSQL and Redis. Else the web process drives it."""
        sqlite = self.database_url.get_secret_value().startswith("sqlite:")
        return not sqlite and self.redis_url is not None

    @property
    def https(self) -> bool:
        return self.public_base_url.startswith("https:")

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read the environment; what is `given` goes before it. SettingsError in one sentence if that fails."""
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError("; ".join(_complaints(error)) + ".") from None

    @classmethod
    def load_or_exit(cls) -> Self:
        """As load(), for whatever starts a process: it ends with that sentence and status 2."""
        try:
            return cls.load()
        except SettingsError as error:
            print(error, file=sys.stderr)
            raise SystemExit(2) from None


def _complaints(error: ValidationError) -> list[str]:
    """What is wrong with each variable, once, without its value: it may be a secret."""
    complaints = {}
    for detail in error.errors(include_input=False, include_url=False):
        if detail["type"] == "default_factory_not_called":
            continue  # only because another field is wrong
        if not detail["loc"]:
            return [str(detail["ctx"]["error"])]
        name = str(detail["loc"][0])
        wish = f"must be {Settings.model_fields[name].description}"
        complaints[name] = f"is not set: it {wish}" if detail["type"] == "missing" else wish
    return [f"{name.upper()} {complaint}" for name, complaint in complaints.items()]
