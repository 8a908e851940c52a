"""Fixtures of every test: a database that may be emptied between tests, and a real browser where there is one."""

from __future__ import annotations

import os

# Playwright's synchronous calls run an event loop in the test's thread; Django's ORM is used in between.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.core.cache import cache
from django.db import connection

from portal.testing import browser as kit
from portal.testing import staff_groups

NOT_RUN = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """The test database, marked as one: its append-only tables may be emptied between tests, nothing more."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"ALTER DATABASE {name} SET portal.test_database = 'on'")
        staff_groups.remember()
        connection.close()


@pytest.fixture(autouse=True)
def fresh_cache() -> Iterator[None]:
    """Throttles and limits of one test are none of the next one's business."""
    yield
    cache.clear()


# --- the browser ---------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NOT_RUN] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the browser journeys where no Chromium is to be had; `pytest_terminal_summary` says so."""
    journeys = [item for item in items if item.get_closest_marker("browser")]
    if journeys and kit.find_chromium() is None:
        config.hook.pytest_deselected(items=journeys)
        items[:] = [item for item in items if item not in journeys]
        config.stash[NOT_RUN] = [item.nodeid for item in journeys]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # a parallel worker reports to its controller
        session.config.workeroutput["not_run"] = session.config.stash[NOT_RUN]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error: object) -> None:
    node.config.stash[NOT_RUN] = getattr(node, "workeroutput", {}).get("not_run", [])


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    not_run = config.stash[NOT_RUN]
    if not_run:
        terminalreporter.section("BROWSER JOURNEYS DID NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.line(
            f"{len(not_run)} browser tests did not run: no Chromium was found and none could be installed. "
            "Install the package chromium (and fonts-noto-cjk), or set CHROMIUM to its path."
        )


@pytest.fixture(scope="session")
def chromium():
    path = kit.find_chromium()
    assert path is not None
    with kit.chromium(path) as browser:
        yield browser


@pytest.fixture
def open_page(chromium, live_server) -> Iterator[Callable]:
    """`open_page(viewport=…, locale=…)`: a page of a fresh profile on the live server."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(kit.new_page(chromium, live_server.url, **options))
