"""`./run bench peers [--rasa PATH] [--botbuilder PATH] [--json]`: the same conversation here, with Rasa and with the Bot Framework, in the same run.

The peers are not installed by the platform. Once, each in a place of its own:

    python3.10 -m venv ~/rasa && ~/rasa/bin/pip install rasa==3.6.20 "setuptools<70"
    mkdir ~/bot && cd ~/bot && npm install --ignore-scripts botbuilder@4.23 botbuilder-dialogs@4.23

then `./run bench peers --rasa ~/rasa/bin/rasa --botbuilder ~/bot`. Rasa keeps its conversations in its SQLite tracker and decides by rules alone
(no model is asked), which is its fastest set-up; the Bot Framework keeps them in memory. Here a turn is durable before it is answered.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import servers
from benchmarks.servers import say
from benchmarks.turn import daphne

HERE = Path(__file__).parent
CONCURRENCY = (1, 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rasa", help="the rasa program of its own environment")
    parser.add_argument("--botbuilder", help="the folder with node_modules/botbuilder")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    say(f"machine: {servers.machine()} (server and load share it)")
    found: dict[str, Any] = {"machine": servers.machine(), "ours": ours(options.seconds)}
    found["rasa"] = rasa(Path(options.rasa), options.seconds) if options.rasa else None
    found["botbuilder"] = botbuilder(Path(options.botbuilder), options.seconds) if options.botbuilder else None
    if found["rasa"]:
        found["times_rasa"] = {key: round(one["turns_per_s"] / found["rasa"][key]["turns_per_s"], 1) for key, one in found["ours"].items()}
    print(json.dumps(found) if options.json else table(found))


def ours(seconds: float) -> dict[str, Any]:
    """SQLite, one process: what `./run serve` starts."""
    say("ours: SQLite, daphne")
    with tempfile.TemporaryDirectory(prefix="mcp-bench") as state:
        env = servers.environment(state)
        made = servers.prepare(env)
        port = servers.free_port()
        with servers.serving(env, daphne(port), port):
            return measured("ours", port, seconds, **made)


def rasa(program: Path, seconds: float) -> dict[str, Any]:
    say("Rasa: SQLite tracker, rules only (training takes a minute)")
    with tempfile.TemporaryDirectory(prefix="mcp-bench-rasa") as folder:
        project = Path(folder) / "project"
        shutil.copytree(HERE / "rasa", project)
        env = {**os.environ, "SQLALCHEMY_SILENCE_UBER_WARNING": "1", "RASA_TELEMETRY_ENABLED": "false", "LOG_LEVEL": "ERROR"}
        subprocess.run([program, "train", "--quiet"], cwd=project, env=env, check=True, capture_output=True)
        port = servers.free_port()
        command = [str(program), "run", "--enable-api", "--port", str(port), "-i", "127.0.0.1", "--quiet"]
        with servers.running(command, port, env=env, cwd=project, path="status"):
            return measured("rasa", port, seconds)


def botbuilder(folder: Path, seconds: float) -> dict[str, Any]:
    say("Bot Framework: memory storage")
    port = servers.free_port()
    env = {**os.environ, "NODE_PATH": str(folder / "node_modules"), "PORT": str(port), "NODE_ENV": "production"}
    with servers.running(["node", str(HERE / "botbuilder" / "server.js")], port, env=env, cwd=HERE, path=""):
        return measured("botbuilder", port, seconds)


def measured(protocol: str, port: int, seconds: float, **made: str) -> dict[str, Any]:
    servers.load(protocol, port, 4, 1.0, **made)  # warm
    return {str(concurrency): servers.load(protocol, port, concurrency, seconds, **made) for concurrency in CONCURRENCY}


def table(found: dict[str, Any]) -> str:
    lines = [f"machine  {found['machine']}"]
    for name in ("ours", "rasa", "botbuilder"):
        for concurrency, one in (found[name] or {}).items():
            figures = f"p50 {one['p50_ms']:>8} ms   p95 {one['p95_ms']:>8} ms   errors {one['errors']}"
            lines.append(f"{name + ' c=' + concurrency:<18} {one['turns_per_s']:>8,.1f} turns/s   {figures}")
        if not found[name]:
            lines.append(f"{name:<18} not measured: see `./run bench peers --help`")
    if found.get("times_rasa"):
        lines.append("times Rasa         " + "   ".join(f"c={key}: {value}" for key, value in found["times_rasa"].items()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
