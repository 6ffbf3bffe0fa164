from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("conversations", "0001_initial"), ("tenancy", "0001_initial")]
    operations = [
        rls.enable(
            "conversations_conversation",
            "conversations_turn",
            "conversations_conversationevent",
            "conversations_effect",
            "conversations_timer",
        )
    ]
