"""Trained models: immutable versions of one subject, and which of them serves."""

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
        CHAMPION = "champion", "Champion"
        RETIRED = "retired", "Retired"
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
