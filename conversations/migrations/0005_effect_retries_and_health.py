from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("conversations", "0004_live_versions")]

    operations = [
        migrations.AddField(
            "effect", "tries", models.PositiveSmallIntegerField(default=0, db_default=0, help_text="How many of the attempts have ended and are to be repeated")
        ),
        migrations.AddField(
            "effect",
            "begun_at",
            models.DateTimeField(null=True, help_text="When it was taken up first; what it waited before is no time of the other side"),
        ),
        migrations.AddField("effect", "due_at", models.DateTimeField(null=True, help_text="When it is to be tried again")),
        migrations.AlterField("effect", "attempts", models.PositiveSmallIntegerField(default=0, help_text="How often a worker has taken it up")),
        migrations.AddIndex(
            "effect",
            models.Index(condition=models.Q(("due_at__isnull", False), ("status", "started")), fields=["due_at"], name="effect_due"),
        ),
        migrations.AddIndex("effect", models.Index(condition=models.Q(("status", "started")), fields=["tenant", "created_at"], name="effect_waiting")),
        migrations.AddIndex(
            "effect",
            models.Index(condition=models.Q(("finished_at__isnull", False)), fields=["tenant", "integration_id", "-finished_at"], name="effect_health"),
        ),
    ]
