"""The commands, each in its own words."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select
from sqlalchemy.orm import Session

from routing.estimates import Load, Target, erlang_a, peers_needed
from routing.states import ContactState, EngagementState, OfferState
from tests.cast import ENVIRONMENT, PASSWORD, QUICK, database_url, postgres_template, settings, sqlite_template
from tests.servers import Redis, free_port
from tests.simulator.world import ACCOUNT, TOKEN, start_simulator
from warmline import cli, clock, db
from warmline.app import ROOT, create_app
from warmline.models import Channel, Contact, Engagement, Line, Offer, Role, Shift
from warmline.people import accounts
from warmline.reports import past

__all__ = ["database_url", "postgres_template", "sqlite_template"]


GEORGIA = "+14045550101"


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


def test_a_line_with_a_past_is_told_which_peers_it_needs(operator: Operator) -> None:
    operator.types("doctor")  # binds the database
    line = past.line_at(GEORGIA)
    assert line
    assert "there is nothing to reckon with yet" in operator.types("staffing", GEORGIA).output
    yesterday = clock.now().astimezone(ZoneInfo(line.time_zone)).replace(hour=0, minute=0) - timedelta(days=1)
    with db.transaction() as session:
        peer_id = session.scalars(select(Shift.peer_id).where(Shift.line_id == line.id)).first()
        assert peer_id
        session.add(Shift(peer_id=peer_id, line_id=line.id, starts_at=yesterday, ends_at=yesterday + timedelta(days=1)))
        for number in range(20):
            at = yesterday + timedelta(hours=10, minutes=2 * number)
            _lived_through(session, line, peer_id, at, answered=number % 2 == 0)
    table = operator.types("staffing", GEORGIA, "--weeks", "1", "--share", "90", "--lost", "5").output
    assert "Georgia, " in table
    assert "20 calls, of whom 10 left; patience 2:00." in table
    assert "peers for 90% within 20 s and at most 5% lost" in table
    load = Load(per_hour=20, handle=600, patience=120)
    here, alone = erlang_a(load, 1), erlang_a(load, 0)
    minutes, seconds = divmod(round(here.wait), 60)
    assert re.search(
        rf"day +10:00 +20\.0 +10 +1\.0 +{peers_needed(load, Target(0.9, 20, 0.05))} "
        rf"+{minutes}:{seconds:02} +{here.abandoned:.0%} +2:00 +{alone.abandoned:.0%}",
        table,
    )
    day = operator.types("absence", GEORGIA).output
    assert re.search(r"as it was +1:00 +50% +0%", day)
    assert re.search(r"played again, everybody there +\d:\d\d +\d+% +\d+%", day)
    assert re.search(r"without \w+ \w+ +\d:\d\d +100% +0%", day)
    other = operator.types("absence", GEORGIA, "--day", "2026-01-05")
    assert (other.exit_code, str(other.exception)) == (1, "Nobody was answered on that day: 5 January 2026.")


def _lived_through(session: Session, line: Line, peer_id: str, at: datetime, *, answered: bool) -> None:
    """A call that waited for a minute and then talked for ten, or left."""
    begins = at + timedelta(minutes=1)
    over = begins + timedelta(minutes=10) if answered else begins
    ids = {"organization_id": line.organization_id}
    contact = Contact(
        **ids, line_id=line.id, channel=Channel.VOICE, language="en", arrived_at=at, queued_at=at, ended_at=over,
        state=ContactState.CLOSED if answered else ContactState.ABANDONED, answered_at=begins if answered else None,
    )  # fmt: skip
    session.add(contact)
    session.flush()
    if answered:
        ids |= {"contact_id": contact.id, "peer_id": peer_id}
        offer = Offer(**ids, state=OfferState.ACCEPTED, made_at=at, deadline=begins)
        session.add(offer)
        session.flush()
        session.add(
            Engagement(
                **ids, offer_id=offer.id, channel=Channel.VOICE, state=EngagementState.DONE, began_at=at,
                connect_by=begins, active_at=begins, done_at=over, conference_name=contact.id,
            )
        )  # fmt: skip


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # each is two processes of three seconds
@pytest.mark.parametrize("app", ["", "warmline.app:create_app()"])
def test_flask_has_the_same_commands(operator: Operator, app: str) -> None:
    environment = {name: value for name, value in (os.environ | operator.environment).items() if value is not None}
    flask = [sys.executable, "-m", "flask", *(["--app", app] if app else [])]
    said = subprocess.run(
        [*flask, "staffing", GEORGIA], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == operator.types("staffing", GEORGIA).output
    assert said.stdout.startswith("Georgia, 8 weeks from ")


def test_flask_lists_each_command_once_beside_its_own(operator: Operator, database_url: str) -> None:
    app = create_app(settings(database_url))
    listed = app.test_cli_runner().invoke(args=["--help"]).output
    for name in cli.main.commands:
        assert len(re.findall(rf"^  {name} ", listed, re.MULTILINE)) == 1
    assert "No such command 'nonsense'" in app.test_cli_runner().invoke(args=["nonsense"]).output


def test_the_web_process_does_not_load_the_commands() -> None:
    loaded = "import sys, warmline.app; sys.exit('warmline.cli' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, timeout=60).returncode == 0


@pytest.mark.parametrize("command", [("staffing", GEORGIA), ("migrate",)])
def test_a_database_that_is_away_is_one_sentence(operator: Operator, command: tuple[str, ...]) -> None:
    refused = operator.types(*command, DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/warmline")
    assert refused.exit_code == 1
    assert re.fullmatch(r"The database does not answer: .+\.", refused.output.strip())


def test_a_number_that_no_line_has_is_said_so(operator: Operator) -> None:
    for command in ("staffing", "absence"):
        refused = operator.types(command, "+14045550177")
        assert refused.exit_code == 1
        assert refused.output == "No line has the number +14045550177. Write it as +1 and ten digits.\n"


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
