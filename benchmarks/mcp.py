"""`./run bench mcp [--fastmcp PYTHON] [--json]`: calls of the tool `echo` a second: through our server, the SDK's bare server, our gateway to that
server, and a peer's proxy to it, all in one run.

The peer is not installed by the platform. Once, in a place of its own: `python3 -m venv ~/fastmcp && ~/fastmcp/bin/pip install fastmcp==2.14.5`, then
`./run bench mcp --fastmcp ~/fastmcp/bin/python`. Our server checks a key, counts it, checks scope and schema and writes each call down; the bare
server and the proxy do none of that. The proxy speaks the older revision, with a session; everything else the newest, without.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import servers
from benchmarks.servers import say
from benchmarks.turn import daphne

CONCURRENCY = (1, 16)
PEER = Path(__file__).parent / "peers" / "fastmcp_proxy.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fastmcp", help="the Python of an environment that has fastmcp")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    say(f"machine: {servers.machine()} (servers and load share it)")
    found = measure(options.seconds, options.fastmcp)
    print(json.dumps(found) if options.json else table(found))


def measure(seconds: float, fastmcp: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"machine": servers.machine()}
    with tempfile.TemporaryDirectory(prefix="mcp-bench") as state:
        bare = servers.free_port()
        allowed = {"OUTBOUND_ALLOWED_HOSTS": f"127.0.0.1:{bare}", "TENANT_RATE_LIMIT": "100000000/minute"}
        env = servers.environment(state, **allowed)
        with servers.running([sys.executable, "-m", "benchmarks.mcp_bare", str(bare)], bare, env=env, cwd=servers.ROOT, path="livez"):
            found["bare_sdk"] = measured("the SDK's bare server, uvicorn", bare, "/mcp", "none", seconds)
            key = prepared(env, bare)
            port = servers.free_port()
            with servers.serving(env, daphne(port), port):
                found["ours"] = measured("ours, daphne, SQLite", port, "/mcp", key, seconds)
                found["gateway"] = measured("ours, as a gateway to the bare server", port, "/mcp/v/bench", key, seconds)
            found["peer_proxy"] = proxied(fastmcp, bare, seconds, env) if fastmcp else None
    found["ours_share_of_bare"] = {at: round(found["ours"][at]["req_per_s"] / found["bare_sdk"][at]["req_per_s"], 2) for at in found["ours"]}
    return found


def prepared(env: dict[str, str], upstream: int) -> str:
    """A migrated database with a tenant, whose virtual server `bench` offers the upstream's echo; gives its key."""
    command = [sys.executable, "-m", "benchmarks.mcp_prepare", str(upstream)]
    return subprocess.run(command, cwd=servers.ROOT, env=env, check=True, capture_output=True, text=True).stdout.split()[-1]


def proxied(python: str, upstream: int, seconds: float, env: dict[str, str]) -> dict[str, Any]:
    port = servers.free_port()
    with servers.running([python, str(PEER), str(upstream), str(port)], port, env=env, cwd=servers.ROOT, path="livez"):
        return measured("fastmcp's proxy to the bare server", port, "/mcp", "none", seconds, legacy=True)


def measured(what: str, port: int, path: str, key: str, seconds: float, *, legacy: bool = False) -> dict[str, Any]:
    result = {}
    for concurrency in CONCURRENCY:
        say(f"{what}, {concurrency} connections")
        command = [
            sys.executable,
            "-m",
            "benchmarks.mcp_load",
            str(port),
            path,
            key,
            str(concurrency),
            str(seconds),
            "legacy" if legacy else "modern",
        ]
        result[str(concurrency)] = servers.json_of(command, None)
    return result


def table(found: dict[str, Any]) -> str:
    lines = [f"machine      {found['machine']}"]
    for name in ("bare_sdk", "ours", "gateway", "peer_proxy"):
        for concurrency, one in (found.get(name) or {}).items():
            figures = f"{one['req_per_s']:>8,.0f} calls/s   p50 {one['p50_ms']} ms   p95 {one['p95_ms']} ms   errors {one['errors']}"
            lines.append(f"{name:<11} c={concurrency:<3} {figures}")
    return "\n".join([*lines, f"ours / bare  {found['ours_share_of_bare']}"])


if __name__ == "__main__":
    main()
