from django.apps import AppConfig


class FlowsConfig(AppConfig):
    name = "flows"
    verbose_name = "Flows"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from flows import queries
        from mcp_platform.orchestrator import services as orchestrator
        from mcp_platform.vault import services as vault

        vault.tell_users(queries.users_of_secret)
        orchestrator.tell_users(queries.users_of_server)
