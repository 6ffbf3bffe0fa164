"""Reads that more than one door uses."""

from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from mcp_platform.tenancy.models import Tenant
from reports.errors import BrandingNotFound, CertificateNotFound, FileNotFound, ReportNotFound, ScheduleNotFound, TemplateNotFound
from reports.models import (
    Branding,
    FileHash,
    Occasion,
    Report,
    ReportFile,
    ReportPolicy,
    ReportSchedule,
    ReportTemplate,
    SigningCertificate,
)


def reports(tenant: Tenant) -> QuerySet[Report]:
    """Newest first, without their documents and without those that were deleted."""
    rows: QuerySet[Report] = Report.objects.for_tenant(tenant).filter(deleted_at=None).defer("document")
    return rows.select_related("building__project", "supersedes").prefetch_related("files")


def report(tenant: Tenant, report_id: UUID) -> Report:
    """Raises ReportNotFound."""
    rows = Report.objects.for_tenant(tenant).filter(pk=report_id, deleted_at=None)
    found: Report | None = rows.select_related("building__project", "template").first()
    if found is None:
        raise ReportNotFound(report=str(report_id))
    return found


def issued() -> Q:
    """Of reports: those that somebody may hold. What was asked for and never made supersedes nothing."""
    made = Exists(FileHash.objects.filter(report=OuterRef("pk")))
    return Q(state=Report.State.READY) | Q(made, state=Report.State.EXPIRED)


def revisions(tenant: Tenant, number: str) -> QuerySet[Report]:
    """Also those that were deleted: their numbers are not given again."""
    rows: QuerySet[Report] = Report.objects.for_tenant(tenant).filter(number=number).defer("document").order_by("revision")
    return rows


def file(tenant: Tenant, report_id: UUID, name: str) -> ReportFile:
    """Raises FileNotFound."""
    found: ReportFile | None = ReportFile.objects.for_tenant(tenant).select_related("report").filter(report=report_id, format=name).first()
    if found is None:
        raise FileNotFound(report=str(report_id), format=name)
    return found


def template(tenant: Tenant, template_id: UUID) -> ReportTemplate:
    """Raises TemplateNotFound."""
    found: ReportTemplate | None = ReportTemplate.objects.for_tenant(tenant).select_related("branding").filter(pk=template_id).first()
    if found is None:
        raise TemplateNotFound(template=str(template_id))
    return found


def branding(tenant: Tenant, pk: UUID) -> Branding:
    """Raises BrandingNotFound."""
    found: Branding | None = Branding.objects.for_tenant(tenant).filter(pk=pk).first()
    if found is None:
        raise BrandingNotFound(branding=str(pk))
    return found


def branding_for(tenant: Tenant, chosen: ReportTemplate | None) -> Branding | None:
    """The template's, else the tenant's default one, else none."""
    if chosen is not None and chosen.branding is not None:
        return chosen.branding
    found: Branding | None = Branding.objects.for_tenant(tenant).filter(is_default=True).first()
    return found


def logo_of(made: Report) -> bytes:
    """Empty when there is none, or when it was deleted since."""
    name = made.look.get("logo_file", "")
    storage = Branding._meta.get_field("logo").storage
    if not name or not storage.exists(name):
        return b""
    with storage.open(name) as kept:
        content: bytes = kept.read()
        return content


def verified(token: str, sha256: str = "") -> tuple[Report, str] | None:
    """The report of a token, and which of its files has this hash: "" when none has. For the public: no tenant is asked.

    "content" is the hash that is printed: that of the document, which is the JSON file and an attachment of the PDF too.
    """
    found: Report | None = Report.objects.filter(verify_token=token).defer("document").prefetch_related("files", "superseded_by").first()
    if found is None:
        return None
    matching = FileHash.objects.filter(sha256=sha256, report__number=found.number, tenant_id=found.tenant_id).select_related("report").first()
    if matching is not None:
        return matching.report, matching.format
    same = revisions(found.tenant, found.number).filter(content_sha256=sha256).first() if sha256 else None
    return (same, "content") if same is not None else (found, "")


def policy(tenant: Tenant) -> ReportPolicy:
    """The tenant's, or what holds where it has none."""
    found: ReportPolicy | None = ReportPolicy.objects.for_tenant(tenant).first()
    return found or ReportPolicy(tenant=tenant)


def schedules(tenant: Tenant) -> QuerySet[ReportSchedule]:
    rows: QuerySet[ReportSchedule] = ReportSchedule.objects.for_tenant(tenant).select_related("template")
    return rows


def schedule(tenant: Tenant, schedule_id: UUID) -> ReportSchedule:
    """Raises ScheduleNotFound."""
    found: ReportSchedule | None = schedules(tenant).filter(pk=schedule_id).first()
    if found is None:
        raise ScheduleNotFound(schedule=str(schedule_id))
    return found


def certificates(tenant: Tenant) -> QuerySet[SigningCertificate]:
    """The one that signs first; without what is sealed."""
    rows: QuerySet[SigningCertificate] = SigningCertificate.objects.for_tenant(tenant).defer("sealed")
    return rows


def certificate(tenant: Tenant, certificate_id: UUID) -> SigningCertificate:
    """Raises CertificateNotFound."""
    found: SigningCertificate | None = certificates(tenant).filter(pk=certificate_id).first()
    if found is None:
        raise CertificateNotFound(certificate=str(certificate_id))
    return found


def brandings(tenant: Tenant) -> QuerySet[Branding]:
    rows: QuerySet[Branding] = Branding.objects.for_tenant(tenant)
    return rows


def templates(tenant: Tenant) -> QuerySet[ReportTemplate]:
    rows: QuerySet[ReportTemplate] = ReportTemplate.objects.for_tenant(tenant)
    return rows


def occasions(tenant: Tenant, schedule_id: UUID) -> QuerySet[Occasion]:
    """Newest first. Raises ScheduleNotFound."""
    known = Prefetch("reports", Report.objects.for_tenant(tenant).only("pk", "occasion"))
    rows: QuerySet[Occasion] = Occasion.objects.for_tenant(tenant).filter(schedule=schedule(tenant, schedule_id)).prefetch_related(known)
    return rows
