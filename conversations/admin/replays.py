"""Replays: start one, look at its counts by cause, open a conversation with both runs side by side; the same for a single conversation."""

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from conversations import records, replays
from conversations.core.differences import CAUSES
from conversations.models import Conversation, Replay, ReplayedConversation
from flows import queries as flow_queries
from flows.models import Environment, Flow
from mcp_platform.admin_base import badge, tell
from mcp_platform.errors import PlatformError
from mcp_platform.operations import pages as operation_pages
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, may, principal, tenants

ROWS_SHOWN = 100
DEFAULT_COUNT = 1_000
Json = dict[str, Any]


@admin.register(Replay)
class ReplayPage(TenantPage):
    permissions: ClassVar = {"view": "conversations:operate", "delete": "conversations:operate", "start": "conversations:operate"}
    change_list_template = "conversations/replay_list.html"
    change_form_template = "conversations/replay.html"
    list_display = ("what", "outcome", "share", "created_by", "created_at")
    list_select_related = ("tenant", "flow", "environment")
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Replay]:
        rows: QuerySet[Replay] = super().get_queryset(request).defer("definition")
        return rows

    @admin.display(description="Replay")
    def what(self, row: Replay) -> SafeString:
        return format_html('<span class="mcp-title">{}</span><span class="mcp-below">on {}</span>', row.flow.name, row.target)

    @admin.display(description="Outcome")
    def outcome(self, row: Replay) -> SafeString | str:
        if not row.finished_at:
            return badge("not finished", "info")
        told = [(row.counts.get(name, 0), word, variant) for name, word, variant in OUTCOMES]
        return format_html_join(" ", "{}", ((badge(f"{count} {word}", variant),) for count, word, variant in told if count))

    @admin.display(description="")
    def share(self, row: Replay) -> SafeString | str:
        return shares(row.counts) if row.finished_at else ""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {**(extra_context or {}), "title": "Replays", "start_url": self.to("start")})

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"conversations_replay_{name}")

        return [
            page("start/", self.start_page, "start"),
            page("<uuid:pk>/conversations/<uuid:conversation>/", self.result_page, "result"),
            *super().get_urls(),
        ]

    def start_page(self, request: HttpRequest) -> HttpResponse:
        tenant = self._tenant(request)
        if tenant is None:
            wanted = tenants(request, "conversations:operate")
            return self.show(request, "tenancy/choose_tenant.html", title="Replay conversations", tenants=wanted, next=request.get_full_path())
        by = principal(request, tenant)
        by.require("conversations:operate")
        by.require("flows:read")
        if request.method == "POST":
            try:
                made = replays.start(tenant, by=by, **_chosen(request))
                return HttpResponseRedirect(operation_pages.url(Operation.objects.get(pk=str(made.operation_id))))
            except PlatformError as error:
                tell(request, error)
        flows = list(Flow.objects.for_tenant(tenant).filter(archived_at=None).order_by("name"))
        given = request.POST.get("flow") or request.GET.get("flow", "")
        flow = next((one for one in flows if one.flow_id == given), flows[0] if flows else None)
        return self.show(
            request,
            "conversations/replay_start.html",
            title="Replay conversations",
            tenant=tenant,
            flows=flows,
            flow=flow,
            versions=list(flow_queries.versions(tenant, flow.pk).values_list("number", flat=True)) if flow else [],
            environments=Environment.objects.for_tenant(tenant),
            stored=records.newest(tenant, flow).count() if flow else 0,
            count=DEFAULT_COUNT,
            understandings=Replay.Understanding.choices,
        )

    def _tenant(self, request: HttpRequest) -> Tenant | None:
        slug = request.GET.get("tenant") or request.POST.get("tenant", "")
        return tenants(request, "conversations:operate").filter(slug=slug).first() if slug else chosen_tenant(request)

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None:
            return HttpResponseRedirect(self.to("start"))
        found: Replay = self.mine(request, object_id)
        counts = found.counts if found.finished_at else replays.counted(found.tenant, found)
        verdict, cause, detail = (request.GET.get(name, "") for name in ("verdict", "cause", "detail"))
        words = request.GET.get("words", "")
        rows = found.results.defer("diff").select_related("conversation")
        rows = rows.filter(verdict=verdict) if verdict in ReplayedConversation.Verdict.values else rows
        rows = rows.filter(cause=cause) if cause in CAUSES else rows
        rows = rows.filter(detail=detail) if detail else rows
        rows = rows.filter(texts_only=words == "only") if words in ("only", "without") else rows
        chosen = bool(verdict or cause or words)
        if not chosen:
            rows = rows.exclude(verdict=ReplayedConversation.Verdict.SAME)
        compared = counts.get("differs", 0) - counts.get("texts_only", 0)
        page = Paginator(rows.order_by("position"), ROWS_SHOWN).get_page(request.GET.get("p", "1"))
        operation = Operation.objects.filter(pk=found.operation_id).first() if found.operation_id else None
        return self.show(
            request,
            self.change_form_template,
            title=f"{found.flow.name} on {found.target}",
            found=found,
            object=found,
            counts={**counts, "differs": compared, "not_compared": counts.get("skipped", 0) + counts.get("failed", 0)},
            share=shares(counts),
            groups=_groups(counts),
            page=_labelled(page),
            query=_query(request),
            chosen=chosen,
            chosen_label=" · ".join(part for part in (CAUSES.get(cause, ""), detail, verdict, {"only": "words only"}.get(words, "")) if part),
            operation=operation,
            operation_url=operation_pages.url(operation) if operation else "",
            again_url=f"{self.to('start')}?flow={found.flow.flow_id}&tenant={found.tenant.slug}",
        )

    def result_page(self, request: HttpRequest, pk: Any, conversation: Any) -> HttpResponse:
        found: Replay = self.mine(request, pk)
        row = records.result(found.tenant, found.pk, conversation)
        neighbours = found.results.filter(verdict=row.verdict, cause=row.cause, detail=row.detail).order_by("position")
        onward = neighbours.filter(position__gt=row.position).values_list("conversation_id", flat=True).first()
        return self.show(
            request,
            "conversations/replay_result.html",
            title=f"{row.conversation.user_ref or 'Conversation ' + str(row.conversation_id)[:8]} on {found.target}",
            object=found,
            found=found,
            row=row,
            conversation=row.conversation,
            comparison=side_by_side(row.diff) if row.diff else None,
            before_name=f"as it was ({row.conversation.version})",
            after_name=f"on {found.target}",
            back_url=self.to("change", found.pk),
            onward_url=self.to("result", found.pk, onward) if onward else "",
            may_test=may(request, "flows:write", found.tenant_id),
        )


