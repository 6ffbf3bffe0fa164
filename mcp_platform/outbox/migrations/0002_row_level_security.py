from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("outbox", "0001_initial"), ("tenancy", "0001_initial")]
    operations = [rls.enable("outbox_outboxevent", "outbox_endpoint", "outbox_delivery")]
