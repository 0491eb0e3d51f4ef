"""A world on SQLite and one on PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import Engine

from tests.contacts.world import World, create_schema
from tests.servers import Databases
from warmline import db


@pytest.fixture(scope="session")
def sqlite_schema(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A SQLite database with our tables and no rows, to be copied."""
    return prepare(f"sqlite:///{tmp_path_factory.mktemp('schema')}/warmline.db")


@pytest.fixture(scope="session")
def postgresql_schema(postgres: Databases) -> str:
    """A PostgreSQL database with our tables and no rows, to be copied."""
    return prepare(postgres.database())


def prepare(url: str) -> str:
    engine = db.connect(url)
    create_schema(engine)
    engine.dispose()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, copied: Callable[[str], AbstractContextManager[str]]) -> Iterator[Engine]:
    """An empty database with our tables, of either kind."""
    with copied(request.getfixturevalue(f"{request.param}_schema")) as url:
        yield db.connect(url)


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)
