from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("metadata", "0001_initial")]
    operations = [
        rls.enable("metadata_productalias", "metadata_columnmapping", "metadata_metadatahead"),
        rls.enable("metadata_metadataversion", append_only=True),
    ]
