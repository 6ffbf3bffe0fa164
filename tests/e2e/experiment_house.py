"""What the browser finds: a tenant whose permit desk runs, and nobody who has tried anything out yet. A process of its own."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp_platform.settings")

import django

USER, PASSWORD, TENANT = "ada", "correct horse battery staple", "office"


def build() -> None:
    from demo.permit_desk import CODES, INTEGRATION, PERMIT_DESK
    from flows import services
    from mcp_platform.tenancy import scope
    from mcp_platform.tenancy import services as tenancy
    from mcp_platform.tenancy.models import User

    with scope.platform_scope():
        User.objects.create_superuser(USER, "ada@example.com", PASSWORD)
        tenant = tenancy.create_tenant(slug=TENANT, name="Office")
        services.save_integration(tenant, integration_id=CODES, fields=INTEGRATION, create=True, by=None)
        services.import_flow(tenant, document=PERMIT_DESK, by=None)
        services.publish(tenant, flow_id="permit_desk", by=None)


if __name__ == "__main__":
    django.setup()
    build()
