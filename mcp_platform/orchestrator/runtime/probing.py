"""One server asked, over the connection that its calls take, whether it keeps to the protocol. None of its tools is called."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

from mcp_platform.errors import PlatformError
from mcp_platform.orchestrator.clients.connection import Connection
from mcp_platform.orchestrator.core import conformity
from mcp_platform.orchestrator.core.conformity import Check, Conformity
from mcp_platform.orchestrator.core.types import Asked
from mcp_platform.orchestrator.core.words import clean, cleaned
from mcp_platform.orchestrator.errors import UpstreamTimedOut
from mcp_platform.orchestrator.models import ServerCall
from mcp_platform.orchestrator.runtime import contact, ledger
from mcp_platform.orchestrator.runtime import directory as directories

if TYPE_CHECKING:
    from mcp import Client

WHOLE_SECONDS: Final = 60.0  # for all checks together
MOST_PAGES: Final = 50
METHOD_NOT_FOUND: Final = -32601
ABOUT_ARGUMENTS: Final = (-32602, -32002)  # invalid parameters; and what older revisions say of a resource


class Skipped(Exception):
    """It does not say that it can do this."""


class Doubtful(Exception):
    """Not against the protocol, and not good."""


@dataclass(slots=True)
class Probe:
    """The connection, and what the checks before have found."""

    connection: Connection
    resources: list[dict[str, Any]] = field(default_factory=list)

    @property
    def tools(self) -> list[dict[str, Any]]:
        return [{"name": name, **definition} for name, (definition, _) in self.connection.tools.items()]

    async def ask(self, what: "Callable[[Client], Awaitable[Any]]") -> Any:
        return await self.connection.request(what, timeout=self.connection.plan.upstream.timeout)

    def require(self, feature: str) -> None:
        """Raises Skipped."""
        if feature not in self.connection.about.features:
            raise Skipped(f"It does not declare {feature}.")

    async def refusal(self, what: "Callable[[Client], Awaitable[Any]]") -> int | None:
        """The number of the error that it answers with; None of an answer that is none. Raises what is no answer."""
        try:
            await self.ask(what)
        except PlatformError as fault:
            if "protocol_code" not in fault.details:
                raise
            return int(fault.details["protocol_code"])
        return None


Look: TypeAlias = Callable[[Probe], Awaitable[str]]


async def probe(tenant_id: UUID, *, server: str, asked: Asked) -> Conformity:
    """Every check once, in their order; one record of all of it. Raises ServerNotFound, ServerDisabled, and what connecting raises."""
    directory = await directories.of(tenant_id, fresh=True)
    upstream = directory.server(server)
    contact.pool().reset(upstream.id)
    entry = ledger.Entry(upstream, asked, kind=ServerCall.Kind.LISTING, name="conformity")
    try:
        with contact.pool().place(upstream):
            connection = await contact.connected(directory, upstream)
            checks = await _checked(Probe(connection))
        entry.ended(ledger.Outcome.OK)
        return Conformity(server=upstream.slug, protocol_version=connection.about.protocol_version, checks=tuple(checks))
    except PlatformError as fault:
        entry.failed(fault)
        raise
    finally:
        await asyncio.shield(ledger.keep(entry, directory.policy))


async def _checked(probe: Probe) -> list[Check]:
    found: list[Check] = []
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            for name, (title, look) in CHECKS.items():
                found.append(await _one(probe, name, title, look))
    except TimeoutError:
        late = [Check(name=name, title=title, outcome="skipped", said="There was no time left.") for name, (title, _) in CHECKS.items()]
        return [*found, *late[len(found) :]]
    return found


async def _one(probe: Probe, name: str, title: str, look: Look) -> Check:
    def told(outcome: conformity.Outcome, said: str) -> Check:
        return Check(name=name, title=title, outcome=outcome, said=clean(said)[:400])

    try:
        said = await look(probe)
    except Skipped as why:
        return told("skipped", str(why))
    except Doubtful as why:
        return told("warning", str(why))
    except UpstreamTimedOut:
        return told("failed", "It did not answer in time.")
    except PlatformError as fault:
        return told("failed", fault.message)
    except Exception as fault:  # noqa: BLE001  what it gives breaks the SDK's own reading of it: that is an answer, too
        return told("failed", f"{type(fault).__name__}: {fault}")
    return told("failed" if said else "passed", said)


async def _introduces_itself(probe: Probe) -> str:
    told = probe.connection.about.server_info
    return "" if told.get("name") and told.get("version") else "no name, or no version"


async def _revision(probe: Probe) -> str:
    from mcp_types.version import KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

    spoken = probe.connection.about.protocol_version
    if spoken not in KNOWN_PROTOCOL_VERSIONS:
        return f"{spoken or 'none'} is no revision of the protocol"
    if spoken not in MODERN_PROTOCOL_VERSIONS:
        raise Doubtful(f"{spoken}: an older revision, with sessions.")
    return ""


async def _ping(probe: Probe) -> str:
    import mcp_types as types
    from mcp_types.version import MODERN_PROTOCOL_VERSIONS

    if probe.connection.about.protocol_version in MODERN_PROTOCOL_VERSIONS:
        raise Skipped("This revision has no ping.")
    await probe.ask(lambda client: client.session.send_request(types.PingRequest(), types.EmptyResult))
    return ""


async def _unknown_method(probe: Probe) -> str:
    import mcp_types as types

    class Unknown(types.Request[types.RequestParams, str]):
        method: str = "mcp-platform/no-such-method"
        params: types.RequestParams = types.RequestParams()

    code = await probe.refusal(lambda client: client.session.send_request(Unknown(), types.EmptyResult))
    return _judged(code, (METHOD_NOT_FOUND,))


def _judged(code: int | None, expected: tuple[int, ...]) -> str:
    """Raises Doubtful where it refuses, and says so with another number."""
    if code is None:
        return f"expected the error {expected[0]}, got an answer"
    if code not in expected:
        raise Doubtful(f"It refuses with the error {code}; {expected[0]} is what clients expect.")
    return ""


async def _names(probe: Probe) -> str:
    probe.require("tools")
    return conformity.wrong_names([one["name"] for one in probe.tools])


async def _schemas(probe: Probe) -> str:
    probe.require("tools")
    return await asyncio.to_thread(conformity.wrong_schemas, probe.tools)  # how long it takes is up to somebody else's schemas


async def _described(probe: Probe) -> str:
    probe.require("tools")
    if said := conformity.bare_tools(probe.tools) or conformity.contrary_hints(probe.tools):
        raise Doubtful(said)
    return ""


async def _same_again(probe: Probe) -> str:
    probe.require("tools")
    before = {one["name"]: one for one in probe.tools}
    await contact.relisted(probe.connection)
    return conformity.changed(before, {one["name"]: one for one in probe.tools})


async def _unknown_tool(probe: Probe) -> str:
    probe.require("tools")
    name = f"no-such-tool-{secrets.token_hex(4)}"

    async def call(client: "Client") -> None:
        result = await client.session.call_tool(name, {})
        if not getattr(result, "is_error", False):
            raise ValueError

    try:
        code = await probe.refusal(call)
    except PlatformError as fault:
        if isinstance(fault.__cause__, ValueError):
            return "it answered as if there were such a tool"
        raise
    return "" if code is None else _judged(code, ABOUT_ARGUMENTS)  # None: an answer that says that it has failed


async def _resources(probe: Probe) -> str:
    probe.require("resources")

    async def pages(client: "Client") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await client.list_resources(cursor=cursor)
            found += [cleaned(one.model_dump(by_alias=True, mode="json", exclude_none=True)) for one in page.resources]
            cursor = page.next_cursor
            if cursor is None:
                return found
        raise ValueError(f"its pages have no end: {MOST_PAGES} were read")

    probe.resources = await probe.ask(pages)
    return conformity.wrong_uris(probe.resources)


async def _reading(probe: Probe) -> str:
    probe.require("resources")
    if not probe.resources:
        raise Skipped("It lists none.")
    uri = str(probe.resources[0]["uri"])
    result = await probe.ask(lambda client: client.read_resource(uri))
    others = [str(one.uri) for one in result.contents if not str(one.uri).startswith(uri.rstrip("/"))]
    return f"asked for {uri}, got {', '.join(others[:3])}" if others else "" if result.contents else f"{uri} is empty"


async def _unknown_resource(probe: Probe) -> str:
    probe.require("resources")
    code = await probe.refusal(lambda client: client.read_resource(f"no-such-resource://{secrets.token_hex(4)}"))
    return _judged(code, ABOUT_ARGUMENTS)


async def _prompts(probe: Probe) -> str:
    probe.require("prompts")
    page = await probe.ask(lambda client: client.list_prompts())
    return conformity.wrong_names([one.name for one in page.prompts])


async def _unknown_prompt(probe: Probe) -> str:
    probe.require("prompts")
    code = await probe.refusal(lambda client: client.get_prompt(f"no-such-prompt-{secrets.token_hex(4)}"))
    return _judged(code, ABOUT_ARGUMENTS)


CHECKS: Final[dict[str, tuple[str, Look]]] = {
    "introduces_itself": ("It says its name and version", _introduces_itself),
    "revision": ("It speaks a revision of the protocol", _revision),
    "ping": ("It answers a ping", _ping),
    "unknown_method": ("It refuses a method that does not exist", _unknown_method),
    "tool_names": ("Its tools have legal names, each its own", _names),
    "tool_schemas": ("Its tools have schemas of their arguments and results", _schemas),
    "tool_words": ("Its tools are described, and their hints agree", _described),
    "tools_again": ("Asked again it lists the same tools", _same_again),
    "unknown_tool": ("It refuses a tool that does not exist", _unknown_tool),
    "resources": ("Its resources have addresses, each its own", _resources),
    "reading": ("A resource that it lists can be read", _reading),
    "unknown_resource": ("It refuses a resource that does not exist", _unknown_resource),
    "prompts": ("Its prompts have legal names, each its own", _prompts),
    "unknown_prompt": ("It refuses a prompt that does not exist", _unknown_prompt),
}
