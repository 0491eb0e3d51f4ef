"""A missing or malformed setting stops the start with one sentence that names it."""

import os
import subprocess
import sys

import pytest

from config.settings import Settings, SettingsError
from tests.cast import ENVIRONMENT, settings
from warmline.app import ROOT

SQLITE = "sqlite:////tmp/warmline.db"
POSTGRES = "postgresql://warmline@127.0.0.1/warmline"
REQUIRED = [
    "PUBLIC_BASE_URL", "SECRET_KEY", "INDEX_KEY", "FIELD_KEYS", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN",
    "TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET", "TWILIO_TWIML_APP_SID",
]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("name", REQUIRED)
def test_what_is_missing_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other, value in ENVIRONMENT.items():
        monkeypatch.setenv(other, "" if other == name else value)  # an empty one is a missing one
    with pytest.raises(SettingsError, match=f"^{name} is not set: it must be .+[.]$"):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("SIMULATOR", "perhaps"),
        ("PUBLIC_BASE_URL", "line.example.org"),
        ("PUBLIC_BASE_URL", "ftp://line.example.org"),
        ("PUBLIC_BASE_URL", "https://line.example.org/"),
        ("PUBLIC_BASE_URL", "https://line.example.org/warm"),
        ("PUBLIC_BASE_URL", "https://line.example.org?warm"),
        ("PUBLIC_BASE_URL", "https://user@line.example.org"),
        ("PUBLIC_BASE_URL", "https://line.example.org:99999"),
        ("TWILIO_API_BASE_URL", "http://127.0.0.1:5001/2010"),
        ("TWILIO_ACCOUNT_SID", "AC123"),
        ("TWILIO_ACCOUNT_SID", "SK" + "1" * 32),
        ("TWILIO_API_KEY_SID", "SK" + "x" * 32),
        ("TWILIO_TWIML_APP_SID", "AP" + "1" * 33),
        ("SECRET_KEY", "short"),
        ("INDEX_KEY", "x" * 31),
        ("FIELD_KEYS", "not a key"),
        ("FIELD_KEYS", ENVIRONMENT["FIELD_KEYS"] + ",second"),
        ("DATABASE_URL", "mysql://127.0.0.1/warmline"),
        ("DATABASE_URL", "sqlite://"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("WEB_CONCURRENCY", "0"),
        ("FALLBACK_NUMBER", "404 555 0199"),
    ],
)
def test_what_is_malformed_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(SQLITE, **{name: value})
    assert str(refused.value).startswith(f"{name} must be ")
    assert str(refused.value).endswith(".")


def test_all_that_is_wrong_is_one_sentence() -> None:
    with pytest.raises(SettingsError) as refused:
        settings(SQLITE, PORT="x", SECRET_KEY="x", DATABASE_URL="")
    assert str(refused.value) == (
        "PORT must be a port from 1 to 65535; SECRET_KEY must be a random text of at least 32 characters."
    )


def test_secrets_never_show() -> None:
    with pytest.raises(SettingsError) as refused:
        settings("mysql://warmline:pass-word@127.0.0.1", SECRET_KEY="pass-word", FIELD_KEYS="pass-word")
    assert "pass-word" not in str(refused.value)
    shown = repr(
        settings("postgresql://warmline:pass-word@127.0.0.1/warmline", REDIS_URL="redis://:pass-word@127.0.0.1")
    )
    for name in ("SECRET_KEY", "INDEX_KEY", "FIELD_KEYS", "TWILIO_AUTH_TOKEN", "TWILIO_API_KEY_SECRET"):
        assert ENVIRONMENT[name] not in shown
    assert "pass-word" not in shown


def test_without_a_database_url_the_data_folder_holds_a_file() -> None:
    url = settings("", DATA_DIR="/srv/warmline").database_url.get_secret_value()
    assert url == "sqlite:////srv/warmline/warmline.db"


@pytest.mark.parametrize(("url", "redis"), [(SQLITE, ""), (POSTGRES, ""), (SQLITE, "redis://127.0.0.1")])
def test_several_web_processes_need_postgresql_and_redis(url: str, redis: str) -> None:
    assert not settings(url, REDIS_URL=redis).clock_apart
    with pytest.raises(SettingsError, match=r"^WEB_CONCURRENCY must be 1 unless"):
        settings(url, REDIS_URL=redis, WEB_CONCURRENCY="2")


def test_with_postgresql_and_redis_the_clock_is_a_process_of_its_own() -> None:
    assert settings(POSTGRES, REDIS_URL="redis://127.0.0.1", WEB_CONCURRENCY="2").clock_apart


@pytest.mark.parametrize(
    "command", [["gunicorn", "--config", "config/gunicorn.py"], ["warmline.cli", "migrate"], ["warmline.cli", "clock"]]
)
def test_every_process_stops_with_one_sentence(command: list[str]) -> None:
    environment = {"PATH": os.defpath} | ENVIRONMENT | {"TWILIO_AUTH_TOKEN": ""}
    ended = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert ended.stderr == "TWILIO_AUTH_TOKEN is not set: it must be the auth token of the Twilio account.\n"
