"""What the world hears of buildings: group names, and findings as sockets and REST show them.

Rows are the truth. A push says only which building has news; whoever listens reads the rows.
"""

from typing import Any
from uuid import UUID

from mcp_platform import realtime
from validation.models import Finding


def building_group(building_id: UUID) -> str:
    return f"validation.building.{building_id.hex}"


def publish_findings(building_id: UUID, number: int) -> None:
    """After commit: the building's findings stream has grown up to `number`."""
    realtime.publish(building_group(building_id), {"stream": "findings", "seq": number})


def publish_presence(building_id: UUID) -> None:
    """After commit: who is there, or what they have selected, has changed."""
    realtime.publish(building_group(building_id), {"stream": "presence"})


def finding(row: Finding) -> dict[str, Any]:
    """A finding as diffs, snapshots and the live pages have it. Its evidence and geometry are read over REST."""
    return {
        "fingerprint": row.fingerprint,
        "id": str(row.pk),
        "rule": row.rule_key,
        "subject": row.subject,
        "subject_name": row.subject_name,
        "ifc_class": row.ifc_class,
        "storey": row.storey,
        "outcome": row.outcome,
        "severity": row.severity,
        "category": row.category,
        "actual": row.actual,
        "required": row.required,
        "unit": row.unit,
        "margin": row.margin,
        "message": row.message,
        "missing": row.missing,
        "section": row.citation.get("section", ""),
        "state": row.state,
        "rev": row.rev,
    }
