"""Alive, ready, degraded, down."""

import time
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from tests.cast import Cast, prepare, settings
from tests.servers import Postgres, Redis
from warmline import db
from warmline.app import create_app

READY = {"status": "ok", "database": "ok", "schema": "ok", "redis": "unused"}


def test_alive_and_ready(cast: Cast) -> None:
    assert cast.stranger.get("/healthz").json == {"status": "ok"}
    answer = cast.stranger.get("/readyz")
    assert (answer.status_code, answer.json) == (200, READY)


def test_a_schema_that_is_behind_is_not_ready(cast: Cast) -> None:
    with db.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    answer = cast.stranger.get("/readyz")
    assert (answer.status_code, answer.json) == (503, READY | {"status": "down", "schema": "behind"})


@pytest.fixture
def on_postgres(own_postgres: Postgres, own_redis: Redis) -> Iterator[FlaskClient]:
    url = own_postgres.database()
    prepare(url)
    app: Flask = create_app(settings(url, REDIS_URL=own_redis.url))
    yield app.test_client()
    db.bound().dispose()


def test_each_server_may_go_and_come_back(on_postgres: FlaskClient, own_postgres: Postgres, own_redis: Redis) -> None:
    ready = READY | {"redis": "ok"}
    assert on_postgres.get("/readyz").json == ready

    own_redis.pause()
    assert _asked_quickly(on_postgres) == (200, ready | {"status": "degraded", "redis": "down"})
    own_redis.resume()

    own_postgres.pause()
    for _ in range(5):  # more than may hang at once
        assert _asked_quickly(on_postgres) == (
            503, ready | {"status": "down", "database": "down", "schema": "down"},
        )  # fmt: skip
    assert on_postgres.get("/healthz").status_code == 200
    own_postgres.resume()
    time.sleep(0.2)
    assert on_postgres.get("/readyz").json == ready

    own_postgres.kill()
    assert _asked_quickly(on_postgres)[0] == 503
    page = on_postgres.get("/console/state")
    assert page.status_code == 401, "who has no cookie is not looked up"
    own_postgres.start()
    assert on_postgres.get("/readyz").json == ready


def _asked_quickly(client: FlaskClient) -> tuple[int, object]:
    began = time.monotonic()
    answer = client.get("/readyz")
    assert time.monotonic() - began < 2.5, "within a second on a free machine; a connection alone is tried for three"
    return answer.status_code, answer.json
