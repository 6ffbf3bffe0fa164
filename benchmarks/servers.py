"""The servers that a benchmark measures: a throw-away PostgreSQL cluster and the platform itself, each in processes of its own."""

import contextlib
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def machine() -> str:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine()
    )
    return f"{os.cpu_count()} x {model}, Python {platform.python_version()}, {platform.system()} {platform.release()}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def tool(name: str) -> str:
    """The path of a PostgreSQL program, or "" when it is not installed."""
    found = sorted(glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else shutil.which(name) or ""


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """A fresh cluster with the durability of production (fsync on); gives its URL, or "" when PostgreSQL is not installed."""
    if not tool("initdb"):
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="mcp-bench-pg") as folder:
        port = free_port()
        Path(folder).chmod(0o755)
        data = f"{folder}/data"
        user = ["su", "postgres", "-s", "/bin/sh", "-c"] if os.getuid() == 0 else ["sh", "-c"]
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
        _shell(user, f"{tool('initdb')} -D {data} -U postgres -A trust -E UTF8 --locale=C.UTF-8")
        _shell(user, f"{tool('pg_ctl')} -D {data} -w -l {folder}/log -o '{options}' start")
        try:
            subprocess.run(
                [
                    "psql",
                    "-q",
                    "-h",
                    "127.0.0.1",
                    "-p",
                    str(port),
                    "-U",
                    "postgres",
                    "-c",
                    "CREATE ROLE mcp LOGIN CREATEDB",
                    "-c",
                    "CREATE DATABASE mcp OWNER mcp",
                ],
                check=True,
            )
            yield f"postgresql://mcp@127.0.0.1:{port}/mcp"
        finally:
            _shell(user, f"{tool('pg_ctl')} -D {data} -m immediate stop")


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A fresh Redis; gives its URL, or "" when it is not installed."""
    if not shutil.which("redis-server"):
        yield ""
        return
    port = free_port()
    process = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""], stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


def _shell(user: list[str], command: str) -> None:
    subprocess.run([*user, command], check=True, stdout=subprocess.DEVNULL)


def environment(state: str, **values: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "POSTGRES_URI", "REDIS_URL", "STATE_DIR")}
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "mcp_platform.settings",
        "STATE_DIR": state,
        "LOG_LEVEL": "ERROR",
        "API_RATE_LIMIT": "100000000/minute",
        **{name: value for name, value in values.items() if value},
    }


def prepare(env: dict[str, str]) -> dict[str, str]:
    """Migrate, publish the benchmark's flow; gives {key, flow}."""
    out = subprocess.run([sys.executable, "-m", "benchmarks.prepare"], cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout
    key, flow = out.split()[-2:]
    return {"key": key, "flow": flow}


@contextlib.contextmanager
def serving(env: dict[str, str], command: list[str], port: int) -> Iterator[None]:
    """A web process of ours until the end of the block."""
    with running([sys.executable, *command], port, env=env, cwd=ROOT, path="readyz"):
        yield


@contextlib.contextmanager
def running(command: list[str], port: int, *, env: dict[str, str], cwd: Path, path: str) -> Iterator[None]:
    """A server until the end of the block; it is ready when it answers at `path`."""
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.DEVNULL)
    try:
        _wait_until_ready(port, process, path)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_ready(port: int, process: "subprocess.Popen[bytes]", path: str = "readyz") -> None:
    for _ in range(1200):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=2):
            return
        if process.poll() is not None:
            raise SystemExit("the server ended before it was ready")
        time.sleep(0.1)
    raise SystemExit("the server did not become ready in time")


def load(protocol: str, port: int, concurrency: int, seconds: float, *, key: str = "none", flow: str = "none") -> dict[str, Any]:
    """What `benchmarks.load` measures, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load", protocol, "127.0.0.1", str(port), key, flow, str(concurrency), str(seconds)]
    return json_of(command, None)


def json_of(command: list[str], env: dict[str, str] | None) -> dict[str, Any]:
    """The JSON object on the last line of what a command prints."""
    ran = subprocess.run(command, cwd=ROOT, env=env, check=False, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{ran.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found
