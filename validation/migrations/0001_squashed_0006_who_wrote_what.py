import django.core.validators
import django.db.models.deletion
import flows.models
import uuid
from django.conf import settings
from django.db import migrations, models

from mcp_platform.db.operations import Tables
from mcp_platform.tenancy import rls
from validation.migrations._immutable import immutable

TABLES = (
    "jurisdiction",
    "codeedition",
    "adoption",
    "ruleset",
    "rulesetversion",
    "idsspecification",
    "rule",
    "amendment",
    "factdefinition",
    "project",
    "building",
    "modelrevision",
    "element",
    "livesession",
    "changebatch",
    "findingsdiff",
    "validationrun",
    "finding",
    "findingnote",
    "waiver",
    "waiverattachment",
    "triagereading",
)


class Migration(migrations.Migration):
    replaces = [
        ("validation", "0001_initial"),
        ("validation", "0002_row_level_security"),
        ("validation", "0003_rule_versions_immutable"),
        ("validation", "0004_batches_of_actors"),
        ("validation", "0005_element_of_file"),
        ("validation", "0006_who_wrote_what"),
    ]

    initial = True

    dependencies = [
        ("tenancy", "0001_squashed_0002_shared_issuers"),
    ]

    operations = [
        Tables(
            creations=[
                migrations.CreateModel(
                    name="Building",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "updated_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change by a person; the ETag")),
                        (
                            "project",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="buildings", to="validation.project"),
                        ),
                        ("name", models.CharField(max_length=200)),
                        ("occupancy_groups", flows.models.AuthoredJSONField(blank=True, default=list, help_text='[{"group": "B", "area_m2": 1200}]')),
                        ("storeys_above", models.PositiveSmallIntegerField(blank=True, null=True)),
                        ("storeys_below", models.PositiveSmallIntegerField(blank=True, null=True)),
                        ("height_m", models.FloatField(blank=True, null=True)),
                        ("gross_area_m2", models.FloatField(blank=True, null=True)),
                        (
                            "check_every_hours",
                            models.PositiveSmallIntegerField(blank=True, help_text="Checked again this often; empty: when asked to", null=True),
                        ),
                        (
                            "function_map",
                            flows.models.AuthoredJSONField(
                                blank=True,
                                default=dict,
                                help_text='Space name or long name (or a pattern with *) -> function: {"Office*": "business", "Lobby": "assembly_standing"}',
                            ),
                        ),
                        (
                            "stream_id",
                            models.UUIDField(default=uuid.uuid4, editable=False, help_text="Of the live protocol; a new one resets every client"),
                        ),
                        ("head_seq", models.PositiveBigIntegerField(default=0, editable=False)),
                        ("checked_seq", models.PositiveBigIntegerField(default=0, editable=False, help_text="Up to where the findings are true")),
                        ("dirty_storeys", models.JSONField(default=list, editable=False, help_text="Whose surroundings have to be checked again")),
                        ("score", models.FloatField(blank=True, editable=False, null=True)),
                        ("coverage", models.FloatField(blank=True, editable=False, null=True)),
                        ("status", models.CharField(blank=True, editable=False, max_length=40)),
                        (
                            "counts",
                            models.JSONField(
                                default=dict, editable=False, help_text="rule key -> {pass, fail, not_applicable, not_evaluable} at checked_seq"
                            ),
                        ),
                        (
                            "basis_sha256",
                            models.CharField(
                                blank=True, editable=False, help_text="Of the rules by which counts and findings were judged", max_length=64
                            ),
                        ),
                        ("archived_at", models.DateTimeField(blank=True, editable=False, null=True)),
                    ],
                    options={
                        "ordering": ("project_id", "name"),
                    },
                ),
                migrations.CreateModel(
                    name="CodeEdition",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "updated_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change by a person; the ETag")),
                        ("publisher", models.CharField(max_length=200)),
                        ("title", models.CharField(max_length=200)),
                        ("edition", models.CharField(max_length=63)),
                        ("language", models.CharField(default="en", max_length=12)),
                        ("published_on", models.DateField(blank=True, null=True)),
                        ("url", models.CharField(blank=True, max_length=500)),
                        (
                            "superseded_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="supersedes",
                                to="validation.codeedition",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ("title", "edition"),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "title", "edition", "language"), name="code_edition_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Element",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "building",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="elements", to="validation.building"),
                        ),
                        ("global_id", models.CharField(max_length=40)),
                        ("valid_from_seq", models.PositiveBigIntegerField()),
                        ("valid_to_seq", models.PositiveBigIntegerField(null=True)),
                        ("ifc_class", models.CharField(max_length=63)),
                        ("predefined_type", models.CharField(blank=True, max_length=63)),
                        ("name", models.CharField(blank=True, max_length=255)),
                        ("tag", models.CharField(blank=True, max_length=255)),
                        ("storey", models.CharField(blank=True, max_length=40)),
                        ("space", models.CharField(blank=True, max_length=40)),
                        ("connects", models.JSONField(default=list)),
                        ("discipline", models.CharField(blank=True, max_length=63)),
                        ("box", models.JSONField(null=True)),
                        ("footprint", models.JSONField(null=True)),
                        ("properties", models.JSONField(default=dict)),
                        ("quantities", models.JSONField(default=dict)),
                        ("given", models.JSONField(default=dict, help_text="Facts stated by people and plugins")),
                        (
                            "facts",
                            models.JSONField(
                                default=dict, help_text="name -> {value, source, assumed, note}: own facts, derived once per state of the element"
                            ),
                        ),
                        (
                            "around",
                            models.JSONField(
                                default=dict, help_text="Facts that depend on its surroundings (ways out, loads), true at the building's checked_seq"
                            ),
                        ),
                        (
                            "deferred",
                            models.JSONField(
                                default=dict, help_text="rule key -> outcome that is still counted, until the storey has been rechecked"
                            ),
                        ),
                        (
                            "of_file",
                            models.JSONField(
                                default=dict, help_text="rule key -> outcome of IDS rules, as the last full check read it in the model's file"
                            ),
                        ),
                        ("content_hash", models.CharField(max_length=64)),
                    ],
                    options={
                        "indexes": [
                            models.Index(condition=models.Q(("valid_to_seq__isnull", True)), fields=["building", "storey"], name="element_of_storey"),
                            models.Index(
                                condition=models.Q(("valid_to_seq__isnull", True)), fields=["building", "ifc_class"], name="element_of_class"
                            ),
                            models.Index(condition=models.Q(("valid_to_seq__isnull", True)), fields=["building", "space"], name="element_of_space"),
                            models.Index(fields=["building", "valid_from_seq"], name="element_since"),
                            models.Index(fields=["building", "valid_to_seq"], name="element_until"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(fields=("building", "global_id", "valid_from_seq"), name="element_state_once"),
                            models.UniqueConstraint(
                                condition=models.Q(("valid_to_seq__isnull", True)), fields=("building", "global_id"), name="element_current_once"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="FactDefinition",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "updated_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change by a person; the ETag")),
                        ("name", models.CharField(help_text="Such as clear_width", max_length=63)),
                        (
                            "type",
                            models.CharField(
                                choices=[("number", "number"), ("integer", "integer"), ("text", "text"), ("boolean", "boolean"), ("list", "list")],
                                max_length=10,
                            ),
                        ),
                        ("unit", models.CharField(blank=True, max_length=10)),
                        ("applies_to", flows.models.AuthoredJSONField(default=list, help_text='IFC classes: ["IfcDoor"]')),
                        (
                            "sources",
                            flows.models.AuthoredJSONField(
                                default=list,
                                help_text='In the order in which they are asked: ["pset:Pset_DoorCommon.ClearWidth", "attribute:OverallWidth", "derived:door_clear_width"]',
                            ),
                        ),
                        ("assumption", models.TextField(blank=True, help_text="What is assumed when a derivation had to; printed in reports")),
                        (
                            "params",
                            flows.models.AuthoredJSONField(blank=True, default=dict, help_text='Numbers of the derivation, such as {"frame": 0.05}'),
                        ),
                    ],
                    options={
                        "ordering": ("name",),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "name"), name="fact_definition_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Finding",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "building",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="findings", to="validation.building"),
                        ),
                        ("rule_key", models.CharField(max_length=80)),
                        ("subject", models.CharField(help_text="Global id of the element", max_length=40)),
                        ("fingerprint", models.CharField(help_text="sha1 of rule key and subject", max_length=40)),
                        ("outcome", models.CharField(choices=[("fail", "fail"), ("not_evaluable", "not evaluable")], max_length=14)),
                        (
                            "severity",
                            models.CharField(
                                choices=[("critical", "critical"), ("major", "major"), ("minor", "minor"), ("info", "info")], max_length=10
                            ),
                        ),
                        (
                            "severity_rank",
                            models.GeneratedField(
                                db_persist=True,
                                expression=models.Case(
                                    models.When(severity="critical", then=0),
                                    models.When(severity="major", then=1),
                                    models.When(severity="minor", then=2),
                                    models.When(severity="info", then=3),
                                    default=4,
                                ),
                                help_text="0 critical, 1 major, 2 minor, 3 info: lists are in this order",
                                output_field=models.PositiveSmallIntegerField(),
                            ),
                        ),
                        ("category", models.CharField(max_length=20)),
                        ("discipline", models.CharField(blank=True, max_length=63)),
                        ("storey", models.CharField(blank=True, max_length=40)),
                        ("ifc_class", models.CharField(blank=True, max_length=63)),
                        ("subject_name", models.CharField(blank=True, max_length=255)),
                        ("actual", models.JSONField(null=True)),
                        ("required", models.JSONField(null=True)),
                        ("unit", models.CharField(blank=True, max_length=10)),
                        ("margin", models.FloatField(null=True)),
                        ("message", models.TextField(blank=True)),
                        ("missing", models.JSONField(default=list)),
                        ("evidence", models.JSONField(default=list)),
                        ("geometry", models.JSONField(default=dict)),
                        ("citation", models.JSONField(default=dict)),
                        ("parameters", models.JSONField(default=dict, help_text="Resolved values and where each came from")),
                        (
                            "rule_version",
                            models.CharField(
                                blank=True, help_text="<rule set slug>@<number>, and +<hash> where amendments changed the rule", max_length=120
                            ),
                        ),
                        ("first_seen_seq", models.PositiveBigIntegerField()),
                        ("last_seen_seq", models.PositiveBigIntegerField()),
                        (
                            "first_seen_run",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="validation.validationrun"
                            ),
                        ),
                        (
                            "last_seen_run",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="validation.validationrun"
                            ),
                        ),
                        (
                            "resolved_seq",
                            models.PositiveBigIntegerField(help_text="Set while the rule holds again; null: it is there now", null=True),
                        ),
                        ("resolved_at", models.DateTimeField(null=True)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("open", "Open"),
                                    ("acknowledged", "Acknowledged"),
                                    ("in_progress", "In Progress"),
                                    ("fixed", "Fixed"),
                                    ("waived", "Waived"),
                                    ("false_positive", "False Positive"),
                                    ("reopened", "Reopened"),
                                ],
                                default="open",
                                max_length=14,
                            ),
                        ),
                        (
                            "aside_hash",
                            models.CharField(
                                blank=True, default="", help_text="Content hash of the element when it became a false positive", max_length=64
                            ),
                        ),
                        (
                            "assignee",
                            models.ForeignKey(
                                blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                        ("due_on", models.DateField(blank=True, null=True)),
                        ("bcf_topic_guid", models.UUIDField()),
                        ("ml_score", models.FloatField(null=True)),
                        ("ml_model_version", models.UUIDField(null=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        ("rev", models.PositiveIntegerField(default=1)),
                    ],
                    options={
                        "ordering": ("building_id", "severity", "rule_key", "subject"),
                        "indexes": [
                            models.Index(fields=["building", "subject"], name="finding_of_subject"),
                            models.Index(
                                condition=models.Q(("resolved_seq__isnull", True)), fields=["building", "severity"], name="finding_there_now"
                            ),
                            models.Index(
                                condition=models.Q(("resolved_seq__isnull", True)),
                                fields=["building", "outcome", "severity_rank", "rule_key", "subject"],
                                name="finding_on_board",
                            ),
                            models.Index(
                                condition=models.Q(("resolved_seq__isnull", True)),
                                fields=[
                                    "building",
                                    "severity",
                                    "category",
                                    "outcome",
                                    "state",
                                    "rule_key",
                                    "storey",
                                    "discipline",
                                    "assignee",
                                    "tenant",
                                ],
                                name="finding_counts",
                            ),
                        ],
                        "constraints": [models.UniqueConstraint(fields=("building", "fingerprint"), name="finding_once")],
                    },
                ),
                migrations.CreateModel(
                    name="FindingNote",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("finding", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="notes", to="validation.finding")),
                        (
                            "kind",
                            models.CharField(
                                choices=[("comment", "comment"), ("state", "state"), ("assignee", "assignee"), ("due", "due"), ("waiver", "waiver")],
                                max_length=12,
                            ),
                        ),
                        ("text", models.TextField(blank=True)),
                        ("data", models.JSONField(default=dict)),
                        ("actor", models.CharField(max_length=200)),
                        (
                            "author",
                            models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("bcf_comment_guid", models.UUIDField(help_text="Of a comment that came back by BCF", null=True)),
                        ("at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ("at",),
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("bcf_comment_guid__isnull", False)),
                                fields=("finding", "bcf_comment_guid"),
                                name="bcf_comment_once",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="FindingsDiff",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("building", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="diffs", to="validation.building")),
                        ("number", models.PositiveBigIntegerField(help_text="Of the building's findings stream")),
                        ("at_seq", models.PositiveBigIntegerField()),
                        (
                            "size",
                            models.PositiveIntegerField(
                                default=0, help_text="Findings in it; with too many the lists are empty, and who follows takes a snapshot"
                            ),
                        ),
                        ("added", models.JSONField(default=list)),
                        ("updated", models.JSONField(default=list)),
                        ("resolved", models.JSONField(default=list)),
                        ("rechecking", models.JSONField(default=list)),
                        ("counts", models.JSONField(default=dict)),
                        ("score", models.FloatField(null=True)),
                        ("coverage", models.FloatField(null=True)),
                        ("at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("building", "number"), name="findings_diff_once")],
                    },
                ),
                migrations.CreateModel(
                    name="IdsSpecification",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "updated_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change by a person; the ETag")),
                        (
                            "version",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="ids_files", to="validation.rulesetversion"),
                        ),
                        ("file_name", models.CharField(max_length=255)),
                        ("content", models.TextField(editable=False)),
                        ("sha256", models.CharField(editable=False, max_length=64)),
                        ("title", models.CharField(blank=True, max_length=300)),
                        ("specification_count", models.PositiveIntegerField(default=0, editable=False)),
                        ("audit", models.JSONField(default=dict, editable=False, help_text="What the audit of the file found")),
                    ],
                    options={
                        "ordering": ("version_id", "file_name"),
                    },
                ),
                migrations.CreateModel(
                    name="Jurisdiction",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "updated_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change by a person; the ETag")),
                        (
                            "code",
                            models.CharField(
                                help_text="Such as US-WA-SEA",
                                max_length=63,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[A-Z0-9]+(-[A-Z0-9]+){0,7}$", "Capitals and digits in parts joined by dashes, such as US-WA-SEA."
                                    )
                                ],
                            ),
                        ),
                        ("name", models.CharField(max_length=200)),
                        (
                            "parent",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="children",
                                to="validation.jurisdiction",
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[("country", "Country"), ("state", "State"), ("county", "County"), ("city", "City"), ("client", "Client")],
                                max_length=10,
                            ),
                        ),
                        (
                            "default_units",
                            models.CharField(choices=[("metric", "metric"), ("imperial", "imperial")], default="metric", max_length=10),
                        ),
                        ("locale", models.CharField(default="en", max_length=12)),
                        ("timezone", models.CharField(default="UTC", max_length=63)),
                    ],
                    options={
                        "ordering": ("code",),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "code"), name="jurisdiction_code_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Amendment",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "updated_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change by a person; the ETag")),
                        (
                            "jurisdiction",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="amendments", to="validation.jurisdiction"),
                        ),
                        (
                            "rule_key",
                            models.CharField(
                                max_length=80,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[A-Z0-9][A-Za-z0-9._\\-]{0,79}$",
                                        "Letters, digits, dots and dashes; starts with a capital or a digit; at most 80 characters.",
                                    )
                                ],
                            ),
                        ),
                        ("effective_from", models.DateField()),
                        ("effective_to", models.DateField(blank=True, help_text="The last day; empty: still in force", null=True)),
                        (
                            "action",
                            models.CharField(
                                choices=[("override_params", "Override Params"), ("replace", "Replace"), ("disable", "Disable"), ("add", "Add")],
                                max_length=20,
                            ),
                        ),
                        ("payload", flows.models.AuthoredJSONField(blank=True, default=dict)),
                        ("citation", models.CharField(max_length=500)),
                    ],
                    options={
                        "ordering": ("jurisdiction_id", "rule_key", "effective_from"),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("effective_to__isnull", True), ("effective_to__gte", models.F("effective_from")), _connector="OR"
                                ),
                                name="amendment_dates",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Adoption",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "updated_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change by a person; the ETag")),
                        (
                            "jurisdiction",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="adoptions", to="validation.jurisdiction"),
                        ),
                        (
                            "code_edition",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="adoptions", to="validation.codeedition"),
                        ),
                        ("effective_from", models.DateField()),
                        ("effective_to", models.DateField(blank=True, help_text="The last day; empty: still in force", null=True)),
                        ("legal_reference", models.CharField(blank=True, max_length=300)),
                    ],
                    options={
                        "ordering": ("jurisdiction_id", "-effective_from"),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("effective_to__isnull", True), ("effective_to__gte", models.F("effective_from")), _connector="OR"
                                ),
                                name="adoption_dates",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="LiveSession",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "building",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="sessions", to="validation.building"),
                        ),
                        (
                            "user",
                            models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("actor", models.CharField(max_length=200)),
                        ("client_id", models.CharField(max_length=63)),
                        ("client", models.CharField(blank=True, max_length=100)),
                        ("client_version", models.CharField(blank=True, max_length=40)),
                        ("protocol", models.CharField(max_length=40)),
                        ("selection", models.JSONField(default=list)),
                        ("connected_at", models.DateTimeField(auto_now_add=True)),
                        ("seen_at", models.DateTimeField(auto_now_add=True)),
                        ("closed_at", models.DateTimeField(null=True)),
                        ("last_ack_seq", models.PositiveBigIntegerField(default=0)),
                        ("state", models.CharField(default="open", max_length=10)),
                    ],
                    options={
                        "indexes": [models.Index(fields=["building", "state"], name="session_of_building")],
                    },
                ),
                migrations.CreateModel(
                    name="ModelRevision",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "updated_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change by a person; the ETag")),
                        (
                            "building",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="revisions", to="validation.building"),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("source", models.CharField(choices=[("ifc", "IFC file"), ("live", "live session"), ("json", "neutral JSON")], max_length=5)),
                        ("file", models.FileField(blank=True, max_length=300, upload_to="models/%Y/%m/")),
                        ("file_name", models.CharField(blank=True, max_length=255)),
                        ("sha256", models.CharField(blank=True, max_length=64)),
                        ("size", models.PositiveBigIntegerField(default=0)),
                        ("schema", models.CharField(blank=True, help_text="IFC2X3, IFC4, IFC4X3…", max_length=20)),
                        ("application", models.CharField(blank=True, max_length=200)),
                        (
                            "parent",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="followers",
                                to="validation.modelrevision",
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("uploaded", "Uploaded"),
                                    ("parsing", "Parsing"),
                                    ("ready", "Ready"),
                                    ("partial", "Partial"),
                                    ("rejected", "Rejected"),
                                ],
                                default="uploaded",
                                max_length=10,
                            ),
                        ),
                        ("integrity", models.JSONField(default=dict, help_text="trailer, statements, loaded, log_errors, projects")),
                        ("problem", models.JSONField(default=dict, help_text="Why it was rejected: error_code, detail")),
                        ("counts", models.JSONField(default=dict, help_text="IFC class -> elements")),
                        ("changes", models.JSONField(default=dict, help_text="Against the parent: added, changed, removed")),
                        ("meshes", models.FileField(blank=True, max_length=300, upload_to="meshes/%Y/%m/")),
                        ("at_seq", models.PositiveBigIntegerField(help_text="The building's head that is this model", null=True)),
                        ("operation_id", models.UUIDField(null=True)),
                    ],
                    options={
                        "ordering": ("building_id", "-number"),
                        "constraints": [models.UniqueConstraint(fields=("building", "number"), name="revision_number_once")],
                    },
                ),
                migrations.CreateModel(
                    name="ChangeBatch",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "building",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="batches", to="validation.building"),
                        ),
                        ("seq", models.PositiveBigIntegerField()),
                        ("client_id", models.CharField(max_length=63)),
                        ("client_seq", models.PositiveBigIntegerField()),
                        ("base_seq", models.PositiveBigIntegerField()),
                        ("ops", models.JSONField(default=list)),
                        ("sha256", models.CharField(max_length=64)),
                        ("conflicts", models.JSONField(default=list)),
                        ("actor", models.CharField(max_length=200)),
                        (
                            "revision",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="validation.modelrevision"
                            ),
                        ),
                        ("at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("building", "seq"), name="batch_seq_once"),
                            models.UniqueConstraint(fields=("building", "actor", "client_id", "client_seq"), name="batch_of_client_once"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Project",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "updated_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change by a person; the ETag")),
                        ("name", models.CharField(max_length=200)),
                        ("permit_number", models.CharField(blank=True, max_length=63)),
                        ("permit_application_date", models.DateField()),
                        (
                            "jurisdiction",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="projects", to="validation.jurisdiction"),
                        ),
                        ("address", models.TextField(blank=True)),
                        ("construction_type", models.CharField(blank=True, max_length=20)),
                        (
                            "sprinkler",
                            models.CharField(
                                choices=[("none", "none"), ("nfpa13", "NFPA 13"), ("nfpa13r", "NFPA 13R")], default="none", max_length=10
                            ),
                        ),
                        ("is_existing", models.BooleanField(default=False, verbose_name="existing building")),
                        (
                            "parties",
                            flows.models.AuthoredJSONField(
                                blank=True, default=list, help_text='[{"role": "architect", "name": "…", "licence": "…"}]'
                            ),
                        ),
                        (
                            "coverage_threshold",
                            models.FloatField(default=0.8, help_text="Below this share of evaluated checks the status is indeterminate"),
                        ),
                        (
                            "rule_overrides",
                            flows.models.AuthoredJSONField(
                                blank=True,
                                default=dict,
                                help_text='{"<rule key>": {"params": {"min": {"value": 0.9, "unit": "m"}}, "reason": "…"}}; needs a reason and the right to',
                            ),
                        ),
                        ("archived_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "rule_sets",
                            models.ManyToManyField(
                                blank=True, help_text="Beside those that the adopted editions bring", related_name="projects", to="validation.ruleset"
                            ),
                        ),
                    ],
                    options={
                        "ordering": ("name",),
                    },
                ),
                migrations.CreateModel(
                    name="RuleSet",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "updated_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change by a person; the ETag")),
                        (
                            "slug",
                            models.CharField(
                                max_length=63,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[a-z0-9][a-z0-9.\\-]{0,62}$", "Small letters, digits, dots and dashes; at most 63 characters."
                                    )
                                ],
                            ),
                        ),
                        ("title", models.CharField(max_length=200)),
                        ("description", models.TextField(blank=True)),
                        (
                            "code_edition",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="rule_sets",
                                to="validation.codeedition",
                            ),
                        ),
                        (
                            "owner",
                            models.CharField(choices=[("system", "system"), ("tenant", "tenant")], default="tenant", editable=False, max_length=10),
                        ),
                        (
                            "pack_sha256",
                            models.CharField(blank=True, editable=False, help_text="Of the rule pack that it was last imported from", max_length=64),
                        ),
                        ("archived_at", models.DateTimeField(blank=True, editable=False, null=True)),
                    ],
                    options={
                        "ordering": ("title",),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "slug"), name="rule_set_slug_once")],
                    },
                ),
                migrations.CreateModel(
                    name="RuleSetVersion",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "updated_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change by a person; the ETag")),
                        (
                            "rule_set",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="versions", to="validation.ruleset"),
                        ),
                        (
                            "number",
                            models.CharField(
                                max_length=20, validators=[django.core.validators.RegexValidator("^\\d+\\.\\d+\\.\\d+$", "A version such as 1.2.0.")]
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[("draft", "Draft"), ("in_review", "In Review"), ("published", "Published"), ("retired", "Retired")],
                                default="draft",
                                editable=False,
                                max_length=10,
                            ),
                        ),
                        ("changelog", models.TextField(blank=True)),
                        (
                            "overrides",
                            flows.models.AuthoredJSONField(
                                blank=True,
                                default=dict,
                                help_text='Parameters that it sets apart from its rules: {"<rule key>": {"min": {"value": 0.9, "unit": "m"}}}',
                            ),
                        ),
                        (
                            "content_sha256",
                            models.CharField(blank=True, editable=False, help_text="Over the canonical JSON of its rules", max_length=64),
                        ),
                        (
                            "authors",
                            models.JSONField(
                                default=list,
                                editable=False,
                                help_text="Everybody who has changed anything of it: ids of people, or actors that no person is known behind",
                            ),
                        ),
                        (
                            "submitted_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "published_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("published_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("problem_count", models.PositiveIntegerField(default=0, editable=False)),
                    ],
                    options={
                        "ordering": ("rule_set_id", "-created_at"),
                        "constraints": [models.UniqueConstraint(fields=("rule_set", "number"), name="rule_set_version_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Rule",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "updated_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change by a person; the ETag")),
                        (
                            "version",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="rules", to="validation.rulesetversion"),
                        ),
                        (
                            "key",
                            models.CharField(
                                help_text="Stable over versions, such as IBC21-1017.2-TRAVEL",
                                max_length=80,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[A-Z0-9][A-Za-z0-9._\\-]{0,79}$",
                                        "Letters, digits, dots and dashes; starts with a capital or a digit; at most 80 characters.",
                                    )
                                ],
                            ),
                        ),
                        ("title", models.CharField(max_length=200)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("cel", "expression (CEL)"),
                                    ("table", "lookup table"),
                                    ("ids", "IDS specification"),
                                    ("python", "registered check"),
                                ],
                                default="cel",
                                max_length=10,
                            ),
                        ),
                        ("applies_to", flows.models.AuthoredJSONField(default=list, help_text='IFC classes, subtypes included: ["IfcDoor"]')),
                        ("when", models.TextField(default="true", help_text="CEL: which of them it is about")),
                        ("require", models.TextField(default="true", help_text="CEL: what must hold")),
                        (
                            "message",
                            models.TextField(
                                blank=True, help_text="Shown when it fails; {e.clear_width}, {p.min}, {actual}, {required} and {margin} are filled in"
                            ),
                        ),
                        (
                            "params",
                            flows.models.AuthoredJSONField(
                                blank=True, default=dict, help_text='{"min": {"value": 0.813, "unit": "m", "display": "32 in"}}'
                            ),
                        ),
                        (
                            "severity",
                            models.CharField(
                                choices=[("critical", "critical"), ("major", "major"), ("minor", "minor"), ("info", "info")],
                                default="major",
                                max_length=10,
                            ),
                        ),
                        ("weight", models.DecimalField(decimal_places=2, default=1, max_digits=5)),
                        (
                            "category",
                            models.CharField(
                                choices=[
                                    ("egress", "egress"),
                                    ("accessibility", "accessibility"),
                                    ("fire", "fire"),
                                    ("structure", "structure"),
                                    ("energy", "energy"),
                                    ("plumbing", "plumbing"),
                                    ("data", "data"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("discipline", models.CharField(blank=True, max_length=63)),
                        (
                            "scope",
                            models.CharField(
                                choices=[("element", "element"), ("space", "space"), ("storey", "storey"), ("building", "building")],
                                default="element",
                                max_length=10,
                            ),
                        ),
                        ("check_name", models.CharField(blank=True, max_length=63, verbose_name="registered check")),
                        (
                            "facts",
                            flows.models.AuthoredJSONField(
                                blank=True, default=list, editable=False, help_text="What it reads, found when it was saved"
                            ),
                        ),
                        ("section", models.CharField(blank=True, max_length=200)),
                        ("paraphrase", models.TextField(blank=True, help_text="What the code asks for, in our own words")),
                        ("url", models.CharField(blank=True, max_length=500)),
                        ("rationale", models.TextField(blank=True)),
                        (
                            "examples",
                            flows.models.AuthoredJSONField(
                                blank=True,
                                default=list,
                                help_text='[{"facts": {"e.clear_width": 0.9}, "expected": "pass"}], at least one pass and one fail',
                            ),
                        ),
                        (
                            "exceptions",
                            flows.models.AuthoredJSONField(
                                blank=True, default=list, help_text='[{"when": "…", "citation": "…", "needs_signoff": false}]'
                            ),
                        ),
                        (
                            "ids_file",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="rules",
                                to="validation.idsspecification",
                            ),
                        ),
                        ("ids_xml", models.TextField(blank=True, editable=False)),
                        (
                            "provenance",
                            models.CharField(
                                blank=True,
                                choices=[("V", "verified"), ("S", "secondary source"), ("M", "from memory")],
                                help_text="How its numbers were checked",
                                max_length=1,
                            ),
                        ),
                        (
                            "section_provenance",
                            models.CharField(
                                blank=True,
                                choices=[("V", "verified"), ("S", "secondary source"), ("M", "from memory")],
                                help_text="How the number of the section was checked",
                                max_length=1,
                            ),
                        ),
                        ("source", models.TextField(blank=True, help_text="Where its numbers were seen")),
                        (
                            "confirmed_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "confirmed_at",
                            models.DateTimeField(blank=True, editable=False, help_text="When a person has checked it against the code", null=True),
                        ),
                        ("is_active", models.BooleanField(default=True, help_text="Inactive rules are kept and never run")),
                        ("position", models.PositiveIntegerField(default=0)),
                    ],
                    options={
                        "ordering": ("position", "key"),
                        "constraints": [models.UniqueConstraint(fields=("version", "key"), name="rule_key_once")],
                    },
                ),
                migrations.CreateModel(
                    name="TriageReading",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("day", models.DateField()),
                        ("model_version", models.UUIDField(help_text="The model that served; empty: the baseline ranked", null=True)),
                        ("model_number", models.PositiveIntegerField(null=True)),
                        ("findings", models.PositiveIntegerField(default=0, help_text="Seen in the days before, as many as DRIFT_DAYS")),
                        ("drift", models.JSONField(default=dict, help_text="Feature -> population stability index against the training data")),
                        (
                            "judged",
                            models.PositiveIntegerField(
                                default=0, help_text="Ranked findings that people judged in the days before, as many as QUALITY_DAYS"
                            ),
                        ),
                        (
                            "quality",
                            models.JSONField(
                                default=dict,
                                help_text="average_precision, roc_auc, precision_at, confirmed: of the scores that they had when they were judged",
                            ),
                        ),
                        ("baseline", models.JSONField(default=dict, help_text="The same of the baseline, on the same findings")),
                        ("at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ("-day",),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "day"), name="triage_reading_once")],
                    },
                ),
                migrations.CreateModel(
                    name="ValidationRun",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("building", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="runs", to="validation.building")),
                        (
                            "revision",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="runs", to="validation.modelrevision"
                            ),
                        ),
                        ("at_seq", models.PositiveBigIntegerField()),
                        (
                            "basis",
                            models.JSONField(
                                default=dict, help_text="Jurisdiction, permit date, editions, amendments and rules as they were resolved"
                            ),
                        ),
                        (
                            "trigger",
                            models.CharField(
                                choices=[
                                    ("full", "full"),
                                    ("incremental", "incremental"),
                                    ("scheduled", "scheduled"),
                                    ("api", "api"),
                                    ("what_if", "what_if"),
                                ],
                                max_length=12,
                            ),
                        ),
                        (
                            "is_what_if",
                            models.BooleanField(
                                default=False, help_text="Of another code basis: its findings are counted, not kept as the building's own"
                            ),
                        ),
                        ("engine_version", models.CharField(max_length=20)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Queued"),
                                    ("running", "Running"),
                                    ("done", "Done"),
                                    ("failed", "Failed"),
                                    ("cancelled", "Cancelled"),
                                ],
                                default="queued",
                                max_length=10,
                            ),
                        ),
                        ("requested_by", models.CharField(max_length=200)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("started_at", models.DateTimeField(null=True)),
                        ("finished_at", models.DateTimeField(null=True)),
                        ("counts", models.JSONField(default=dict, help_text="by outcome, by severity, by category")),
                        ("score", models.FloatField(null=True)),
                        ("coverage", models.FloatField(null=True)),
                        ("status", models.CharField(blank=True, max_length=40)),
                        ("score_breakdown", models.JSONField(default=dict)),
                        (
                            "missing_facts",
                            models.JSONField(default=list, help_text="[{fact, rules, subjects, unlocks}]: what would make most rules evaluable"),
                        ),
                        ("input_sha256", models.CharField(blank=True, max_length=64)),
                        ("result_sha256", models.CharField(blank=True, max_length=64)),
                        ("passes", models.BinaryField(default=b"", help_text="zlib of the JSON {rule key: [subjects that passed]}")),
                        (
                            "results",
                            models.BinaryField(default=b"", help_text="zlib of the JSON list of all judgements that are not passes, for comparisons"),
                        ),
                        ("operation_id", models.UUIDField(null=True)),
                        ("problem", models.JSONField(default=dict)),
                        ("rule_set_versions", models.ManyToManyField(related_name="runs", to="validation.rulesetversion")),
                    ],
                    options={
                        "ordering": ("-created_at",),
                        "indexes": [models.Index(fields=["building", "-created_at"], name="run_of_building")],
                    },
                ),
                migrations.CreateModel(
                    name="Waiver",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "updated_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change by a person; the ETag")),
                        (
                            "building",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="waivers", to="validation.building"),
                        ),
                        (
                            "finding",
                            models.ForeignKey(
                                blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name="waivers", to="validation.finding"
                            ),
                        ),
                        ("rule_key", models.CharField(help_text="With no finding: of every finding of this rule in the building", max_length=80)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("variance", "Variance"),
                                    ("alternative_means", "Alternative Means"),
                                    ("existing_condition", "Existing Condition"),
                                    ("not_applicable", "Not Applicable"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("justification", models.TextField()),
                        ("authority_reference", models.CharField(blank=True, max_length=300)),
                        ("conditions", models.TextField(blank=True)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("requested", "Requested"),
                                    ("approved", "Approved"),
                                    ("rejected", "Rejected"),
                                    ("withdrawn", "Withdrawn"),
                                    ("expired", "Expired"),
                                    ("needs_reconfirmation", "Needs Reconfirmation"),
                                ],
                                default="requested",
                                max_length=20,
                            ),
                        ),
                        (
                            "requested_by",
                            models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("requester", models.CharField(help_text="The actor who asked, kept when the account goes", max_length=200)),
                        (
                            "approved_by",
                            models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("approver", models.CharField(blank=True, max_length=200)),
                        ("decided_at", models.DateTimeField(null=True)),
                        ("decision_note", models.TextField(blank=True)),
                        ("expires_on", models.DateField(blank=True, null=True)),
                        ("model_hash", models.CharField(blank=True, help_text="Content hash of the element when it was approved", max_length=64)),
                        ("rule_version", models.CharField(blank=True, max_length=120)),
                        ("lapsed_because", models.CharField(blank=True, max_length=200)),
                    ],
                    options={
                        "ordering": ("-created_at",),
                        "indexes": [models.Index(fields=["building", "rule_key"], name="waiver_of_rule")],
                    },
                ),
                migrations.CreateModel(
                    name="WaiverAttachment",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "waiver",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="attachments", to="validation.waiver"),
                        ),
                        ("file", models.FileField(max_length=300, upload_to="waivers/%Y/%m/")),
                        ("name", models.CharField(help_text="As it was called where it came from", max_length=200)),
                        ("size", models.PositiveIntegerField()),
                        ("sha256", models.CharField(max_length=64)),
                        ("actor", models.CharField(max_length=200)),
                        ("at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ("at",),
                    },
                ),
            ],
        ),
        immutable(),
        rls.enable(*(f"validation_{table}" for table in TABLES)),
    ]
