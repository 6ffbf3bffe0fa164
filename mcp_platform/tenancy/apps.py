from django.apps import AppConfig


class TenancyConfig(AppConfig):
    name = "mcp_platform.tenancy"
    label = "tenancy"
    verbose_name = "Tenants and access"
    default_auto_field = "django.db.models.BigAutoField"
