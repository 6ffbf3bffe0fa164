from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("mcp", "0001_initial"), ("tenancy", "0001_initial")]
    operations = [rls.enable("mcp_call", append_only=True)]
