"""Bad servers of others, bad tools, bad configurations. The office has the server `clock`, which is switched off, so that nobody is contacted."""

from typing import Any

from tests.platform.bad_input.row import Bad

SCHEMA, REFUSED = "SCHEMA_ERROR", "MCP_CONFIGURATION_ERROR"
NOBODY = "00000000-0000-4000-8000-000000000000"
NEW, ONE, CONFIG = "POST mcp-servers", "mcp-servers/clock", "PUT orchestrator/config"
ANY = {"If-Match": "*"}


def server(**more: Any) -> dict[str, Any]:
    return {"slug": "new", "url": "https://mcp.example.com/mcp", "enabled": False, **more}


def config(**member: Any) -> dict[str, Any]:
    return {"mcp_servers": {"new": {"url": "https://mcp.example.com/mcp", **member}}}


ROWS = [
    Bad("server that is a list", NEW, [], 400, SCHEMA, "$"),
    Bad("server without a slug", NEW, {"url": "https://mcp.example.com/mcp"}, 400, SCHEMA, "$.slug"),
    Bad("server with a slug of capitals", NEW, server(slug="NEW"), 400, REFUSED, "$.slug"),
    Bad("server that is there", NEW, server(slug="clock"), 409, "ALREADY_EXISTS"),
    Bad("server without an address", NEW, {"slug": "new"}, 400, REFUSED, "$.url"),
    Bad("server at a file", NEW, server(url="file:///etc/passwd"), 400, REFUSED, "$.url"),
    Bad("server with a password in its address", NEW, server(url="https://ada:secret@mcp.example.com/mcp"), 400, REFUSED, "$.url"),
    Bad("server at port minus one", NEW, server(url="https://mcp.example.com:-1/mcp"), 400, REFUSED, "$.url"),
    Bad("server by pigeon", NEW, server(transport="pigeon"), 400, REFUSED, "$.transport"),
    Bad("server of priority zero", NEW, server(priority=0), 400, REFUSED, "$.priority"),
    Bad("server of priority true", NEW, server(priority=True), 400, REFUSED, "$.priority"),
    Bad("server that may take an hour", NEW, server(timeout=3600), 400, REFUSED, "$.timeout"),
    Bad("server with one domain", NEW, server(domains="weather"), 400, REFUSED, "$.domains"),
    Bad("server with a made-up member", NEW, server(colour="red"), 400, REFUSED, "$.colour"),
    Bad("server trusted blindly", NEW, server(trust="always"), 400, REFUSED, "$.trust"),
    Bad("server with a literal secret", NEW, server(authentication={"type": "bearer", "secret": "s3cr3t"}), 400, REFUSED, "$.authentication.secret"),
    Bad("server without its secret", NEW, server(authentication={"type": "bearer"}), 400, REFUSED, "$.authentication.secret"),
    Bad("server with made-up credentials", NEW, server(authentication={"type": "smile"}), 400, REFUSED, "$.authentication.type"),
    Bad("a program with arguments", NEW, server(transport="stdio", url="stdio:sh -c id"), 400, REFUSED, "$.url"),
    Bad("no such server", "GET mcp-servers/nobody", None, 404, "MCP_SERVER_NOT_FOUND"),
    Bad("the neighbour's server", f"GET {ONE}", None, 404, "MCP_SERVER_NOT_FOUND", by="neighbour"),
    Bad("a change without a revision", f"PATCH {ONE}", {"priority": 3}, 428, "PRECONDITION_REQUIRED"),
    Bad("a change of an old server", f"PATCH {ONE}", {"priority": 3}, 412, "STALE_ETAG", headers={"If-Match": '"77"'}),
    Bad("a change to nonsense", f"PATCH {ONE}", {"timeout": 0}, 400, REFUSED, "$.timeout", headers=ANY),
    Bad("a check of a server that is off", f"POST {ONE}/check", None, 409, "MCP_SERVER_DISABLED"),
    Bad("a server by who may only listen", NEW, server(), 403, "PERMISSION_DENIED", by="listener"),
    Bad("no such upstream tool", f"GET mcp-tools/{NOBODY}", None, 404, "TOOL_NOT_FOUND"),
    Bad("an approval of no tool", f"POST mcp-tools/{NOBODY}/approve", {}, 404, "TOOL_NOT_FOUND"),
    Bad("an approval with a made-up member", f"POST mcp-tools/{NOBODY}/approve", {"hash": "1"}, 400, SCHEMA, "$.hash"),
    Bad("a call of no tool", f"POST mcp-tools/{NOBODY}/call", {}, 404, "TOOL_NOT_FOUND"),
    Bad("a call with arguments in a list", f"POST mcp-tools/{NOBODY}/call", {"arguments": []}, 400, SCHEMA, "$.arguments"),
    Bad("tools of a made-up state", "GET mcp-tools?status=nice", None, 400, SCHEMA, "$.status"),
    Bad("resources of no domain", "GET orchestrator/resources?domain=weather", None, 404, "MCP_NO_SERVER_AVAILABLE"),
    Bad("a cache of no server", "POST orchestrator/invalidate", {"server": "nobody"}, 404, "MCP_SERVER_NOT_FOUND"),
    Bad("a cache with a made-up member", "POST orchestrator/invalidate", {"sever": "clock"}, 400, SCHEMA, "$.sever"),
    Bad("eleven retries", "PATCH orchestrator/settings", {"max_retries": 11}, 400, REFUSED, "$.max_retries"),
    Bad("settings with a made-up member", "PATCH orchestrator/settings", {"colour": "red"}, 400, REFUSED, "$.colour"),
    Bad("a configuration that is a list", CONFIG, [], 400, SCHEMA, "$"),
    Bad("a configuration with a made-up part", CONFIG, {"servers": {}}, 400, REFUSED, "$.servers"),
    Bad("a configuration with a bad server", CONFIG, config(priority=0), 400, REFUSED, "$.mcp_servers.new.priority"),
    Bad("a configuration replaced perhaps", f"{CONFIG}?replace=perhaps", {}, 400, SCHEMA, "?replace"),
    Bad("a configuration of broken YAML", CONFIG, b"mcp_servers: [", 400, REFUSED, "$", content_type="application/yaml"),
    Bad("a configuration with a tag", CONFIG, b"!!python/object/apply:os.system [id]", 400, REFUSED, "$", content_type="application/yaml"),
    Bad("a virtual server without a slug", "POST virtual-servers", {"name": "Office"}, 400, SCHEMA, "$.slug"),
    Bad("no such virtual server", "GET virtual-servers/nobody", None, 404, "VIRTUAL_SERVER_NOT_FOUND"),
    Bad("a virtual server of tools in words", "POST virtual-servers", {"slug": "office", "tools": "all"}, 400, SCHEMA, "$.tools"),
    Bad("a preview of nothing", "POST virtual-server-preview", {}, 400, SCHEMA, "$.tools"),
]
