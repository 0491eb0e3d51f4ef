"""Passwords and logins."""

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from gevent import monkey
from sqlalchemy import select

from tests.cast import ENVIRONMENT, PASSWORD
from warmline import clock, db
from warmline.models import Account, LoginSession
from warmline.models.base import Keys
from warmline.people import accounts

pytestmark = pytest.mark.usefixtures("app")
PEER1 = "peer1@example.org"
HASHER, NOBODY = accounts.hasher, accounts.NOBODY  # as they are before the tests' own, quick ones take their place


def account(email: str = PEER1) -> Account:
    with db.reading() as session:
        return session.scalars(select(Account).where(Account.email_hash == accounts.email_hash(email))).one()


def logged_in(email: str = PEER1) -> str:
    token = accounts.log_in(email, PASSWORD, clock.now())
    assert token
    return token


def test_a_login_is_found_by_its_token_until_it_ends() -> None:
    now = clock.now()
    token = logged_in()
    login = accounts.find(token, now)
    assert login
    assert (login.account.id, login.account.peer is not None) == (account().id, True)
    assert accounts.lasting({login.id, "0" * 32}, now) == {login.id}
    assert accounts.find(token + "x", now) is None
    assert accounts.find(token, now + timedelta(hours=13)) is None
    accounts.log_out(login.id, now)
    assert accounts.find(token, now) is None
    assert accounts.lasting({login.id}, now) == set()


def test_an_unknown_address_costs_as_much_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not HASHER.check_needs_rehash(NOBODY), "NOBODY must be hashed as passwords are"
    checked = []

    def fits(known: str, password: str) -> bool:
        checked.append(known)
        return True

    monkeypatch.setattr(accounts, "password_fits", fits)
    assert accounts.log_in("nobody@example.org", PASSWORD, clock.now()) is None
    assert checked == [accounts.NOBODY]


def test_under_gevent_a_password_is_hashed_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monkey, "is_module_patched", lambda name: True)
    assert accounts.password_fits(account().password_hash, PASSWORD)
    assert not accounts.password_fits(account().password_hash, "wrong")
    assert not accounts.password_fits("no hash", PASSWORD)


def test_a_new_password_ends_the_logins_made_with_the_old_one() -> None:
    now = clock.now()
    mine, others = logged_in(), logged_in("peer2@example.org")
    with db.transaction() as session:
        accounts.set_password(session, session.merge(account()), accounts.hash_password("another one"), now)
    assert accounts.find(mine, now) is None
    assert accounts.find(others, now)
    assert accounts.log_in(PEER1, PASSWORD, now) is None
    assert accounts.log_in(PEER1, "another one", now)


def test_expired_logins_are_swept_by_the_next_one() -> None:
    now = clock.now()
    for hours in (0, 1, 13):
        accounts.log_in(PEER1, PASSWORD, now + timedelta(hours=hours))
    with db.reading() as session:
        assert len(session.scalars(select(LoginSession)).all()) == 1


def test_other_keys_are_noticed() -> None:
    assert accounts.keys_fit()
    for field_key, index_key in [
        (Fernet.generate_key().decode(), ENVIRONMENT["INDEX_KEY"]),
        (ENVIRONMENT["FIELD_KEYS"], "another index key, and a long one too"),
    ]:
        Keys.use([field_key], index_key)
        assert not accounts.keys_fit()
    Keys.use([Fernet.generate_key().decode(), ENVIRONMENT["FIELD_KEYS"]], ENVIRONMENT["INDEX_KEY"])
    assert accounts.keys_fit(), "the first key encrypts, each decrypts"


def test_no_number_name_or_address_is_readable_in_the_database(app: Flask) -> None:
    with db.reading() as session:
        rows = session.connection().exec_driver_sql("SELECT name, email, email_hash FROM account").all()
    assert len(rows) == 5
    for name, email, email_hash in rows:
        assert name.startswith("v1:")
        assert email.startswith("v1:")
        assert "@" not in email + email_hash
