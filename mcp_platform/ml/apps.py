from importlib import import_module

from django.apps import AppConfig


class MlConfig(AppConfig):
    name = "mcp_platform.ml"
    label = "ml"
    verbose_name = "Models"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("mcp_platform.ml.tasks")  # whoever enqueues a job must know it, not only the workers that run it
