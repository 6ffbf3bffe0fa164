from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("oauth", "0001_initial"), ("tenancy", "0001_initial")]
    operations = [rls.enable("oauth_client", "oauth_authorization", "oauth_code", "oauth_accesstoken", "oauth_refreshtoken")]
