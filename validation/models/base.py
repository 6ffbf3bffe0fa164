"""What every authored row of this app has."""

import uuid

from django.db import models

from mcp_platform.tenancy.models import TenantModel, User


class Authored(TenantModel):
    """A row that people make and change."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    created_by = models.ForeignKey(User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+")
    updated_by = models.ForeignKey(User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+")
    rev = models.PositiveIntegerField(default=1, editable=False, help_text="Grows with every change by a person; the ETag")

    class Meta:
        abstract = True
