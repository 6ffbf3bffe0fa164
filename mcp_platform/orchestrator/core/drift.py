"""Whether a tool is still the one that was approved: a hash over everything that a model or a person decides by, and what has changed."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

# Icons and `_meta` are left out: they change nothing about what a tool does or takes.
MEMBERS: Final = ("title", "description", "inputSchema", "outputSchema", "annotations")


def definition(tool: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a tool of the protocol that count, without those that say nothing."""
    return {name: tool[name] for name in MEMBERS if tool.get(name) not in (None, {}, "")}


def digest(definition: Mapping[str, Any]) -> str:
    """SHA-256 of a definition, the same whatever the order of its members."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every place where two definitions differ: path, before, after; None where there is nothing."""
    return list(_differences("$", before, after))


def _differences(path: str, before: Any, after: Any) -> list[dict[str, Any]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found: list[dict[str, Any]] = []
        for name in sorted({*before, *after}):
            found += _differences(f"{path}.{name}", before.get(name), after.get(name))
        return found
    return [] if before == after else [{"path": path, "before": before, "after": after}]


def may_repeat(definition: Mapping[str, Any]) -> bool:
    """Whether to call it twice does no more than to call it once: it says that it only reads, or that it is idempotent."""
    told = definition.get("annotations") or {}
    return told.get("readOnlyHint") is True or told.get("idempotentHint") is True
