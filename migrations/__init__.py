"""The schema's history, one numbered file a step, and how a database is brought up to date."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

FOLDER = Path(__file__).parent
LOCK = 0x5741524D  # any number, as long as it is ours alone: "WARM"
WAIT_SECONDS = 60


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest schema, in one transaction."""
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def locked(engine: Engine) -> Iterator[None]:
    """Whoever else prepares the same database waits meanwhile. SQLite needs no lock: its writers queue anyway."""
    if engine.dialect.name == "sqlite":
        yield
        return
    with engine.connect() as connection:
        connection.execute(text(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'"))
        connection.execute(text(f"SET LOCAL statement_timeout = '{WAIT_SECONDS}s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        yield


def newest() -> str:
    """The revision that the code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head
    return head


def current(connection: Connection) -> str | None:
    """The revision that a database is at; None if it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config
