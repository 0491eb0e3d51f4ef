"""Every test of the web plays with the known cast."""

from tests.cast import (
    app,
    cast,
    compiled_templates,
    database_url,
    kept_app,
    make_app,
    own_app,
    postgres_template,
    quick_passwords,
    sqlite_template,
)

__all__ = [
    "app",
    "cast",
    "compiled_templates",
    "database_url",
    "kept_app",
    "make_app",
    "own_app",
    "postgres_template",
    "quick_passwords",
    "sqlite_template",
]
