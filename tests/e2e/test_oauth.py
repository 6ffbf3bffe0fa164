"""A program that knows nothing but an address finds its way in: the SDK's OAuth client, and a person with a browser."""

import asyncio
import functools
import queue
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.house import PASSWORD, USER
from tests.oauth.publisher import Publisher

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds; what is waited for comes, however slow the machine
SOON = PATIENCE * 1000
TRUSTING = """
import certifi
certifi.where = lambda: {authority!r}
"""


@functools.cache
def publisher() -> Publisher:
    return Publisher(Path(tempfile.mkdtemp()))


def environment() -> dict[str, str]:
    """The server takes the publisher for a public site: its authority is trusted, its address may be called."""
    site = publisher()
    (site.authority.parent / "sitecustomize.py").write_text(TRUSTING.format(authority=str(site.authority)))
    return {"PYTHONPATH": f"{site.authority.parent}:{ROOT}", "OUTBOUND_ALLOWED_HOSTS": site.host}


class Callback:
    """Where the person's browser brings the answer: a port of the program on the person's own computer."""

    def __init__(self) -> None:
        self.brought: queue.Queue[dict[str, str]] = queue.Queue()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/back"):
                    outer.brought.put({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(b"<h1>You can close this page</h1>")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/back"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def callback() -> Iterator[Callback]:
    found = Callback()
    yield found
    found.stop()


class Storage:
    def __init__(self) -> None:
        self.tokens: Any = None
        self.client: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client_info: Any) -> None:
        self.client = client_info


class Program(threading.Thread):
    """Calls a tool at an address, with the SDK's OAuth client. `shown` gets the addresses that a person has to open."""

    def __init__(self, address: str, callback: Callback, client_id: str) -> None:
        super().__init__(daemon=True)
        self.address, self.callback, self.client_id = address, callback, client_id
        self.storage = Storage()
        self.shown: queue.Queue[str] = queue.Queue()
        self.said: queue.Queue[Any] = queue.Queue()

    def run(self) -> None:
        try:
            self.said.put(asyncio.run(self._call()))
        except BaseException as fault:  # noqa: BLE001  whatever it is, the test tells it
            self.said.put(fault)

    async def _call(self) -> Any:
        import httpx2
        from mcp import Client
        from mcp.client.auth import OAuthClientProvider
        from mcp.client.streamable_http import streamable_http_client
        from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

        async def open_browser(address: str) -> None:
            self.shown.put(address)

        async def wait_for_answer() -> AuthorizationCodeResult:
            found = await asyncio.to_thread(self.callback.brought.get, True, PATIENCE)
            return AuthorizationCodeResult(code=found["code"], state=found.get("state"), iss=found.get("iss"))

        metadata = OAuthClientMetadata.model_validate({"client_name": "Viewer", "redirect_uris": [self.callback.address]})
        auth = OAuthClientProvider(self.address, metadata, self.storage, open_browser, wait_for_answer, client_metadata_url=self.client_id)
        async with (
            httpx2.AsyncClient(auth=auth, timeout=PATIENCE) as http,
            Client(streamable_http_client(self.address, http_client=http)) as client,
        ):
            listed = await client.list_tools()
            answer = await client.call_tool("echo", {"message": "hello"})
            return [tool.name for tool in listed.tools], answer


def sign_in(page: Page) -> None:
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/oauth/authorize?**", timeout=SOON)


def test_a_program_that_knows_only_the_address_gets_in(server: str, page: Page, callback: Callback) -> None:
    site = publisher()
    site.publish(redirect_uris=["http://127.0.0.1/back"])
    program = Program(f"{server}/mcp", callback, site.client_id)
    program.start()
    page.goto(program.shown.get(timeout=PATIENCE), timeout=SOON)
    sign_in(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Viewer wants to act for you in Office of Ada", timeout=SOON)
    expect(page.locator("main")).to_contain_text("published at localhost", timeout=SOON)
    expect(page.locator("main")).to_contain_text("your own computer", timeout=SOON)
    page.get_by_role("button", name="Let it in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You can close this page", timeout=SOON)

    said = program.said.get(timeout=PATIENCE)
    if isinstance(said, BaseException):
        raise said
    names, answer = said
    assert "echo" in names
    assert "hello" in str(answer)
    assert program.storage.tokens.access_token.startswith("mcpo_")

    page.goto(f"{server}/oauth/programs", timeout=SOON)
    expect(page.locator("main")).to_contain_text("Viewer", timeout=SOON)
    page.get_by_role("button", name="Take it back").click()
    expect(page.locator("main")).not_to_contain_text("Viewer", timeout=SOON)


def test_who_refuses_sends_it_away(server: str, page: Page, callback: Callback) -> None:
    site = publisher()
    program = Program(f"{server}/mcp", callback, site.client_id)
    program.start()
    page.goto(program.shown.get(timeout=PATIENCE), timeout=SOON)
    page.get_by_role("button", name="Refuse").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You can close this page", timeout=SOON)
    assert isinstance(program.said.get(timeout=PATIENCE), BaseException)
