from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("vault", "0001_initial")]
    operations = [rls.enable("vault_secret")]
