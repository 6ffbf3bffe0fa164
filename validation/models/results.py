"""What checks found: runs, findings and what people do about them, waivers."""

import uuid

from django.db import models

from mcp_platform.tenancy.models import TenantModel, User
from validation.models.base import Authored
from validation.models.projects import Building, ModelRevision
from validation.models.rulebook import SEVERITIES, RuleSetVersion


class ValidationRun(TenantModel):
    """One full check of a building at one sequence number. The same input gives the same `result_sha256`."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    building = models.ForeignKey(Building, on_delete=models.CASCADE, related_name="runs")
    revision = models.ForeignKey(ModelRevision, null=True, on_delete=models.SET_NULL, related_name="runs")
    at_seq = models.PositiveBigIntegerField()
    rule_set_versions = models.ManyToManyField(RuleSetVersion, related_name="runs")
    basis = models.JSONField(default=dict, help_text="Jurisdiction, permit date, editions, amendments and rules as they were resolved")
    trigger = models.CharField(max_length=12, choices=[(name, name) for name in ("full", "incremental", "scheduled", "api", "what_if")])
    is_what_if = models.BooleanField(default=False, help_text="Of another code basis: its findings are counted, not kept as the building's own")
    engine_version = models.CharField(max_length=20)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    requested_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict, help_text="by outcome, by severity, by category")
    score = models.FloatField(null=True)
    coverage = models.FloatField(null=True)
    status = models.CharField(max_length=40, blank=True)
    score_breakdown = models.JSONField(default=dict)
    missing_facts = models.JSONField(default=list, help_text="[{fact, rules, subjects, unlocks}]: what would make most rules evaluable")
    input_sha256 = models.CharField(max_length=64, blank=True)
    result_sha256 = models.CharField(max_length=64, blank=True)
    passes = models.BinaryField(default=b"", help_text="zlib of the JSON {rule key: [subjects that passed]}")
    results = models.BinaryField(default=b"", help_text="zlib of the JSON list of all judgements that are not passes, for comparisons")
    operation_id = models.UUIDField(null=True)
    problem = models.JSONField(default=dict)

    class Meta:
        ordering = ("-created_at",)
        indexes = (models.Index(fields=("building", "-created_at"), name="run_of_building"),)

    def __str__(self) -> str:
        return f"{self.building} {self.created_at:%Y-%m-%d %H:%M}"


class Finding(TenantModel):
    """A rule that fails, or cannot be judged, for one subject. It keeps its row, and its fingerprint, from run to run."""

    class State(models.TextChoices):
        OPEN = "open"
        ACKNOWLEDGED = "acknowledged"
        IN_PROGRESS = "in_progress"
        FIXED = "fixed"
        WAIVED = "waived"
        FALSE_POSITIVE = "false_positive"
        REOPENED = "reopened"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    building = models.ForeignKey(Building, on_delete=models.CASCADE, related_name="findings")
    rule_key = models.CharField(max_length=80)
    subject = models.CharField(max_length=40, help_text="Global id of the element")
    fingerprint = models.CharField(max_length=40, help_text="sha1 of rule key and subject")
    outcome = models.CharField(max_length=14, choices=[("fail", "fail"), ("not_evaluable", "not evaluable")])
    severity = models.CharField(max_length=10, choices=SEVERITIES)
    severity_rank = models.GeneratedField(
        expression=models.Case(*(models.When(severity=name, then=rank) for rank, (name, _) in enumerate(SEVERITIES)), default=len(SEVERITIES)),
        output_field=models.PositiveSmallIntegerField(),
        db_persist=True,
        help_text="0 critical, 1 major, 2 minor, 3 info: lists are in this order",
    )
    category = models.CharField(max_length=20)
    discipline = models.CharField(max_length=63, blank=True)
    storey = models.CharField(max_length=40, blank=True)
    ifc_class = models.CharField(max_length=63, blank=True)
    subject_name = models.CharField(max_length=255, blank=True)
    actual = models.JSONField(null=True)
    required = models.JSONField(null=True)
    unit = models.CharField(max_length=10, blank=True)
    margin = models.FloatField(null=True)
    message = models.TextField(blank=True)
    missing = models.JSONField(default=list)
    evidence = models.JSONField(default=list)
    geometry = models.JSONField(default=dict)
    citation = models.JSONField(default=dict)
    parameters = models.JSONField(default=dict, help_text="Resolved values and where each came from")
    rule_version = models.CharField(max_length=120, blank=True, help_text="<rule set slug>@<number>, and +<hash> where amendments changed the rule")
    first_seen_seq = models.PositiveBigIntegerField()
    last_seen_seq = models.PositiveBigIntegerField()
    first_seen_run = models.ForeignKey(ValidationRun, null=True, on_delete=models.SET_NULL, related_name="+")
    last_seen_run = models.ForeignKey(ValidationRun, null=True, on_delete=models.SET_NULL, related_name="+")
    resolved_seq = models.PositiveBigIntegerField(null=True, help_text="Set while the rule holds again; null: it is there now")
    resolved_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=14, choices=State, default=State.OPEN)
    aside_hash = models.CharField(max_length=64, blank=True, default="", help_text="Content hash of the element when it became a false positive")
    assignee = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    due_on = models.DateField(null=True, blank=True)
    bcf_topic_guid = models.UUIDField()
    ml_score = models.FloatField(null=True)
    ml_model_version = models.UUIDField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    rev = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("building", "fingerprint"), name="finding_once"),)
        indexes = (
            models.Index(fields=("building", "subject"), name="finding_of_subject"),
            models.Index(fields=("building", "severity"), condition=models.Q(resolved_seq__isnull=True), name="finding_there_now"),
            # The board's order, and its counts without a look at the wide rows.
            models.Index(
                fields=("building", "outcome", "severity_rank", "rule_key", "subject"),
                condition=models.Q(resolved_seq__isnull=True),
                name="finding_on_board",
            ),
            models.Index(
                fields=("building", "severity", "category", "outcome", "state", "rule_key", "storey", "discipline", "assignee", "tenant"),
                condition=models.Q(resolved_seq__isnull=True),
                name="finding_counts",
            ),
        )
        ordering = ("building_id", "severity", "rule_key", "subject")

    def __str__(self) -> str:
        return f"{self.rule_key} {self.subject}"


class FindingNote(TenantModel):
    """What happened to a finding: a comment, a change of state, an assignment. Append-only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    finding = models.ForeignKey(Finding, on_delete=models.CASCADE, related_name="notes")
    kind = models.CharField(max_length=12, choices=[(name, name) for name in ("comment", "state", "assignee", "due", "waiver")])
    text = models.TextField(blank=True)
    data = models.JSONField(default=dict)
    actor = models.CharField(max_length=200)
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    bcf_comment_guid = models.UUIDField(null=True, help_text="Of a comment that came back by BCF")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("finding", "bcf_comment_guid"), condition=models.Q(bcf_comment_guid__isnull=False), name="bcf_comment_once"
            ),
        )
        ordering = ("at",)

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M}"


