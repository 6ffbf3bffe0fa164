"""The JSON of product metadata."""

from typing import Any

from rest_framework import serializers

from mcp_platform.metadata.core.difference import Change
from mcp_platform.metadata.models import ColumnMapping, MetadataVersion, ProductAlias
from mcp_platform.metadata.services.publishing import LONGEST_NOTE


class ProductSerializer(serializers.ModelSerializer[ProductAlias]):
    aliases = serializers.ListField(child=serializers.CharField(), read_only=True)
    database_references = serializers.DictField(read_only=True)
    categories = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = ProductAlias
        fields = ("key", "canonical_id", "canonical_name", "aliases", "database_references", "categories", "rev", "updated_at")
        read_only_fields = fields


class ProductChangeSerializer(serializers.Serializer[Any]):
    """For the OpenAPI document; the service checks the members itself, and names the path of every fault."""

    canonical_id = serializers.CharField(max_length=200)
    canonical_name = serializers.CharField(max_length=200)
    aliases = serializers.ListField(child=serializers.CharField(max_length=200), required=False)
    database_references = serializers.DictField(required=False)
    categories = serializers.ListField(child=serializers.CharField(max_length=200), required=False)


class ProductCreateSerializer(ProductChangeSerializer):
    key = serializers.CharField(max_length=100)


class ColumnMappingSerializer(serializers.ModelSerializer[ColumnMapping]):
    class Meta:
        model = ColumnMapping
        fields = ("id", "user_term", "sql_expression", "description", "rev", "updated_at")
        read_only_fields = fields


class ColumnMappingChangeSerializer(serializers.Serializer[Any]):
    user_term = serializers.CharField(max_length=200)
    sql_expression = serializers.CharField(max_length=4000)
    description = serializers.CharField(max_length=1000, required=False, allow_blank=True)


class MetadataVersionSerializer(serializers.ModelSerializer[MetadataVersion]):
    live = serializers.SerializerMethodField()

    class Meta:
        model = MetadataVersion
        fields = ("number", "version", "sha256", "product_count", "mapping_count", "note", "created_by", "created_at", "live")
        read_only_fields = fields

    def get_live(self, row: MetadataVersion) -> bool:
        return bool(row.pk == self.context.get("live"))


class MetadataChangeSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=("added", "changed", "removed"))
    of = serializers.ChoiceField(choices=("product", "column"))
    name = serializers.CharField()
    fields = serializers.DictField(child=serializers.ListField(), help_text="Member to [before, after]")  # type: ignore[assignment]  # a member


class MetadataStateSerializer(serializers.Serializer[Any]):
    live = MetadataVersionSerializer(allow_null=True)
    live_at = serializers.DateTimeField(allow_null=True)
    draft_rev = serializers.IntegerField(help_text="Also the ETag")
    unpublished = MetadataChangeSerializer(many=True, help_text="What a publish would change")


class ProductMetadataSerializer(serializers.Serializer[Any]):
    """The document of docs/mcp/metadata.md; GET /product-metadata/schema is its JSON Schema."""

    version = serializers.CharField(required=False)
    last_updated = serializers.DateTimeField(required=False)
    product_aliases = serializers.DictField(child=ProductChangeSerializer())
    column_mappings = serializers.DictField(child=serializers.CharField())
    column_descriptions = serializers.DictField(child=serializers.CharField(), required=False)


class MetadataFaultSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    expected = serializers.CharField(allow_blank=True)
    severity = serializers.ChoiceField(choices=("error", "warning"))


class MetadataCheckedSerializer(serializers.Serializer[Any]):
    valid = serializers.BooleanField()
    problems = MetadataFaultSerializer(many=True)
    changes = MetadataChangeSerializer(many=True, help_text="What an import would change in the draft")


class MetadataImportedSerializer(serializers.Serializer[Any]):
    changes = MetadataChangeSerializer(many=True)
    version = MetadataVersionSerializer(allow_null=True, help_text="What went live; null when nothing did")
    warnings = MetadataFaultSerializer(many=True)


class MetadataPublishSerializer(serializers.Serializer[Any]):
    note = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_NOTE)
    version = serializers.RegexField(r"^\d{1,6}\.\d{1,6}\.\d{1,6}$", required=False, help_text="Such as 1.5.0; the one after the last is the default")


class MetadataTextSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=2000)
    categories = serializers.ListField(child=serializers.CharField(max_length=200), max_length=50, required=False)


class FoundProductSerializer(serializers.Serializer[Any]):
    words = serializers.CharField()
    exact = serializers.BooleanField()
    ambiguous = serializers.BooleanField()
    candidates = ProductChangeSerializer(many=True)


class FoundColumnSerializer(serializers.Serializer[Any]):
    words = serializers.CharField()
    term = serializers.CharField()
    sql = serializers.CharField()


class MetadataResolvedSerializer(serializers.Serializer[Any]):
    products = FoundProductSerializer(many=True)
    columns = FoundColumnSerializer(many=True)
    version = serializers.IntegerField()


def change(one: Change) -> dict[str, Any]:
    return {"kind": one.kind, "of": one.of, "name": one.name, "fields": {name: list(pair) for name, pair in one.fields.items()}}
