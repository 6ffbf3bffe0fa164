"""The demo's MCP servers: the platform itself is the first one, so that the gateway has something real behind it without a network."""

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Final

from mcp_platform.tenancy import services as tenancy
from mcp_platform.tenancy.models import Tenant, User
from mcp_platform.vault import queries as vault_queries
from mcp_platform.vault import services as vault

HOUSE: Final = "house"
SECRET: Final = "HOUSE_MCP_KEY"  # noqa: S105  its name
SCOPES: Final = ("tools:ping", "tools:echo", "tools:health")


def prepare(tenant: Tenant, by: User, port: int) -> None:
    """What the connection needs: a key that may call three tools, kept as a secret, and leave to call this machine."""
    if not vault_queries.secrets(tenant).filter(name=SECRET).exists():
        _, key = tenancy.create_api_key(tenant, name="Demo: calls of the gateway", scopes=list(SCOPES), by=by)
        vault.create_secret(tenant, name=SECRET, value=str(key), description="The platform's own MCP endpoint, as an upstream", by=by)
    before = tenant.settings.get("outbound_allowed_hosts", [])
    here = f"127.0.0.1:{port}"
    if here not in before:
        tenancy.update_tenant(tenant, settings={"outbound_allowed_hosts": [*before, here]}, by=None)


def connect(base: str, key: str, say: Callable[[str], None]) -> None:
    """Over REST, as anybody would: connect the server, check it, offer two of its tools. What is there already is left alone."""
    server = {"name": "This platform", "url": f"{base}/mcp", "domains": ["platform"], "authentication": {"type": "bearer", "secret": SECRET}}
    _send("PUT", base, key, "orchestrator/config", {"mcp_servers": {HOUSE: server}})  # the port may be another than the last time
    seen = _send("POST", base, key, f"mcp-servers/{HOUSE}/check", {})
    say(f"   {HOUSE}: {seen.get('state', seen.get('detail'))}, {seen.get('tool_count', 0)} tools")
    tools = [{"server": HOUSE, "tool": "echo"}, {"server": HOUSE, "tool": "health_check", "name": "is_it_well"}]
    made = _send(
        "POST", base, key, "virtual-servers", {"slug": "desk", "name": "Desk", "description": "Two tools through the gateway.", "tools": tools}
    )
    if "address" in made:
        say(f"   offered at {made['address']}: {', '.join(one['offered_as'] for one in made['tools'])}")


def _send(method: str, base: str, key: str, path: str, body: Any) -> Any:
    """The answer, also of a refusal."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{base}/api/v1/{path}", json.dumps(body).encode(), headers, method=method)  # noqa: S310  our own address
    with contextlib.suppress(TimeoutError):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  likewise
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            return json.load(refused)
    return {"detail": "no answer"}
