import django.db.models.deletion
from django.db import migrations, models

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("ml", "0004_stages_backfill"), ("tenancy", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="ModelReading",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("count", models.PositiveIntegerField(help_text="Inputs that were looked at")),
                ("counts", models.JSONField(default=dict, help_text="feature -> label -> how many")),
                ("at", models.DateTimeField()),
                (
                    "model",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="readings", to="ml.modelversion"),
                ),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
            ],
            options={
                "ordering": ("-day",),
                "constraints": [models.UniqueConstraint(fields=("model", "day"), name="reading_once")],
            },
        ),
        rls.enable("ml_modelreading"),
    ]
