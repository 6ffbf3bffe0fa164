from typing import Any

from django.db import migrations, models


def anchor(apps: Any, _: Any) -> None:
    """Chains from before end where they end now."""
    decisions, experiments = (apps.get_model("experiments", name)._base_manager for name in ("Decision", "Experiment"))
    for one in decisions.order_by("experiment_id", "number"):
        experiments.filter(pk=one.experiment_id).update(decision_count=one.number, decision_digest=one.digest)


class Migration(migrations.Migration):
    dependencies = [("experiments", "0002_row_level_security")]

    operations = [
        migrations.AddField(model_name="experiment", name="decision_count", field=models.PositiveIntegerField(default=0, editable=False)),
        migrations.AddField(
            model_name="experiment",
            name="decision_digest",
            field=models.CharField(blank=True, editable=False, help_text="Of the last one, so that its removal is seen", max_length=64),
        ),
        migrations.AddField(model_name="experiment", name="resumed_at", field=models.DateTimeField(null=True)),
        migrations.AddField(
            model_name="exposure", name="moved_at", field=models.DateTimeField(help_text="When something new was found last", null=True)
        ),
        migrations.AlterField(
            model_name="decision",
            name="verdict",
            field=models.CharField(help_text="promote, keep, inconclusive, stop, rebase, weights", max_length=20),
        ),
        migrations.RunPython(anchor, migrations.RunPython.noop),
    ]
