from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("ml", "0001_initial")]
    operations = [rls.enable("ml_modelversion", "ml_modelartifact", "ml_champion")]
