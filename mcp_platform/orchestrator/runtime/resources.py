"""What servers know: their resources, through the answers that are kept; of one server, of all, or of whoever answers for a domain."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from mcp_platform.orchestrator import store
from mcp_platform.orchestrator.core import freshness, routing
from mcp_platform.orchestrator.core.types import Asked, Upstream
from mcp_platform.orchestrator.core.words import cleaned
from mcp_platform.orchestrator.errors import DomainUnknown, NoServerAvailable, ResourceFetchFailed
from mcp_platform.orchestrator.runtime import cached, contact, rows
from mcp_platform.orchestrator.runtime import directory as directories
from mcp_platform.orchestrator.runtime.cached import Read
from mcp_platform.orchestrator.runtime.directory import Directory

if TYPE_CHECKING:
    from mcp import Client

MOST_RESOURCES: Final = 200  # of one server
MOST_PAGES: Final = 20
AT_ONCE: Final = 8  # reads of one server


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Resources of one server: name -> data. `stale`: some of it is older than it should be, because the server did not answer.

    `failed`: the servers that were asked before this one, and why they did not answer.
    """

    server: str
    priority: int
    domains: tuple[str, ...]
    capabilities: tuple[str, ...]
    resources: Mapping[str, Any]
    stale: bool = False
    failed: Mapping[str, str] = field(default_factory=dict)


async def gather_all_resources(tenant_id: UUID, *, asked: Asked) -> tuple[dict[str, Found], dict[str, str]]:
    """Of all servers at the same time: by slug what was found, and why the others gave nothing.

    With `fail_fast` any failure raises ResourceFetchFailed, which names every server that failed.
    """
    directory = await directories.of(tenant_id)
    servers = directory.enabled()
    answers = await asyncio.gather(*(_of_server(directory, one, asked) for one in servers), return_exceptions=True)
    found: dict[str, Found] = {}
    failed: dict[str, str] = {}
    for upstream, answer in zip(servers, answers, strict=True):
        if isinstance(answer, Found):
            found[upstream.slug] = answer
        elif isinstance(answer, Exception):
            failed[upstream.slug] = contact.why(upstream, answer)
        else:
            raise answer
    if failed and directory.policy.fail_fast:
        raise ResourceFetchFailed(_told("Resources could not be fetched from", failed), failed=failed)
    return found, failed


async def resources_of(tenant_id: UUID, *, server: str, asked: Asked) -> Found:
    """Of one server. Raises ServerNotFound, ServerDisabled and what `calls.made` raises."""
    directory = await directories.of(tenant_id)
    return await _of_server(directory, directory.server(server), asked)


async def resources_for_domain(tenant_id: UUID, *, domain: str, asked: Asked) -> Found:
    """From the first server in the order of priority that answers; the answer says which, and who failed before it.

    Only when none answers, old answers count: better those of the first than nothing. Raises DomainUnknown, NoServerAvailable.
    """
    directory = await directories.of(tenant_id)
    servers = routing.for_domain(directory.servers.values(), domain)
    if not servers:
        raise DomainUnknown(f"No MCP server is registered for {domain[:100]}.", domain=domain[:100])
    failed: dict[str, str] = {}
    for upstream in servers:
        try:
            found = await _of_server(directory, upstream, asked, stale=False)
        except Exception as fault:  # noqa: BLE001  whatever it is, the next server may answer
            failed[upstream.slug] = contact.why(upstream, fault)
        else:
            return _with(found, failed)
    for upstream in servers:
        kept = await _kept_of(directory, upstream, asked)
        if kept is not None:
            return _with(kept, failed)
    raise NoServerAvailable(_told(f"No MCP server answers for {domain[:100]}:", failed), domain=domain[:100], failed=failed)


async def read_resource(tenant_id: UUID, *, server: str, uri: str, asked: Asked) -> Read:
    """One resource as the protocol gives it ({"contents": [...]}), kept as long as the server says. Raises as `resources_of`, ResourceGone."""
    directory = await directories.of(tenant_id)
    return await _read(directory, directory.server(server), uri, asked)


async def _of_server(directory: Directory, upstream: Upstream, asked: Asked, *, stale: bool = True) -> Found:
    listed = await cached.read(directory, upstream, asked, method="resources/list", subject="", fetch=_list, stale=stale)
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(resource: Mapping[str, Any]) -> Read:
        async with limit:
            return await _read(directory, upstream, str(resource["uri"]), asked, stale=stale)

    resources = listed.value["resources"][:MOST_RESOURCES]
    reads = await asyncio.gather(*(one(resource) for resource in resources))
    return _found(upstream, resources, [listed, *reads])


