from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "mcp_platform.operations"
    label = "operations"
    verbose_name = "Running work"
