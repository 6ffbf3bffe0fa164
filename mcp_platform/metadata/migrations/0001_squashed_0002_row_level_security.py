import django.db.models.deletion
import uuid
from django.db import migrations, models

from mcp_platform.db.operations import Tables
from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    replaces = [("metadata", "0001_initial"), ("metadata", "0002_row_level_security")]

    initial = True

    dependencies = [
        ("tenancy", "0001_squashed_0002_shared_issuers"),
    ]

    operations = [
        Tables(
            creations=[
                migrations.CreateModel(
                    name="ColumnMapping",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("user_term", models.CharField(help_text="What people say, such as sales amount", max_length=200, verbose_name="term")),
                        ("sql_expression", models.TextField(help_text="A column or an expression; {name} is a blank, such as {date_column}")),
                        ("description", models.CharField(blank=True, max_length=1000)),
                        ("rev", models.PositiveIntegerField(default=1, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ("user_term",),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "user_term"), name="column_term_once")],
                    },
                ),
                migrations.CreateModel(
                    name="MetadataVersion",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("number", models.PositiveIntegerField()),
                        ("version", models.CharField(help_text="As it is written in documents, such as 1.4.0", max_length=20)),
                        ("document", models.TextField()),
                        ("sha256", models.CharField(max_length=64)),
                        ("product_count", models.PositiveIntegerField()),
                        ("mapping_count", models.PositiveIntegerField()),
                        ("note", models.CharField(blank=True, max_length=300)),
                        ("created_by", models.CharField(max_length=200)),
                        ("created_at", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ("-number",),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "number"), name="metadata_number_once")],
                    },
                ),
                migrations.CreateModel(
                    name="MetadataHead",
                    fields=[
                        (
                            "tenant",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name="+", serialize=False, to="tenancy.tenant"
                            ),
                        ),
                        (
                            "live",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="metadata.metadataversion"
                            ),
                        ),
                        ("live_at", models.DateTimeField(null=True)),
                        ("draft_rev", models.PositiveIntegerField(default=0)),
                        ("published_rev", models.IntegerField(default=0)),
                        ("seq", models.PositiveBigIntegerField(default=0)),
                    ],
                ),
                migrations.CreateModel(
                    name="ProductAlias",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "key",
                            models.CharField(help_text="Its name in documents and addresses, such as magic_wand; it never changes", max_length=100),
                        ),
                        (
                            "canonical_id",
                            models.CharField(help_text="The product's id, the same everywhere", max_length=200, verbose_name="canonical id"),
                        ),
                        ("canonical_name", models.CharField(help_text="What the product is called officially", max_length=200)),
                        ("aliases", models.JSONField(blank=True, default=list, help_text='What people say, such as ["abra", "magic wand"]')),
                        (
                            "database_references",
                            models.JSONField(blank=True, default=dict, help_text='Column to value, such as {"products.product_id": 123}'),
                        ),
                        ("categories", models.JSONField(blank=True, default=list)),
                        ("rev", models.PositiveIntegerField(default=1, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "verbose_name": "product",
                        "ordering": ("key",),
                        "constraints": [
                            models.UniqueConstraint(fields=("tenant", "key"), name="product_key_once"),
                            models.UniqueConstraint(fields=("tenant", "canonical_id"), name="product_id_once"),
                        ],
                    },
                ),
            ],
        ),
        rls.enable("metadata_productalias", "metadata_columnmapping", "metadata_metadatahead"),
        rls.enable("metadata_metadataversion", append_only=True),
    ]
