"""A process whose clock is wrong changes no order and no timer (promise 17): one node is an hour off, by libfaketime."""

import glob
import time
from typing import Any

from tests.faults.calls import Caller, together
from tests.faults.plant import Plant, missing, until
from tests.faults.rows import SHORT_REMINDER_MS


def faketime() -> str:
    """Where the library is that lies about the time."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") + glob.glob("/usr/lib/faketime/libfaketimeMT.so.1")
    if not found:
        missing("libfaketime (Debian: apt install libfaketime)")
    return found[0]


def test_one_node_an_hour_off(scaled: Plant) -> None:
    """The web process that sets timers and the worker that fires them are wrong in opposite directions, beside one that is right."""
    skew: dict[str, Any] = {"LD_PRELOAD": faketime(), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    right = scaled.web("right")
    wrong = scaled.web("wrong", **skew, FAKETIME="+1h")
    worker = scaled.worker("worker", **skew, FAKETIME="-1h")
    for node in (right, wrong, worker):
        node.wait_until_ready(90)
    office = scaled.ask("office")
    addresses = [right.address, wrong.address]

    def talk(number: int) -> None:
        with Caller(addresses[number % 2 :] + addresses[: number % 2], office["key"]) as caller:
            for turn in range(10):
                caller.say(conversation, f"{number}-{turn}")

    with Caller(addresses, office["key"]) as caller:
        conversation = caller.start("echo")
        together([lambda number=number: talk(number) for number in range(4)])  # type: ignore[misc]
        events = caller.get(f"/api/v1/conversations/{conversation}/events?limit=200")[1]["results"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        for number in range(4):  # each client's messages in the order in which it sent them
            said = [event["data"]["text"] for event in events if event["kind"] == "message" and event["data"]["text"].startswith(f"{number}-")]
            assert said == [f"{number}-{turn}" for turn in range(10)]

    began = time.monotonic()
    with Caller([wrong.address], office["key"]) as caller:
        reminder = caller.start("reminder")
        until(lambda: caller.get(f"/api/v1/conversations/{reminder}")[1]["current_state"] == "late", seconds=60, what="the reminder")
    assert time.monotonic() - began >= SHORT_REMINDER_MS / 1000 - 0.5  # neither at once nor in an hour
    scaled.ask("turns", tenant=office["tenant"])  # checks the logs
