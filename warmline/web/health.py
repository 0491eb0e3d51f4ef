"""Is the process alive, and can it serve?"""

import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLateError

import redis
from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy.exc import SQLAlchemyError

import migrations
from warmline import db
from warmline.web import access
from warmline.web.security import REDIS_SECONDS

LIMIT_SECONDS = 1

blueprint = Blueprint("health", __name__)
# Whoever asks a stalled database hangs: four may, and later ones are answered "down" all the same.
_askers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="ready")


@blueprint.get("/healthz")
@access.public
def alive() -> ResponseReturnValue:
    """The process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
@access.public
def ready() -> ResponseReturnValue:
    """Database, schema and Redis, within a second.

    Without Redis the product works on, with slower screens: that is "degraded", not "down".
    """
    until = time.monotonic() + LIMIT_SECONDS
    asked = _askers.submit(_schema)
    redis_state = _redis(current_app.config["REDIS_URL"])
    try:
        schema = asked.result(max(0, until - time.monotonic()))
    except (TooLateError, SQLAlchemyError):
        asked.cancel()
        schema = "down"
    status = "down" if schema != "ok" else "degraded" if redis_state == "down" else "ok"
    database = "down" if schema == "down" else "ok"
    answer = jsonify(status=status, database=database, schema=schema, redis=redis_state)
    return answer, 503 if status == "down" else 200


def _schema() -> str:
    with db.reading() as session:
        revision = migrations.current(session.connection())
    return "ok" if revision == migrations.newest() else "behind"


def _redis(url: str | None) -> str:
    if url is None:
        return "unused"
    options = {"socket_timeout": REDIS_SECONDS, "socket_connect_timeout": REDIS_SECONDS}
    try:
        with redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options) as client:
            client.ping()
    except redis.RedisError:
        return "down"
    return "ok"
