"""The servers that tests share, and the browser that they drive."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from sqlalchemy import make_url

from tests.servers import Databases, Postgres, Redis, chromium_path

# How long one example takes says nothing while other tests keep every core busy.
settings.register_profile("warmline", deadline=None)
settings.load_profile("warmline")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The minutes of kill -9 begin first, so that one worker spends them while the others do all the rest."""
    items.sort(key=lambda item: "faults/test_kill" not in item.nodeid)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Databases]:
    """Fresh databases on a real PostgreSQL server: that of TEST_DATABASE_URL, or one for each worker."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        databases = Databases(make_url(url))
        yield databases
        databases.drop_all()
    else:
        with Postgres() as server:
            yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A real Redis server, one for each worker."""
    with Redis() as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL server that belongs to one test, which may kill it or stall it."""
    with Postgres() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    """A Redis server that belongs to one test, which may kill it or stall it."""
    with Redis() as server:
        yield server


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    """pytest-playwright's launch options: a Chromium that runs as root, with a fake microphone."""
    return browser_type_launch_args | {
        "executable_path": chromium_path(),
        "args": [
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            "--autoplay-policy=no-user-gesture-required",
        ],
    }


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, object]) -> dict[str, object]:
    """pytest-playwright's context options: microphone and notifications are granted."""
    return browser_context_args | {"permissions": ["microphone", "notifications"]}
