"""`./run bench assign [--json]`: what an assignment costs, and what an experiment costs a turn.

`us_per_assignment`: the decision alone, with targeting, namespace and holdout. `us_remembered`: as a turn asks for a unit that it knows.
`turn_overhead_pct`: whole conversations of the order flow with a running experiment against the same without one, taken turn about in one process.
"""

import argparse
import json
import sys
import tempfile
from typing import Any

from benchmarks import servers
from benchmarks.servers import say


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    result = measure(options.seconds)
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:<26} {value}")


def measure(seconds: float) -> dict[str, Any]:
    result: dict[str, Any] = {"machine": servers.machine()}
    with tempfile.TemporaryDirectory(prefix="mcp-bench") as state:
        say("SQLite")
        result |= _in(servers.environment(state), seconds)
    with servers.postgresql() as url, tempfile.TemporaryDirectory(prefix="mcp-bench") as state:
        if url:
            say("PostgreSQL")
            found = _in(servers.environment(state, DATABASE_URL=url), seconds)
            result |= {f"{name}_postgres": found[name] for name in ("turn_overhead_pct", "turn_ms_without", "turn_ms_with")}
    return result


def _in(env: dict[str, str], seconds: float) -> dict[str, Any]:
    made = servers.prepare(env)
    return servers.json_of([sys.executable, "-m", "benchmarks.assigning", made["flow"], str(seconds)], env)


if __name__ == "__main__":
    main()
