"""Calls of upstream tools: by the name that a virtual server gives them, or by server and tool. Nothing of a caller's credentials goes along."""

import asyncio
from collections.abc import Mapping
from typing import Any

from mcp_platform.orchestrator import runtime
from mcp_platform.orchestrator.core import arguments as checking
from mcp_platform.orchestrator.core.answers import Answer
from mcp_platform.orchestrator.core.asking import Person, Resumed, Wanted
from mcp_platform.orchestrator.core.types import Asked
from mcp_platform.orchestrator.errors import ArgumentsRefused
from mcp_platform.orchestrator.runtime import calls, rows
from mcp_platform.orchestrator.services import offers
from mcp_platform.tenancy.models import Tenant


async def acall(tenant: Tenant, *, virtual: str | None = None, name: str, arguments: Mapping[str, Any], asked: Asked, **how: Any) -> Answer:
    """`attended`, with nobody who could be asked. Raises as that."""
    answer = await attended(tenant, virtual=virtual, name=name, arguments=arguments, asked=asked, **how)
    assert isinstance(answer, Answer)
    return answer


async def attended(
    tenant: Tenant,
    *,
    virtual: str | None = None,
    name: str,
    arguments: Mapping[str, Any],
    asked: Asked,
    person: Person | None = None,
    resumed: Resumed | None = None,
    seconds: float | None = None,
    progress: calls.Progress | None = None,
) -> Answer | Wanted:
    """For doors on an event loop: the call goes over a connection of this loop. `virtual` is the address's virtual server, None for /mcp.

    `person` is asked what the server wants to know; `resumed`: they have been asked by the result of the call before.
    The caller has `offers.SCOPE`. Raises VirtualServerNotFound, UpstreamToolNotFound, ArgumentsRefused, and what `calls.attended` raises.
    """
    found = offers.recall(tenant, virtual)
    if found is None:
        found = await rows.within(tenant.pk, lambda: offers.remember(tenant, virtual))
    tool = offers.named(found, name)
    await asyncio.to_thread(_check, tool, arguments)  # how long it takes is up to somebody else's schema
    via = Asked(actor=asked.actor, via=asked.via or f"virtual:{tool.via}", correlation_id=asked.correlation_id)
    how: dict[str, Any] = {"asked": via, "person": person, "resumed": resumed, "progress": progress, "timeout": seconds}
    return await calls.attended(tenant.pk, server=tool.server, tool=tool.tool, arguments=arguments, **how)


def call(
    tenant: Tenant, *, virtual: str | None = None, name: str, arguments: Mapping[str, Any], asked: Asked, seconds: float | None = None
) -> Answer:
    """The same for doors in threads."""
    return runtime.wait(acall(tenant, virtual=virtual, name=name, arguments=arguments, asked=asked, seconds=seconds))


def use(tenant: Tenant, *, server: str, tool: str, arguments: Mapping[str, Any], actor: str, via: str = "", seconds: float | None = None) -> Answer:
    """One approved tool of one server, by their own names. Raises what `calls.call_tool` raises."""
    asked = Asked(actor=actor, via=via)
    return runtime.wait(calls.call_tool(tenant.pk, server=server, tool=tool, arguments=arguments, asked=asked, timeout=seconds))


def _check(tool: offers.Offered, arguments: Mapping[str, Any]) -> None:
    path, message = checking.fault_of(arguments, schema=tool.definition.get("inputSchema") or {}, key=tool.hash)
    if message:
        faults = [{"path": path, "code": "invalid", "message": message, "expected": "what the tool's inputSchema says"}]
        raise ArgumentsRefused(f"{path}: {message}", tool=tool.name, errors=faults)
