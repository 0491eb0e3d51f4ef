"""A world on SQLite and one on PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import Engine

from tests.contacts.world import World, prepare
from tests.servers import Databases
from warmline import db


@pytest.fixture(scope="session")
def sqlite_schema(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A SQLite database with our tables and a world's people, to be copied."""
    return prepared(f"sqlite:///{tmp_path_factory.mktemp('schema')}/warmline.db")


@pytest.fixture(scope="session")
def postgresql_schema(postgres: Databases) -> str:
    """A PostgreSQL database with our tables and a world's people, to be copied."""
    return prepared(postgres.database())


def prepared(url: str) -> str:
    engine = db.connect(url)
    prepare(engine)
    engine.dispose()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, copied: Callable[[str], AbstractContextManager[str]]) -> Iterator[Engine]:
    """A database with a world's people, of either kind."""
    with copied(request.getfixturevalue(f"{request.param}_schema")) as url:
        yield db.connect(url)


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)
