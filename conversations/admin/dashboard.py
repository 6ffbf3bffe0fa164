"""The first page: numbers of the tenants in view, the last two weeks, and what to do next while there is nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from conversations.admin.conversations import STATUS_VARIANTS
from conversations.models import Conversation, Turn
from flows.models import Flow, Pointer
from mcp_platform.tenancy.models import ApiKey
from mcp_platform.tenancy.pages import chosen_tenant, in_view, may

DAYS = 14
LATENCIES = 1000  # of the newest turns
OPEN = ("active", "waiting", "handoff")


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """DASHBOARD_CALLBACK of the theme."""
    if not request.user.is_authenticated:
        return context
    now = timezone.now()
    conversations = in_view(request, Conversation.objects.all(), "conversations:read")
    turns = in_view(request, Turn.objects.all(), "conversations:read")
    flows = in_view(request, Flow.objects.filter(archived_at=None), "flows:read")
    live = in_view(request, Pointer.objects.filter(flow__archived_at=None), "flows:read").values("flow_id").distinct().count()
    steps = next_steps(request, flows, live, conversations)
    days = per_day(turns, now.date())
    return {
        **context,
        "title": "Dashboard",
        "tenant": chosen_tenant(request),
        "cards": cards(conversations, turns, flows, live, now, days),
        "chart": chart(days),
        "steps": steps,
        "steps_done": sum(step["done"] for step in steps),
        "is_new": not all(step["done"] for step in steps),
        "is_running": live > 0 and any(step["done"] for step in steps if step["key"] == "talk"),
        "recent": recent(request, conversations),
        "base": request.build_absolute_uri("/").rstrip("/"),
        "first_flow": flows.order_by("created_at").values_list("flow_id", flat=True).first() or "your_flow",
    }


def cards(
    conversations: QuerySet[Any], turns: QuerySet[Any], flows: QuerySet[Any], live: int, now: Any, days: "Sequence[Day]"
) -> list[dict[str, Any]]:
    today, yesterday = days[-1].count, days[-2].count
    median, p95, counted = latency(turns)
    failing = flows.filter(problem_count__gt=0).count()
    waiting = conversations.filter(status="handoff").count()
    begun = conversations.filter(created_at__gte=now - timedelta(days=1)).count()
    return [
        {
            "title": "Active conversations",
            "value": f"{conversations.filter(status__in=OPEN).count():,}",
            "note": f"{waiting} handed over to a person" if waiting else f"{begun:,} begun in the last 24 hours",
            "alarm": bool(waiting),
        },
        {"title": "Messages today", "value": f"{today:,}", "note": f"{yesterday:,} yesterday"},
        {
            "title": "Median turn",
            "value": milliseconds(median),
            "note": f"p95 {milliseconds(p95)}, last {counted:,} turns" if counted else "no turns yet",
        },
        {
            "title": "Live flows",
            "value": f"{live:,}",
            "note": f"{failing} draft{'s' if failing > 1 else ''} with problems" if failing else "no draft has problems",
            "alarm": bool(failing),
        },
    ]


def milliseconds(value: float | None) -> str:
    return "–" if value is None else "< 1 ms" if value < 1 else f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"


def latency(turns: QuerySet[Any]) -> tuple[float | None, float | None, int]:
    """Median and p95 in milliseconds from acceptance to the stored reply; what the engine itself took when that is more."""
    rows = turns.exclude(finished_at=None).exclude(kind=Turn.Kind.TIMER).order_by("-created_at")
    found = sorted(
        max((finished - created).total_seconds() * 1000, float(spent or 0))
        for created, finished, spent in rows.values_list("created_at", "finished_at", "reply__processing_time_ms")[:LATENCIES]
    )
    if not found:
        return None, None, 0
    return found[len(found) // 2], found[min(len(found) - 1, int(len(found) * 0.95))], len(found)


@dataclass(frozen=True, slots=True)
class Day:
    at: date
    count: int


def per_day(turns: QuerySet[Any], today: date) -> list[Day]:
    first = today - timedelta(days=DAYS - 1)
    rows = (
        turns.filter(kind=Turn.Kind.MESSAGE, created_at__date__gte=first)
        .annotate(day=TruncDate("created_at"))
        .values_list("day")
        .annotate(n=Count("pk"))
        .order_by()
    )
    counts = dict(rows)
    return [Day(at=first + timedelta(days=offset), count=counts.get(first + timedelta(days=offset), 0)) for offset in range(DAYS)]


def chart(days: Sequence[Day]) -> dict[str, Any]:
    """Bars of an SVG of 1000 by 220, and three lines that tell the scale."""
    top = nice(max(day.count for day in days))
    step = 940 / len(days)
    bars = [
        {
            "x": round(50 + step * index + step * 0.2, 1),
            "y": round(180 - 160 * day.count / top, 1),
            "width": round(step * 0.6, 1),
            "height": round(160 * day.count / top, 1),
            "middle": round(50 + step * (index + 0.5), 1),
            "label": f"{day.at:%a} {day.at.day}",
            "count": day.count,
            "today": index == len(days) - 1,
        }
        for index, day in enumerate(days)
    ]
    lines = [{"y": round(180 - 160 * part / 2), "label": f"{top * part // 2:,}"} for part in (0, 1, 2)]
    return {"bars": bars, "lines": lines, "is_empty": not any(day.count for day in days), "total": sum(day.count for day in days)}


def nice(value: int) -> int:
    """The next 2, 4, 10, 20, 40, 100 …"""
    size = 1
    while True:
        for factor in (2, 4, 10):
            if factor * size >= value:
                return factor * size
        size *= 10


def next_steps(request: HttpRequest, flows: QuerySet[Any], live: int, conversations: QuerySet[Any]) -> list[dict[str, Any]]:
    """What a new tenant does first; only what this person may do."""
    wanted = [
        ("flow", "flows:write", "Create a flow", "Import a definition, or start with an empty one.", "admin:flows_flow_import", flows.exists()),
        ("publish", "flows:publish", "Publish it", "The problems page says what is missing; then it runs.", "admin:flows_flow_changelist", live > 0),
        (
            "key",
            "keys:manage",
            "Create an API key",
            "For the program that talks to it. Its secret is shown once.",
            "admin:tenancy_apikey_add",
            _has_key(request),
        ),
        (
            "talk",
            "conversations:write",
            "Talk to it",
            "In the test page, or with the request below.",
            "admin:conversations_conversation_try",
            conversations.exists(),
        ),
    ]
    return [
        {"key": key, "title": title, "text": text, "to": reverse(to), "done": done}
        for key, permission, title, text, to, done in wanted
        if may(request, permission)
    ]


def _has_key(request: HttpRequest) -> bool:
    return in_view(request, ApiKey.objects.filter(revoked_at=None), "keys:manage").exists()


def recent(request: HttpRequest, conversations: QuerySet[Any]) -> list[dict[str, Any]]:
    if not may(request, "conversations:operate"):
        return []
    rows = conversations.select_related("version").defer("snapshot").order_by("-updated_at")[:8]
    return [
        {"row": row, "variant": STATUS_VARIANTS.get(row.status, ""), "to": reverse("admin:conversations_conversation_change", args=(row.pk,))}
        for row in rows
    ]
