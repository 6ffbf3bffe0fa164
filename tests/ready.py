"""A migrated database, made once for all test processes and runs with the same migrations: to migrate an empty one takes half a minute each time."""

import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.apps import apps
from django.conf import settings
from django.core.management.commands.migrate import Command
from django.db import connection

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".pytest_cache" / "databases"


def use() -> None:
    """The next test database of this process begins as a copy. For `django_db_modify_db_settings`, before Django makes it."""
    fill = _from_template if connection.vendor == "postgresql" else _from_file
    prepared, plain = fill(), Command.handle

    def copy(*_: Any, **__: Any) -> None:
        Command.handle = plain  # type: ignore[method-assign]  # once: tests that migrate do it for real
        prepared()

    Command.handle = copy  # type: ignore[method-assign]


def _from_file() -> Any:
    made = sqlite_file()

    def copy() -> None:
        connection.ensure_connection()
        with sqlite3.connect(made) as source:
            source.backup(connection.connection)
        source.close()

    return copy


def _from_template() -> Any:
    connection.settings_dict["TEST"]["TEMPLATE"] = _postgresql_template()
    return lambda: None


def sqlite_file() -> Path:
    """A migrated database, closed, to copy."""
    made = KEPT / f"{_digest()}.sqlite3"
    with _alone():
        if not made.exists():
            for old in KEPT.glob("*.sqlite3"):
                old.unlink()
            with tempfile.TemporaryDirectory(dir=KEPT) as state:
                migrate(STATE_DIR=state)
                (found,) = Path(state).glob("*.sqlite3")
                found.rename(made)
    return made


def cluster(version: str, make: Callable[[Path], None]) -> Path:
    """The files of a stopped PostgreSQL of this version with a migrated database, to copy; `make` writes them to where they are asked for."""
    made = KEPT / f"{_digest()}-{version}-{os.getuid()}.cluster"
    with _alone():
        if not made.exists():
            for old in KEPT.glob("*.cluster*"):
                shutil.rmtree(old, ignore_errors=True)
            half = made.with_suffix(".cluster-half")
            make(half)
            half.rename(made)
    return made


def _postgresql_template() -> str:
    """The name of a database in the same cluster that nobody else is connected to."""
    import psycopg

    name, address = f"ready_{_digest()}", urlsplit(settings.DATABASE_URL)
    with _alone(), psycopg.connect(urlunsplit(address._replace(path="/postgres")), autocommit=True) as server:
        known = {row[0] for row in server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'ready%'")}
        if name not in known:
            server.execute(f'DROP DATABASE IF EXISTS "{name}_half"')
            server.execute(f'CREATE DATABASE "{name}_half"')
            with tempfile.TemporaryDirectory(dir=KEPT) as state:
                migrate(STATE_DIR=state, DATABASE_URL=urlunsplit(address._replace(path=f"/{name}_half")))
            server.execute(f'ALTER DATABASE "{name}_half" RENAME TO "{name}"')
    return name


def migrate(**env: str) -> None:
    plain = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "POSTGRES_URI", "REDIS_URL"}}
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env={**plain, **env}, check=True, timeout=600)


@contextmanager
def _alone() -> Iterator[None]:
    """One process makes it, the others wait for it."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest() -> str:
    """Of every migration that is installed."""
    found = hashlib.sha256()
    for app in apps.get_app_configs():
        for path in sorted(Path(app.path).glob("migrations/*.py")):
            found.update(f"{app.label}/{path.name}".encode() + path.read_bytes())
    return found.hexdigest()[:16]
