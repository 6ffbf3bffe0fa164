from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("reports", "0001_initial"), ("tenancy", "0001_initial")]
    operations = [rls.enable("reports_branding", "reports_reporttemplate", "reports_report", "reports_reportfile", "reports_reportcounter", "reports_filehash")]
