"""Which permission a request needs. A tool's own; nothing for what shows only what the caller may see."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mcp_platform.mcp import catalog
from mcp_platform.mcp.asking import Asked
from mcp_platform.toolkit import templates


def needed(asked: Asked) -> list[str]:
    """The scopes of what a request names; none for what is not there (the answer says so) and for lists."""
    look = _NEEDS.get(asked.method)
    return [scope for scope in look(asked) if scope] if look is not None else []


def _tool(asked: Asked) -> Iterable[str]:
    return (asked.entry.scope,) if asked.entry is not None else ()


def _resource(asked: Asked) -> Iterable[str]:
    return _of_uris(asked, [asked.params.get("uri")])


def _watched(asked: Asked) -> Iterable[str]:
    wanted = asked.params.get("notifications")
    uris = wanted.get("resourceSubscriptions") if isinstance(wanted, dict) else None
    return _of_uris(asked, uris if isinstance(uris, list) else [])


def _of_uris(asked: Asked, uris: list[Any]) -> Iterable[str]:
    found = (catalog.readable(uri, asked.virtual) for uri in uris[:1000] if isinstance(uri, str))
    return {one.scope for one in found if one is not None}


def _prompt(asked: Asked) -> Iterable[str]:
    found = catalog.prompt(str(asked.params.get("name")))
    return (found.scope,) if found is not None and not asked.virtual else ()


def _completed(asked: Asked) -> Iterable[str]:
    ref = asked.params.get("ref")
    if not isinstance(ref, dict):
        return ()
    prompt = catalog.prompt(str(ref.get("name")))
    template = next((one for one in templates() if one.uri_template == ref.get("uri")), None)
    return [one.scope for one in (prompt, template) if one is not None]


_NEEDS: Mapping[str, Callable[[Asked], Iterable[str]]] = {
    "tools/call": _tool,
    "resources/read": _resource,
    "resources/subscribe": _resource,
    "subscriptions/listen": _watched,
    "prompts/get": _prompt,
    "completion/complete": _completed,
}
