from django.apps import AppConfig


class MlConfig(AppConfig):
    name = "mcp_platform.ml"
    label = "ml"
    verbose_name = "Models"
    default_auto_field = "django.db.models.BigAutoField"
