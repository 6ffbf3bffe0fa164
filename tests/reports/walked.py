"""What the walk through all doors (tests/platform/test_walk.py) finds of reports: one with a file, how they look, and the calls."""

from collections.abc import Mapping
from typing import Any

from django.core.files.base import ContentFile
from django.db.models import Model

from reports.models import Branding, Report, ReportFile, ReportTemplate
from reports.services import looks, making
from tests.reports import walked_life
from tests.reports.life import told
from validation.models import ValidationRun

REPORT = "reports/{report_id}"
FILE = f"{REPORT}/files/{{format}}"


def _request(names: Mapping[str, Any]) -> Any:
    return {"run": str(names["run_id"])}


REPORTS: tuple[tuple[Any, ...], ...] = (
    ("GET reports", 200, None, 200),
    ("POST reports", 202, _request),
    (f"GET {REPORT}",),
    (f"DELETE {REPORT}", 204),
    (f"POST {REPORT}/render", 202),
    (f"POST {REPORT}/revisions", 202),
    (f"GET {FILE}",),
    (f"POST {FILE}/link", 201, {}),
    ("POST verify/{token}", 200, {}, 200),  # for anybody who holds the report
    *walked_life.LIFE,
)
PUBLIC = {"POST verify/{token}"}
TRACED = {f"GET {FILE}", f"POST {FILE}/link"}  # the audit keeps who took a file


def reports(run: ValidationRun) -> tuple[dict[str, Any], dict[type[Model], Model]]:
    """Names for addresses, and the rows of the admin's pages."""
    ours = run.tenant
    branding = looks.save_branding(ours, fields={"name": "ours-look", "letterhead": "ours-letterhead"}, by=None)
    template = looks.save_template(ours, fields={"name": "ours-form", "sections": ["summary"], "formats": ["json"], "branding": branding}, by=None)
    made = told(making.request(ours, run_id=run.pk, formats=["json"], by=None))
    Report.objects.filter(pk=made.pk).update(state="ready")
    file = ReportFile(tenant=ours, report=made, format="json", media_type="application/json", size=2, sha256="0" * 64)
    file.file.save("ours-report.json", ContentFile(b"{}"))
    names = {"report_id": made.pk, "format": "json", "token": made.verify_token}
    more_names, more_rows = walked_life.life(ours, run.building, branding, template)
    return names | more_names, {Report: made, Branding: branding, ReportTemplate: template, **more_rows}


def below(names: Mapping[str, Any]) -> dict[str, Any]:
    """What the converters of admin pages mean."""
    return {"building_id": names["building_id"], "name": names["format"]}
