"""`./run bench turn [--json]`: how many turns a second, for the core alone, the service, and HTTP on SQLite and PostgreSQL.

The peer is pgbench: the same two statements of a durable turn, with the same number of clients, on the same cluster, in the same run.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks import servers
from benchmarks.servers import say

CONCURRENCY = (1, 32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    say(f"machine: {servers.machine()} (server, database and load share it)")
    result = measure(options.seconds)
    if options.json:
        print(json.dumps(result))
    else:
        print_table(result)


def measure(seconds: float) -> dict[str, Any]:
    result: dict[str, Any] = {"machine": servers.machine()}
    say("core: advance() alone")
    result["core_steps_per_s"] = servers.json_of([sys.executable, "-m", "benchmarks.core_steps"], None)["core_steps_per_s"]
    with tempfile.TemporaryDirectory(prefix="mcp-bench") as state:
        env = servers.environment(state)
        made = servers.prepare(env)
        result["service_sqlite"] = service(env, made, seconds, "SQLite")
        result["http_sqlite"] = http(env, made, seconds, "SQLite, daphne", daphne)
    with servers.postgresql() as url, servers.redis() as redis, tempfile.TemporaryDirectory(prefix="mcp-bench") as state:
        if not url:
            say("PostgreSQL is not installed: its part is left out")
            return {**result, "service_postgres": None, "http_postgres": None, "http_postgres_wsgi": None, "pgbench_tps": None}
        env = servers.environment(state, DATABASE_URL=url, POSTGRES_POOL_SIZE="32")
        made = servers.prepare(env)
        result["service_postgres"] = service(env, made, seconds, "PostgreSQL")
        scaled = {**env, "REDIS_URL": redis} if redis else env
        result["http_postgres"] = http(scaled, made, seconds, "PostgreSQL, daphne", daphne)
        result["http_postgres_wsgi"] = http(scaled, made, seconds, "PostgreSQL, granian", granian)
        result["pgbench_tps"] = pgbench(env, made, url, seconds)
    for name in ("http_postgres", "http_postgres_wsgi"):
        result[f"{name}_share_of_pgbench"] = round(result[name]["32"]["turns_per_s"] / result["pgbench_tps"], 3)
    return result


def daphne(port: int) -> list[str]:
    return ["manage.py", "serve", "--no-migrate", "--port", str(port)]


def granian(port: int) -> list[str]:
    return [
        *("-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "2"),
        *("--blocking-threads", "16", "--log-level", "error", "mcp_platform.wsgi:application"),
    ]


def service(env: dict[str, str], made: dict[str, str], seconds: float, name: str) -> dict[str, Any]:
    say(f"service: process_message() on {name}, one thread")
    return servers.json_of([sys.executable, "-m", "benchmarks.service", made["flow"], str(seconds / 2)], env)


def http(env: dict[str, str], made: dict[str, str], seconds: float, name: str, command: Any) -> dict[str, Any]:
    port = servers.free_port()
    measured = {}
    with servers.serving(env, command(port), port):
        _load(port, made, 4, 1.0)  # warm
        for concurrency in CONCURRENCY:
            say(f"HTTP: {name}, {concurrency} connections")
            measured[str(concurrency)] = _load(port, made, concurrency, seconds)
    return measured


def _load(port: int, made: dict[str, str], concurrency: int, seconds: float) -> dict[str, Any]:
    return servers.load("ours", port, concurrency, seconds, **made)


def pgbench(env: dict[str, str], made: dict[str, str], url: str, seconds: float) -> float:
    """Transactions a second of the turn's own statements, prepared, 32 clients: what PostgreSQL itself can do here."""
    say("pgbench: the statements of one turn, 32 clients")
    script = subprocess.run(
        [sys.executable, "-m", "benchmarks.statements", made["flow"]], cwd=servers.ROOT, env=env, check=True, capture_output=True, text=True
    ).stdout
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [servers.tool("pgbench"), "-n", "-M", "prepared", "-c", "32", "-j", "2", "-T", str(int(seconds)), "-f", file.name, url]
        ran = subprocess.run(command, env={**env, "PGOPTIONS": "-c mcp.tenants=*"}, check=False, capture_output=True, text=True)
    found = [line for line in ran.stdout.splitlines() if line.startswith("tps")]
    if not found:
        raise SystemExit(f"pgbench failed: {ran.stderr[-2000:]}")
    return round(float(found[0].split()[2]), 1)


def print_table(result: dict[str, Any]) -> None:
    print(f"machine              {result['machine']}")
    print(f"core                 {result['core_steps_per_s']:>10,.0f} steps/s")
    for name in ("service_sqlite", "service_postgres"):
        if result.get(name):
            print(f"{name:<20} {result[name]['turns_per_s']:>10,.0f} turns/s   p50 {result[name]['p50_ms']} ms   p95 {result[name]['p95_ms']} ms")
    for name in ("http_sqlite", "http_postgres", "http_postgres_wsgi"):
        for concurrency, one in (result.get(name) or {}).items():
            figures = f"p50 {one['p50_ms']} ms   p95 {one['p95_ms']} ms   errors {one['errors']}"
            print(f"{name + ' c=' + concurrency:<24} {one['turns_per_s']:>6,.0f} turns/s   {figures}")
    if result.get("pgbench_tps"):
        print(f"pgbench              {result['pgbench_tps']:>10,.0f} tps   (the same statements, 32 clients)")
        shares = (result["http_postgres_share_of_pgbench"], result["http_postgres_wsgi_share_of_pgbench"])
        print(f"share of pgbench     daphne {shares[0]:.1%}   granian {shares[1]:.1%}")


if __name__ == "__main__":
    main()
