"""The plants: `scaled` (PostgreSQL, Redis, processes) and `embedded` (one process, SQLite). These tests use no database of the test process."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import ready
from tests.faults.plant import PATIENCE, Plant, Postgres, Redis, dismiss_the_reaper, folder, postgres_binaries


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "faults" in item.path.parts:
            item.add_marker(pytest.mark.timeout(300 * PATIENCE))


@pytest.fixture(scope="session", autouse=True)
def _nobody_in_the_database() -> None:
    """Of the whole suite's conftest; here is no database."""


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    """Likewise: nothing happens in this process."""


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    yield
    dismiss_the_reaper()


def migrated_cluster(files: Path) -> None:
    """Make a cluster with a migrated database and leave it at `files`."""
    with folder() as made:
        (made / "state").mkdir()
        postgres = Postgres(made)
        try:
            ready.migrate(STATE_DIR=str(made / "state"), DATABASE_URL=postgres.url, ENV_FILE=os.devnull)
            postgres.keep(files)
        finally:
            with suppress(subprocess.CalledProcessError):
                postgres.stop("immediate")  # is refused when it has stopped


@pytest.fixture(scope="session")
def site() -> Iterator[Plant]:
    """One cluster and one Redis for all tests; each has a tenant of its own."""
    with folder() as made:
        postgres = Postgres(made, like=ready.cluster(postgres_binaries().parent.name, migrated_cluster))
        redis: Any = None
        try:
            redis = Redis(made)
            plant = Plant(made, postgres=postgres, redis=redis)
            yield plant
            plant.close()
        finally:
            postgres.stop("immediate")
            if redis is not None:
                redis.stop()


@pytest.fixture
def scaled(site: Plant) -> Iterator[Plant]:
    yield site
    site.kill_everything()


@pytest.fixture(scope="session")
def migrated() -> Iterator[Path]:
    """A state folder with a migrated SQLite file, to copy."""
    with folder() as made:
        (made / "state").mkdir()
        shutil.copy(ready.sqlite_file(), made / "state" / "mcp.sqlite3")
        yield made / "state"


@pytest.fixture
def embedded(migrated: Path) -> Iterator[Plant]:
    with folder() as made:
        shutil.copytree(migrated, made / "state")
        plant = Plant(made)
        yield plant
        plant.close()
