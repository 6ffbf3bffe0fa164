"""`./run bench validation [--json]`: how fast buildings are checked, whole and while they are being drawn.

full     the starter pack on a building: the sample models in DIR (left out, with a word, when they are not there) and a made one of MEGABYTES.
         Seconds for reading (a child process) and checking, peak memory of both, judgements a second.
live     one element edit against a hundred rules, by number of elements: from sending it over the socket to the diff with its findings, and the
         same through the service alone (service_*; storey_*: what follows for the surroundings, computed a moment later).
plugins  fifty plugins that edit one building at the same time, each about every ten seconds: the same latency, and whether each has gathered
         exactly the findings that there are. busy: the same without a pause, each edit as soon as the findings of the last one are there.
On SQLite, and where PostgreSQL is installed on that too (live_postgres, plugins_postgres). DATABASE_URL names a database to use instead of
SQLite; it must be empty.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import servers
from benchmarks.servers import say

SIZES = (1_000, 10_000, 50_000)
SAMPLES = Path("../shared/data/ifc")
EDITS = 150
PLUGINS, PLUGIN_EDITS, PLUGIN_PAUSE = 50, 6, 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), help="elements of the buildings that are edited")
    parser.add_argument("--edits", type=int, default=EDITS)
    parser.add_argument("--plugins", type=int, default=PLUGINS)
    parser.add_argument("--models", type=Path, default=SAMPLES, metavar="DIR")
    parser.add_argument("--megabytes", type=float, default=50.0, help="size of the made model; 0: none")
    parser.add_argument("--only", nargs="*", choices=("full", "live", "postgres"), default=("full", "live", "postgres"))
    options = parser.parse_args()
    say(f"machine: {servers.machine()} (server, database and plugins share it)")
    result: dict[str, Any] = {"machine": servers.machine()}
    if "full" in options.only:
        result["full"] = full(options.models, options.megabytes)
    if "live" in options.only:
        given = os.environ.get("DATABASE_URL", "")
        with tempfile.TemporaryDirectory(prefix="mcp-bench") as state:
            result |= live(servers.environment(state, DATABASE_URL=given), options, "")
    if "postgres" in options.only and "live" in options.only:
        result |= on_postgresql(options)
    print(json.dumps(result) if options.json else table(result))


def full(models: Path, megabytes: float) -> dict[str, Any]:
    found = {}
    paths = sorted(models.glob("*.ifc")) if models.is_dir() else []
    if not paths:
        say(f"full: there are no sample models in {models}: they are left out")
    with tempfile.TemporaryDirectory(prefix="mcp-bench") as folder:
        if megabytes:
            from benchmarks import big_building

            made = Path(folder) / f"made_{megabytes:g}_MB.ifc"
            say(f"full: writing {made.name}")
            big_building.write_ifc(made, megabytes)
            paths.append(made)
        for path in paths:
            say(f"full: {path.name}")
            env = servers.environment(folder)
            found[path.name] = servers.json_of([sys.executable, "-m", "benchmarks.full_check", str(path)], env)
    return found


def live(env: dict[str, str], options: argparse.Namespace, suffix: str) -> dict[str, Any]:
    """`env` names an empty database; every size gets a building of its own in it."""
    found: dict[str, Any] = {}
    crowd: dict[str, Any] = {}
    for count in options.sizes:
        say(f"live{suffix}: a building of {count:,} elements")
        made = servers.json_of([sys.executable, "-m", "benchmarks.building_house", str(count)], env)
        say(f"live{suffix}: {options.edits} edits of it")
        edits = servers.json_of([sys.executable, "-m", "benchmarks.edits", made["building"], str(options.edits)], env)
        port = servers.free_port()
        with servers.serving(env, ["manage.py", "serve", "--no-migrate", "--port", str(port)], port):
            one = plugins(port, made, 1, options.edits, 0.02)
            if count == options.sizes[0] and options.plugins:
                say(f"plugins{suffix}: {options.plugins} on the building of {count:,} elements")
                crowd = plugins(port, made, options.plugins, PLUGIN_EDITS, PLUGIN_PAUSE)
                crowd["busy"] = plugins(port, made, options.plugins, PLUGIN_EDITS, 0.0)
        found[str(count)] = {
            "p50_ms": one["p50_ms"],
            "p95_ms": one["p95_ms"],
            "service_p50_ms": edits["p50_ms"],
            "service_p95_ms": edits["p95_ms"],
            "storey_p50_ms": edits["storey_p50_ms"],
            "storey_p95_ms": edits["storey_p95_ms"],
            "edits": one["edits"],
            "lost": one["lost"],
            "faults": one["faults"],
            **{name: made[name] for name in ("read_s", "check_s", "evaluations", "evaluations_per_s", "findings")},
        }
    return {f"live{suffix}": found, f"plugins{suffix}": crowd}


def plugins(port: int, made: dict[str, Any], count: int, edits: int, pause: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.plugins", str(port), made["key"], made["building"], str(count), str(edits), str(pause)]
    return servers.json_of(command, None)


def on_postgresql(options: argparse.Namespace) -> dict[str, Any]:
    with servers.postgresql() as url, servers.redis() as redis, tempfile.TemporaryDirectory(prefix="mcp-bench") as state:
        if not url:
            say("PostgreSQL is not installed: its part is left out")
            return {"live_postgres": None, "plugins_postgres": None}
        env = servers.environment(state, DATABASE_URL=url, POSTGRES_POOL_SIZE="32")
        del redis  # one process with its embedded worker, as on SQLite: the database makes the difference
        return live(env, options, "_postgres")


def table(result: dict[str, Any]) -> str:
    lines = [f"machine  {result['machine']}"]
    if "full" in result:
        lines += ["", f"{'full check':<34} {'elements':>9} {'reading':>9} {'checking':>9} {'judgements/s':>13} {'peak MB':>8}"]
        lines += [
            f"{name:<34} {one['elements']:>9,} {one['read_s']:>7.1f} s {one['check_s']:>7.1f} s {one['evaluations_per_s']:>13,} {one['peak_mb']:>8,}"
            for name, one in result["full"].items()
        ]
    for name in ("live", "live_postgres"):
        if result.get(name):
            lines += ["", f"{name:<16} {'socket p50':>11} {'p95':>8} {'service p50':>12} {'p95':>8} {'storey p95':>11} {'lost':>5}"]
            lines += [
                f"{int(count):>9,} elem. {one['p50_ms']:>8} ms {one['p95_ms']:>5} ms {one['service_p50_ms']:>9} ms {one['service_p95_ms']:>5} ms "
                f"{one['storey_p95_ms']:>8} ms {one['lost']:>5}"
                for count, one in result[name].items()
            ]
    for name in ("plugins", "plugins_postgres"):
        if result.get(name):
            lines += ["", _crowd(name, result[name]), _crowd(f"{name}, busy", result[name]["busy"])]
    return "\n".join(lines)


def _crowd(name: str, one: dict[str, Any]) -> str:
    return (
        f"{name}: {one['plugins']} plugins, {one['edits_per_s']} edits/s, p50 {one['p50_ms']} ms, p95 {one['p95_ms']} ms, "
        f"unacknowledged {one['unacknowledged']}, faults {one['faults']}, lost {one['lost']}"
    )


if __name__ == "__main__":
    main()
