from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0007_places_of_files")]

    operations = [
        migrations.AddField(
            model_name="report",
            name="head",
            field=models.JSONField(db_default={}, default=dict, help_text="What the document begins with: {sections, locale}"),
        ),
        migrations.AddField(
            model_name="report",
            name="frozen_at",
            field=models.DateTimeField(help_text="The moment whose rows the document tells", null=True),
        ),
        migrations.AlterField(
            model_name="report",
            name="document",
            field=models.BinaryField(help_text="zlib of the canonical JSON; empty until it is frozen"),
        ),
        migrations.AlterField(
            model_name="report",
            name="content_sha256",
            field=models.CharField(blank=True, max_length=64),
        ),
    ]
