from django.apps import AppConfig


class OutboxConfig(AppConfig):
    name = "mcp_platform.outbox"
    verbose_name = "Events out"
