"""Accounts and logins: who somebody is, and for how long a browser is believed.

A password is checked outside any transaction and, under gevent, in a real thread: one argon2 hash takes the CPU long
enough to stall every open console.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import gevent
import gevent.monkey
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.fernet import InvalidToken
from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.orm import Session

from warmline import db
from warmline.models import Account, LoginSession, Role
from warmline.models.base import keyed_hash

LOGIN_LASTS = timedelta(hours=12)
hasher = PasswordHasher()
# A hash of nothing anybody knows: an unknown address takes as long to refuse as a wrong password.
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$SRPDFP5o97HOiq5kHIEmDQ$WrYNL4MN3GWHFX3EffM58DEBwfufHNzJGpCCJlx4cdQ"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Login:
    """A browser that is logged in."""

    id: str
    account: Account


def email_hash(email: str) -> str:
    """By which an address is found; capitals and blanks around it do not matter."""
    return keyed_hash("email", email.strip().casefold())


def log_in(email: str, password: str, now: datetime) -> str | None:
    """Begin a login and return its token, which is nowhere stored; None if address and password do not fit."""
    with db.reading() as session:
        account = session.scalar(select(Account).where(Account.email_hash == email_hash(email)))
    fits = password_fits(account.password_hash if account else NOBODY, password)
    if account is None or not fits:
        return None
    token = secrets.token_urlsafe(32)
    with db.transaction() as session:
        session.execute(
            delete(LoginSession).where(LoginSession.account_id == account.id, LoginSession.expires_at <= now)
        )
        session.add(
            LoginSession(account_id=account.id, token_hash=_digest(token), created_at=now, expires_at=now + LOGIN_LASTS)
        )
    return token


def find(token: str, now: datetime) -> Login | None:
    """The login of that token, unless it has expired or was revoked."""
    with db.reading() as session:
        row = session.execute(
            select(LoginSession.id, Account)
            .join(Account, Account.id == LoginSession.account_id)
            .where(LoginSession.token_hash == _digest(token), _lasting(now))
        ).one_or_none()
    return Login(*row) if row else None


def lasting(login_ids: set[str], now: datetime) -> set[str]:
    """Those of the logins that have neither expired nor been revoked."""
    with db.reading() as session:
        return set(session.scalars(select(LoginSession.id).where(LoginSession.id.in_(login_ids), _lasting(now))))


def log_out(login_id: str, now: datetime) -> None:
    """Revoke one login."""
    with db.transaction() as session:
        session.execute(update(LoginSession).where(LoginSession.id == login_id).values(revoked_at=now))


def choose_language(account_id: str, language: str) -> None:
    """Let pages speak this language to the account from now on."""
    with db.transaction() as session:
        session.execute(update(Account).where(Account.id == account_id).values(language=language))


def create(session: Session, organization_id: str, role: Role, name: str, email: str, password_hash: str) -> Account:
    """Add an account; IntegrityError at the commit if the address is taken."""
    account = Account(
        organization_id=organization_id,
        role=role,
        name=name,
        email=email,
        email_hash=email_hash(email),
        password_hash=password_hash,
    )
    session.add(account)
    session.flush()
    return account


def set_password(session: Session, account: Account, password_hash: str, now: datetime) -> None:
    """Change a password, and revoke every login that was made with the old one."""
    account.password_hash = password_hash
    session.execute(
        update(LoginSession)
        .where(LoginSession.account_id == account.id, LoginSession.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def keys_fit() -> bool:
    """Whether this process has the keys with which the data was stored; True while there is none."""
    with db.reading() as session:
        try:
            account = session.scalars(select(Account).limit(1)).first()
        except InvalidToken:
            return False
    return account is None or account.email_hash == email_hash(account.email)


def hash_password(password: str) -> str:
    return _off_the_loop(hasher.hash, password)


def password_fits(password_hash: str, password: str) -> bool:
    return _off_the_loop(_fits, password_hash, password)


def _fits(password_hash: str, password: str) -> bool:
    try:
        return hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _lasting(now: datetime) -> ColumnElement[bool]:
    return and_(LoginSession.expires_at > now, LoginSession.revoked_at.is_(None))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _off_the_loop(function: Callable[..., Result], *arguments: str) -> Result:
    if gevent.monkey.is_module_patched("threading"):
        result: Result = gevent.get_hub().threadpool.apply(function, arguments)
        return result
    return function(*arguments)
