from django.apps import AppConfig


class MetadataConfig(AppConfig):
    name = "mcp_platform.metadata"
    label = "metadata"
    verbose_name = "Product metadata"
    default_auto_field = "django.db.models.BigAutoField"
