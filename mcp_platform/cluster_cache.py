"""Django's Redis cache over a Redis Cluster, whose client is no client with a pool."""

from functools import cached_property
from typing import Any

from django.core.cache.backends.redis import RedisCache, RedisCacheClient

from mcp_platform import redis_urls


class ClusterClient(RedisCacheClient):
    _servers: list[str]
    _pool_options: dict[str, Any]

    @cached_property
    def _cluster(self) -> Any:
        return redis_urls.client(self._servers[0], **{name: value for name, value in self._pool_options.items() if name != "parser_class"})

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        return self._cluster

    def get_many(self, keys: Any) -> Any:
        """One by one: keys of a cluster are in many places."""
        found = {key: self.get(key, self) for key in keys}
        return {key: value for key, value in found.items() if value is not self}


class ClusterCache(RedisCache):
    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = ClusterClient
