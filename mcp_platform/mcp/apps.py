from django.apps import AppConfig


class McpConfig(AppConfig):
    name = "mcp_platform.mcp"
    label = "mcp"
    verbose_name = "Model Context Protocol"
