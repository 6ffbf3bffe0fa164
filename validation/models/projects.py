"""What is checked: projects, buildings, revisions of their models, elements over time, and the changes of live sessions."""

import uuid

from django.db import models

from flows.models import AuthoredJSONField
from mcp_platform.tenancy.models import TenantModel, User
from validation.models.base import Authored
from validation.models.rulebook import Jurisdiction


class Project(Authored):
    """A permit. `permit_application_date` decides which editions and amendments are in force, never the day of the check."""

    class Sprinkler(models.TextChoices):
        NONE = "none", "none"
        NFPA13 = "nfpa13", "NFPA 13"
        NFPA13R = "nfpa13r", "NFPA 13R"

    name = models.CharField(max_length=200)
    permit_number = models.CharField(max_length=63, blank=True)
    permit_application_date = models.DateField()
    jurisdiction = models.ForeignKey(Jurisdiction, on_delete=models.PROTECT, related_name="projects")
    address = models.TextField(blank=True)
    construction_type = models.CharField(max_length=20, blank=True)
    sprinkler = models.CharField(max_length=10, choices=Sprinkler, default=Sprinkler.NONE)
    is_existing = models.BooleanField("existing building", default=False)
    parties = AuthoredJSONField(default=list, blank=True, help_text='[{"role": "architect", "name": "…", "licence": "…"}]')
    coverage_threshold = models.FloatField(default=0.8, help_text="Below this share of evaluated checks the status is indeterminate")
    rule_overrides = AuthoredJSONField(
        default=dict,
        blank=True,
        help_text='{"<rule key>": {"params": {"min": {"value": 0.9, "unit": "m"}}, "reason": "…"}}; needs a reason and the right to',
    )
    rule_sets = models.ManyToManyField(
        "validation.RuleSet", blank=True, related_name="projects", help_text="Beside those that the adopted editions bring"
    )
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Building(Authored):
    """`head_seq` numbers every change of the model; `score`, `coverage`, `status` and `counts` are those of the head."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="buildings")
    name = models.CharField(max_length=200)
    occupancy_groups = AuthoredJSONField(default=list, blank=True, help_text='[{"group": "B", "area_m2": 1200}]')
    storeys_above = models.PositiveSmallIntegerField(null=True, blank=True)
    storeys_below = models.PositiveSmallIntegerField(null=True, blank=True)
    height_m = models.FloatField(null=True, blank=True)
    gross_area_m2 = models.FloatField(null=True, blank=True)
    check_every_hours = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Checked again this often; empty: when asked to")
    function_map = AuthoredJSONField(
        default=dict,
        blank=True,
        help_text='Space name or long name (or a pattern with *) -> function: {"Office*": "business", "Lobby": "assembly_standing"}',
    )
    stream_id = models.UUIDField(default=uuid.uuid4, editable=False, help_text="Of the live protocol; a new one resets every client")
    head_seq = models.PositiveBigIntegerField(default=0, editable=False)
    checked_seq = models.PositiveBigIntegerField(default=0, editable=False, help_text="Up to where the findings are true")
    dirty_storeys = models.JSONField(default=list, editable=False, help_text="Whose surroundings have to be checked again")
    score = models.FloatField(null=True, blank=True, editable=False)
    coverage = models.FloatField(null=True, blank=True, editable=False)
    status = models.CharField(max_length=40, blank=True, editable=False)
    counts = models.JSONField(default=dict, editable=False, help_text="rule key -> {pass, fail, not_applicable, not_evaluable} at checked_seq")
    basis_sha256 = models.CharField(max_length=64, blank=True, editable=False, help_text="Of the rules by which counts and findings were judged")
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("project_id", "name")

    def __str__(self) -> str:
        return self.name


class ModelRevision(Authored):
    """One stored model. `partial`: the file was damaged and loaded in part; it can be looked at and never scores as compliant."""

    class State(models.TextChoices):
        UPLOADED = "uploaded"
        PARSING = "parsing"
        READY = "ready"
        PARTIAL = "partial"
        REJECTED = "rejected"

    building = models.ForeignKey(Building, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    source = models.CharField(max_length=5, choices=[("ifc", "IFC file"), ("live", "live session"), ("json", "neutral JSON")])
    file = models.FileField(upload_to="models/%Y/%m/", blank=True, max_length=300)
    file_name = models.CharField(max_length=255, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(default=0)
    schema = models.CharField(max_length=20, blank=True, help_text="IFC2X3, IFC4, IFC4X3…")
    application = models.CharField(max_length=200, blank=True)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="followers")
    state = models.CharField(max_length=10, choices=State, default=State.UPLOADED)
    integrity = models.JSONField(default=dict, help_text="trailer, statements, loaded, log_errors, projects")
    problem = models.JSONField(default=dict, help_text="Why it was rejected: error_code, detail")
    counts = models.JSONField(default=dict, help_text="IFC class -> elements")
    changes = models.JSONField(default=dict, help_text="Against the parent: added, changed, removed")
    meshes = models.FileField(upload_to="meshes/%Y/%m/", blank=True, max_length=300)
    at_seq = models.PositiveBigIntegerField(null=True, help_text="The building's head that is this model")
    operation_id = models.UUIDField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("building", "number"), name="revision_number_once"),)
        ordering = ("building_id", "-number")

    def __str__(self) -> str:
        return f"{self.building} r{self.number}"


class Element(TenantModel):
    """One state of an element, true for the sequence numbers valid_from_seq <= n < valid_to_seq (null: still true)."""

    id = models.BigAutoField(primary_key=True)
    building = models.ForeignKey(Building, on_delete=models.CASCADE, related_name="elements")
    global_id = models.CharField(max_length=40)
    valid_from_seq = models.PositiveBigIntegerField()
    valid_to_seq = models.PositiveBigIntegerField(null=True)
    ifc_class = models.CharField(max_length=63)
    predefined_type = models.CharField(max_length=63, blank=True)
    name = models.CharField(max_length=255, blank=True)
    tag = models.CharField(max_length=255, blank=True)
    storey = models.CharField(max_length=40, blank=True)
    space = models.CharField(max_length=40, blank=True)
    connects = models.JSONField(default=list)
    discipline = models.CharField(max_length=63, blank=True)
    box = models.JSONField(null=True)
    footprint = models.JSONField(null=True)
    properties = models.JSONField(default=dict)
    quantities = models.JSONField(default=dict)
    given = models.JSONField(default=dict, help_text="Facts stated by people and plugins")
    facts = models.JSONField(default=dict, help_text="name -> {value, source, assumed, note}: own facts, derived once per state of the element")
    around = models.JSONField(default=dict, help_text="Facts that depend on its surroundings (ways out, loads), true at the building's checked_seq")
    deferred = models.JSONField(default=dict, help_text="rule key -> outcome that is still counted, until the storey has been rechecked")
    of_file = models.JSONField(default=dict, help_text="rule key -> outcome of IDS rules, as the last full check read it in the model's file")
    content_hash = models.CharField(max_length=64)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("building", "global_id", "valid_from_seq"), name="element_state_once"),
            models.UniqueConstraint(fields=("building", "global_id"), condition=models.Q(valid_to_seq__isnull=True), name="element_current_once"),
        )
        indexes = (
            models.Index(fields=("building", "storey"), condition=models.Q(valid_to_seq__isnull=True), name="element_of_storey"),
            models.Index(fields=("building", "ifc_class"), condition=models.Q(valid_to_seq__isnull=True), name="element_of_class"),
            models.Index(fields=("building", "space"), condition=models.Q(valid_to_seq__isnull=True), name="element_of_space"),
            models.Index(fields=("building", "valid_from_seq"), name="element_since"),
            models.Index(fields=("building", "valid_to_seq"), name="element_until"),
        )

    def __str__(self) -> str:
        return self.global_id


class LiveSession(TenantModel):
    """A plugin that is or was connected."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    building = models.ForeignKey(Building, on_delete=models.CASCADE, related_name="sessions")
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor = models.CharField(max_length=200)
    client_id = models.CharField(max_length=63)
    client = models.CharField(max_length=100, blank=True)
    client_version = models.CharField(max_length=40, blank=True)
    protocol = models.CharField(max_length=40)
    selection = models.JSONField(default=list)
    connected_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True)
    last_ack_seq = models.PositiveBigIntegerField(default=0)
    state = models.CharField(max_length=10, default="open")

    class Meta:
        indexes = (models.Index(fields=("building", "state"), name="session_of_building"),)

    def __str__(self) -> str:
        return f"{self.client} {self.client_id}"


