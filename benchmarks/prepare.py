"""Prepare a database for a benchmark: migrate, a tenant, a key, the published order flow. Prints the key and the flow's id."""

import django

django.setup()

from django.core.management import call_command  # noqa: E402  Django first

from flows import services as flow_services  # noqa: E402
from mcp_platform.tenancy import scope, services  # noqa: E402
from mcp_platform.tenancy.models import User  # noqa: E402
from tests.flows.samples import order_flow  # noqa: E402


def main() -> None:
    call_command("migrate", verbosity=0)
    with scope.platform_scope():
        tenant = services.create_tenant(slug="bench", name="Benchmark")
        user = User.objects.create_superuser("bench", password=None)
        flow_services.import_flow(tenant, document=order_flow(), by=user)
        flow_services.publish(tenant, flow_id="order", by=user)
        _, secret = services.create_api_key(tenant, name="bench", scopes=["conversations:write", "conversations:read"], by=user)
    print(secret, "order")


if __name__ == "__main__":
    main()
