from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("experiments", "0006_sized")]

    operations = [
        migrations.AddField(
            model_name="evaluation",
            name="arms_sha256",
            field=models.CharField(default="", help_text="Of the versions and models that the arms had", max_length=64),
        ),
    ]
