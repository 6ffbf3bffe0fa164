from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("flows", "0006_integration_kinds_and_stubs")]
    operations = [rls.enable("flows_stub")]
