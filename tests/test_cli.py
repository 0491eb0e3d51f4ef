"""The commands, each in its own words."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.cast import ENVIRONMENT, PASSWORD, QUICK, database_url, postgres_template, sqlite_template
from tests.servers import Redis, free_port
from tests.simulator.world import ACCOUNT, TOKEN, start_simulator
from warmline import cli, clock, db
from warmline.models import Role
from warmline.people import accounts

__all__ = ["database_url", "postgres_template", "sqlite_template"]


class Operator:
    """Somebody at a terminal."""

    def __init__(self, url: str) -> None:
        self.environment: dict[str, str | None] = {**ENVIRONMENT, "DATABASE_URL": url}

    def types(self, *command: str, answers: str = "", **environment: str) -> Result:
        return CliRunner().invoke(cli.main, command, input=answers, env=self.environment | environment)


@pytest.fixture
def operator(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    monkeypatch.setattr(accounts, "hasher", QUICK)
    yield Operator(database_url)
    db.bound().dispose()


def test_an_empty_database_becomes_a_product(tmp_path: Path) -> None:
    operator = Operator(f"sqlite:///{tmp_path / 'new.db'}")
    assert "NOT OK: it is at nothing, the code needs" in operator.types("doctor").output
    for _ in range(2):
        assert operator.types("migrate").exit_code == 0
        assert operator.types("demo", DEMO_PASSWORD=PASSWORD).exit_code == 0
    assert accounts.log_in("peer1@example.org", PASSWORD, clock.now())
    assert "schema     ok" in operator.types("doctor").output


def test_the_demo_needs_its_password(operator: Operator) -> None:
    refused = operator.types("demo", DEMO_PASSWORD="")
    assert refused.exit_code == 1
    assert "DEMO_PASSWORD is not set" in str(refused.exception)


def test_an_administrator_is_made_once(operator: Operator) -> None:
    command = ("create-admin", "ada@example.org", "--name", "Ada", "--organization", "Meadow Line")
    assert operator.types(*command, answers="a long password\na long password\n").exit_code == 0
    token = accounts.log_in("ada@example.org", "a long password", clock.now())
    assert token
    login = accounts.find(token, clock.now())
    assert login
    assert login.account.role is Role.ADMIN
    again = operator.types(*command, answers="another one\nanother one\n")
    assert (again.exit_code, str(again.exception)) == (1, "There is an account with that address already.")


def test_the_doctor_finds_nothing_wrong(operator: Operator, redis_server: Redis) -> None:
    report = operator.types("doctor", REDIS_URL=redis_server.url).output
    for part in ("settings", "database", "schema", "keys", "Redis"):
        assert f"{part:10} ok" in report


def test_the_doctor_names_what_is_wrong_and_what_to_do(operator: Operator) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    report = operator.types(
        "doctor",
        DATABASE_URL=f"postgresql://{nowhere}/warmline",
        REDIS_URL=f"redis://{nowhere}",
        TWILIO_API_BASE_URL=f"http://{nowhere}",
    )
    assert report.exit_code == 1
    assert report.output.count("NOT OK") == 5
    assert "is DATABASE_URL right?" in report.output
    assert "is REDIS_URL right?" in report.output
    assert f"http://{nowhere} does not answer" in report.output


def test_the_doctor_asks_the_phone_company_whether_it_knows_us(operator: Operator) -> None:
    process, url = start_simulator("https://warmline.example.org")
    known = {"TWILIO_API_BASE_URL": url, "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN}
    assert f"Twilio     ok: {url} answers" in operator.types("doctor", **known).output
    report = operator.types("doctor", **known | {"TWILIO_AUTH_TOKEN": "another"}).output
    assert "Twilio     NOT OK" in report
    assert "does not know these TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN" in report
    process.terminate()
    process.wait(5)


def test_the_doctor_names_a_missing_setting(operator: Operator) -> None:
    report = operator.types("doctor", INDEX_KEY="")
    assert report.exit_code == 1
    assert "INDEX_KEY is not set" in str(report.exception)
