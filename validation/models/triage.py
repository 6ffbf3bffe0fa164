"""How the triage is doing, day by day."""

from django.db import models

from mcp_platform.tenancy.models import TenantModel


class TriageReading(TenantModel):
    """One day of a tenant: does what is found still look like what was learnt from, and did people agree with the ranking?"""

    day = models.DateField()
    model_version = models.UUIDField(null=True, help_text="The model that served; empty: the baseline ranked")
    model_number = models.PositiveIntegerField(null=True)
    findings = models.PositiveIntegerField(default=0, help_text="Seen in the days before, as many as DRIFT_DAYS")
    drift = models.JSONField(default=dict, help_text="Feature -> population stability index against the training data")
    judged = models.PositiveIntegerField(default=0, help_text="Ranked findings that people judged in the days before, as many as QUALITY_DAYS")
    quality = models.JSONField(
        default=dict, help_text="average_precision, roc_auc, precision_at, confirmed: of the scores that they had when they were judged"
    )
    baseline = models.JSONField(default=dict, help_text="The same of the baseline, on the same findings")
    at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "day"), name="triage_reading_once"),)
        ordering = ("-day",)

    def __str__(self) -> str:
        return f"{self.day}"
