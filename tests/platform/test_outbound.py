"""The one HTTP client: what it refuses to call, and what it does when the other side misbehaves."""

import contextlib
import gzip
import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from mcp_platform import outbound

BODIES = {"/huge": b"x" * (2 * outbound.MAX_ANSWER), "/encoded/gzip": gzip.compress(b"{}")}


class Other(http.server.BaseHTTPRequestHandler):
    """The outside world, as it behaves and misbehaves."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(1)
        if self.path == "/trickle":  # headers, a byte at a time, for about four seconds
            with contextlib.suppress(OSError):
                for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 20:
                    self.wfile.write(bytes([letter]))
                    time.sleep(0.1)
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "http://169.254.169.254/latest")
        if self.path.startswith("/encoded/"):
            self.send_header("Content-Encoding", self.path.removeprefix("/encoded/"))
        self.end_headers()
        self.wfile.write(BODIES.get(self.path, b'{"ok": true}'))

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def other(settings: Settings) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.OUTBOUND_ALLOWED_HOSTS = [f"127.0.0.1:{server.server_port}"]
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost:8002/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://0.0.0.0/",
        "http://2130706433/",
        "ftp://example.org/",
        "file:///etc/passwd",
    ],
)
def test_private_addresses_and_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(outbound.AddressRefused):
        outbound.request("GET", url)


def test_an_allowed_private_host_is_called(other: str) -> None:
    answer = outbound.request("GET", f"{other}/fine")
    assert (answer.status, answer.body) == (200, b'{"ok": true}')


def test_a_redirect_is_not_followed(other: str) -> None:
    assert outbound.request("GET", f"{other}/moved").status == 302


def test_a_slow_answer_times_out(other: str) -> None:
    with pytest.raises(outbound.TimedOut):
        outbound.request("GET", f"{other}/slow", timeout_ms=200)


def test_headers_that_trickle_in_do_not_stretch_the_time(other: str) -> None:
    began = time.monotonic()
    with pytest.raises(outbound.TimedOut):
        outbound.request("GET", f"{other}/trickle", timeout_ms=400)
    assert time.monotonic() - began < 3


def test_a_huge_answer_is_cut_off(other: str) -> None:
    with pytest.raises(outbound.AnswerTooLarge):
        outbound.request("GET", f"{other}/huge")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity,gzip"])
def test_a_compressed_answer_is_refused(other: str, encoding: str) -> None:
    with pytest.raises(outbound.AnswerEncoded):
        outbound.request("GET", f"{other}/encoded/{encoding}")


def test_an_answer_that_says_it_is_not_compressed_is_taken(other: str) -> None:
    assert outbound.request("GET", f"{other}/encoded/Identity").body == b'{"ok": true}'


def test_nobody_there_is_unreachable(other: str, settings: Settings) -> None:
    settings.OUTBOUND_ALLOWED_HOSTS = ["127.0.0.1:9"]
    with pytest.raises(outbound.Unreachable):
        outbound.request("GET", "http://127.0.0.1:9/")


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..example"])
def test_a_name_that_is_none_is_unreachable(host: str) -> None:
    with pytest.raises(outbound.Unreachable):
        outbound.request("GET", f"http://{host}/")


def test_errors_do_not_show_secrets_of_the_url(settings: Settings) -> None:
    settings.OUTBOUND_ALLOWED_HOSTS = ["127.0.0.1:9"]
    with pytest.raises(outbound.Unreachable) as refused:
        outbound.request("GET", "http://user:secret@127.0.0.1:9/path?token=secret")
    assert "secret" not in str(refused.value.details) + refused.value.message
