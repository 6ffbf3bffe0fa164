import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ml", "0001_squashed_0002_row_level_security"), ("tenancy", "0001_squashed_0002_shared_issuers")]

    operations = [
        migrations.AlterField(
            model_name="modelversion",
            name="status",
            field=models.CharField(
                choices=[
                    ("candidate", "Candidate"),
                    ("shadow", "In the shadow"),
                    ("challenger", "Challenger"),
                    ("champion", "Champion"),
                    ("archived", "Archived"),
                    ("rejected", "Rejected"),
                ],
                default="candidate",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="returns_to",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of a challenger: what it is again when its experiments have ended",
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="ShadowReading",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("served_number", models.PositiveIntegerField(help_text="Version that served; 0: none did, the baseline answered")),
                ("day", models.DateField()),
                ("compared", models.PositiveIntegerField(default=0)),
                ("agreed", models.PositiveIntegerField(default=0)),
                ("sure", models.PositiveIntegerField(default=0, help_text="How often it was confident enough to be believed")),
                ("served_sure", models.PositiveIntegerField(default=0)),
                ("confidence", models.FloatField(default=0, help_text="Sum")),
                ("served_confidence", models.FloatField(default=0, help_text="Sum")),
                ("runs", models.PositiveIntegerField(default=0, help_text="How often it was run; one run may compare several things")),
                ("milliseconds", models.FloatField(default=0, help_text="Sum over the runs")),
                ("slowest", models.FloatField(default=0, help_text="Milliseconds of the slowest run")),
                (
                    "differences",
                    models.JSONField(default=list, help_text="[what served said, what the shadow said, how often], most frequent first"),
                ),
                (
                    "model",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="shadow_readings", to="ml.modelversion"
                    ),
                ),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
            ],
            options={
                "ordering": ("-day", "-served_number"),
                "constraints": [models.UniqueConstraint(fields=("model", "day", "served_number"), name="shadow_reading_once")],
            },
        ),
    ]
