"""Secrets of tenants: sealed values under a name. What is stored opens with ENCRYPTION_KEYS only, and no door shows it."""

import uuid

from django.core.validators import RegexValidator
from django.db import models

from mcp_platform.tenancy.models import TenantModel, User

NAME_PATTERN = r"[A-Z][A-Z0-9_]{1,62}"
NAME_RULE = "capital letters, digits and _, such as CRM_TOKEN; 2 to 63 characters"


class Secret(TenantModel):
    """`previous` is the value before the last rotation: users of the secret fall back to it until `previous_until`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63, validators=(RegexValidator(rf"^{NAME_PATTERN}$", NAME_RULE),))
    description = models.CharField(max_length=200, blank=True)
    sealed = models.TextField(editable=False)
    previous = models.TextField(blank=True, editable=False)
    previous_until = models.DateTimeField(null=True, blank=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    rotated_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "name"), name="secret_name_once"),)
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
