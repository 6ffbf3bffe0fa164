"""A real server with a database file of its own, and a browser that may talk to nobody else."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, sync_playwright

from tests import ready

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
ENVIRONMENTS: dict[str, dict[str, str]] = {}  # of each running server, by its base URL: for commands beside it
NOT_OURS = ("DATABASE_URL", "POSTGRES_URI", "REDIS_URL", "SECRET_KEY")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(300))
            if not shutil.which(CHROMIUM):
                item.add_marker(pytest.mark.skip(reason=f"needs Chromium at {CHROMIUM}"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """The base URL of `manage.py serve` on a free port. A module's HOUSE says what is in its database, its `environment()` what else."""
    house = getattr(request.module, "HOUSE", "tests.e2e.house")
    state = tmp_path_factory.mktemp("state")
    env = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    env |= {"STATE_DIR": str(state), "ENV_FILE": os.devnull, "PYTHONPATH": str(ROOT)}
    env |= getattr(request.module, "environment", dict)()
    shutil.copy(ready.sqlite_file(), state / "mcp.sqlite3")
    subprocess.run([sys.executable, "-m", house], cwd=ROOT, env=env, check=True, timeout=600)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (state / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--no-migrate", "--port", str(port)], cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            base = f"http://127.0.0.1:{port}"
            _wait_for(base, process, state / "serve.log")
            ENVIRONMENTS[base] = env
            yield base
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
            process.kill()


def _wait_for(base: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            pytest.fail(f"the server ended at once:\n{log.read_text()[-2000:]}")
        with suppress(OSError), urllib.request.urlopen(f"{base}/livez", timeout=2):
            return
        time.sleep(0.1)
    pytest.fail("the server did not answer within two minutes")


class Witness:
    """What the browser did that it should not have done."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.foreign: list[str] = []
        self.complaints: list[str] = []

    def watch(self, page: Page) -> None:
        ours = (f"{self.base}/", f"{self.base.replace('http', 'ws')}/", "data:", "blob:", "about:")

        def look(request: Request) -> None:
            if not request.url.startswith(ours):
                self.foreign.append(request.url)

        page.on("request", look)
        page.on("websocket", lambda opened: None if opened.url.startswith(ours) else self.foreign.append(opened.url))
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


@pytest.fixture(scope="module")
def witness(server: str) -> Witness:
    return Witness(server)


@pytest.fixture(scope="module")
def page(server: str, witness: Witness) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=server)
        context.set_default_timeout(15_000)
        tab = context.new_page()
        tab.on("dialog", lambda dialog: dialog.accept())
        witness.watch(tab)
        yield tab
        context.close()
        browser.close()
