"""One server, Sentinel and Cluster: what each library is told, and a real Sentinel that hands over to a replica."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mcp_platform import redis_urls
from tests.faults.plant import ROOT, free_port, missing, until

SENTINEL = "redis+sentinel://:s%40fe@a:26379,b/mymaster/2"
CLUSTER = "redis+cluster://u:p@a:7000,b:7001"


def test_one_server_is_passed_on_as_it_is() -> None:
    url = "redis://user:secret@host:6380/3"
    assert redis_urls.channels_host(url) == {"address": url, "socket_timeout": None}
    assert redis_urls.broker(url) == (url, {})
    assert redis_urls.limits_storage(url) == url
    assert redis_urls.with_database(url, 5) == "redis://user:secret@host:6380/5"


def test_sentinel() -> None:
    found = redis_urls.parse(SENTINEL)
    assert (found.hosts, found.master, found.db, found.password) == ((("a", 26379), ("b", 26379)), "mymaster", 2, "s@fe")
    host = redis_urls.channels_host(SENTINEL)
    assert (host["master_name"], host["sentinels"], host["db"], host["password"]) == ("mymaster", [("a", 26379), ("b", 26379)], 2, "s@fe")
    assert redis_urls.broker(SENTINEL) == ("sentinel://:s%40fe@a:26379/2;sentinel://:s%40fe@b:26379/2", {"master_name": "mymaster"})
    assert redis_urls.limits_storage(SENTINEL) == "redis+sentinel://:s%40fe@a:26379,b:26379/mymaster"
    assert redis_urls.with_database(SENTINEL, 4).endswith("/mymaster/4")
    assert redis_urls.with_database("sentinel://a/mymaster", 4) == "sentinel://a/mymaster/4"


def test_a_cluster_is_no_broker() -> None:
    assert redis_urls.parse(CLUSTER).hosts == (("a", 7000), ("b", 7001))
    assert redis_urls.channels_host(CLUSTER)["host"] == "a"
    assert redis_urls.limits_storage(CLUSTER) == "redis+cluster://u:p@a:7000,b:7001"
    with pytest.raises(redis_urls.BadAddress, match="BROKER_URL"):
        redis_urls.broker(CLUSTER)


@pytest.mark.parametrize("url", ["host:6379", "http://host", "redis+sentinel://a:26379", "redis+sentinel:///mymaster", "redis+sentinel://a/m/x"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(redis_urls.BadAddress):
        redis_urls.parse(url)


class Watched:
    """A master, a replica and one sentinel that watches them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.master, self.replica, self.sentinel = free_port(), free_port(), free_port()
        self._start("--port", str(self.master))
        self._start("--port", str(self.replica), "--replicaof", "127.0.0.1", str(self.master))
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {self.sentinel}\ndir {folder}\nsentinel monitor mymaster 127.0.0.1 {self.master} 1\n"
            "sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 2000\n"
        )
        self._start(str(config), "--sentinel")

    def _start(self, *arguments: str) -> None:
        common = [] if "--sentinel" in arguments else ["--save", "", "--appendonly", "no", "--dir", str(self.folder), "--bind", "127.0.0.1"]
        with (self.folder / "redis.log").open("ab") as log:
            self.processes.append(subprocess.Popen(["redis-server", *arguments, *common], stdout=log, stderr=log))

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.sentinel}/mymaster/0"


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    if shutil.which("redis-server") is None:
        missing("redis-server")
    made = Watched(tmp_path)
    yield made
    for process in made.processes:
        process.kill()
        process.wait(10)


USE = """
import asyncio, django, json
django.setup()
from django.core.cache import cache
from mcp_platform import realtime
from mcp_platform.celery import app
from mcp_platform.tenancy import throttling

cache.set("name", "value", 60)
counted = throttling._redis_of(__import__("django.conf").conf.settings.REDIS_URL).incr("key", 60, 1)

async def told():
    async with realtime.listening("group") as receive:
        await realtime.layer().group_send("group", {"type": "stream.changed", "seq": 7})
        return (await asyncio.wait_for(receive(), 5))["seq"]

with app.connection_for_write() as broker:
    broker.ensure_connection(max_retries=2)
print(json.dumps({"cache": cache.get("name"), "counted": counted, "told": asyncio.run(told()), "broker": True}))
"""


def use(watched: Watched, state: Path) -> Any:
    import json

    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    environment = {
        **kept, "REDIS_URL": watched.url, "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none", "STATE_DIR": str(state), "ENV_FILE": os.devnull,
        "DJANGO_SETTINGS_MODULE": "mcp_platform.settings", "SECRET_KEY": "x" * 60,
    }  # fmt: skip
    ran = subprocess.run([sys.executable, "-c", USE], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout)


def test_everything_goes_to_the_master_that_sentinel_names(watched: Watched, tmp_path: Path) -> None:
    def named() -> int:
        from redis import sentinel as library
        from redis.exceptions import RedisError

        untyped: Any = library
        with suppress(RedisError):
            sentinel = untyped.Sentinel([("127.0.0.1", watched.sentinel)])
            if sentinel.discover_slaves("mymaster") or watched.processes[0].poll() is not None:
                return int(sentinel.discover_master("mymaster")[1])
        return 0

    until(lambda: named() == watched.master, seconds=20, what="sentinel to know the replica")
    assert use(watched, tmp_path) == {"cache": "value", "counted": 1, "told": 7, "broker": True}
    watched.processes[0].kill()
    watched.processes[0].wait(10)
    until(lambda: named() == watched.replica, seconds=30, what="the failover")
    time.sleep(0.5)
    assert use(watched, tmp_path)["cache"] == "value"