async def _kept_of(directory: Directory, upstream: Upstream, asked: Asked) -> Found | None:
    """What is kept of a server that does not answer; None when something is missing."""

    def look() -> list[Read] | None:
        def old(method: str, subject: str) -> Read | None:
            kept = store.read(upstream.tenant_id, upstream.id, actor=asked.actor, key=store.key_of(method, subject))
            return None if kept is None else Read(value=kept.value, fetched_at=kept.fetched_at, cached=True, stale=not kept.fresh)

        listed = old("resources/list", "")
        if listed is None:
            return None
        reads = [old("resources/read", str(one["uri"])) for one in listed.value["resources"][:MOST_RESOURCES]]
        whole = [read for read in reads if read is not None]
        if len(whole) != len(reads):
            return None
        store.count(upstream.tenant_id, upstream.id, "stale", 1 + len(whole))
        return [listed, *whole]

    kept = await rows.within(upstream.tenant_id, look)
    return None if kept is None else _found(upstream, kept[0].value["resources"][:MOST_RESOURCES], kept)


def _found(upstream: Upstream, resources: list[Mapping[str, Any]], reads: list[Read]) -> Found:
    """`reads`: the list, then one for each resource. Two resources of one name are told apart by their URIs."""
    named: dict[str, Any] = {}
    for resource, read in zip(resources, reads[1:], strict=True):
        name = str(resource.get("name") or resource["uri"])
        named[str(resource["uri"]) if name in named else name] = _data(read.value)
    return Found(
        server=upstream.slug,
        priority=upstream.priority,
        domains=upstream.domains,
        capabilities=upstream.capabilities,
        resources=named,
        stale=any(read.stale for read in reads),
    )


async def _read(directory: Directory, upstream: Upstream, uri: str, asked: Asked, *, stale: bool = True) -> Read:
    return await cached.read(directory, upstream, asked, method="resources/read", subject=uri, fetch=_contents, stale=stale)


async def _list(client: "Client", _subject: str) -> tuple[Any, freshness.Hint]:
    """All pages; nothing of a server that has no resources, which is not asked."""
    if client.server_capabilities.resources is None:
        return {"resources": []}, freshness.Hint()
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    hint = freshness.Hint()
    for _ in range(MOST_PAGES):
        page = await client.list_resources(cursor=cursor)
        found += [cleaned(one.model_dump(by_alias=True, mode="json", exclude_none=True)) for one in page.resources]
        cursor, hint = page.next_cursor, _hint(client, page)
        if cursor is None:
            break
    return {"resources": found}, hint


async def _contents(client: "Client", uri: str) -> tuple[Any, freshness.Hint]:
    result = await client.read_resource(uri)
    contents = [cleaned(one.model_dump(by_alias=True, mode="json", exclude_none=True)) for one in result.contents]
    return {"contents": contents}, _hint(client, result)


def _hint(client: "Client", result: Any) -> freshness.Hint:
    """Servers of 2025 and before say nothing; the SDK then fills in what is the default of later ones."""
    from mcp_types.version import MODERN_PROTOCOL_VERSIONS

    if client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return freshness.Hint()
    return freshness.Hint(ttl_ms=result.ttl_ms, scope=result.cache_scope)


def _data(value: Mapping[str, Any]) -> Any:
    """What people mean by the data of a resource: JSON as its value, text as text, anything else as the protocol gives it; parts as a list."""
    parts = [_part(one) for one in value["contents"]]
    return parts[0] if len(parts) == 1 else parts


def _part(content: Mapping[str, Any]) -> Any:
    text = content.get("text")
    if text is None:
        return dict(content)
    if "json" not in str(content.get("mimeType") or ""):
        return text
    try:
        return cleaned(json.loads(text))
    except (ValueError, RecursionError):
        return text


def _with(found: Found, failed: Mapping[str, str]) -> Found:
    from dataclasses import replace

    return replace(found, failed=dict(failed))


def _told(what: str, failed: Mapping[str, str]) -> str:
    return f"{what} {'; '.join(f'{slug}: {why}' for slug, why in sorted(failed.items()))}"
