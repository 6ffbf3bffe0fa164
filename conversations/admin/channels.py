"""Public chat pages: where they lead, how they look, and the lines to put into a web site."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from conversations import channels
from conversations.models import WebChannel
from flows.models import Environment, Flow
from mcp_platform.admin_base import NameWidget, ServiceForm, badge, text_area, text_input
from mcp_platform.tenancy.pages import TenantPage, principal


class OriginsField(forms.CharField):
    """One origin a line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "required": False, "widget": text_area(rows=3, placeholder="https://www.example.org", spellcheck="false")})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


class ChannelForm(ServiceForm):
    allowed_origins = OriginsField(
        label="Sites",
        help_text="One origin a line, such as https://www.example.org. These sites may show the chat in a frame; none: only this server.",
    )

    class Meta:
        model = WebChannel
        fields = ("name", "flow_id", "environment", "locale", "greeting", "colour", "allowed_origins", "enabled")
        widgets: ClassVar = {
            "flow_id": NameWidget("flow-ids"),
            "environment": NameWidget("environments"),
            "locale": text_input(placeholder="en"),
            "colour": text_input(type="color", style="width: 60px; padding: 2px"),
            "greeting": text_area(rows=2),
        }


@admin.register(WebChannel)
class ChannelPage(TenantPage):
    permissions: ClassVar = {"view": "channels:read", "add": "channels:write", "change": "channels:write", "delete": "channels:write"}
    form = ChannelForm
    change_form_template = "conversations/channel.html"
    list_display = ("title", "flow_id", "state_of", "address")
    search_fields = ("name", "flow_id")

    @admin.display(description="Chat", ordering="name")
    def title(self, row: WebChannel) -> SafeString:
        return format_html('<span class="mcp-title">{}</span><span class="mcp-below">{}</span>', row.name, row.environment or "default environment")

    @admin.display(description="Status", ordering="enabled")
    def state_of(self, row: WebChannel) -> SafeString:
        return badge("on", "success") if row.enabled else badge("off")

    @admin.display(description="Page")
    def address(self, row: WebChannel) -> SafeString:
        return format_html('<a class="mcp-link" href="{}" target="_blank" rel="noopener">Open the page</a>', reverse("chat", args=(row.public_id,)))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, obj: WebChannel | None = None, **kwargs: Any) -> Any:
        tenant = self.tenant_of(request, obj)
        base = request.build_absolute_uri("/").rstrip("/")
        more = {
            "flow_ids": Flow.objects.for_tenant(tenant).filter(archived_at=None).order_by("flow_id").values_list("flow_id", flat=True),
            "environments": Environment.objects.for_tenant(tenant).order_by("name").values_list("name", flat=True),
            "page_url": base + reverse("chat", args=(obj.public_id,)) if obj else "",
            "embed_url": base + reverse("chat-embed", args=(obj.public_id,)) if obj else "",
        }
        kwargs["obj"] = obj
        return super().render_change_form(request, {**context, **more}, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: WebChannel, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        fields = {name: getattr(obj, name) for name in channels.FIELDS}
        saved = channels.save(tenant, channel_id=obj.pk if change else None, fields=fields, by=principal(request, tenant))
        obj.pk, obj.tenant, obj.public_id = saved.pk, tenant, saved.public_id

    def delete_model(self, request: HttpRequest, obj: WebChannel) -> None:
        channels.delete(obj.tenant, channel_id=obj.pk, by=principal(request, obj.tenant))
