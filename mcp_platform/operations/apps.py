from importlib import import_module

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "mcp_platform.operations"
    label = "operations"
    verbose_name = "Running work"

    def ready(self) -> None:
        import_module("mcp_platform.operations.tasks")  # whoever enqueues a job must know it, not only the workers that run it
