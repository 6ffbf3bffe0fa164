"""Reports: what was asked for (with its frozen document), the files that were made of it, and how a tenant's reports look."""

import secrets
import uuid
from datetime import datetime

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from flows.models import AuthoredJSONField
from mcp_platform.tenancy.models import TenantModel, User
from reports.core.sections import KINDS
from validation.models import Building, Project, ValidationRun

COLOUR = RegexValidator(r"^#[0-9a-fA-F]{6}$", "A colour such as #1d4ed8.")
LOCALES = [("en", "English"), ("de", "Deutsch")]
KIND_CHOICES = [(name, title) for name, title in KINDS.items()]


def folder_of(tenant_id: uuid.UUID, report_id: uuid.UUID) -> str:
    """Where a report's files are stored: no two reports share a name, in whichever storage."""
    return f"reports/{tenant_id}/{report_id}"


def place_of_file(row: "ReportFile", name: str) -> str:
    return f"{folder_of(row.tenant_id, row.report_id)}/{secrets.token_hex(8)}/{name}"


def place_of_logo(row: "Branding", name: str) -> str:
    return f"branding/{row.tenant_id}/{secrets.token_hex(8)}/{name}"


class Branding(TenantModel):
    """How reports of a tenant look, and whom they name."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200, help_text="Shown at the head of every page")
    is_default = models.BooleanField(default=False)
    colour = models.CharField(max_length=7, default="#1d4ed8", validators=(COLOUR,))
    logo = models.FileField(upload_to=place_of_logo, blank=True, max_length=300, help_text="PNG or JPEG, at most 512 KB")
    letterhead = models.TextField(blank=True, max_length=600)
    disclaimer = models.TextField(blank=True, max_length=1000)
    locale = models.CharField(max_length=12, choices=LOCALES, default="en")
    paper = models.CharField(max_length=6, choices=[("a4", "A4"), ("letter", "Letter")], default="a4")
    rev = models.PositiveIntegerField(default=1, db_default=1, editable=False, help_text="Grows with every change; the ETag")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant",), condition=Q(is_default=True), name="branding_one_default"),)
        ordering = ("name",)
        verbose_name_plural = "branding"

    def __str__(self) -> str:
        return self.name


class ReportTemplate(TenantModel):
    """Which sections a report of a kind has, and in which formats it is made."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=12, choices=KIND_CHOICES, default="run", db_default="run")
    sections = AuthoredJSONField(default=list, blank=True, help_text="Names of sections of the kind, in their order; empty: all of them")
    formats = AuthoredJSONField(default=list, blank=True, help_text="pdf, html, json, xlsx, csv, bcf")
    branding = models.ForeignKey(Branding, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    rev = models.PositiveIntegerField(default=1, db_default=1, editable=False, help_text="Grows with every change; the ETag")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


def _token() -> str:
    return secrets.token_urlsafe(24)


class Report(TenantModel):
    """One report of one revision. `document` is frozen once, by the worker that takes it up first: whatever is rendered later says the same.

    `wish` says what it was asked about and `head` how, so that it can be frozen, and asked for again.
    """

    class State(models.TextChoices):
        QUEUED = "queued"
        RENDERING = "rendering"
        READY = "ready"
        FAILED = "failed"
        EXPIRED = "expired"  # its time was over: the document and the files are gone, what they were stays verifiable

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.CharField(max_length=20, help_text="R-<year>-<number>, of the tenant")
    revision = models.PositiveIntegerField(default=1)
    supersedes = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="superseded_by")
    kind = models.CharField(max_length=12, choices=KIND_CHOICES, default="run", db_default="run")
    subject = models.CharField(
        max_length=160, blank=True, default="", db_default="", help_text="Reports of a kind about the same may supersede one another"
    )
    wish = models.JSONField(default=dict, db_default={}, help_text="What it is about: {project, since, until}, {base, run}, {flow, …}")
    head = models.JSONField(default=dict, db_default={}, help_text="What the document begins with: {sections, locale}")
    # What was issued goes with its tenant only.
    building = models.ForeignKey(Building, null=True, on_delete=models.RESTRICT, related_name="reports")
    project = models.ForeignKey(Project, null=True, on_delete=models.RESTRICT, related_name="reports")
    run = models.ForeignKey(ValidationRun, null=True, on_delete=models.SET_NULL, related_name="reports")
    template = models.ForeignKey(ReportTemplate, null=True, on_delete=models.SET_NULL, related_name="+")
    title = models.CharField(max_length=300)
    formats = models.JSONField(default=list)
    look = models.JSONField(default=dict, help_text="The branding as it was, its logo by file")
    document = models.BinaryField(help_text="zlib of the canonical JSON; empty until it is frozen")
    content_sha256 = models.CharField(max_length=64, blank=True)
    frozen_at = models.DateTimeField(null=True, help_text="The moment whose rows the document tells")
    verify_token = models.CharField(max_length=48, unique=True, default=_token)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    problem = models.JSONField(default=dict)
    requested_by = models.CharField(max_length=200)
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    operation_id = models.UUIDField(null=True)
    occasion = models.ForeignKey("Occasion", null=True, on_delete=models.SET_NULL, related_name="reports")
    notify = models.JSONField(default=list, db_default=[], help_text="Who gets a letter when it is ready")
    sealed_password = models.TextField(blank=True, default="", db_default="", help_text="That the PDF is encrypted with")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True, help_text="Then only its number is left, and the hashes of what was handed out")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "number", "revision"), name="report_number_once"),)
        indexes = (models.Index(fields=("tenant", "-created_at"), name="report_newest"),)
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.number} rev. {self.revision}"

    @property
    def is_frozen(self) -> bool:
        return bool(self.content_sha256)

    @property
    def as_of(self) -> datetime | None:
        """The moment whose rows it tells; None until they were read. Once documents were frozen when they were asked for."""
        return self.frozen_at or (self.created_at if self.is_frozen else None)


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
    file = models.FileField(upload_to=place_of_file, max_length=300)
    media_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64, db_index=True)
    signature = models.JSONField(default=dict, db_default={}, help_text="Of a signed PDF: subject, issuer, fingerprint_sha256, signed_at")
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


