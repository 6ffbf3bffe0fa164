"""What listeners are told of an operation."""

from typing import Any
from uuid import UUID

from mcp_platform import realtime
from mcp_platform.operations.models import Operation


def group(operation_id: UUID) -> str:
    return f"operation.{operation_id}"


def publish_change(operation_id: UUID) -> None:
    """A push says only that the row has changed; whoever listens reads it."""
    realtime.publish(group(operation_id), {"stream": str(operation_id)})


def shown(row: Operation) -> dict[str, Any]:
    """The progress as sockets and pages show it."""
    return {
        "id": str(row.pk),
        "status": row.status,
        "phase": row.phase,
        "done": row.done,
        "total": row.total,
        "percent": row.percent,
        "error": row.error,
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
    }
