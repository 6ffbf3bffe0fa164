"""Where staff watch an operation, and how it looks on whichever page shows it."""

from typing import Final

from django.http import JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mcp_platform.operations import events
from mcp_platform.operations.models import Operation

VARIANTS: Final = {"queued": "info", "running": "info", "succeeded": "success", "failed": "danger", "cancelled": "warning"}


def url(operation: Operation) -> str:
    """The page with its progress: where a button goes that has started it."""
    return reverse("admin:operations_operation_change", args=(operation.pk,))


def bar(row: Operation) -> SafeString:
    percent = row.percent
    told = f"{row.done} of {row.total}" if row.total else ""
    width = percent if percent is not None else 0
    return format_html(
        '<span class="mcp-progress {}" title="{}"><span style="width: {}%"></span></span> <span class="mcp-faint">{}</span>',
        row.status, row.phase, width, told,
    )  # fmt: skip


def live(row: Operation) -> SafeString:
    """How it stands. On a page it goes into `#mcp-live`, beside operations/progress.js, which asks for `told` and replaces it."""
    return render_to_string("operations/live.html", {"object": row, "variant": VARIANTS[row.status], "bar": bar(row)})


def told(row: Operation) -> JsonResponse:
    """What operations/progress.js reads."""
    return JsonResponse({**events.shown(row), "open": row.is_open, "html": live(row)}, headers={"Cache-Control": "no-store"})
