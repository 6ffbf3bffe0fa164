from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("conversations", "0007_replays"), ("tenancy", "0001_initial")]
    operations = [rls.enable("conversations_replay", "conversations_replayedconversation")]
