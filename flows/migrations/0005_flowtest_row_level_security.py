from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("flows", "0004_flowtest"), ("tenancy", "0001_initial")]
    operations = [rls.enable("flows_flowtest")]
