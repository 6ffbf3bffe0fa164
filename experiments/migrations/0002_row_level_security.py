from django.db import migrations

from mcp_platform.tenancy import rls

TABLES = ("namespace", "holdout", "metricdefinition", "experiment", "experimentmetric", "variant", "force", "assignment", "exposure", "metricsnapshot")


class Migration(migrations.Migration):
    dependencies = [("experiments", "0001_initial"), ("tenancy", "0001_initial")]
    operations = [
        rls.enable(*(f"experiments_{table}" for table in TABLES)),
        rls.enable("experiments_decision", append_only=True),
    ]
