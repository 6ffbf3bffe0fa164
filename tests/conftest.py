"""What every test gets: fresh caches, the platform scope, and servers only where they are there."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from mcp_platform.outbox import queries as outbox
from mcp_platform.tenancy import access, credentials, scope, throttling, tokens
from tests import ready

hypothesis_settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], print_blob=True
)
hypothesis_settings.load_profile("default")
TESTS = Path(__file__).parent
# Each test client makes the middleware anew, and WhiteNoise would look at every static file each time: a quarter of the time of short tests.
settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """In place of pytest-django's."""
    ready.use()


@pytest.fixture(scope="session", autouse=True)
def _nobody_in_the_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """PostgreSQL does not drop a database that threads of finished tests still hold a connection to."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    """Caches of the process start empty; test code itself acts as the platform, doors narrow the scope."""
    cache.clear()
    credentials.forget_everything()
    throttling.forget_everything()
    tokens.forget_keys()
    access.forget()
    outbox.forget_listeners()
    with scope.platform_scope():
        yield


# Where tests without a database are tests of pure functions, or start a server of their own: a second pass would only repeat them.
PURE = (
    *("analytics", "conversations", "dialogues", "e2e", "experiments", "flows", "mcp", "metadata", "nlu", "oauth", "orchestrator"),
    *("rehearsal", "reports", "validation"),
)
OTHERS = ("test_conformance", "test_real_servers")  # what suites and servers of others say does not depend on the database
OWN = ("test_composition", "test_redis_urls")  # processes and servers of their own, in an environment of their own
# Whether a role may do it is decided before rows are read.
ROLES = (
    "test_a_viewer_may_look",
    "test_anonymous_is_asked_who_it_is",
    "test_other_methods_tell_anonymous_nothing",
    "test_pages_ask_anonymous_to_log_in",
)
SAME = ("dialogues", "nlu")  # what is said and understood; the same turns are taken on PostgreSQL by tests/conversations


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--second-pass", action="store_true", help="leave out what does not depend on the database: it has passed before")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `servers` need PostgreSQL and Redis; `./run test` runs them a second time with both, CI insists on it."""
    if config.getoption("--second-pass"):
        repeated = {item for item in items if _has_passed_before(item)}
        config.hook.pytest_deselected(items=list(repeated))
        items[:] = [item for item in items if item not in repeated]
    if settings.DATABASE_URL and settings.REDIS_URL:
        return
    skip = pytest.mark.skip(reason="needs PostgreSQL and Redis: set TEST_DATABASE_URL and TEST_REDIS_URL for ./run test")
    for item in items:
        if "servers" in item.keywords:
            item.add_marker(skip)


def pytest_collection_finish() -> None:
    """Thousands of tests and all modules are there to stay: the collector need not look at them again and again."""
    gc.collect()
    gc.freeze()


def _has_passed_before(item: pytest.Item) -> bool:
    by_name = _part_of(item) in SAME or item.path.stem in (*OTHERS, *OWN) or getattr(item, "originalname", "") in ROLES
    return by_name or _is_pure(item) or _comes_by_session(item) or _is_one_of_many(item)


def _part_of(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


def _is_pure(item: pytest.Item) -> bool:
    return _part_of(item) in PURE and not _uses_the_database(item)


def _comes_by_session(item: pytest.Item) -> bool:
    """The walk through all doors enters each by key and by session; who somebody is found to be does not depend on the database."""
    return getattr(getattr(item, "callspec", None), "params", {}).get("enter") is not None and "by_session" in item.name


def _is_one_of_many(item: pytest.Item) -> bool:
    """Refusals through the second kind of server, and most of the random edits."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    return ("asgi" in item.name.rsplit("-", 1)[-1] and "door" in params) or (item.path.stem == "test_live_oracle" and params.get("seed", 0) >= 5)


def _uses_the_database(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return item.get_closest_marker("django_db") is not None or bool({"db", "transactional_db"} & set(fixtures))
