"""What the walk through all doors finds of a report's life: schedules, certificates, the policy, and how reports look."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Model
from django.utils import timezone

from mcp_platform.tenancy.models import Tenant
from reports.models import Branding, ReportPolicy, ReportSchedule, ReportTemplate, SigningCertificate
from reports.services import keeping, scheduling
from validation.models import Building

LOOK, FORM = "reports/branding/{branding_id}", "reports/templates/{report_template_id}"
SCHEDULE, CERTIFICATE = "reports/schedules/{schedule_id}", "reports/certificates/{certificate_id}"


def _schedule(names: Mapping[str, Any]) -> Any:
    return {"name": "new", "about": {"project": str(names["project_id"])}, "at": "08:00"}


LIFE: tuple[tuple[Any, ...], ...] = (
    ("GET reports/branding", 200, None, 200),
    ("POST reports/branding", 201, {"name": "new"}, 201),
    (f"GET {LOOK}",),
    (f"PATCH {LOOK}", 200, {"colour": "#112233"}),
    (f"DELETE {LOOK}", 204),
    (f"PUT {LOOK}/logo", 415, {}),
    (f"DELETE {LOOK}/logo",),
    ("GET reports/templates", 200, None, 200),
    ("POST reports/templates", 201, {"name": "new"}, 201),
    (f"GET {FORM}",),
    (f"PATCH {FORM}", 200, {"name": "newer"}),
    (f"DELETE {FORM}", 204),
    ("GET reports/schedules", 200, None, 200),
    ("POST reports/schedules", 201, _schedule, 201),
    (f"GET {SCHEDULE}",),
    (f"PATCH {SCHEDULE}", 200, {"enabled": False}),
    (f"DELETE {SCHEDULE}", 204),
    (f"POST {SCHEDULE}/run", 202),
    (f"GET {SCHEDULE}/occasions",),
    ("GET reports/certificates", 200, None, 200),
    ("POST reports/certificates", 415, {}, 415),
    (f"GET {CERTIFICATE}",),
    (f"PATCH {CERTIFICATE}", 200, {"is_active": True}),
    (f"DELETE {CERTIFICATE}", 204),
    ("GET reports/policy", 200, None, 200),
    ("PATCH reports/policy", 200, {"keep_days": 365}, 200),
)


def life(ours: Tenant, house: Building, branding: Branding, template: ReportTemplate) -> tuple[dict[str, Any], dict[type[Model], Model]]:
    """Names for addresses, and the rows of the admin's pages."""
    fields = {"name": "ours-weekly", "about": {"project": str(house.project_id)}, "at": "08:00"}
    schedule = scheduling.save_schedule(ours, fields=fields, by=None)
    policy = keeping.save_policy(ours, fields={"keep_days": 3650}, by=None)
    now = timezone.now()
    certificate = SigningCertificate.objects.create(
        tenant=ours,
        name="ours-key",
        sealed="x",
        subject="CN=ours-office",
        issuer="CN=ours-office",
        serial="1",
        fingerprint_sha256="0" * 64,
        valid_from=now,
        valid_until=now + timedelta(days=365),
    )
    names = {"branding_id": branding.pk, "report_template_id": template.pk, "schedule_id": schedule.pk, "certificate_id": certificate.pk}
    return names, {ReportSchedule: schedule, ReportPolicy: policy, SigningCertificate: certificate}
