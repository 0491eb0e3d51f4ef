"""A world on SQLite and one on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.contacts.world import World, create_schema
from tests.servers import Databases
from warmline import db


@pytest.fixture(scope="session")
def template(postgres: Databases) -> str:
    """A PostgreSQL database with our tables and no rows, to be cloned."""
    url = postgres.database()
    engine = db.connect(url)
    create_schema(engine)
    engine.dispose()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database with our tables, of either kind."""
    if request.param == "sqlite":
        engine = db.connect(f"sqlite:///{tmp_path / 'warmline.db'}")
        create_schema(engine)
        yield engine
        engine.dispose()
    else:
        databases: Databases = request.getfixturevalue("postgres")
        url = databases.database(template=request.getfixturevalue("template"))
        engine = db.connect(url)
        yield engine
        engine.dispose()
        databases.drop(url)


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)
