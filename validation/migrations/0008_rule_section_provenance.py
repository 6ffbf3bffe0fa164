from importlib import import_module

from django.db import migrations, models

import flows.models

triggers = import_module("validation.migrations.0004_rule_versions_immutable")
CHOICES = [("V", "verified"), ("S", "secondary source"), ("M", "from memory")]
OVERRIDES = 'Parameters that it sets apart from its rules: {"<rule key>": {"min": {"value": 0.9, "unit": "m"}}}'


class Migration(migrations.Migration):
    dependencies = [("validation", "0007_live_checking")]
    operations = [
        triggers.mutable(),
        migrations.AddField(
            "rule",
            "section_provenance",
            models.CharField(blank=True, choices=CHOICES, help_text="How the number of the section was checked", max_length=1),
        ),
        migrations.AlterField(
            "rule", "provenance", models.CharField(blank=True, choices=CHOICES, help_text="How its numbers were checked", max_length=1)
        ),
        migrations.AlterField("rulesetversion", "overrides", flows.models.AuthoredJSONField(blank=True, default=dict, help_text=OVERRIDES)),
        triggers.immutable((*triggers.RULE, "section_provenance")),
    ]
