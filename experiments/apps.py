from importlib import import_module

from django.apps import AppConfig


class ExperimentsConfig(AppConfig):
    name = "experiments"
    verbose_name = "Experiments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("experiments.tasks")  # whoever enqueues a job must know it, not only the workers that run it
        import_module("mcp_platform.ml.services").use_guard(import_module("experiments.services.challenging").is_tried)
