from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("operations", "0001_initial")]
    operations = [rls.enable("operations_operation")]
