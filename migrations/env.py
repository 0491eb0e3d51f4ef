"""What alembic runs for each of its commands; `migrations.upgrade()` is how the product calls it."""

import os
from typing import Any

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection
from sqlalchemy.types import TypeDecorator

from warmline import db
from warmline.models import Base


def render_item(kind: str, item: Any, context: AutogenContext) -> str | bool:
    """A migration is history: it names SQLAlchemy's types, never ours, which may change."""
    return f"sa.{item.impl_instance!r}" if kind == "type" and isinstance(item, TypeDecorator) else False


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=render_item,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if given := context.config.attributes.get("connection"):
    run(given)
else:
    with db.connect(os.environ["DATABASE_URL"]).begin() as connection:
        run(connection)
