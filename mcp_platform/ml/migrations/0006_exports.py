import django.db.models.deletion
from django.db import migrations, models

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("ml", "0005_readings"), ("tenancy", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="ModelExport",
            fields=[
                (
                    "model",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="export",
                        serialize=False,
                        to="ml.modelversion",
                    ),
                ),
                ("status", models.CharField(blank=True, max_length=10)),
                ("run_id", models.CharField(blank=True, max_length=64)),
                ("registered_as", models.CharField(blank=True, max_length=250)),
                ("version", models.CharField(blank=True, max_length=20)),
                ("exported_at", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, max_length=300)),
                ("attempts", models.PositiveIntegerField(default=0, help_text="In a row without success")),
                ("due_at", models.DateTimeField(help_text="Not tried again before", null=True)),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
            ],
        ),
        rls.enable("ml_modelexport"),
    ]
