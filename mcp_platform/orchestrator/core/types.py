"""The values of the orchestrator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A server as its row says. `timeout` in seconds, for connecting and for each request."""

    id: "UUID"
    tenant_id: "UUID"
    slug: str
    name: str
    transport: str
    url: str
    priority: int
    timeout: float
    rev: int
    enabled: bool = True
    domains: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    authentication: Mapping[str, Any] = field(default_factory=dict)
    allowed_tools: tuple[str, ...] = ()
    denied_tools: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """The name of the allowed program, of a stdio server."""
        return self.url.removeprefix("stdio:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A tool that may be called: as it was approved. `name` is the server's, `offered_name` ours."""

    id: "UUID"
    server_id: "UUID"
    name: str
    offered_name: str
    hash: str
    definition: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How the servers of one tenant are used together. `resource_cache_ttl` in seconds."""

    resource_cache_ttl: int = 300
    fail_fast: bool = True
    enable_logging: bool = True
    log_level: str = "INFO"
    max_retries: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asks and why. `via`: what led here, such as a virtual server or a flow; `correlation_id` goes into the records."""

    actor: str
    via: str = ""
    correlation_id: str = ""
