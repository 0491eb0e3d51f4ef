"""Accounts live on the same databases as the web."""

from tests.cast import app, cast, database_url, postgres_template, sqlite_template

__all__ = ["app", "cast", "database_url", "postgres_template", "sqlite_template"]