def _labelled(page: Any) -> Any:
    for row in page.object_list:
        row.label = CAUSES.get(row.cause, row.get_verdict_display())
    return page


def _query(request: HttpRequest) -> str:
    kept = request.GET.copy()
    kept.pop("p", None)
    return f"{kept.urlencode()}&" if kept else ""


OUTCOMES = (("same", "same", "success"), ("differs", "differ", "danger"), ("skipped", "skipped", "warning"), ("failed", "failed", "danger"))


def _chosen(request: HttpRequest) -> Json:
    def number(name: str) -> int | None:
        given = request.POST.get(name, "")
        return int(given) if given.isascii() and given.isdecimal() and len(given) < 9 else None

    return {
        "flow_id": request.POST.get("flow", ""),
        "number": number("version"),
        "count": number("count") or 0,
        "environment": request.POST.get("environment", ""),
        "ran_on": number("ran_on"),
        "understanding": request.POST.get("understanding", "auto"),
    }


def shares(counts: Mapping[str, Any]) -> SafeString:
    """A bar: the same, words only, more than words, the rest."""
    total = counts.get("total") or 1
    words = counts.get("texts_only", 0)
    parts = [
        ("same", counts.get("same", 0), "the same"),
        ("words", words, "words only"),
        ("differs", counts.get("differs", 0) - words, "more than words"),
        ("rest", counts.get("skipped", 0) + counts.get("failed", 0), "not compared"),
    ]
    told = [(kind, f"{count * 100 / total:.2f}", f"{count} {name}") for kind, count, name in parts if count]
    inner = format_html_join("", '<span class="{}" style="width: {}%" title="{}"></span>', told)
    return format_html('<div class="mcp-share" style="min-width: 120px">{}</div>', inner)


def _groups(counts: Mapping[str, Any]) -> list[Json]:
    """The causes by kind, each kind with its details; more than words comes first."""
    groups: dict[tuple[str, bool], Json] = {}
    for one in counts.get("causes", ()):
        key = (one["cause"], one["texts_only"])
        group = groups.setdefault(key, {**{name: one[name] for name in ("cause", "label", "texts_only")}, "count": 0, "details": []})
        group["count"] += one["count"]
        group["details"].append(one)
    return sorted(groups.values(), key=lambda group: (group["texts_only"], -group["count"]))


def side_by_side(diff: Mapping[str, Any]) -> Json:
    """Context of templates/conversations/side_by_side.html."""
    first = diff.get("diverged_at")
    return {**diff, "rows": [_pair(turn, first) for turn in diff["turns"]]}


def _pair(turn: Mapping[str, Any], first: int | None) -> Json:
    before, after = turn["before"], turn["after"]
    bubbles = list(_bubbles(before["replies"], after["replies"] if after else []))
    return {
        **turn,
        "kind_of": "first" if turn["turn"] == first else "differs" if turn["differences"] else "",
        "left": [left for left, _ in bubbles if left is not None],
        "right": [right for _, right in bubbles if right is not None],
        "before_stands": _stands(before, after),
        "after_stands": _stands(after, before) if after else [],
        "told": [{**one, "before": _text(one["before"]), "after": _text(one["after"])} for one in turn["differences"] if one["what"] != "text"],
    }


