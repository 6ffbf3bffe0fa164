from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("experiments", "0005_evaluations")]

    operations = [
        migrations.AddField(
            model_name="experiment",
            name="sized",
            field=models.JSONField(
                default=dict, editable=False, help_text="services.sizing.frozen of the start: how many units this phase needs, and why"
            ),
        ),
    ]
