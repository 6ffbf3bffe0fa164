"""Reports: what was asked for (with its frozen document), the files that were made of it, and how a tenant's reports look."""

import secrets
import uuid

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from flows.models import AuthoredJSONField
from mcp_platform.tenancy.models import TenantModel, User
from reports.core.sections import FORMATS, SECTIONS
from validation.models import Building, ValidationRun

COLOUR = RegexValidator(r"^#[0-9a-fA-F]{6}$", "A colour such as #1d4ed8.")
LOCALES = [("en", "English"), ("de", "Deutsch")]


class Branding(TenantModel):
    """How reports of a tenant look, and whom they name."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200, help_text="Shown at the head of every page")
    is_default = models.BooleanField(default=False)
    colour = models.CharField(max_length=7, default="#1d4ed8", validators=(COLOUR,))
    logo = models.FileField(upload_to="branding/", blank=True, max_length=300, help_text="PNG or JPEG, at most 512 KB")
    letterhead = models.TextField(blank=True, max_length=600)
    disclaimer = models.TextField(blank=True, max_length=1000)
    locale = models.CharField(max_length=12, choices=LOCALES, default="en")
    paper = models.CharField(max_length=6, choices=[("a4", "A4"), ("letter", "Letter")], default="a4")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant",), condition=Q(is_default=True), name="branding_one_default"),)
        ordering = ("name",)
        verbose_name_plural = "branding"

    def __str__(self) -> str:
        return self.name


class ReportTemplate(TenantModel):
    """Which sections a report has, and in which formats it is made."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    sections = AuthoredJSONField(default=list, help_text=f"In this order: {', '.join(SECTIONS)}")
    formats = AuthoredJSONField(default=list, help_text=f"Of {', '.join(FORMATS)}")
    branding = models.ForeignKey(Branding, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


def _token() -> str:
    return secrets.token_urlsafe(24)


class Report(TenantModel):
    """One report of one revision. `document` is frozen when it is asked for: whatever is rendered later says the same."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RENDERING = "rendering"
        READY = "ready"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.CharField(max_length=20, help_text="R-<year>-<number>, of the tenant")
    revision = models.PositiveIntegerField(default=1)
    supersedes = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="superseded_by")
    building = models.ForeignKey(Building, on_delete=models.RESTRICT, related_name="reports")  # what was issued goes with its tenant only
    run = models.ForeignKey(ValidationRun, null=True, on_delete=models.SET_NULL, related_name="reports")
    template = models.ForeignKey(ReportTemplate, null=True, on_delete=models.SET_NULL, related_name="+")
    title = models.CharField(max_length=300)
    formats = models.JSONField(default=list)
    look = models.JSONField(default=dict, help_text="The branding as it was, its logo by file")
    document = models.BinaryField(help_text="zlib of the canonical JSON")
    content_sha256 = models.CharField(max_length=64)
    verify_token = models.CharField(max_length=48, unique=True, default=_token)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    problem = models.JSONField(default=dict)
    requested_by = models.CharField(max_length=200)
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    operation_id = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "number", "revision"), name="report_number_once"),)
        indexes = (models.Index(fields=("tenant", "-created_at"), name="report_newest"),)
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.number} rev. {self.revision}"


class ReportCounter(TenantModel):
    """The last number that was given in a year; numbers of deleted reports are never given again."""

    year = models.PositiveSmallIntegerField()
    last = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "year"), name="report_counter_once"),)

    def __str__(self) -> str:
        return f"{self.year}: {self.last}"


class ReportFile(TenantModel):
    """A rendered file. Its bytes are those of the document, so a second rendering replaces it by the same."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="files")
    format = models.CharField(max_length=10)
    file = models.FileField(upload_to="reports/%Y/%m/", max_length=300)
    media_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("report", "format"), name="report_format_once"),)
        ordering = ("format",)

    def __str__(self) -> str:
        return f"{self.report_id} {self.format}"


class FileHash(TenantModel):
    """Every file that was ever made of a report: after an update its document may give other bytes, and what was handed out stays genuine."""

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="hashes")
    format = models.CharField(max_length=10)
    sha256 = models.CharField(max_length=64, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("report", "sha256"), name="report_hash_once"),)

    def __str__(self) -> str:
        return self.sha256
