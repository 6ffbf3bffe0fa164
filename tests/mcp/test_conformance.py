"""The official conformance suite, against the real server with the real authentication: under daphne and under uvicorn."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests import factories
from tests.mcp import npm

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.skipif(bool(settings.DATABASE_URL), reason="speaks a protocol, whatever the database"), pytest.mark.timeout(400)]

# What each revision requires: a fixture that is missing could pass without having been looked for, so the scenarios are counted, too.
SUITES = {
    "2025-11-25, first edition": ("conformance-2025", ["--suite", "active"], 30),
    "2025-11-25": ("conformance-2026", ["--requirements", "2025-11-25"], 30),
    "2026-07-28": ("conformance-2026", ["--requirements", "2026-07-28"], 40),
}
# Extensions that we do not offer.
UNSCORED = re.compile(r"tasks-.*|sep-2640-.*")


def daphne(port: int) -> list[str]:
    return ["manage.py", "serve", "--no-migrate", "--port", str(port)]


def uvicorn(port: int) -> list[str]:
    return ["-m", "uvicorn", "mcp_platform.asgi:application", "--port", str(port), "--log-level", "error", "--ws", "none"]


@pytest.fixture(scope="module")
def database(db: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """(a folder with a copy of the database of the tests, the token of an owner in it)."""
    tenant = factories.TenantFactory.create(slug="conforming")
    token = factories.key(tenant)
    state = tmp_path_factory.mktemp("conformance")
    with closing(connection.cursor()) as cursor:
        cursor.execute("VACUUM INTO %s", [str(state / "mcp.sqlite3")])
    return state, token


@pytest.fixture(scope="module", params=[daphne, uvicorn], ids=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, database: tuple[Path, str]) -> Iterator[str]:
    with serving(request.param, database[0]) as url:
        yield url


@contextmanager
def serving(command: object, state: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "POSTGRES_URI", "REDIS_URL", "SECRET_KEY")}
    env = {
        **kept,
        "STATE_DIR": str(state),
        "ENV_FILE": os.devnull,
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.mcp.conformance_settings",
        "API_RATE_LIMIT": "100000/minute",
        "LOG_LEVEL": "WARNING",
    }
    with (state / f"{port}.log").open("w") as log:
        process = subprocess.Popen([sys.executable, *command(port)], cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)  # type: ignore[operator]
        try:
            _wait_for(port, process, state / f"{port}.log")
            yield f"http://localhost:{port}/mcp"
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
            process.kill()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            pytest.fail(f"the server ended at once:\n{log.read_text()[-2000:]}")
        with suppress(OSError), urllib.request.urlopen(f"http://localhost:{port}/livez", timeout=2):
            return
        time.sleep(0.1)
    pytest.fail("the server did not answer within two minutes")


@pytest.mark.parametrize("suite", SUITES)
def test_the_server_conforms(suite: str, server: str, database: tuple[Path, str], tmp_path: Path) -> None:
    name, arguments, scenarios = SUITES[suite]
    script = npm.package(name) / "dist" / "index.js"
    ran = npm.run(script, "server", "--url", server, *arguments, "--output-dir", str(tmp_path), token=database[1])
    results = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob("**/checks.json")}
    scored = {name: checks for name, checks in results.items() if not UNSCORED.match(name.removeprefix("server-"))}
    every = [(name, check) for name, checks in scored.items() for check in checks]
    bad = [f"{name}: {check['name']}: {check.get('errorMessage')}" for name, check in every if check["status"] == "FAILURE"]
    assert not bad, "\n".join(bad)
    assert len(scored) >= scenarios, sorted(scored) or ran.stderr[-2000:]
    assert sum(check["status"] == "SUCCESS" for _, check in every) >= scenarios


def test_the_inspector_lists_and_calls(database: tuple[Path, str], server: str) -> None:
    script = npm.package("inspector") / "clients" / "launcher" / "build" / "index.js"

    def ask(*arguments: str) -> dict[str, object]:
        ran = npm.run(script, "--cli", server, "--transport", "http", *arguments, token=database[1])
        assert ran.returncode == 0, ran.stderr[-2000:]
        found: dict[str, object] = json.loads(ran.stdout)
        return found

    assert '"echo"' in json.dumps(ask("--method", "tools/list"))
    assert '{"echo": "hi"}' in json.dumps(ask("--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hi"))
    for method, key in (("resources/list", "resources"), ("resources/templates/list", "resourceTemplates"), ("prompts/list", "prompts")):
        assert ask("--method", method)[key]
