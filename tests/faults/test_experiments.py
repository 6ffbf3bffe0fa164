"""Experiments under real processes: racing for a unit, killed in the turn that exposes, stopped by somebody else."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.faults.forks import FINE, MOMENTS
from tests.faults.plant import ROOT, Plant

UNITS = {"scaled": 10_000, "embedded": 1_000}  # on SQLite one process of a site writes; others are management commands
DEATHS = 8
NOTHING = dict.fromkeys(FINE, 0)


@pytest.fixture(params=["scaled", "embedded"])
def plant(request: pytest.FixtureRequest) -> Plant:
    """PostgreSQL, and SQLite."""
    found: Plant = request.getfixturevalue(request.param)
    return found


def ask(plant: Plant, question: str, **values: Any) -> Any:
    """What tests/faults/forks.py answers."""
    # Those that race commit hundreds of rows at once, and one waits for the other.
    environment = plant.environment(LOG_LEVEL="ERROR", CONTEXT_LOCK_TIMEOUT_MS="120000")
    command = [sys.executable, "-m", "tests.faults.forks", question, json.dumps(values)]
    ran = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stderr[-4000:]
    return json.loads(ran.stdout.splitlines()[-1])


def test_two_processes_that_race_for_a_unit_agree(plant: Plant) -> None:
    units = UNITS["scaled" if plant.postgres else "embedded"]
    found = ask(plant, "race", units=units)
    assert (found["agreed"], found["rows"], sum(found["won"])) == (units, units, units)
    assert found["arms"] == ["control", "short"]
    assert min(found["won"]) > 0, "both were first somewhere, or it was no race"


def test_a_process_killed_in_the_turn_that_exposes_leaves_no_half(plant: Plant) -> None:
    kept = {"after the commit", *(["after the write"] if plant.postgres else [])}  # there the write is one statement, and its own commit
    found = {one.pop("moment"): one for one in ask(plant, "die")}
    assert found == {moment: {"death": -9, "between": FINE if moment in kept else NOTHING, "after": FINE} for moment in MOMENTS}


def test_processes_killed_at_random_expose_once_with_their_turn(plant: Plant) -> None:
    found = ask(plant, "storm", deaths=DEATHS)
    assert found["faults"] == []
    assert found["exposed"] == found["came"] >= DEATHS


def test_a_stop_in_one_process_is_heard_by_the_others_within_a_second(plant: Plant) -> None:
    found = ask(plant, "kill_switch", seconds=1.0)
    assert found["before"] >= 20
    assert found["started_after"] >= 20
    assert found["took_part_after"] == 0
