"""The addresses of a Redis, and what each library wants of them.

    redis://[user:password@]host:6379/0 (also rediss:// and unix://)            one server
    redis+sentinel://[user:password@]host:26379,host:26379/master-name[/0]      the master that Sentinel names
    redis+cluster://[user:password@]host:6379,host:6379                         a Cluster; Celery cannot use one, see BROKER_URL

Plain Python: the settings read it.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

SENTINEL, CLUSTER = "redis+sentinel", "redis+cluster"
DEFAULT_PORTS = {SENTINEL: 26379, CLUSTER: 6379}


class BadAddress(ValueError):
    """Not an address of a Redis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`hosts` are the sentinels or nodes; empty for one server, which `url` alone describes."""

    url: str
    kind: str = "redis"
    hosts: tuple[tuple[str, int], ...] = ()
    username: str | None = None
    password: str | None = None
    master: str = ""
    db: int = 0


def parse(url: str) -> Address:
    """Raises BadAddress."""
    scheme, found, rest = url.partition("://")
    if not found or scheme not in ("redis", "rediss", "unix", "sentinel", SENTINEL, CLUSTER):
        raise BadAddress(f"{scheme or url!r} is no scheme of a Redis: redis, rediss, unix, {SENTINEL} or {CLUSTER}")
    if scheme in ("redis", "rediss", "unix"):
        return Address(url=url)
    kind = SENTINEL if scheme == "sentinel" else scheme
    where, _, path = rest.partition("?")[0].partition("/")
    who, _, places = where.rpartition("@")
    username, _, password = who.partition(":")
    hosts = tuple(_host(place, DEFAULT_PORTS[kind]) for place in places.split(",") if place)
    if not hosts:
        raise BadAddress(f"{kind}:// needs at least one host")
    named = [part for part in path.split("/") if part]
    if kind == SENTINEL and not named:
        raise BadAddress(f"{kind}:// needs the name of the master: {kind}://host:26379/mymaster")
    return Address(
        url=url,
        kind=kind,
        hosts=hosts,
        username=unquote(username) or None,
        password=unquote(password) or None,
        master=named[0] if kind == SENTINEL else "",
        db=_number(named[1]) if len(named) > 1 else 0,
    )


def _host(place: str, port: int) -> tuple[str, int]:
    parsed = urlsplit(f"//{place}")
    try:
        return parsed.hostname or "", parsed.port or port
    except ValueError as fault:
        raise BadAddress(f"{place}: {fault}") from fault


def _number(text: str) -> int:
    if not text.isdigit():
        raise BadAddress(f"{text!r} is no number of a database")
    return int(text)


def with_database(url: str, db: int) -> str:
    """The same server with another database; for test processes that run side by side."""
    address = parse(url)
    if address.kind == SENTINEL:
        return url.partition("?")[0].rstrip("/").removesuffix(f"/{address.db}") + f"/{db}"
    return url if address.kind == CLUSTER else f"{url.rsplit('/', 1)[0]}/{db}"


def channels_host(url: str) -> dict[str, Any]:
    """An entry of channels_redis' `hosts`. In a Cluster every node passes every message on, so one is enough."""
    address = parse(url)
    # socket_timeout None: redis-py 8 closes idle subscriptions otherwise (django/channels_redis#422).
    common = {"socket_timeout": None, "username": address.username, "password": address.password}
    if address.kind == SENTINEL:
        return {"master_name": address.master, "sentinels": list(address.hosts), "db": address.db, **common}
    if address.kind == CLUSTER:
        host, port = address.hosts[0]
        return {"host": host, "port": port, **common}
    return {"address": url, "socket_timeout": None}


def broker(url: str) -> tuple[str, dict[str, Any]]:
    """Celery's broker and its transport options. Raises BadAddress for a Cluster."""
    address = parse(url)
    if address.kind == CLUSTER:
        raise BadAddress("Celery cannot use a Redis Cluster: set BROKER_URL to one server or to Sentinel")
    if address.kind != SENTINEL:
        return url, {}
    secret = f":{quote(address.password, safe='')}@" if address.password else ""
    return ";".join(f"sentinel://{secret}{host}:{port}/{address.db}" for host, port in address.hosts), {"master_name": address.master}


def limits_storage(url: str) -> str:
    """As the package `limits` writes it."""
    address = parse(url)
    if not address.hosts:
        return url
    who = f"{quote(address.username or '', safe='')}:{quote(address.password, safe='')}@" if address.password else ""
    hosts = ",".join(f"{host}:{port}" for host, port in address.hosts)
    return f"{address.kind}://{who}{hosts}" + (f"/{address.master}" if address.master else "")


def client(url: str, **options: Any) -> Any:
    """A client of redis-py."""
    import redis
    from redis.cluster import ClusterNode, RedisCluster

    node: Any = ClusterNode
    address = parse(url)
    if address.kind == SENTINEL:
        return redis.Redis(connection_pool=SentinelPool.from_url(url, **options))
    if address.kind == CLUSTER:
        nodes = [node(host, port) for host, port in address.hosts]
        return RedisCluster(startup_nodes=nodes, username=address.username, password=address.password, **options)
    return redis.Redis.from_url(url, **options)


class SentinelPool:
    """Where Django's cache asks for a pool class."""

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Any:
        from redis import sentinel

        library: Any = sentinel  # untyped in parts
        address = parse(url)
        timeouts = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout") if name in options}
        sentinels = library.Sentinel(list(address.hosts), sentinel_kwargs=timeouts)
        who = {"username": address.username, "password": address.password}
        return library.SentinelConnectionPool(address.master, sentinels, db=address.db, **who, **options)