def _bubbles(before: list[Json], after: list[Json]) -> Iterator[tuple[SafeString | None, SafeString | None]]:
    for index in range(max(len(before), len(after))):
        old = before[index] if index < len(before) else None
        new = after[index] if index < len(after) else None
        left, right = _marked(old["text"] if old else "", new["text"] if new else "") if old and new else (None, None)
        yield (
            (_with_buttons(left if left is not None else format_html("{}", old["text"]), old) if old else None),
            (_with_buttons(right if right is not None else format_html("{}", new["text"]), new) if new else None),
        )


def _with_buttons(text: SafeString, reply: Json) -> SafeString:
    if not reply.get("buttons"):
        return text
    shown = format_html_join(" ", '<span class="mcp-target-chip">{}</span>', ((label,) for label in reply["buttons"][:12]))
    return format_html("{}<div>{}</div>", text, shown)


def _marked(old: str, new: str) -> tuple[SafeString, SafeString]:
    """Both texts with the words marked that the other does not have."""
    if old == new:
        same = format_html("{}", old)
        return same, same
    left, right = old.split(" "), new.split(" ")
    matcher = difflib.SequenceMatcher(a=left, b=right, autojunk=False)
    olds, news = [], []
    for tag, i, j, k, m in matcher.get_opcodes():
        olds.append(("del" if tag != "equal" else "", " ".join(left[i:j])))
        news.append(("ins" if tag != "equal" else "", " ".join(right[k:m])))
    return _joined(olds), _joined(news)


def _joined(parts: list[tuple[str, str]]) -> SafeString:
    shown = [format_html("<{}>{}</{}>", tag, text, tag) if tag else format_html("{}", text) for tag, text in parts if text]
    return format_html_join(" ", "{}", ((one,) for one in shown))


def _stands(one: Mapping[str, Any], other: Mapping[str, Any] | None) -> list[Json]:
    """Where the conversation stands after the turn: what is worth a word, and whether the other run has it otherwise."""
    facts = [("state", one["state"]), ("status", one["status"] if one["status"] != "waiting" else ""), ("intent", one["intent"])]
    facts += [("completion", one["completion"]), ("error", one["error"])]
    facts += [(name, value) for name, value in one["slots"].items() if other is None or other["slots"].get(name) != value]
    facts += [(f"variables.{name}", value) for name, value in one["variables"].items() if other is not None and other["variables"].get(name) != value]
    facts += [(f"calls {call['integration']}", call["request"]) for call in one["calls"]]
    told = [(name, value) for name, value in facts if value not in ("", None)]
    return [{"name": name, "value": _text(value), "changed": other is not None and not _agrees(name, value, other)} for name, value in told]


def _agrees(name: str, value: Any, other: Mapping[str, Any]) -> bool:
    if name.startswith("calls "):
        return any(f"calls {call['integration']}" == name and call["request"] == value for call in other["calls"])
    if name in ("state", "status", "intent", "completion", "error"):
        return bool(other[name] == value)
    return False


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "–" if value is None else json.dumps(value, ensure_ascii=False)


def compare(page: TenantPage, request: HttpRequest, held: Conversation) -> HttpResponse:
    """The conversation on the draft or a version (`?on=`), with another message when one was typed."""
    principal(request, held.tenant).require("conversations:operate")
    on, turn, text = request.GET.get("on", "draft"), request.GET.get("turn", ""), request.GET.get("text", "")
    number = int(on) if on.isdecimal() and len(on) < 9 else None
    changes = {int(turn): {"type": "text", "text": text}} if turn.isdecimal() and len(turn) < 9 and text.strip() else {}
    comparison = None
    try:
        found = replays.what_if(held.tenant, conversation_id=held.pk, number=number, draft=on == "draft", changes=changes)
        comparison = side_by_side(replays.shown(found))
    except PlatformError as error:
        if error.kind == "not_found":
            raise Http404(error.message) from error
        messages.error(request, error.message)
    versions = list(flow_queries.versions(held.tenant, held.version.flow_id).values_list("number", flat=True))
    names = {"draft": "the draft", "": "its own version"}
    return page.show(
        request,
        "conversations/what_if.html",
        title=held.user_ref or f"Conversation {str(held.pk)[:8]}",
        object=held,
        conversation=held,
        comparison=comparison,
        versions=versions,
        on=on,
        turn=turn,
        text=text,
        said=[one for one in (comparison or {}).get("rows", ()) if one["kind"] == "message"],
        before_name=f"as it was ({held.version})",
        after_name=f"on {names.get(on, f'version {on}')}",
        back_url=reverse("admin:conversations_conversation_change", args=(held.pk,)),
    )
