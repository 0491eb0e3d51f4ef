"""A world on SQLite and one on PostgreSQL, with a past to write."""

import pytest

from tests.contacts.conftest import engine, postgresql_schema, sqlite_schema, world
from tests.contacts.world import World
from tests.reports.past import Past

__all__ = ["engine", "postgresql_schema", "sqlite_schema", "world"]


@pytest.fixture
def past(world: World) -> Past:
    return Past(world)
