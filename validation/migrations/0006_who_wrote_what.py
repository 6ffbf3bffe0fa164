"""Everybody who has written a version of a rule set; what a false positive was about; room for the mark of amendments in a rule's version."""

from importlib import import_module

from django.db import migrations, models

fixed = import_module("validation.migrations.0003_rule_versions_immutable")


class Migration(migrations.Migration):
    dependencies = (("validation", "0005_element_of_file"),)
    operations = (
        fixed.mutable(),
        migrations.AddField(
            model_name="rulesetversion",
            name="authors",
            field=models.JSONField(
                default=list,
                editable=False,
                help_text="Everybody who has changed anything of it: ids of people, or actors that no person is known behind",
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="aside_hash",
            field=models.CharField(blank=True, default="", help_text="Content hash of the element when it became a false positive", max_length=64),
        ),
        migrations.AlterField(
            model_name="finding",
            name="rule_version",
            field=models.CharField(blank=True, help_text="<rule set slug>@<number>, and +<hash> where amendments changed the rule", max_length=120),
        ),
        migrations.AlterField(model_name="waiver", name="rule_version", field=models.CharField(blank=True, max_length=120)),
        fixed.immutable(),
    )
