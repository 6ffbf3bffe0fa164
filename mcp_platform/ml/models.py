"""Trained models: immutable versions of one subject, which of them serves, and how those in the shadow compare."""

import uuid

from django.db import models

from mcp_platform.tenancy.models import TenantModel


class ModelVersion(TenantModel):
    """One trained model. What it is never changes; only its status does. `ModelArtifact` holds its bytes.

    `kind` says what it does ("intent", "risk"), `subject` what for ("flow:permit_desk"). `Champion` is the pointer to the one that serves;
    `status` says the same for lists.
    """

    class Status(models.TextChoices):
        CANDIDATE = "candidate", "Candidate"
        SHADOW = "shadow", "In the shadow"
        CHALLENGER = "challenger", "Challenger"
        CHAMPION = "champion", "Champion"
        ARCHIVED = "archived", "Archived"
        REJECTED = "rejected", "Rejected"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=120)
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=Status, default=Status.CANDIDATE)
    sha256 = models.CharField(max_length=64, help_text="Of the artifact")
    signature = models.CharField(max_length=64, help_text="HMAC-SHA256 of the artifact and its identity")
    size = models.PositiveIntegerField(help_text="Bytes of the artifact")
    metrics = models.JSONField(default=dict, help_text="Measured on data that the model had not seen")
    card = models.JSONField(default=dict, help_text="How it was made, and what it is for")
    data_sha256 = models.CharField(max_length=64, help_text="Of the training data")
    gates = models.JSONField(default=list, help_text="The verdicts when it was last judged")
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    promoted_at = models.DateTimeField(null=True)
    returns_to = models.CharField(
        max_length=10, blank=True, default="", db_default="", help_text="Of a challenger: what it is again when its experiments have ended"
    )

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "kind", "subject", "number"), name="model_number_once"),)
        ordering = ("-created_at",)
        verbose_name = "model"

    def __str__(self) -> str:
        return f"{self.kind} {self.subject} v{self.number}"


class ModelArtifact(TenantModel):
    """The bytes, apart from the row that lists read. In the database, because every process needs them and there may be no shared disk."""

    model = models.OneToOneField(ModelVersion, on_delete=models.CASCADE, related_name="artifact", primary_key=True)
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"artifact of {self.model_id}"


class Champion(TenantModel):
    """Which version serves. Promotion and roll back move this one row."""

    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=120)
    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+")
    previous = models.ForeignKey(ModelVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    moved_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "kind", "subject"), name="champion_once"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class ShadowReading(TenantModel):
    """One day of a model in the shadow beside one that served, in sums: what it would have said to the same input. Nobody heard it.

    What agreeing, being sure and a confidence mean is the kind's business: of intents the same intent, of rankings the same place among the first.
    """

    # shadow_reading_once is its index
    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="shadow_readings", db_index=False)
    served_number = models.PositiveIntegerField(help_text="Version that served; 0: none did, the baseline answered")
    day = models.DateField()
    compared = models.PositiveIntegerField(default=0)
    agreed = models.PositiveIntegerField(default=0)
    sure = models.PositiveIntegerField(default=0, help_text="How often it was confident enough to be believed")
    served_sure = models.PositiveIntegerField(default=0)
    confidence = models.FloatField(default=0, help_text="Sum")
    served_confidence = models.FloatField(default=0, help_text="Sum")
    runs = models.PositiveIntegerField(default=0, help_text="How often it was run; one run may compare several things")
    milliseconds = models.FloatField(default=0, help_text="Sum over the runs")
    slowest = models.FloatField(default=0, help_text="Milliseconds of the slowest run")
    differences = models.JSONField(default=list, help_text="[what served said, what the shadow said, how often], most frequent first")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("model", "day", "served_number"), name="shadow_reading_once"),)
        ordering = ("-day", "-served_number")

    def __str__(self) -> str:
        return f"{self.model_id} {self.day}"


class ModelReading(TenantModel):
    """What a model makes of the newest real inputs, on one day: counts by feature (`Kind.features`), so that it can be compared with anything."""

    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="readings", db_index=False)  # reading_once is its index
    day = models.DateField()
    count = models.PositiveIntegerField(help_text="Inputs that were looked at")
    counts = models.JSONField(default=dict, help_text="feature -> label -> how many")
    at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("model", "day"), name="reading_once"),)
        ordering = ("-day",)

    def __str__(self) -> str:
        return f"{self.model_id} {self.day}"


class ModelExport(TenantModel):
    """How far a model is told to the registry outside (MLflow). `status` is the model's own when it was told last: another one is told again."""

    model = models.OneToOneField(ModelVersion, on_delete=models.CASCADE, related_name="export", primary_key=True)
    status = models.CharField(max_length=10, blank=True)
    run_id = models.CharField(max_length=64, blank=True)
    registered_as = models.CharField(max_length=250, blank=True)
    version = models.CharField(max_length=20, blank=True)
    exported_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="In a row without success")
    due_at = models.DateTimeField(null=True, help_text="Not tried again before")

    def __str__(self) -> str:
        return f"{self.registered_as} {self.version}"
