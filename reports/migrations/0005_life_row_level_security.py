from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("reports", "0004_life"), ("tenancy", "0001_initial")]
    operations = [
        rls.enable(
            "reports_reportpolicy", "reports_signingcertificate", "reports_reportschedule", "reports_occasion", "reports_reportmail"
        )
    ]
