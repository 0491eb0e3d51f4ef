"""Every test of the web plays with the known cast."""

from tests.cast import app, cast, database_url, postgres_template, sqlite_template

__all__ = ["app", "cast", "database_url", "postgres_template", "sqlite_template"]
