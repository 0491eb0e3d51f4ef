"""A thousand open consoles, and the phone company is answered as if there were none."""

import itertools
import json
import resource
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from statistics import median, quantiles

import pytest
import requests
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import select
from twilio.request_validator import RequestValidator

from tests.cast import ENVIRONMENT, postgres_template, serve, settings
from tests.product import CALLER, GEORGIA, ROOT, eventually
from tests.servers import Databases
from warmline import clock, db
from warmline.app import create_app
from warmline.models import LoginSession, Organization, Peer, Presence, Role
from warmline.people import accounts

__all__ = ["postgres_template"]

CONSOLES = 1000
CALLS = 75  # two webhooks each
USUAL_LIMIT = 1024  # open files that many systems allow a process which does not ask for more


@pytest.mark.timeout(300)  # while other tests keep every core busy, opening a thousand takes most of a minute
def test_a_thousand_consoles_do_not_slow_a_webhook(postgres: Databases, postgres_template: str, limited: None) -> None:
    """Two products beside each other are asked in turn, so that whatever else this machine does slows both."""
    quiet, busy = (postgres.database(template=postgres_template) for _ in range(2))
    cookies = peers(busy, CONSOLES)
    with serve(quiet) as none, serve(busy) as many, open_consoles(many, cookies) as consoles:
        took: dict[str, list[float]] = {none: [], many: []}
        for number, base in itertools.product(range(CALLS), (none, many)):
            took[base].append(webhook(base, "incoming", CallSid=f"CA{number}", To=GEORGIA))
            took[base].append(webhook(base, "status", CallSid=f"CA{number}", CallStatus="completed"))
        eventually(lambda: len(heartbeats(busy)) == CONSOLES, 30, "not every console was heard")
        assert consoles.poll() is None
        assert len(set(heartbeats(busy))) < CONSOLES / 10, "each heartbeat was a commit of its own"
    (usual, usual_worst), (full, full_worst) = (
        (median(times), quantiles(times, n=100)[-1]) for times in (took[none], took[many])
    )
    print(
        f"a webhook without consoles: median {usual * 1000:.0f} ms, p99 {usual_worst * 1000:.0f} ms; "
        f"with {CONSOLES}: {full * 1000:.0f} ms ({full / usual:.2f} times), "
        f"{full_worst * 1000:.0f} ms ({full_worst / usual_worst:.2f} times)"
    )
    assert full < 3 * usual
    assert full_worst < max(3 * usual_worst, 5), "a third of the phone company's fifteen seconds"


def heartbeats(database_url: str) -> list[datetime]:
    """When each console was heard last."""
    engine = db.connect(database_url)
    try:
        with engine.connect() as connection:
            return list(connection.scalars(select(Presence.seen_at)))
    finally:
        engine.dispose()


@pytest.fixture
def limited() -> Iterator[None]:
    """What is started now may open few files, unless it asks for more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(USUAL_LIMIT, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def peers(url: str, count: int) -> list[str]:
    """As many peers of an organization of their own, each logged in: their cookies."""
    app = create_app(settings(url))
    now = clock.now()
    tokens = [secrets.token_urlsafe(32) for _ in range(count)]
    with db.transaction() as session:
        organization = Organization(name="A large neighbour")
        session.add(organization)
        session.flush()
        for number, token in enumerate(tokens):
            account = accounts.create(session, organization.id, Role.PEER, "A peer", f"{number}@example.net", "none")
            session.add(
                Peer(
                    organization_id=organization.id,
                    account_id=account.id,
                    name="A peer",
                    languages=["en"],
                    status_at=now,
                    idle_since=now,
                )
            )
            session.add(
                LoginSession(
                    account_id=account.id,
                    token_hash=accounts._digest(token),
                    created_at=now,
                    expires_at=now + accounts.LOGIN_LASTS,
                )
            )
    db.bound().dispose()
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer
    return [f"{app.config['SESSION_COOKIE_NAME']}={signer.dumps({'_user_id': token})}" for token in tokens]


@contextmanager
def open_consoles(base: str, cookies: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Open consoles in a process of their own, until the end."""
    command = [sys.executable, "-m", "tests.faults.consoles", base]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps(cookies) + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


def webhook(base: str, name: str, **form: str) -> float:
    """A signed request of the phone company; the seconds until it is answered."""
    url, form = f"{base}/twilio/voice/{name}", {"From": CALLER} | form
    headers = {"X-Twilio-Signature": RequestValidator(ENVIRONMENT["TWILIO_AUTH_TOKEN"]).compute_signature(url, form)}
    began = time.monotonic()
    answer = requests.post(url, form, headers=headers, timeout=15)
    took = time.monotonic() - began
    assert answer.status_code == 200
    assert "trouble" not in answer.text
    return took
