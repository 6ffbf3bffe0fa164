"""Waivers: those that wait for a decision first, one with everything that it is about, and the buttons of those who may."""

from collections.abc import Callable
from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mcp_platform.admin_base import badge
from mcp_platform.tenancy.pages import TenantPage, in_view, principal
from validation.errors import FieldsRefused
from validation.models import Waiver
from validation.pages.findings import words
from validation.queries import detail
from validation.queries import waivers as queries
from validation.queries.overview import name_of, titles
from validation.services import waivers

VARIANTS = {"approved": "success", "requested": "warning", "needs_reconfirmation": "warning", "rejected": "danger"}
WAITING = ("requested", "needs_reconfirmation")


def waiting(request: HttpRequest) -> int:
    """The badge in the sidebar: what a code official has to decide."""
    return in_view(request, Waiver.objects.filter(state__in=WAITING), "waivers:approve").count()


class WaitingFilter(admin.SimpleListFilter):
    title = "decision"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "waits for a decision")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Waiver]) -> QuerySet[Waiver]:
        return queryset.filter(state__in=WAITING) if self.value() == "1" else queryset


@admin.register(Waiver)
class WaiverPage(TenantPage):
    permissions: ClassVar = {"view": "validation:read"}
    list_display = ("what", "state_shown", "kind_shown", "requested", "expires_on")
    list_select_related = ("tenant", "building", "building__project", "finding", "requested_by")
    list_filter = (WaitingFilter, "state", "kind")
    search_fields = ("rule_key", "justification", "authority_reference")
    ordering = ("-created_at",)

    @admin.display(description="Waiver")
    def what(self, row: Waiver) -> SafeString:
        about = row.finding.subject_name or row.finding.subject if row.finding else "every finding of the rule"
        return format_html('<span class="mcp-title">{}</span><span class="mcp-below">{} · {}</span>', row.rule_key, about, row.building.name)

    @admin.display(description="State", ordering="state")
    def state_shown(self, row: Waiver) -> SafeString:
        return badge(words(row.state).lower(), VARIANTS.get(row.state, ""), title=row.lapsed_because)

    @admin.display(description="Kind", ordering="kind")
    def kind_shown(self, row: Waiver) -> str:
        return words(row.kind)

    @admin.display(description="Requested by", ordering="created_at")
    def requested(self, row: Waiver) -> SafeString:
        day = f"{row.created_at:%-d %b %Y}"
        return format_html('{}<span class="mcp-below">{}</span>', name_of(row.requested_by) or row.requester, day)

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"validation_waiver_{name}")

        return [
            page("<uuid:pk>/decide/", self.decide, "decide"),
            page("<uuid:pk>/attach/", self.attach, "attach"),
            page("<uuid:pk>/attachments/<uuid:attachment>/", self.download, "download"),
            *super().get_urls(),
        ]

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        found = self._one(request, object_id)
        by = principal(request, found.tenant)
        mine = by.actor == found.requester
        own = mine or (by.user is not None and by.user.pk == found.requested_by_id)  # also by a key of theirs
        official = by.may("waivers:approve")
        touched = queries.touched_by(found)
        return self.show(
            request,
            "validation/waiver.html",
            title="Waiver",
            object=found,
            waiver={**detail.waiver(found), "kind_words": words(found.kind), "state_words": words(found.state).lower()},
            variant=VARIANTS.get(found.state, ""),
            rule_title=titles(found.tenant, [found.rule_key]).get(found.rule_key, ""),
            touched=[{"row": row, "url": reverse("admin:validation_finding_change", args=(row.pk,))} for row in touched[:20]],
            touched_count=touched.count(),
            board_url=reverse("admin:validation_finding_board", args=(found.building_id,)),
            decide_url=self.to("decide", found.pk),
            attach_url=self.to("attach", found.pk),
            attachments=[{"row": one, "url": self.to("download", found.pk, one.pk)} for one in found.attachments.all()],
            may_decide=official and not own and found.state in waivers.MAY_HAPPEN["approve"],
            may_withdraw=(mine or official) and found.state in waivers.MAY_HAPPEN["withdraw"],
            may_attach=(mine or official) and found.state in waivers.MAY_HAPPEN["attach"],
            is_own=own and official and found.state in waivers.MAY_HAPPEN["approve"],
            kinds=", ".join(waivers.ATTACHMENT_TYPES),
        )

    def _one(self, request: HttpRequest, pk: Any) -> Waiver:
        try:
            found: Waiver = self.mine(request, UUID(str(pk)))
        except ValueError as fault:
            raise Http404("There is no such waiver.") from fault
        return found

    def decide(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        found = self._one(request, pk)
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        by, note = principal(request, found.tenant), request.POST.get("note", "")
        given: dict[str, Callable[[], tuple[Callable[[], Any], str]]] = {
            "approve": lambda: (
                lambda: waivers.approve(
                    found.tenant,
                    waiver_id=pk,
                    note=note,
                    conditions=request.POST.get("conditions"),
                    expires_on=_day(request.POST.get("expires_on", "")),
                    expected_rev=_rev(request.POST.get("rev", "")),
                    by=by,
                ),
                "The waiver is approved.",
            ),
            "reject": lambda: (lambda: waivers.reject(found.tenant, waiver_id=pk, note=note, by=by), "The waiver is rejected."),
            "withdraw": lambda: (lambda: waivers.withdraw(found.tenant, waiver_id=pk, note=note, by=by), "The waiver is withdrawn."),
        }
        chosen = given.get(request.POST.get("deed", ""))
        if chosen is None:
            raise Http404("There is no such decision.")
        call, done = chosen()
        return self.perform(request, call, done=done, to=self.to("change", pk))

    def attach(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        found, file = self._one(request, pk), request.FILES.get("file")
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        if file is None:
            return self.perform(request, lambda: None, done="No file was chosen.", to=self.to("change", pk))
        by = principal(request, found.tenant)
        call = lambda: waivers.attach(found.tenant, waiver_id=pk, name=file.name or "", content=file, by=by)  # noqa: E731  for `perform`
        return self.perform(request, call, done="The document is attached.", to=self.to("change", pk))

    def download(self, request: HttpRequest, pk: UUID, attachment: UUID) -> FileResponse:
        found = self._one(request, pk)
        if request.method != "GET":
            raise Http404("Documents are only read here.")
        one = waivers.attachment(found.tenant, waiver_id=pk, attachment_id=attachment)
        return FileResponse(one.file.open("rb"), as_attachment=True, filename=one.name, content_type="application/octet-stream")


def _day(text: str) -> date | None:
    """Raises FieldsRefused."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as wrong:
        raise _refused("expires_on", "is no day", "a day such as 2027-05-01, or nothing") from wrong


def _rev(text: str) -> int:
    """Of what the official has read. Raises FieldsRefused."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise _refused("rev", "does not say what was read", "that of the page")
    return int(text)


def _refused(name: str, message: str, expected: str) -> FieldsRefused:
    return FieldsRefused(errors=[{"path": f"$.{name}", "code": "invalid", "message": message, "expected": expected}])
