from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("flows", "0008_tenanthandlers")]
    operations = [rls.enable("flows_tenanthandlers")]
