"""What stands above every list of product metadata: what is live, what waits to be published, and the way to the other pages."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from mcp_platform.metadata import queries
from mcp_platform.metadata.core.difference import Change, counted
from mcp_platform.tenancy.pages import chosen_tenant, may

TABS = (
    ("products", "Products", "metadata_productalias_changelist"),
    ("columns", "Column mappings", "metadata_columnmapping_changelist"),
    ("versions", "Versions", "metadata_metadataversion_changelist"),
    ("try", "Look up", "metadata_productalias_try"),
)


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:{name}", args=args)


def head(request: HttpRequest, tab: str) -> dict[str, Any]:
    """For templates/metadata/head.html. Without a chosen tenant there are only the tabs."""
    tenant = chosen_tenant(request)
    found: dict[str, Any] = {
        "tab": tab,
        "tabs": [(name, title, page(to)) for name, title, to in TABS],
        "import_url": page("metadata_productalias_import"),
    }
    if tenant is None:
        return {"metadata": found}
    held = queries.head(tenant)
    waiting = counted(queries.unpublished(tenant))
    found |= {
        "live": held.live,
        "live_at": held.live_at,
        "waiting": sum(waiting.values()),
        "publish_url": page("metadata_productalias_publish"),
        "export_url": page("metadata_productalias_export"),
        "may_write": may(request, "metadata:write", tenant.pk),
    }
    return {"metadata": found}


def shown(changes: tuple[Change, ...], most: int = 300) -> dict[str, Any]:
    """For templates/metadata/changes.html."""
    return {"count": len(changes), "more": max(0, len(changes) - most), "rows": [_row(one) for one in changes[:most]], "kinds": counted(changes)}


def _row(one: Change) -> dict[str, Any]:
    fields = [{"name": name.replace("_", " "), "before": _text(before), "after": _text(after)} for name, (before, after) in one.fields.items()]
    return {"kind": one.kind, "of": one.of, "name": one.name, "fields": fields}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(map(str, value))
    if isinstance(value, dict):
        return "\n".join(f"{name}: {one}" for name, one in value.items())
    return str(value)
