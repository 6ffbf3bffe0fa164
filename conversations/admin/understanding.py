"""Understanding: the flows with their intent models, training, and what users said that was not understood."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from conversations import understanding
from conversations.models import UnderstoodFlow
from conversations.nlu import champions
from mcp_platform.admin_base import badge, tell
from mcp_platform.errors import PlatformError
from mcp_platform.ml import queries as models
from mcp_platform.ml.models import ModelVersion
from mcp_platform.operations import pages as operations
from mcp_platform.operations import queries as operation_queries
from mcp_platform.tenancy.pages import TenantPage, may, principal

VARIANTS = {"candidate": "info", "shadow": "info", "challenger": "warning", "champion": "success", "archived": "", "rejected": "danger"}


@admin.register(UnderstoodFlow)
class UnderstandingPage(TenantPage):
    permissions: ClassVar = {"view": "models:read", "train": "models:write", "read": "conversations:operate", "learn": "flows:write"}
    change_form_template = "conversations/understanding.html"
    list_display = ("what", "examples", "serving", "measured")
    search_fields = ("flow_id", "name")
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(archived_at=None)

    @admin.display(description="Flow", ordering="name")
    def what(self, row: Any) -> SafeString:
        return format_html('<span class="mcp-title">{}</span><code class="mcp-mono mcp-below">{}</code>', row.name, row.flow_id)

    @admin.display(description="Intents and examples of the draft")
    def examples(self, row: Any) -> str:
        bodies = [body for body in row.intents.values() if isinstance(body, dict)] if isinstance(row.intents, dict) else []
        return f"{len(bodies)} intents, {sum(len(body.get('examples') or ()) for body in bodies)} examples"

    @admin.display(description="Model")
    def serving(self, row: Any) -> SafeString:
        found = self._champion(row)
        return badge(f"v{found.number}", "success") if found else badge("patterns only")

    @admin.display(description="Accuracy")
    def measured(self, row: Any) -> str:
        found = self._champion(row)
        return f"{found.metrics.get('accepted_accuracy', 0):.1%}" if found else "–"

    def _champion(self, row: Any) -> ModelVersion | None:
        if not hasattr(row, "_champion"):
            row._champion = models.champion(row.tenant_id, kind=champions.KIND, subject=champions.subject_of(row.flow_id))
        found: ModelVersion | None = row._champion
        return found

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None:
            raise Http404
        row = self.mine(request, object_id)
        subject = champions.subject_of(row.flow_id)
        versions = models.models(row.tenant_id).filter(kind=champions.KIND, subject=subject).defer("card").order_by("-number")[:20]
        return self.show(
            request,
            self.change_form_template,
            title=f"Understanding of {row.name}",
            tab="model",
            **self._frame(request, row),
            champion=self._champion(row),
            rows=[{"row": one, "variant": VARIANTS[one.status], "closed": [gate for gate in one.gates if not gate["passed"]]} for one in versions],
            operation=operation_queries.latest(row.tenant, kind=understanding.KIND, subject=subject),
            operation_url=operations.url,
        )

    def _frame(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return {
            "object": row,
            "flow": row,
            "may_train": may(request, "models:write", row.tenant_id),
            "may_read": may(request, "conversations:operate", row.tenant_id),
            "may_learn": may(request, "flows:write", row.tenant_id),
            "urls": {"model": self.to("change", row.pk), **{name: self.to(name, row.pk) for name in ("train", "unhandled", "learn")}},
        }

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"conversations_understoodflow_{name}")

        return [
            page("<uuid:pk>/train/", self.train_button, "train"),
            page("<uuid:pk>/unhandled/", self.unhandled_page, "unhandled"),
            page("<uuid:pk>/learn/", self.learn_button, "learn"),
            *super().get_urls(),
        ]

    def train_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "train")
        try:
            started = understanding.start_training(row.tenant, flow_id=row.pk, by=principal(request, row.tenant))
        except PlatformError as fault:
            tell(request, fault)
            return HttpResponseRedirect(self.to("change", pk))
        return HttpResponseRedirect(operations.url(started))

    def unhandled_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        row = self.mine(request, pk, "read")
        return self.show(
            request,
            "conversations/unhandled.html",
            title=f"Not understood by {row.name}",
            tab="unhandled",
            **self._frame(request, row),
            groups=understanding.unhandled(row.tenant, flow_id=row.pk),
            intents=understanding.known_intents(row),
        )

    def learn_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("unhandled", pk))
        row = self.mine(request, pk, "learn")
        intent = request.POST.get("other" if "chosen" in request.POST and "other" in request.POST else "intent", "")
        try:
            _, test = understanding.learn_from(
                row.tenant,
                flow_id=row.pk,
                intent=intent,
                texts=request.POST.getlist("text"),
                test="test" in request.POST,
                by=principal(request, row.tenant),
            )
        except PlatformError as fault:
            tell(request, fault)
        else:
            told = f" and the test “{test.name}”" if test is not None else ""
            messages.success(request, f"The draft has new examples of {intent}{told}. They count from the next publish on.")
        return HttpResponseRedirect(self.to("unhandled", pk))
