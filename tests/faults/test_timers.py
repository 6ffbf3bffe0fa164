"""Timers survive downtime and fire once (promise 10)."""

import time

from tests.faults.calls import Caller
from tests.faults.plant import Node, Plant, until
from tests.faults.rows import SHORT_REMINDER_MS

TIMERS = 20


def remind(plant: Plant, node: Node) -> dict[str, str]:
    """Conversations that wait for an answer with a timer; then everything stops until all of those are over."""
    office: dict[str, str] = plant.ask("office")
    with Caller([node.address], office["key"]) as caller:
        for _ in range(TIMERS):
            caller.start("reminder")
    plant.kill_everything()
    time.sleep(SHORT_REMINDER_MS / 1000)
    assert "fired" not in plant.ask("timers", tenant=office["tenant"])[TIMERS // 2 :]
    return office


def check(plant: Plant, office: dict[str, str]) -> None:
    until(lambda: set(plant.ask("timers", tenant=office["tenant"])) == {"fired"}, seconds=30, what="the timers to fire")
    time.sleep(1)  # a second one would come now
    fired = [turn for turn in plant.ask("turns", tenant=office["tenant"]) if turn["kind"] == "timer"]
    assert len(fired) == len({turn["conversation"] for turn in fired}) == TIMERS
    assert {(turn["status"], turn["text"]) for turn in fired} == {("done", "We will write to you.")}


def test_timers_of_a_scaled_site_fire_once_after_downtime(scaled: Plant) -> None:
    office = remind(scaled, scaled.web().wait_until_ready())
    workers = [scaled.worker(f"worker-{number}") for number in (1, 2)]  # each with a dispatcher
    for worker in workers:
        worker.wait_until_ready()
    check(scaled, office)


def test_timers_of_the_embedded_mode_fire_once_after_downtime(embedded: Plant) -> None:
    office = remind(embedded, embedded.web().wait_until_ready())
    embedded.web().wait_until_ready()
    check(embedded, office)
