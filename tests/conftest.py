"""The servers that tests share, the databases that they fill anew, and the browser that they drive."""

import gc
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from playwright.sync_api import expect
from sqlalchemy import Engine, event, make_url

from tests.servers import Databases, Postgres, Redis, Refilled, chromium_path
from tests.share import is_one_in
from warmline import db

# How long one example takes says nothing while other tests keep every core busy.
settings.register_profile("warmline", deadline=None)
settings.load_profile("warmline")

ENGINES = re.compile(r"\b(sqlite|postgresql)\b")

# Nor how long a page takes: Playwright would give up after five seconds. A page that hears nothing asks every ten.
expect.set_options(timeout=15_000)


# To look through thousands of tests and all that they import, for garbage that is not there, takes as long as they do.
gc.disable()


def pytest_collection_finish() -> None:
    """From now on there is garbage, but not among what was loaded."""
    gc.freeze()
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough", action="store_true", help="each test on both databases, every mutant, a death at every point"
    )


def is_thorough(config: pytest.Config) -> bool:
    return config.option.thorough or config.option.keyword or any("::" in argument for argument in config.args)


@pytest.fixture(scope="session")
def thorough(pytestconfig: pytest.Config) -> bool:
    """Whether to prove everything, or of some kinds a part."""
    return is_thorough(pytestconfig)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test that is there for both databases one is run, a quarter of them on PostgreSQL; their names say which.

    What is told in SQL that both understand need not be told twice in every run, and costs half as much on SQLite;
    whatever is about the databases themselves (locks, races, what is read, how much of it, life as a whole) is marked
    `both`. What is marked `thorough` is one of many of its kind. Whatever is asked for by its name is run.
    """
    if is_thorough(config):
        return
    pairs: dict[str, dict[str, pytest.Item]] = defaultdict(dict)
    for item in items:
        if (engine := ENGINES.search(item.nodeid)) and not item.get_closest_marker("both"):
            pairs[ENGINES.sub("", item.nodeid)][engine[0]] = item
    left_out = {
        pair["sqlite" if is_one_in(4, name) else "postgresql"] for name, pair in pairs.items() if len(pair) == 2
    }
    left_out |= {item for item in items if item.get_closest_marker("thorough")}
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(specname="pytest_collection_modifyitems", trylast=True)
def long_ones_first(items: list[pytest.Item]) -> None:
    """What takes long to begin goes to the first worker, which is busy with it while the others take over the rest.

    These are the minutes of kill -9, and the world of the fuzz, which each worker that has some of it learns anew.

    Real processes and a real browser beside three other workers on two cores are late at times: what failed with one
    that tests share is tried once more. The summary names it, for it is a fault all the same: of the test, or of a page
    that is only right if it is quick. Where we kill, or let people collide, on purpose, nothing is tried twice.
    """
    for item in items:
        shared = {"browser", "product", "simulator"} & {*getattr(item, "fixturenames", ())}
        if shared and "faults/" not in item.nodeid:
            item.add_marker(pytest.mark.flaky(reruns=1))
    long = ("faults/test_kill", "web/test_fuzz")
    items.sort(key=lambda item: next((place for place, name in enumerate(long) if name in item.nodeid), len(long)))


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


@pytest.fixture(scope="session", autouse=True)
def kept_engines() -> Iterator[None]:
    """db.connect() returns the same engine for the same URL: it keeps the statements that it has compiled.

    That would be a quarter of many a test's time, and flushing SQLite's commits to disk, as Postgres of the tests does
    not either, a tenth.
    """
    connect = db.connect

    @lru_cache(maxsize=8)
    def connect_once(url: str) -> Engine:
        engine = connect(url)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        return engine

    with patch.object(db, "connect", connect_once):
        yield


@pytest.fixture(scope="session")
def copied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], AbstractContextManager[str]]:
    """Copies the database at a URL, for one test at a time: every copy of it has the same URL."""
    folder = tmp_path_factory.mktemp("copied")
    refilled: dict[str, Refilled] = {}

    @contextmanager
    def copy(template: str) -> Iterator[str]:
        if template.startswith("sqlite"):
            for old in folder.iterdir():
                old.unlink()  # to write over it would change it under whoever may still have it open
            path = folder / "warmline.db"
            path.write_bytes(Path(template.removeprefix("sqlite:///")).read_bytes())
            url = f"sqlite:///{path}"
            yield url
            db.connect(url).dispose()  # else the next test would meet this one's rows in a connection that is kept
        else:
            # Its connections stay open: a new one must first learn every table again.
            if template not in refilled:
                refilled[template] = Refilled(request.getfixturevalue("postgres"), template)
            else:
                refilled[template].refill()
            yield refilled[template].url

    return copy


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
