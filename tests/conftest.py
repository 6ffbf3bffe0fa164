"""What every test gets: fresh caches, the platform scope, and servers only where they are there."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from mcp_platform import lanes
from mcp_platform.outbox import queries as outbox
from mcp_platform.tenancy import access, credentials, scope, throttling, tokens
from tests import emptying, passes, ready

hypothesis_settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], print_blob=True
)
hypothesis_settings.load_profile("default")
# Each test client makes the middleware anew, and WhiteNoise would look at every static file each time: a quarter of the time of short tests.
settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """In place of pytest-django's."""
    ready.use()
    emptying.use()


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
    lanes.lanes().open()  # a worker that ended in a test before has closed them
    with scope.platform_scope():
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pass", choices=list(passes.LEFT_OUT), help="this run is followed by another, or follows one; see tests/passes.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `servers` need PostgreSQL and Redis; `./run test` runs them a second time with both, CI insists on it."""
    left_out = passes.left_out(config.getoption("--pass"), items)
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]
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
