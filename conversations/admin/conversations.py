"""Conversations: the list, one as a transcript with its trace, and the page to try a flow. Nothing of a conversation is edited here."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from conversations import events, queries, rehearsals, services
from conversations.admin.replays import compare
from conversations.models import Conversation, Turn
from flows.models import Environment, Pointer
from mcp_platform.admin_base import badge, mono, tell
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, in_view, may, principal, tenants, within

STATUS_VARIANTS: Mapping[str, str] = {"active": "info", "waiting": "info", "handoff": "warning", "ended": "success", "failed": "danger"}
TURN_VARIANTS: Mapping[str, str] = {"queued": "info", "running": "info", "done": "success", "failed": "danger", "dead": "danger"}
TURNS_SHOWN = 200  # the newest; older ones behind a link
# Events that the transcript itself shows; the others are its side notes.
IN_TRANSCRIPT = frozenset(events.SPOKEN)


class EnvironmentFilter(admin.SimpleListFilter):
    """Names of the person's own tenants only: Django's filter over a relation would offer those of every tenant."""

    title = "environment"
    parameter_name = "environment"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = in_view(request, Environment.objects.all(), "conversations:operate").order_by("name").values_list("name", flat=True).distinct()
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> QuerySet[Conversation]:
        return queryset.filter(environment__name=self.value()) if self.value() else queryset


@admin.register(Conversation)
class ConversationPage(TenantPage):
    permissions: ClassVar = {"view": "conversations:read", "talk": "conversations:write", "operate": "conversations:operate"}
    change_form_template = "conversations/transcript.html"
    list_display = ("who", "state_of", "flow", "current", "channel", "turns_so_far", "updated_at")
    list_filter = ("status", "channel", EnvironmentFilter, "flow_key")
    list_select_related = ("tenant", "version", "environment")
    search_fields = ("user_ref", "flow_key", "current_state")
    ordering = ("-updated_at",)
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        """Who may not operate sees only conversations by their address, as in the API; the list needs conversations:operate."""
        rows = super().get_queryset(request)
        match = request.resolver_match
        if match is not None and match.url_name == "conversations_conversation_changelist":
            return within(request, rows, "conversations:operate").defer("snapshot")
        return rows

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        try:
            return queryset.filter(pk=UUID(search_term.strip())), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)

    @admin.display(description="Conversation")
    def who(self, row: Conversation) -> SafeString:
        return format_html(
            '<span class="mcp-title">{}</span><code class="mcp-mono mcp-below">{}</code>', row.user_ref or "anonymous", str(row.pk)[:8]
        )

    @admin.display(description="Status", ordering="status")
    def state_of(self, row: Conversation) -> SafeString:
        return badge(row.status, STATUS_VARIANTS.get(row.status, ""))

    @admin.display(description="Flow", ordering="flow_key")
    def flow(self, row: Conversation) -> SafeString:
        return format_html('{} <span class="mcp-faint">v{} · {}</span>', row.flow_key, row.version.number, row.environment.name)

    @admin.display(description="State", ordering="current_state")
    def current(self, row: Conversation) -> SafeString | str:
        return mono(row.current_state) if row.current_state else "–"

    @admin.display(description="Turns", ordering="next_turn")
    def turns_so_far(self, row: Conversation) -> int:
        return row.next_turn - 1

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None or not _is_uuid(object_id):
            return super().changeform_view(request, object_id, form_url, extra_context)
        held = self.mine(request, object_id)
        numbers = range(max(1, held.next_turn - TURNS_SHOWN), held.next_turn) if "all" not in request.GET else range(1, held.next_turn)
        return self.show(
            request,
            self.change_form_template,
            title=held.user_ref or f"Conversation {str(held.pk)[:8]}",
            held=held,
            object=held,
            status_variant=STATUS_VARIANTS.get(held.status, ""),
            context=_shown(queries.context(held)),
            turns=transcript(held.tenant, held.pk, numbers),
            hidden=numbers.start - 1,
            may_operate=may(request, "conversations:operate", held.tenant_id),
            reset_url=self.to("reset", held.pk),
            may_test=may(request, "conversations:operate", held.tenant_id) and may(request, "flows:write", held.tenant_id),
            test_url=self.to("make_test", held.pk),
            what_if_url=self.to("what_if", held.pk),
        )

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"conversations_conversation_{name}")

        return [
            page("try/", self.try_page, "try"),
            page("try/start/", self.start_button, "start"),
            page("<uuid:pk>/reset/", self.reset_button, "reset"),
            page("<uuid:pk>/make-test/", self.test_button, "make_test"),
            page("<uuid:pk>/what-if/", self.what_if_page, "what_if"),
            *super().get_urls(),
        ]

    def reset_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        held = self.mine(request, pk, "operate")
        actor = principal(request, held.tenant).actor
        return self.perform(
            request,
            lambda: services.reset(held.tenant, conversation_id=held.pk, actor=actor),
            done="The conversation began again.",
            to=self.to("change", pk),
        )

    def test_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """A regression test of the flow, made of this conversation."""
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        held = self.mine(request, pk, "operate")
        by = principal(request, held.tenant)
        by.require("flows:write")
        try:
            made = rehearsals.record_test(held.tenant, conversation_id=held.pk, by=by)
        except PlatformError as error:
            tell(request, error)
            return HttpResponseRedirect(self.to("change", pk))
        messages.success(request, f"“{made.name}” is a test of {made.flow.name} now. A publish will ask it.")
        return HttpResponseRedirect(reverse("admin:flows_flow_test", args=(made.flow_id, made.pk)))

    def what_if_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        return compare(self, request, self.mine(request, pk, "operate"))

    def try_page(self, request: HttpRequest) -> HttpResponse:
        tenant = self._tenant_to_try(request)
        if tenant is None:
            wanted = tenants(request, "conversations:write")
            return self.show(request, "tenancy/choose_tenant.html", title="Try a flow", tenants=wanted, next=request.get_full_path())
        principal(request, tenant).require("conversations:write")
        pointers = Pointer.objects.for_tenant(tenant).filter(flow__archived_at=None).select_related("flow", "environment", "version")
        choices = [
            {"flow_id": one.flow.flow_id, "name": one.flow.name, "environment": one.environment.name, "version": one.version.number}
            for one in pointers.order_by("flow__name", "-environment__is_default")
        ]
        return self.show(
            request,
            "conversations/try.html",
            title="Try a flow",
            tenant=tenant,
            choices=choices,
            environments=Environment.objects.for_tenant(tenant),
            wanted=request.GET.get("flow", ""),
            start_url=self.to("start"),
            transcript_url=self.to("change", UUID(int=0)),
        )

    def _tenant_to_try(self, request: HttpRequest) -> Tenant | None:
        slug = request.GET.get("tenant") or request.POST.get("tenant", "")
        return tenants(request, "conversations:write").filter(slug=slug).first() if slug else chosen_tenant(request)

    def start_button(self, request: HttpRequest) -> HttpResponse:
        """Starts the conversation of the test page; the page itself then talks over the socket like every other client."""
        tenant = self._tenant_to_try(request)
        if request.method != "POST" or tenant is None:
            return JsonResponse({"message": "Choose a tenant first."}, status=400)
        by = principal(request, tenant)
        by.require("conversations:write")
        try:
            result = services.start(
                tenant,
                flow_id=request.POST.get("flow", ""),
                environment=request.POST.get("environment", ""),
                locale=request.POST.get("locale", "en")[:20],
                channel="admin",
                user_ref=request.user.get_username(),
                actor=by.actor,
                wait_seconds=5,
            )
        except PlatformError as error:
            return JsonResponse({"message": error.message, "error_code": error.code}, status=400)
        return JsonResponse({"conversation_id": str(result.conversation_id), "turn": result.number})


def _shown(context: dict[str, Any]) -> dict[str, Any]:
    """Slots and variables as JSON says them: true, not True."""
    for part in ("slots", "variables"):
        context[part] = {name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for name, value in context[part].items()}
    return context


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def transcript(tenant: Tenant, conversation_id: UUID, numbers: range) -> list[dict[str, Any]]:
    """Turn by turn: what was said, what happened beside, and why."""
    by_turn: dict[int, list[Any]] = defaultdict(list)
    for row in queries.log(tenant, conversation_id).filter(turn__number__gte=numbers.start):
        by_turn[row.turn.number].append(row)
    rows = (
        Turn.objects.for_tenant(tenant)
        .filter(conversation_id=conversation_id, number__gte=numbers.start)
        .order_by("number")
        .defer("request", "reply")
    )
    return [_turn(row, by_turn[row.number]) for row in rows]


def _turn(row: Turn, log: list[Any]) -> dict[str, Any]:
    looked_at = [entry for entry in row.trace if "condition" in entry]
    return {
        "row": row,
        "variant": TURN_VARIANTS.get(row.status, ""),
        "lines": [_line(events.spoken(one, row.number)) for one in log if one.kind in IN_TRANSCRIPT],
        "notes": [
            {"kind": one.kind, "seq": one.seq, "text": said_of(one.kind, events.shown(one.data))} for one in log if one.kind not in IN_TRANSCRIPT
        ],
        "looked_at": looked_at,
        "taken": sum(bool(entry.get("taken")) for entry in looked_at),
        "remarks": [entry for entry in row.trace if "condition" not in entry],
        "error": row.error,
    }


def _line(spoken: dict[str, Any]) -> dict[str, Any]:
    """A button says no words: its slots and its intent do."""
    data = spoken["data"]
    return {**spoken, "text": spoken["text"] or _pairs(data.get("postback", {})) or data.get("intent", "…")}


def _pairs(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}" for name, value in found.items())


# How an event reads in one line; the others show their data.
SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "started": lambda data: f"{data.get('flow_id', '')} at {data.get('state', '')}",
    "moved": lambda data: f"{data.get('from', '')} → {data.get('to', '')}",
    "slots_filled": lambda data: _pairs(data.get("slots", {})),
    "slot_refused": lambda data: f"{data.get('slot', '')}: {data.get('reason', '')}",
    "variables_set": lambda data: _pairs(data.get("set", {})),
    "handled": lambda data: f"{data.get('handler', '')} ({data.get('mode', '')})",
    "timers": lambda data: f"{len(data.get('set', ()))} set" if data.get("set") else "cancelled",
    "logged": lambda data: f"{data.get('name', '')} {_pairs(data.get('data', {}))}".strip(),
    "migrated": lambda data: "back to the version before" if data.get("reverted") else "to another version of the flow",
    "ended": lambda data: str(data.get("completion_type", data.get("completion", ""))),
}


def said_of(kind: str, data: Mapping[str, Any]) -> str:
    sentence = SENTENCES.get(kind)
    return sentence(data) if sentence else _pairs(data)
