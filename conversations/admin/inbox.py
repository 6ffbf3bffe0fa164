"""The agents' inbox. The page is a client like every other: the staff session gets tickets for the sockets, and what is done goes over REST."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from conversations import handoff
from conversations.models import CannedResponse, Handoff
from mcp_platform.admin_base import ServiceForm, text_input
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, in_view, principal, tenants


def waiting(request: HttpRequest) -> int:
    """The badge in the sidebar."""
    return in_view(request, Handoff.objects.filter(status=Handoff.Status.WAITING), "inbox:work").count()


@admin.register(Handoff)
class InboxPage(TenantPage):
    permissions: ClassVar = {"view": "inbox:work"}

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        tenant = chosen_tenant(request)
        wanted = tenants(request, "inbox:work")
        if tenant is None or not wanted.filter(pk=tenant.pk).exists():
            if not self.has_view_permission(request):
                return HttpResponse(status=403)
            return self.show(request, "tenancy/choose_tenant.html", title="Inbox", tenants=wanted, next=request.get_full_path())
        me = principal(request, tenant)
        return self.show(
            request,
            "conversations/inbox.html",
            title="Inbox",
            tenant=tenant,
            me={"actor": me.actor, "name": handoff.name_of(me)},
            transcript_url=reverse("admin:conversations_conversation_change", args=("00000000-0000-0000-0000-000000000000",)),
            canned_url=reverse("admin:conversations_cannedresponse_changelist"),
            chats_url=reverse("admin:conversations_webchannel_changelist"),
        )

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """One conversation, opened in the inbox."""
        row = self.mine(request, object_id)
        return HttpResponseRedirect(f"{self.to('changelist')}?open={row.pk}")


class CannedForm(ServiceForm):
    class Meta:
        model = CannedResponse
        fields = ("shortcut", "texts", "queue")
        widgets: ClassVar = {"shortcut": text_input(placeholder="hours"), "queue": text_input()}


@admin.register(CannedResponse)
class CannedPage(TenantPage):
    permissions: ClassVar = {"view": "inbox:work", "add": "inbox:work", "change": "inbox:work", "delete": "inbox:work"}
    form = CannedForm
    list_display = ("slash", "first", "queue")
    search_fields = ("shortcut",)

    @admin.display(description="Shortcut", ordering="shortcut")
    def slash(self, row: CannedResponse) -> SafeString:
        return format_html('<code class="mcp-mono">/{}</code>', row.shortcut)

    @admin.display(description="Text")
    def first(self, row: CannedResponse) -> str:
        return str(next(iter(row.texts.values()), ""))[:120] if isinstance(row.texts, dict) else ""

    def save_model(self, request: HttpRequest, obj: CannedResponse, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        saved = handoff.save_canned(
            tenant,
            shortcut=obj.shortcut,
            texts=handoff.texts_of(obj.texts),
            queue=obj.queue,
            canned_id=obj.pk if change else None,
            by=principal(request, tenant),
        )
        obj.pk, obj.tenant = saved.pk, tenant

    def delete_model(self, request: HttpRequest, obj: CannedResponse) -> None:
        handoff.delete_canned(obj.tenant, canned_id=obj.pk, by=principal(request, obj.tenant))
