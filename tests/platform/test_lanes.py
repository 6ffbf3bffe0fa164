"""Lanes: a tenant has a few, a partner a part of them, and who finds none is looked for when one is free."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from mcp_platform.lanes import Lanes, NoLaneFree


class Slow:
    """Work that runs until it is let go, and remembers what ran."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._gates: dict[str, threading.Event] = {}
        self._changed = threading.Condition()

    def work(self, name: str) -> Callable[[], None]:
        gate = self._gates[name] = threading.Event()

        def run() -> None:
            with self._changed:
                self.begun.append(name)
                self._changed.notify_all()
            gate.wait(10)

        return run

    def let_go(self, name: str) -> None:
        self._gates[name].set()

    def wait_for(self, *names: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: sorted(self.begun) == sorted(names), 5), self.begun


@pytest.fixture
def slow() -> Slow:
    return Slow()


def nothing() -> None:
    pass


def test_a_tenant_has_a_few_and_others_have_theirs(slow: Slow) -> None:
    lanes = Lanes(total=4, per_tenant=2, per_partner=2)
    assert [lanes.offer("a", "crm", slow.work(f"a{n}"), nothing) for n in range(3)] == [True, True, False]
    assert [lanes.offer("b", "crm", slow.work(f"b{n}"), nothing) for n in range(2)] == [True, True]
    assert not lanes.offer("c", "crm", slow.work("c"), nothing)  # four of four
    slow.wait_for("a0", "a1", "b0", "b1")
    for name in ("a0", "a1", "b0", "b1"):
        slow.let_go(name)
    assert lanes.drain(5)


def test_a_slow_partner_leaves_lanes_for_the_others_of_its_tenant(slow: Slow) -> None:
    lanes = Lanes(total=9, per_tenant=3, per_partner=2)
    assert [lanes.offer("a", "slow", slow.work(f"s{n}"), nothing) for n in range(3)] == [True, True, False]
    assert lanes.full("a") == ["slow"]
    assert lanes.offer("a", "quick", slow.work("q"), nothing)
    for name in ("s0", "s1", "q"):
        slow.let_go(name)
    assert lanes.drain(5)
    assert lanes.full("a") == []


def test_who_found_no_lane_is_looked_for_when_one_is_free(slow: Slow) -> None:
    lanes = Lanes(total=9, per_tenant=1, per_partner=1)
    waiting, looking = ["second", "third"], threading.Lock()

    def more() -> None:
        with looking:  # a lane may be free again before this has looked for the next
            while waiting and lanes.offer("a", "crm", slow.work(waiting[0]), more):
                waiting.pop(0)

    lanes.offer("a", "crm", slow.work("first"), more)
    assert not lanes.offer("a", "crm", slow.work("second"), more)
    slow.wait_for("first")
    slow.let_go("first")
    slow.wait_for("first", "second")
    slow.let_go("second")
    slow.wait_for("first", "second", "third")
    slow.let_go("third")
    assert lanes.drain(5)


def test_a_tenant_that_found_the_process_full_is_looked_for_by_others(slow: Slow) -> None:
    lanes, called = Lanes(total=1, per_tenant=1, per_partner=1), threading.Event()
    lanes.offer("a", "crm", slow.work("a"), nothing)
    assert not lanes.offer("b", "crm", nothing, called.set)
    slow.let_go("a")
    assert called.wait(5)


def test_the_callers_own_thread_takes_a_lane_too(slow: Slow) -> None:
    lanes = Lanes(total=1, per_tenant=1, per_partner=1)
    with lanes.inside("a", "crm"), pytest.raises(NoLaneFree), lanes.inside("a", "crm"):
        pass
    with lanes.inside("a", "crm"):
        pass


def test_work_that_fails_gives_its_lane_back(caplog: Any) -> None:
    lanes, done = Lanes(total=1, per_tenant=1, per_partner=1), threading.Event()

    def fail() -> None:
        raise RuntimeError("as it was told")

    lanes.offer("a", "crm", fail, nothing)
    assert lanes.drain(5)
    lanes.open()
    assert lanes.offer("a", "crm", done.set, nothing)
    assert done.wait(5)
    assert "lane_failed" in caplog.text


def test_draining_waits_for_what_is_under_way_and_takes_nothing_more(slow: Slow) -> None:
    lanes = Lanes(total=2, per_tenant=2, per_partner=2)
    lanes.offer("a", "crm", slow.work("a"), nothing)
    slow.wait_for("a")
    assert not lanes.drain(0.05)
    assert not lanes.offer("a", "crm", nothing, nothing)
    slow.let_go("a")
    assert lanes.drain(5)
    lanes.open()
    assert lanes.offer("a", "crm", nothing, nothing)
    assert lanes.drain(5)
