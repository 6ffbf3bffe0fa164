"""Pushes reach a listener from any thread, after commit only."""

import asyncio
import threading

import pytest
from django.db import transaction

from mcp_platform import realtime


async def test_a_push_from_another_thread_wakes_the_listener_at_once() -> None:
    async with realtime.listening("stream.one") as receive:
        threading.Thread(target=realtime._send, args=("stream.one", {"type": "stream.changed", "seq": 7})).start()
        message = await asyncio.wait_for(receive(), 2)
    assert message["seq"] == 7


async def test_a_listener_of_another_group_hears_nothing() -> None:
    async with realtime.listening("stream.one") as receive:
        realtime._send("stream.two", {"type": "stream.changed", "seq": 7})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.2)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_pushed_when_the_transaction_rolls_back() -> None:
    heard: list[object] = []
    ready = threading.Event()

    def listen() -> None:
        async def run() -> None:
            async with realtime.listening("stream.one") as receive:
                ready.set()
                while True:
                    heard.append((await asyncio.wait_for(receive(), 1))["seq"])

        with pytest.raises(TimeoutError):
            asyncio.run(run())

    listener = threading.Thread(target=listen)
    listener.start()
    ready.wait(5)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        realtime.publish("stream.one", {"seq": 1})
        raise ZeroDivisionError
    with transaction.atomic():
        realtime.publish("stream.one", {"seq": 2})
        assert heard == []
    listener.join(10)
    assert heard == [2]