class ReportPolicy(TenantModel):
    """What a tenant does with its reports: how long they are kept, and what a letter carries."""

    keep_days = models.PositiveIntegerField(null=True, blank=True, help_text="Reports older than this expire; empty: kept for ever")
    keep_superseded_days = models.PositiveIntegerField(null=True, blank=True, help_text="Likewise, where there is a later revision")
    attach_files = models.BooleanField(default=False, help_text="Letters carry the PDF instead of a link")
    link_days = models.PositiveSmallIntegerField(default=7, help_text="How long the link in a letter opens the file: 1 to 7 days")
    rev = models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change; the ETag")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant",), name="report_policy_once"),)
        verbose_name_plural = "report policies"

    def __str__(self) -> str:
        return f"kept {self.keep_days} days" if self.keep_days else "kept for ever"


class SigningCertificate(TenantModel):
    """Key and certificate that a tenant's PDFs are signed with. `sealed` is the PKCS #12 file and its passphrase; nobody can show it again."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    sealed = models.TextField(editable=False)
    subject = models.CharField(max_length=500)
    issuer = models.CharField(max_length=500)
    serial = models.CharField(max_length=64)
    fingerprint_sha256 = models.CharField(max_length=64)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    is_active = models.BooleanField(default=False, help_text="PDFs are signed with it; of a tenant's certificates at most one is")
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("tenant", "fingerprint_sha256"), name="certificate_once"),
            models.UniqueConstraint(fields=("tenant",), condition=Q(is_active=True), name="certificate_one_active"),
        )
        ordering = ("-is_active", "-valid_until")

    def __str__(self) -> str:
        return self.name


class ReportSchedule(TenantModel):
    """Reports that are made every week or month, at a time of day where the readers live."""

    class Cadence(models.TextChoices):
        WEEKLY = "weekly"
        MONTHLY = "monthly"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=12, choices=KIND_CHOICES, default="run")
    about = AuthoredJSONField(default=dict, help_text='{"project": "<id>"}, {"building": "<id>"} or {"flow": "<id>"}')
    cadence = models.CharField(max_length=8, choices=Cadence, default=Cadence.WEEKLY)
    weekday = models.PositiveSmallIntegerField(default=0, help_text="0 is Monday")
    day = models.PositiveSmallIntegerField(default=1, help_text="Of the month; in a shorter month, its last one")
    at = models.TimeField(help_text="Of the day, in the time zone")
    time_zone = models.CharField(max_length=64, default="UTC", help_text="Such as Europe/Berlin")
    template = models.ForeignKey(ReportTemplate, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    formats = AuthoredJSONField(default=list, blank=True, help_text="Empty: those of the template, else PDF and JSON")
    recipients = AuthoredJSONField(default=list, blank=True, help_text="Addresses that get a letter with each report")
    revises = models.BooleanField(default=False, help_text="Each is the next revision of the one before, not a report with a number of its own")
    enabled = models.BooleanField(default=True)
    next_at = models.DateTimeField(null=True, blank=True, editable=False)
    rev = models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change; the ETag")
    user = models.ForeignKey(User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = (models.Index(fields=("next_at",), condition=Q(enabled=True), name="report_schedule_due"),)
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Occasion(TenantModel):
    """One time that a schedule is due. Its row is the claim: a period has one, so its reports are made at most once."""

    class State(models.TextChoices):
        QUEUED = "queued"
        DONE = "done"
        NOTHING = "nothing", "nothing to report"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    schedule = models.ForeignKey(ReportSchedule, on_delete=models.CASCADE, related_name="occasions")
    period = models.CharField(max_length=40, help_text="2026-W47, 2026-11; or the moment when it was asked for by hand")
    due_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    problem = models.JSONField(default=dict)
    operation_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("schedule", "period"), name="occasion_once"),)
        ordering = ("-due_at",)

    def __str__(self) -> str:
        return self.period


class ReportMail(TenantModel):
    """A letter to one reader about one report; each is written once and tried until it is sent or given up."""

    class State(models.TextChoices):
        QUEUED = "queued"
        SENT = "sent"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="letters")
    address = models.EmailField()
    says = models.CharField(max_length=6, choices=[("ready", "ready"), ("failed", "failed")])
    locale = models.CharField(max_length=12, default="en")
    state = models.CharField(max_length=6, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()
    problem = models.CharField(max_length=500, blank=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("report", "address", "says"), name="report_mail_once"),)
        indexes = (models.Index(fields=("next_at",), condition=Q(state="queued"), name="report_mail_due"),)
        ordering = ("address",)

    def __str__(self) -> str:
        return f"{self.report_id} → {self.address}"
