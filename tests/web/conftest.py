"""Every test of the web plays with the known cast."""

from tests.cast import app, cast, compiled_templates, database_url, postgres_template, sqlite_template

__all__ = ["app", "cast", "compiled_templates", "database_url", "postgres_template", "sqlite_template"]
