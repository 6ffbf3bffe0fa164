from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig


class PlatformConfig(AppConfig):
    name = "mcp_platform"
    label = "platform"
    verbose_name = "Platform"

    def ready(self) -> None:
        from mcp_platform import checks, composition  # noqa: F401  registers the system checks

        composition.register_tools()


class AdminConfig(SimpleAdminConfig):
    """The admin with our site and our pages only: what other packages register would not know about tenants."""

    default_site = "mcp_platform.tenancy.pages.TenantSite"
    pages = (
        "mcp_platform.tenancy.admin",
        "mcp_platform.operations.admin",
        "mcp_platform.vault.admin",
        "mcp_platform.ml.admin",
        "mcp_platform.metadata.admin",
        "mcp_platform.outbox.admin",
        "mcp_platform.oauth.admin",
        "mcp_platform.orchestrator.admin",
        "flows.admin",
        "experiments.admin",
        "conversations.admin",
        "conversations.analytics.admin",
        "validation.admin",
        "reports.admin",
        "mcp_platform.mcp.admin",
    )

    def ready(self) -> None:
        super().ready()
        for name in self.pages:
            import_module(name)
