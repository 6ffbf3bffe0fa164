"""Where staff watch an operation."""

from django.urls import reverse

from mcp_platform.operations.models import Operation


def url(operation: Operation) -> str:
    """The page with its progress: where a button goes that has started it."""
    return reverse("admin:operations_operation_change", args=(operation.pk,))
