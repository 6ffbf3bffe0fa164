"""How a tenant's servers are used together: one row, made when it is first changed."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from mcp_platform.orchestrator import services
from mcp_platform.orchestrator.models import OrchestrationSettings
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, principal


@admin.register(OrchestrationSettings)
class OrchestrationSettingsPage(TenantPage):
    permissions: ClassVar = {"view": "servers:read", "add": "servers:write", "change": "servers:write"}
    list_display = ("title", "resource_cache_ttl", "fail_fast", "max_retries", "enable_logging", "log_level")
    fields = ("resource_cache_ttl", "fail_fast", "max_retries", "enable_logging", "log_level")

    @admin.display(description="Settings")
    def title(self, row: OrchestrationSettings) -> str:
        return "Orchestration"

    def has_add_permission(self, request: HttpRequest) -> bool:
        tenant = chosen_tenant(request)
        taken = tenant is not None and OrchestrationSettings.objects.for_tenant(tenant).exists()
        return not taken and super().has_add_permission(request)

    def save_model(self, request: HttpRequest, obj: OrchestrationSettings, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        fields = {name: form.cleaned_data[name] for name in services.SETTINGS_DEFAULTS}
        saved = services.save_settings(tenant, fields=fields, by=principal(request, tenant))
        obj.__dict__.update(saved.__dict__)
