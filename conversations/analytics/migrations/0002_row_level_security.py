from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("analytics", "0001_initial"), ("tenancy", "0001_initial")]
    operations = [rls.enable("analytics_tally", "analytics_mark", "analytics_head")]
