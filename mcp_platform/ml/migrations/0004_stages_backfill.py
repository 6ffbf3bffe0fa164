from typing import Any

from django.db import migrations

from mcp_platform.tenancy import rls

RENAMED = (("retired", "archived"),)


def rename(apps: Any, _: Any) -> None:
    """What served once is archived. Nothing is lost: the way back gives the old name again."""
    rows = apps.get_model("ml", "ModelVersion")._base_manager
    for before, after in RENAMED:
        rows.filter(status=before).update(status=after)


def name_back(apps: Any, _: Any) -> None:
    rows = apps.get_model("ml", "ModelVersion")._base_manager
    rows.filter(status__in=("shadow", "challenger")).update(status="candidate")
    for before, after in RENAMED:
        rows.filter(status=after).update(status=before)


class Migration(migrations.Migration):
    dependencies = [("ml", "0003_stages")]
    operations = [rls.enable("ml_shadowreading"), migrations.RunPython(rename, name_back)]
