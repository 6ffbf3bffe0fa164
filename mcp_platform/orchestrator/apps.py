from django.apps import AppConfig


class OrchestratorConfig(AppConfig):
    name = "mcp_platform.orchestrator"
    label = "orchestrator"
    verbose_name = "MCP servers"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from mcp_platform.orchestrator import queries
        from mcp_platform.vault import services as vault

        vault.tell_users(queries.users_of_secret)
