from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0005_life_row_level_security")]

    operations = [
        migrations.AddField(
            model_name="report",
            name="deleted_at",
            field=models.DateTimeField(help_text="Then only its number is left, and the hashes of what was handed out", null=True),
        ),
    ]
