from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("conversations", "0008_replays_row_level_security"), ("flows", "0006_integration_kinds_and_stubs")]

    operations = [
        migrations.CreateModel(
            name="IntegrationHealth",
            fields=[],
            options={
                "verbose_name": "integration health",
                "verbose_name_plural": "integration health",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("flows.integration",),
        ),
    ]
