"""How a server is connected: what we show it, opened from the vault at the moment of connecting; what the operator lets run on this machine."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from mcp_platform.orchestrator.clients.plan import Plan, Program, TokenRequest
from mcp_platform.orchestrator.core.types import Upstream
from mcp_platform.orchestrator.errors import ProgramNotAllowed
from mcp_platform.orchestrator.runtime.directory import Directory
from mcp_platform.vault import services as vault

Members = dict[str, Any]


def opened(directory: Directory, upstream: Upstream) -> Plan:
    """With the secrets' values. Raises SecretNotFound, SealBroken, ProgramNotAllowed."""
    how = upstream.authentication
    members = KINDS[str(how.get("type", "none"))](upstream.tenant_id, how)
    program = _program(directory, upstream) if upstream.transport == "stdio" else None
    fingerprint = directory.fingerprint(upstream)
    return Plan(upstream=upstream, fingerprint=fingerprint, program=program, allow_hosts=directory.allow_hosts, **members)


def bare(directory: Directory, upstream: Upstream) -> Plan:
    """Without secrets: enough to find a connection that is open."""
    return Plan(upstream=upstream, fingerprint=directory.fingerprint(upstream))


def programs() -> list[str]:
    """The names that the operator allows; for pages."""
    return sorted(settings.MCP_STDIO_SERVERS)


def _none(_tenant: UUID, _how: Mapping[str, Any]) -> Members:
    return {}


def _bearer(tenant: UUID, how: Mapping[str, Any]) -> Members:
    return _shown(tenant, how, "Authorization", "Bearer ")


def _header(tenant: UUID, how: Mapping[str, Any]) -> Members:
    return _shown(tenant, how, how["header"])


def _shown(tenant: UUID, how: Mapping[str, Any], header: str, before: str = "") -> Members:
    values = vault.values(tenant, how["secret"])
    return {"shown": tuple({header: f"{before}{value}"} for value in values), "secrets": values}


def _client_credentials(tenant: UUID, how: Mapping[str, Any]) -> Members:
    named = {name: how[name] for name in ("token_url", "client_id")}
    more = {name: how.get(name) or "" for name in ("scope", "audience")}
    return {"token": TokenRequest(**named, **more, secrets=vault.values(tenant, how["secret"]))}


# The words of `authentication` -> what they mean. To add one: a row here and one in core.definition.
KINDS: Final[Mapping[str, Callable[[UUID, Mapping[str, Any]], Members]]] = {
    "none": _none,
    "bearer": _bearer,
    "header": _header,
    "oauth2_client_credentials": _client_credentials,
}


def _program(directory: Directory, upstream: Upstream) -> Program:
    """From the operator's list only: a tenant writes a name, never a command, an argument or a variable."""
    allowed = settings.MCP_STDIO_SERVERS.get(upstream.program)
    tenants = allowed.get("tenants") if isinstance(allowed, dict) else None
    if not isinstance(allowed, dict) or not allowed.get("command") or (tenants is not None and directory.tenant_slug not in tenants):
        raise ProgramNotAllowed(f"The operator has not allowed the program {upstream.program[:63]}.", program=upstream.program[:63])
    return Program(
        command=tuple(str(part) for part in allowed["command"]),
        environment={str(name): str(value) for name, value in (allowed.get("environment") or {}).items()},
        secret_variable=str(allowed.get("secret_variable") or ""),
        directory=str(allowed.get("directory") or ""),
    )
