import django.core.validators
import django.db.models.deletion
import flows.models
import reports.models
import uuid
from django.conf import settings
from django.db import migrations, models

from mcp_platform.db.operations import Tables
from mcp_platform.tenancy import rls

TABLES = (
    "branding",
    "reporttemplate",
    "report",
    "reportfile",
    "reportcounter",
    "filehash",
    "reportpolicy",
    "signingcertificate",
    "reportschedule",
    "occasion",
    "reportmail",
)


class Migration(migrations.Migration):
    replaces = [
        ("reports", "0001_initial"),
        ("reports", "0002_row_level_security"),
        ("reports", "0003_kinds"),
        ("reports", "0004_life"),
        ("reports", "0005_life_row_level_security"),
        ("reports", "0006_report_deleted_at"),
        ("reports", "0007_places_of_files"),
    ]

    initial = True

    dependencies = [
        ("tenancy", "0001_squashed_0002_shared_issuers"),
        ("validation", "0001_squashed_0006_who_wrote_what"),
    ]

    operations = [
        Tables(
            creations=[
                migrations.CreateModel(
                    name="Branding",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("name", models.CharField(help_text="Shown at the head of every page", max_length=200)),
                        ("is_default", models.BooleanField(default=False)),
                        (
                            "colour",
                            models.CharField(
                                default="#1d4ed8",
                                max_length=7,
                                validators=[django.core.validators.RegexValidator("^#[0-9a-fA-F]{6}$", "A colour such as #1d4ed8.")],
                            ),
                        ),
                        (
                            "logo",
                            models.FileField(
                                blank=True, help_text="PNG or JPEG, at most 512 KB", max_length=300, upload_to=reports.models.place_of_logo
                            ),
                        ),
                        ("letterhead", models.TextField(blank=True, max_length=600)),
                        ("disclaimer", models.TextField(blank=True, max_length=1000)),
                        ("locale", models.CharField(choices=[("en", "English"), ("de", "Deutsch")], default="en", max_length=12)),
                        ("paper", models.CharField(choices=[("a4", "A4"), ("letter", "Letter")], default="a4", max_length=6)),
                        ("rev", models.PositiveIntegerField(db_default=1, default=1, editable=False, help_text="Grows with every change; the ETag")),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "verbose_name_plural": "branding",
                        "ordering": ("name",),
                        "constraints": [
                            models.UniqueConstraint(condition=models.Q(("is_default", True)), fields=("tenant",), name="branding_one_default")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="FileHash",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("report", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="hashes", to="reports.report")),
                        ("format", models.CharField(max_length=10)),
                        ("sha256", models.CharField(db_index=True, max_length=64)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("report", "sha256"), name="report_hash_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Occasion",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "schedule",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="occasions", to="reports.reportschedule"),
                        ),
                        ("period", models.CharField(help_text="2026-W47, 2026-11; or the moment when it was asked for by hand", max_length=40)),
                        ("due_at", models.DateTimeField()),
                        (
                            "state",
                            models.CharField(
                                choices=[("queued", "Queued"), ("done", "Done"), ("nothing", "nothing to report"), ("failed", "Failed")],
                                default="queued",
                                max_length=8,
                            ),
                        ),
                        ("problem", models.JSONField(default=dict)),
                        ("operation_id", models.UUIDField(null=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ("-due_at",),
                        "constraints": [models.UniqueConstraint(fields=("schedule", "period"), name="occasion_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Report",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("number", models.CharField(help_text="R-<year>-<number>, of the tenant", max_length=20)),
                        ("revision", models.PositiveIntegerField(default=1)),
                        (
                            "supersedes",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="superseded_by", to="reports.report"
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("run", "One check"),
                                    ("project", "Project"),
                                    ("period", "Period"),
                                    ("comparison", "Comparison"),
                                    ("analytics", "Conversations"),
                                    ("experiment", "Experiment"),
                                ],
                                db_default="run",
                                default="run",
                                max_length=12,
                            ),
                        ),
                        (
                            "subject",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="Reports of a kind about the same may supersede one another",
                                max_length=160,
                            ),
                        ),
                        (
                            "wish",
                            models.JSONField(
                                db_default={}, default=dict, help_text="What it is about: {project, since, until}, {base, run}, {flow, …}"
                            ),
                        ),
                        (
                            "building",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.RESTRICT, related_name="reports", to="validation.building"
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.RESTRICT, related_name="reports", to="validation.project"
                            ),
                        ),
                        (
                            "run",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="reports", to="validation.validationrun"
                            ),
                        ),
                        (
                            "template",
                            models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="reports.reporttemplate"),
                        ),
                        ("title", models.CharField(max_length=300)),
                        ("formats", models.JSONField(default=list)),
                        ("look", models.JSONField(default=dict, help_text="The branding as it was, its logo by file")),
                        ("document", models.BinaryField(help_text="zlib of the canonical JSON")),
                        ("content_sha256", models.CharField(max_length=64)),
                        ("verify_token", models.CharField(default=reports.models._token, max_length=48, unique=True)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Queued"),
                                    ("rendering", "Rendering"),
                                    ("ready", "Ready"),
                                    ("failed", "Failed"),
                                    ("expired", "Expired"),
                                ],
                                default="queued",
                                max_length=10,
                            ),
                        ),
                        ("problem", models.JSONField(default=dict)),
                        ("requested_by", models.CharField(max_length=200)),
                        (
                            "user",
                            models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("operation_id", models.UUIDField(null=True)),
                        (
                            "occasion",
                            models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="reports", to="reports.occasion"),
                        ),
                        ("notify", models.JSONField(db_default=[], default=list, help_text="Who gets a letter when it is ready")),
                        ("sealed_password", models.TextField(blank=True, db_default="", default="", help_text="That the PDF is encrypted with")),
                        ("created_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(null=True)),
                        (
                            "deleted_at",
                            models.DateTimeField(help_text="Then only its number is left, and the hashes of what was handed out", null=True),
                        ),
                    ],
                    options={
                        "ordering": ("-created_at",),
                        "indexes": [models.Index(fields=["tenant", "-created_at"], name="report_newest")],
                        "constraints": [models.UniqueConstraint(fields=("tenant", "number", "revision"), name="report_number_once")],
                    },
                ),
                migrations.CreateModel(
                    name="ReportCounter",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("year", models.PositiveSmallIntegerField()),
                        ("last", models.PositiveIntegerField(default=0)),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("tenant", "year"), name="report_counter_once")],
                    },
                ),
                migrations.CreateModel(
                    name="ReportFile",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("report", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="files", to="reports.report")),
                        ("format", models.CharField(max_length=10)),
                        ("file", models.FileField(max_length=300, upload_to=reports.models.place_of_file)),
                        ("media_type", models.CharField(max_length=100)),
                        ("size", models.PositiveBigIntegerField()),
                        ("sha256", models.CharField(db_index=True, max_length=64)),
                        (
                            "signature",
                            models.JSONField(
                                db_default={}, default=dict, help_text="Of a signed PDF: subject, issuer, fingerprint_sha256, signed_at"
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ("format",),
                        "constraints": [models.UniqueConstraint(fields=("report", "format"), name="report_format_once")],
                    },
                ),
                migrations.CreateModel(
                    name="ReportMail",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("report", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="letters", to="reports.report")),
                        ("address", models.EmailField(max_length=254)),
                        ("says", models.CharField(choices=[("ready", "ready"), ("failed", "failed")], max_length=6)),
                        ("locale", models.CharField(default="en", max_length=12)),
                        (
                            "state",
                            models.CharField(choices=[("queued", "Queued"), ("sent", "Sent"), ("failed", "Failed")], default="queued", max_length=6),
                        ),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        ("next_at", models.DateTimeField()),
                        ("problem", models.CharField(blank=True, max_length=500)),
                        ("sent_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "ordering": ("address",),
                        "indexes": [models.Index(condition=models.Q(("state", "queued")), fields=["next_at"], name="report_mail_due")],
                        "constraints": [models.UniqueConstraint(fields=("report", "address", "says"), name="report_mail_once")],
                    },
                ),
                migrations.CreateModel(
                    name="ReportPolicy",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "keep_days",
                            models.PositiveIntegerField(blank=True, help_text="Reports older than this expire; empty: kept for ever", null=True),
                        ),
                        (
                            "keep_superseded_days",
                            models.PositiveIntegerField(blank=True, help_text="Likewise, where there is a later revision", null=True),
                        ),
                        ("attach_files", models.BooleanField(default=False, help_text="Letters carry the PDF instead of a link")),
                        (
                            "link_days",
                            models.PositiveSmallIntegerField(default=7, help_text="How long the link in a letter opens the file: 1 to 7 days"),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change; the ETag")),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "verbose_name_plural": "report policies",
                        "constraints": [models.UniqueConstraint(fields=("tenant",), name="report_policy_once")],
                    },
                ),
                migrations.CreateModel(
                    name="ReportSchedule",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("name", models.CharField(max_length=200)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("run", "One check"),
                                    ("project", "Project"),
                                    ("period", "Period"),
                                    ("comparison", "Comparison"),
                                    ("analytics", "Conversations"),
                                    ("experiment", "Experiment"),
                                ],
                                default="run",
                                max_length=12,
                            ),
                        ),
                        (
                            "about",
                            flows.models.AuthoredJSONField(default=dict, help_text='{"project": "<id>"}, {"building": "<id>"} or {"flow": "<id>"}'),
                        ),
                        ("cadence", models.CharField(choices=[("weekly", "Weekly"), ("monthly", "Monthly")], default="weekly", max_length=8)),
                        ("weekday", models.PositiveSmallIntegerField(default=0, help_text="0 is Monday")),
                        ("day", models.PositiveSmallIntegerField(default=1, help_text="Of the month; in a shorter month, its last one")),
                        ("at", models.TimeField(help_text="Of the day, in the time zone")),
                        ("time_zone", models.CharField(default="UTC", help_text="Such as Europe/Berlin", max_length=64)),
                        (
                            "template",
                            models.ForeignKey(
                                blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="reports.reporttemplate"
                            ),
                        ),
                        (
                            "formats",
                            flows.models.AuthoredJSONField(blank=True, default=list, help_text="Empty: those of the template, else PDF and JSON"),
                        ),
                        (
                            "recipients",
                            flows.models.AuthoredJSONField(blank=True, default=list, help_text="Addresses that get a letter with each report"),
                        ),
                        (
                            "revises",
                            models.BooleanField(
                                default=False, help_text="Each is the next revision of the one before, not a report with a number of its own"
                            ),
                        ),
                        ("enabled", models.BooleanField(default=True)),
                        ("next_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change; the ETag")),
                        (
                            "user",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ("name",),
                        "indexes": [models.Index(condition=models.Q(("enabled", True)), fields=["next_at"], name="report_schedule_due")],
                    },
                ),
                migrations.CreateModel(
                    name="ReportTemplate",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("name", models.CharField(max_length=200)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("run", "One check"),
                                    ("project", "Project"),
                                    ("period", "Period"),
                                    ("comparison", "Comparison"),
                                    ("analytics", "Conversations"),
                                    ("experiment", "Experiment"),
                                ],
                                db_default="run",
                                default="run",
                                max_length=12,
                            ),
                        ),
                        (
                            "sections",
                            flows.models.AuthoredJSONField(
                                blank=True, default=list, help_text="Names of sections of the kind, in their order; empty: all of them"
                            ),
                        ),
                        ("formats", flows.models.AuthoredJSONField(blank=True, default=list, help_text="pdf, html, json, xlsx, csv, bcf")),
                        (
                            "branding",
                            models.ForeignKey(
                                blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="reports.branding"
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(db_default=1, default=1, editable=False, help_text="Grows with every change; the ETag")),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ("name",),
                    },
                ),
                migrations.CreateModel(
                    name="SigningCertificate",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("name", models.CharField(max_length=200)),
                        ("sealed", models.TextField(editable=False)),
                        ("subject", models.CharField(max_length=500)),
                        ("issuer", models.CharField(max_length=500)),
                        ("serial", models.CharField(max_length=64)),
                        ("fingerprint_sha256", models.CharField(max_length=64)),
                        ("valid_from", models.DateTimeField()),
                        ("valid_until", models.DateTimeField()),
                        (
                            "is_active",
                            models.BooleanField(default=False, help_text="PDFs are signed with it; of a tenant's certificates at most one is"),
                        ),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ("-is_active", "-valid_until"),
                        "constraints": [
                            models.UniqueConstraint(fields=("tenant", "fingerprint_sha256"), name="certificate_once"),
                            models.UniqueConstraint(condition=models.Q(("is_active", True)), fields=("tenant",), name="certificate_one_active"),
                        ],
                    },
                ),
            ],
        ),
        rls.enable(*(f"reports_{table}" for table in TABLES)),
    ]
