from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("flows", "0002_flowversion_immutable"), ("tenancy", "0001_initial")]
    operations = [
        rls.enable(
            "flows_flow",
            "flows_state",
            "flows_transition",
            "flows_flowversion",
            "flows_environment",
            "flows_pointer",
            "flows_integration",
        )
    ]
