"""What machines can do with reports: ask, look, read the files as resources."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from jsonschema import Draft202012Validator, ValidationError

from mcp_platform.errors import NotFound
from mcp_platform.tenancy.models import AuditEntry, Tenant
from mcp_platform.toolkit import Prompt, ResourceTemplate, Tool
from reports import tools
from reports.errors import ReportNotReady
from reports.models import Report, ReportFile
from tests.factories import TenantFactory
from tests.validation.live_scene import FRAME, Plugin, building, door, full, person, space
from validation.models import ValidationRun

BY_NAME: Mapping[str, Tool] = {one.name: one for one in tools.TOOLS if isinstance(one, Tool)}
FILES: Mapping[str, ResourceTemplate] = {one.uri_template.rpartition("/")[2]: one for one in tools.TOOLS if isinstance(one, ResourceTemplate)}
SUMMARISE = next(one for one in tools.TOOLS if isinstance(one, Prompt))


@pytest.fixture
def run(db: None) -> ValidationRun:
    office = TenantFactory.create()
    made = building(office)
    Plugin(made, person(office), "setup").send(*FRAME, space("s-1", 900.0), door("d-1", 0.7, spaces=("s-1", "")))
    found: ValidationRun = full(made)
    return found


def call(tenant: Tenant, name: str, arguments: dict[str, Any]) -> Any:
    tool = BY_NAME[name]
    Draft202012Validator(tool.input_schema).validate(arguments)
    found = tool.call(tenant, arguments, "key:abc")
    Draft202012Validator(tool.output_schema).validate(found)
    return found


def ready(report_id: str, content: bytes = b'{"title": "Office"}', name: str = "json", media_type: str = "application/json") -> None:
    report = Report.objects.get(pk=report_id)
    Report.objects.filter(pk=report_id).update(state="ready")
    file = ReportFile(tenant=report.tenant, report=report, format=name, media_type=media_type, size=len(content), sha256="0" * 64)
    file.file.save(f"report.{name}", ContentFile(content))


def test_a_report_is_asked_for_looked_at_and_read(run: ValidationRun) -> None:
    tenant = run.tenant
    asked = call(tenant, "reports.request", {"about": {"run": str(run.pk)}, "formats": ["json", "pdf"]})
    assert (asked["state"], asked["files"]) == ("queued", [])
    assert Report.objects.get(pk=asked["report_id"]).requested_by == "key:abc"
    with pytest.raises(ReportNotReady):
        FILES["json"].read(tenant, {"report_id": asked["report_id"]})
    ready(asked["report_id"])
    ready(asked["report_id"], b"%PDF-1.7", "pdf", "application/pdf")
    found = call(tenant, "reports.status", {"report_id": asked["report_id"]})
    assert {one["uri"] for one in found["files"]} == {f"report://{asked['report_id']}/{name}" for name in ("json", "pdf")}
    assert json.loads(FILES["json"].read(tenant, {"report_id": asked["report_id"]})) == {"title": "Office"}
    assert FILES["pdf"].read(tenant, {"report_id": asked["report_id"]}) == b"%PDF-1.7"
    assert AuditEntry.objects.filter(tenant=tenant, action="report.download").count() == 2
    assert [one["report_id"] for one in call(tenant, "reports.list", {"kind": "run"})["reports"]] == [asked["report_id"]]
    listed = FILES["json"].listed
    assert listed is not None
    assert [uri for uri, _ in listed(tenant)] == [f"report://{asked['report_id']}/json"]
    assert FILES["json"].complete["report_id"](tenant, asked["report_id"][:4]) == [asked["report_id"]]
    text, embedded = SUMMARISE.fill(tenant, {"report_id": asked["report_id"], "for": "a fire marshal"})
    assert "a fire marshal" in text.text
    assert embedded.resource == f"report://{asked['report_id']}/json"


def test_a_stranger_finds_no_report(run: ValidationRun) -> None:
    asked = call(run.tenant, "reports.request", {"about": {"run": str(run.pk)}, "formats": ["json"]})
    ready(asked["report_id"])
    stranger = TenantFactory.create()
    for name in ("json", "pdf"):
        with pytest.raises(NotFound):
            FILES[name].read(stranger, {"report_id": asked["report_id"]})
    with pytest.raises(NotFound):
        call(stranger, "reports.status", {"report_id": asked["report_id"]})
    with pytest.raises(NotFound):
        call(stranger, "reports.request", {"about": {"run": str(run.pk)}})
    assert call(stranger, "reports.list", {}) == {"reports": []}


def test_reports_that_need_more_than_this_scope_are_not_offered(run: ValidationRun) -> None:
    """Numbers of conversations and experiments are for those who may see them: this tool cannot know."""
    for kind in ("analytics", "experiment"):
        with pytest.raises(ValidationError):
            call(run.tenant, "reports.request", {"kind": kind, "about": {}})


def test_garbage_is_no_report(run: ValidationRun) -> None:
    for report_id in ("nobody", str(uuid4())):
        with pytest.raises(NotFound):
            FILES["json"].read(run.tenant, {"report_id": report_id})