class ChangeBatch(TenantModel):
    """What one change did to the model. Append-only; (actor, client_id, client_seq) once per building. An upload is one too (with its revision)."""

    id = models.BigAutoField(primary_key=True)
    building = models.ForeignKey(Building, on_delete=models.CASCADE, related_name="batches")
    seq = models.PositiveBigIntegerField()
    client_id = models.CharField(max_length=63)
    client_seq = models.PositiveBigIntegerField()
    base_seq = models.PositiveBigIntegerField()
    ops = models.JSONField(default=list)
    sha256 = models.CharField(max_length=64)
    conflicts = models.JSONField(default=list)
    actor = models.CharField(max_length=200)
    revision = models.ForeignKey(ModelRevision, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("building", "seq"), name="batch_seq_once"),
            models.UniqueConstraint(fields=("building", "actor", "client_id", "client_seq"), name="batch_of_client_once"),
        )

    def __str__(self) -> str:
        return str(self.seq)


class FindingsDiff(TenantModel):
    """What became known of the findings at `at_seq`: first of the changed elements, later of the storeys, when they were rechecked."""

    id = models.BigAutoField(primary_key=True)
    building = models.ForeignKey(Building, on_delete=models.CASCADE, related_name="diffs")
    number = models.PositiveBigIntegerField(help_text="Of the building's findings stream")
    at_seq = models.PositiveBigIntegerField()
    size = models.PositiveIntegerField(default=0, help_text="Findings in it; with too many the lists are empty, and who follows takes a snapshot")
    added = models.JSONField(default=list)
    updated = models.JSONField(default=list)
    resolved = models.JSONField(default=list)
    rechecking = models.JSONField(default=list)
    counts = models.JSONField(default=dict)
    score = models.FloatField(null=True)
    coverage = models.FloatField(null=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("building", "number"), name="findings_diff_once"),)

    def __str__(self) -> str:
        return str(self.number)
