from django.db import migrations

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("validation", "0001_initial"), ("tenancy", "0001_initial")]
    operations = [
        rls.enable(
            "validation_jurisdiction",
            "validation_codeedition",
            "validation_adoption",
            "validation_ruleset",
            "validation_rulesetversion",
            "validation_idsspecification",
            "validation_rule",
            "validation_amendment",
            "validation_factdefinition",
            "validation_project",
            "validation_building",
            "validation_modelrevision",
            "validation_element",
            "validation_livesession",
            "validation_changebatch",
            "validation_findingsdiff",
            "validation_validationrun",
            "validation_finding",
            "validation_findingnote",
            "validation_waiver",
            "validation_waiverattachment",
            "validation_triagereading",
        )
    ]
