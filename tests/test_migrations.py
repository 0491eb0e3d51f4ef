"""There is one newest migration, and it makes what the models say, on both databases."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect

import migrations
from tests.servers import Databases
from warmline import db
from warmline.models import Base

pytestmark = pytest.mark.both

MakeEngine = Callable[[], Engine]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeEngine]:
    """Makes empty databases."""
    engines: list[Engine] = []

    def make() -> Engine:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / str(len(engines))}.db"
        else:
            databases: Databases = request.getfixturevalue("postgres")
            url = databases.database()
        engines.append(db.connect(url))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


def schema(engine: Engine) -> dict[str, Any]:
    """Everything the database says about its tables."""
    look = inspect(engine)
    return {
        table: {
            # By name: a column that is added later stands last.
            "columns": {column["name"]: {**column, "type": str(column["type"])} for column in look.get_columns(table)},
            "key": look.get_pk_constraint(table),
            "foreign keys": sorted(look.get_foreign_keys(table), key=str),
            "unique": sorted(look.get_unique_constraints(table), key=str),
            "indexes": sorted(map(printed, look.get_indexes(table)), key=str),
            "checks": sorted(look.get_check_constraints(table), key=str),
        }
        for table in look.get_table_names()
        if table != "alembic_version"
    }


def printed(index: Any) -> dict[str, Any]:
    """An index with its condition as text: of a partial index that is the point."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


def test_there_is_one_newest_migration() -> None:
    assert len(ScriptDirectory(str(migrations.FOLDER)).get_heads()) == 1


def test_migrations_are_numbered_without_a_gap() -> None:
    numbers = sorted(path.name[:4] for path in (migrations.FOLDER / "versions").glob("*.py"))
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_the_migrated_schema_is_the_models(empty: MakeEngine) -> None:
    migrated, made = empty(), empty()
    migrations.upgrade(migrated)
    Base.metadata.create_all(made)
    assert schema(migrated) == schema(made)
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_changes_nothing(empty: MakeEngine) -> None:
    engine = empty()
    for _ in range(2):
        migrations.upgrade(engine)
        with engine.connect() as connection:
            assert migrations.current(connection) == migrations.newest()


def test_many_may_migrate_at_once(empty: MakeEngine) -> None:
    engine = empty()
    failures = []

    def start() -> None:
        try:
            with migrations.locked(engine):
                migrations.upgrade(engine)
        except Exception as error:
            failures.append(error)

    starts = [Thread(target=start) for _ in range(4)]
    for thread in starts:
        thread.start()
    for thread in starts:
        thread.join()
    assert failures == []
    with engine.connect() as connection:
        assert migrations.current(connection) == migrations.newest()
