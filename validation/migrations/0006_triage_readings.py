import django.db.models.deletion
from django.db import migrations, models

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0001_initial"), ("validation", "0005_waiver_attachments")]

    operations = [
        migrations.CreateModel(
            name="TriageReading",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("model_version", models.UUIDField(help_text="The model that served; empty: the baseline ranked", null=True)),
                ("model_number", models.PositiveIntegerField(null=True)),
                ("findings", models.PositiveIntegerField(default=0, help_text="Seen in the days before, as many as DRIFT_DAYS")),
                ("drift", models.JSONField(default=dict, help_text="Feature -> population stability index against the training data")),
                (
                    "judged",
                    models.PositiveIntegerField(default=0, help_text="Ranked findings that people judged in the days before, as many as QUALITY_DAYS"),
                ),
                (
                    "quality",
                    models.JSONField(
                        default=dict,
                        help_text="average_precision, roc_auc, precision_at, confirmed: of the scores that they had when they were judged",
                    ),
                ),
                ("baseline", models.JSONField(default=dict, help_text="The same of the baseline, on the same findings")),
                ("at", models.DateTimeField(auto_now=True)),
                (
                    "tenant",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant"),
                ),
            ],
            options={"ordering": ("-day",)},
        ),
        migrations.AddConstraint(
            model_name="triagereading",
            constraint=models.UniqueConstraint(fields=("tenant", "day"), name="triage_reading_once"),
        ),
        rls.enable("validation_triagereading"),
    ]
