"""What the IDS rules say of an element, kept with it, so that a live change knows what goes with it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("validation", "0004_batches_of_actors"),)
    operations = (
        migrations.AddField(
            model_name="element",
            name="of_file",
            field=models.JSONField(default=dict, help_text="rule key -> outcome of IDS rules, as the last full check read it in the model's file"),
        ),
    )
