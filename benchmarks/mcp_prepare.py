"""A database for `benchmarks.mcp`: migrate, a tenant, its virtual server in front of an upstream. Prints a key."""

import sys

import django

django.setup()

from django.core.management import call_command  # noqa: E402  Django first

from mcp_platform.orchestrator import services as orchestrator  # noqa: E402
from mcp_platform.tenancy import scope, services  # noqa: E402


def main() -> None:
    call_command("migrate", verbosity=0)
    with scope.platform_scope():
        tenant = services.create_tenant(slug="bench", name="Benchmark")
        fields = {"name": "Upstream", "url": f"http://127.0.0.1:{sys.argv[1]}/mcp", "transport": "streamable-http"}
        orchestrator.save_server(tenant, slug="up", fields=fields, create=True, by=None)
        orchestrator.check(tenant, slug="up")
        orchestrator.approve_all(tenant, server="up", by=None)
        chosen = (orchestrator.Chosen(server="up", tool="echo", name="echo"),)
        orchestrator.save_virtual_server(tenant, slug="bench", fields={"name": "Benchmark"}, chosen=chosen, create=True, by=None)
        _, secret = services.create_api_key(tenant, name="bench", scopes=["tools:echo", "servers:use"], by=None)
    print(secret)


if __name__ == "__main__":
    main()
