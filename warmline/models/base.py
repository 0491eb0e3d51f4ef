"""What every table shares: ids, times, encryption, and the one way in which a state changes."""

import hashlib
import hmac
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import DateTime, Dialect, Enum, MetaData, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NEVER = datetime(9999, 12, 31, tzinfo=UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in, aware UTC out, on either database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class UtcDateTimeOrNever(UtcDateTime):
    """The same, with None for never, which is kept as the end of all time.

    So what is not over at a moment is one range of an index, and no statistics are needed to see that.
    """

    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return super().process_bind_param(NEVER if value is None else value, dialect)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        found = super().process_result_value(value, dialect)
        return None if found == NEVER else found


class Keys:
    """The keys of this process: `field` encrypts, `index` makes numbers findable. Neither is in the database."""

    field: MultiFernet | None = None
    index: bytes | None = None

    @classmethod
    def use(cls, field_keys: Sequence[str], index_key: str) -> None:
        """Encrypt with the first of `field_keys`, decrypt with any (so that keys can be rotated)."""
        cls.field = MultiFernet([Fernet(key) for key in field_keys])
        cls.index = index_key.encode()


class Encrypted(TypeDecorator[str]):
    """Text encrypted with MultiFernet; the prefix names the scheme, so that it can be replaced."""

    impl = Text
    cache_ok = True
    prefix = "v1:"

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if Keys.field is None:
            raise RuntimeError("no FIELD_KEYS in this process")
        return self.prefix + Keys.field.encrypt(value.encode()).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if Keys.field is None:
            raise RuntimeError("no FIELD_KEYS in this process")
        if not value.startswith(self.prefix):
            raise InvalidToken
        return Keys.field.decrypt(value.removeprefix(self.prefix).encode()).decode()


def keyed_hash(*parts: str) -> str:
    """A blind index: HMAC-SHA256 (RFC 2104) over the parts, in hex. Without the key ten digits are soon guessed."""
    if Keys.index is None:
        raise RuntimeError("no INDEX_KEY in this process")
    return hmac.new(Keys.index, "\0".join(parts).encode(), hashlib.sha256).hexdigest()


def new_id() -> str:
    """A random id that says nothing and cannot be guessed (122 bits)."""
    return uuid.uuid4().hex


def state_column(states: type[StrEnum], **options: Any) -> Mapped[Any]:
    """A column of one enum's values, checked by the database as well."""
    kind = Enum(
        states,
        values_callable=lambda enum: [member.value for member in enum],
        native_enum=False,
        create_constraint=True,
        name=f"{states.__name__.lower()}_known",
        length=20,
    )
    return mapped_column(kind, **options)


def id_column() -> Mapped[str]:
    """A primary key that we make ourselves, before the row is sent."""
    return mapped_column(String(32), primary_key=True, default=new_id)