class Waiver(Authored):
    """Permission to leave a finding as it is. Asked for by one person and approved by another, a code official; it lapses."""

    class Kind(models.TextChoices):
        VARIANCE = "variance"
        ALTERNATIVE_MEANS = "alternative_means"
        EXISTING_CONDITION = "existing_condition"
        NOT_APPLICABLE = "not_applicable"

    class State(models.TextChoices):
        REQUESTED = "requested"
        APPROVED = "approved"
        REJECTED = "rejected"
        WITHDRAWN = "withdrawn"
        EXPIRED = "expired"
        NEEDS_RECONFIRMATION = "needs_reconfirmation"

    building = models.ForeignKey(Building, on_delete=models.CASCADE, related_name="waivers")
    finding = models.ForeignKey(Finding, null=True, blank=True, on_delete=models.CASCADE, related_name="waivers")
    rule_key = models.CharField(max_length=80, help_text="With no finding: of every finding of this rule in the building")
    kind = models.CharField(max_length=20, choices=Kind)
    justification = models.TextField()
    authority_reference = models.CharField(max_length=300, blank=True)
    conditions = models.TextField(blank=True)
    state = models.CharField(max_length=20, choices=State, default=State.REQUESTED)
    requested_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    requester = models.CharField(max_length=200, help_text="The actor who asked, kept when the account goes")
    approved_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    approver = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True)
    decision_note = models.TextField(blank=True)
    expires_on = models.DateField(null=True, blank=True)
    model_hash = models.CharField(max_length=64, blank=True, help_text="Content hash of the element when it was approved")
    rule_version = models.CharField(max_length=120, blank=True)
    lapsed_because = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("-created_at",)
        indexes = (models.Index(fields=("building", "rule_key"), name="waiver_of_rule"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.rule_key}"


class WaiverAttachment(TenantModel):
    """A document that speaks for a waiver: a letter of the authority, an expert's report. Read through a door that asks for validation:read."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    waiver = models.ForeignKey(Waiver, on_delete=models.CASCADE, related_name="attachments")
    file = models.FileField(upload_to="waivers/%Y/%m/", max_length=300)
    name = models.CharField(max_length=200, help_text="As it was called where it came from")
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    actor = models.CharField(max_length=200)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("at",)

    def __str__(self) -> str:
        return self.name
