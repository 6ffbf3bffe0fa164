"""Kill -9 in the midst of a migration: the command, run again, goes on; no conversation is lost, none moves twice."""

import json
import subprocess
import sys
import time
from typing import Any

from tests.faults.plant import ROOT, Plant, noted

COUNT = 600


def command(plan: str, *more: str) -> list[str]:
    return [sys.executable, "manage.py", "migrate_conversations", "--plan", plan, *more]


def kill_under_way(plant: Plant, plan: str) -> None:
    """Killed as soon as the command has told of its first conversations."""
    quiet: dict[str, Any] = {"env": plant.environment(), "cwd": ROOT, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(command(plan), stderr=subprocess.PIPE, **quiet) as work:
        noted(work.pid)
        assert work.stderr is not None
        while b"Moving" not in (line := work.stderr.readline()):
            assert line, "it ended before it began"
        time.sleep(0.1)
        work.kill()


def goes_on(plant: Plant) -> None:
    office = plant.ask("many", count=COUNT)
    kill_under_way(plant, office["plan"])
    before = plant.ask("moved", tenant=office["tenant"])
    assert 0 < before["moves"] < COUNT, "it was killed in the midst"
    assert before["moves"] == before["versions"].count(2)
    done = subprocess.run(command(office["plan"], "--json"), env=plant.environment(), cwd=ROOT, capture_output=True, timeout=600, check=True)
    result = json.loads(done.stdout)
    assert (result["migrated"], result["remaining"]) == (COUNT, 0)
    after = plant.ask("moved", tenant=office["tenant"])
    assert after == {"versions": [2] * COUNT, "states": ["ask", "holder"], "moves": COUNT, "conversations": COUNT}


def test_on_sqlite(embedded: Plant) -> None:
    goes_on(embedded)


def test_on_postgresql(scaled: Plant) -> None:
    goes_on(scaled)
