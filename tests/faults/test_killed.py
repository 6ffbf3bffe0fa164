"""Kill -9 anywhere loses no accepted message and repeats no call that must not be repeated (promise 3)."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.faults.calls import Caller, CountingRegister, counting_register, meanwhile, together
from tests.faults.plant import Node, Plant, until

CLIENTS, MESSAGES = 10, 20  # 200 turns, every second one with a call that must not be repeated
PAUSE_SECONDS = 2.5  # between two of a client, so that there is time to kill


def talk(plant: Plant, addresses: list[str], office: dict[str, str], sent: dict[str, set[str]], number: int) -> None:
    """One client in two conversations: it says the same thing again until it is answered."""
    with Caller(addresses, office["key"], seconds=15) as caller:
        calling, plain = caller.start("register"), caller.start("echo")
        for turn in range(MESSAGES // 2):
            time.sleep(PAUSE_SECONDS)
            for conversation in (calling, plain):
                message_id = f"c{number}-{turn}-{conversation[:8]}"
                sent.setdefault(conversation, set()).add(message_id)
                caller.until_answered(
                    f"/api/v1/conversations/{conversation}/messages",
                    {"content": {"type": "text", "text": message_id}, "client_message_id": message_id},
                    seconds=90,
                )
        assert not caller.unexplained, caller.unexplained


def judge(found: list[dict[str, Any]], sent: dict[str, set[str]], register: CountingRegister) -> Counter[str]:
    """Every message of every client has one turn, and that has ended well or says that nobody knows; no call was made twice."""
    stored: dict[str, Counter[str]] = {}
    for turn in found:
        stored.setdefault(turn["conversation"], Counter())[turn["id"]] += 1
    for conversation, ids in sent.items():
        assert {name: count for name, count in stored[conversation].items() if name in ids} == dict.fromkeys(ids, 1)
    outcomes = Counter(turn["call"]["code"] or "ok" if turn["call"] else "plain" for turn in found)
    for turn in found:
        assert turn["status"] == "done", turn
        call = turn["call"]
        if call is None:
            continue
        count = register.by_key[call["key"]]
        assert count == 1 if call["status"] == "succeeded" else count <= 1, (turn, count)
        # The last two are no crash: this machine was too busy to hear the register in time.
        assert (call["status"], call["code"]) in (
            ("succeeded", ""), ("unknown", "unknown_outcome"), ("failed", "INTEGRATION_TIMEOUT"), ("failed", "CIRCUIT_OPEN")
        ), turn  # fmt: skip
        assert turn["text"] == ("It belongs to Ada." if call["status"] == "succeeded" else f"The register says: {call['code']}.")
    assert max(register.by_word.values()) == 1  # whatever the keys say
    return outcomes


def load(plant: Plant, addresses: list[str], register: CountingRegister, killer: Callable[[threading.Event], None]) -> Counter[str]:
    office = plant.ask("office", register=register.url, timeout_ms=2000)
    sent: dict[str, set[str]] = {}
    with meanwhile(killer):
        together([lambda number=number: talk(plant, addresses, office, sent, number) for number in range(CLIENTS)])  # type: ignore[misc]
    until(lambda: plant.ask("open_work", tenant=office["tenant"]) == 0, seconds=40, what="every turn to end")
    return judge(plant.ask("turns", tenant=office["tenant"]), sent, register)


def killer_of(nodes: list[Node], dice: random.Random, kills: list[str], *, most: int, children: bool) -> Callable[[threading.Event], None]:
    """Kills one of the nodes, or only a child of its pool, at random moments, and starts it again."""

    def kill(stop: threading.Event) -> None:
        while len(kills) < most and not stop.wait(dice.uniform(0.3, 1.5)):
            node = dice.choice(nodes)
            pool = node.children() if children and not node.port else []
            if pool and dice.random() < 0.5:
                _kill_child(dice.choice(pool))
                kills.append(f"a child of {node.name}")
                continue
            node.kill()
            kills.append(node.name)
            node.start(wait=False)
            if node.port:
                with suppress(AssertionError):  # the load is over before it is back
                    node.wait_until_ready()

    return kill


def _kill_child(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("seed", [3])
def test_processes_of_a_scaled_site_are_killed(scaled: Plant, seed: int) -> None:
    nodes = [scaled.web("web-1"), scaled.web("web-2"), scaled.worker("worker-1"), scaled.worker("worker-2")]
    for node in nodes:
        node.wait_until_ready()
    kills: list[str] = []
    with counting_register() as register:
        outcomes = load(scaled, [node.address for node in nodes[:2]], register, killer_of(nodes, random.Random(seed), kills, most=14, children=True))
    print(f"{len(kills)} kills: {Counter(kills)}; {dict(outcomes)}")  # noqa: T201
    assert len(kills) >= 3
    assert outcomes["plain"] >= CLIENTS * MESSAGES // 2


def test_the_one_process_of_the_embedded_mode_is_killed(embedded: Plant) -> None:
    node = embedded.web()
    node.wait_until_ready()
    kills: list[str] = []
    with counting_register() as register:
        outcomes = load(embedded, [node.address], register, killer_of([node], random.Random(4), kills, most=6, children=False))
    print(f"{len(kills)} kills; {dict(outcomes)}")  # noqa: T201
    assert len(kills) >= 3
