"""Fixtures of the web tests are at hand here too."""

from tests.cast import app, cast, compiled_templates, database_url, postgres_template, sqlite_template

__all__ = ["app", "cast", "compiled_templates", "database_url", "postgres_template", "sqlite_template"]
