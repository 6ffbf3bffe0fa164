"""CloudEvents 1.0 in structured JSON: https://github.com/cloudevents/spec, with the documented extensions partitionkey and sequence."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
SEQUENCE_DIGITS = 20  # so that sequences sort as texts too


def source_of(tenant_id: str) -> str:
    return f"urn:mcp-platform:tenant:{tenant_id}"


def envelope(
    *, event_id: str, tenant_id: str, type: str, subject: str, key: str, sequence: int, at: datetime, data: Mapping[str, Any]
) -> dict[str, Any]:
    """`sequence` grows within a key, in the order in which things happened; numbers in between may belong to other keys."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source_of(tenant_id),
        "type": type,
        "subject": subject,
        "time": at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "dataschema": f"urn:mcp-platform:event:{type}",
        "partitionkey": key,
        "sequence": f"{sequence:0{SEQUENCE_DIGITS}d}",
        "tenantid": tenant_id,
        "data": dict(data),
    }


def encode(event: Mapping[str, Any]) -> bytes:
    """The same event always gives the same bytes: what was signed once can be signed again."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode()
