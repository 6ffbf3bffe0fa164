"""Product metadata of tenants: rows that people edit (the draft), and versions that never change, one of which is live."""

import uuid
from typing import Any, ClassVar

from django.db import models

from mcp_platform.tenancy.models import Tenant, TenantModel, TenantQuerySet


class ProductAlias(TenantModel):
    """A product and what people call it. `key` is its name in documents."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=100, help_text="Its name in documents and addresses, such as magic_wand; it never changes")
    canonical_id = models.CharField("canonical id", max_length=200, help_text="The product's id, the same everywhere")
    canonical_name = models.CharField(max_length=200, help_text="What the product is called officially")
    aliases = models.JSONField(default=list, blank=True, help_text='What people say, such as ["abra", "magic wand"]')
    database_references = models.JSONField(default=dict, blank=True, help_text='Column to value, such as {"products.product_id": 123}')
    categories = models.JSONField(default=list, blank=True)
    rev = models.PositiveIntegerField(default=1, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("tenant", "key"), name="product_key_once"),
            models.UniqueConstraint(fields=("tenant", "canonical_id"), name="product_id_once"),
        )
        ordering = ("key",)
        verbose_name = "product"

    def __str__(self) -> str:
        return self.canonical_name


class ColumnMapping(TenantModel):
    """What people say, and the SQL expression that is meant. It is never run here."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_term = models.CharField("term", max_length=200, help_text="What people say, such as sales amount")
    sql_expression = models.TextField(help_text="A column or an expression; {name} is a blank, such as {date_column}")
    description = models.CharField(max_length=1000, blank=True)
    rev = models.PositiveIntegerField(default=1, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "user_term"), name="column_term_once"),)
        ordering = ("user_term",)

    def __str__(self) -> str:
        return self.user_term


class MetadataVersion(TenantModel):
    """What was published once. Never changed: `document` is the text that `sha256` is of, apart from the name of the version."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.PositiveIntegerField()
    version = models.CharField(max_length=20, help_text="As it is written in documents, such as 1.4.0")
    document = models.TextField()
    sha256 = models.CharField(max_length=64)
    product_count = models.PositiveIntegerField()
    mapping_count = models.PositiveIntegerField()
    note = models.CharField(max_length=300, blank=True)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "number"), name="metadata_number_once"),)
        ordering = ("-number",)

    def __str__(self) -> str:
        return f"{self.number} ({self.version})"


class MetadataHead(models.Model):
    """One for each tenant; every change locks it. `draft_rev` counts changes of rows, `seq` changes of what is live.

    `published_rev` is the draft that equals what is live; another one than `draft_rev` where they differ.
    """

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, primary_key=True, related_name="+")
    live = models.ForeignKey(MetadataVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    live_at = models.DateTimeField(null=True)
    draft_rev = models.PositiveIntegerField(default=0)
    published_rev = models.IntegerField(default=0)
    seq = models.PositiveBigIntegerField(default=0)

    objects: ClassVar[Any] = TenantQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.tenant_id}: {self.seq}"

    @property
    def is_dirty(self) -> bool:
        """Whether the rows are something else than what is live."""
        return self.draft_rev != self.published_rev
