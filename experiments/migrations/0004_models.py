from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("experiments", "0001_squashed_0003_phases_and_anchors")]

    operations = [
        migrations.AlterField(
            model_name="experiment",
            name="unit",
            field=models.CharField(
                choices=[("user", "User"), ("conversation", "Conversation"), ("building", "Building")], default="conversation", max_length=12
            ),
        ),
        migrations.AlterField(
            model_name="exposure",
            name="conversation_id",
            field=models.UUIDField(help_text="Of experiments on rankings: the building"),
        ),
        migrations.AlterField(
            model_name="exposure",
            name="turn_id",
            field=models.UUIDField(help_text="Empty where no turn met the difference", null=True),
        ),
    ]
