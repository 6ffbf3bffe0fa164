"""Bodies of revisions, elements and stated facts."""

from typing import Any

from rest_framework import serializers

from validation.models import Element, ModelRevision


class RevisionSerializer(serializers.ModelSerializer[ModelRevision]):
    parent = serializers.IntegerField(source="parent.number", allow_null=True, default=None, help_text="Number of the revision that it followed")  # type: ignore[assignment]  # a field of the document
    operation = serializers.UUIDField(source="operation_id", allow_null=True, help_text="Reading it: GET /operations/{id} tells how far it is")
    created_by = serializers.CharField(source="created_by.username", allow_null=True, default=None)
    has_meshes = serializers.SerializerMethodField()

    class Meta:
        model = ModelRevision
        fields = (
            "number",
            "id",
            "source",
            "file_name",
            "sha256",
            "size",
            "schema",
            "application",
            "parent",
            "state",
            "integrity",
            "problem",
            "counts",
            "changes",
            "at_seq",
            "operation",
            "has_meshes",
            "created_at",
            "created_by",
        )
        read_only_fields = fields

    def get_has_meshes(self, row: ModelRevision) -> bool:
        return bool(row.meshes)


class KnownFactSerializer(serializers.Serializer[Any]):
    value = serializers.JSONField()
    source = serializers.CharField(help_text="attribute:…, pset:…, quantity:…, user, derived:…, geometry")  # type: ignore[assignment]  # a field
    assumed = serializers.BooleanField(required=False)
    note = serializers.CharField(required=False)


class ElementSerializer(serializers.ModelSerializer[Element]):
    class Meta:
        model = Element
        fields = ("global_id", "ifc_class", "predefined_type", "name", "tag", "storey", "space", "discipline", "content_hash", "facts", "around")


class ElementDetailSerializer(serializers.ModelSerializer[Element]):
    facts = serializers.DictField(child=KnownFactSerializer(), help_text="What is known of the element itself")
    around = serializers.DictField(child=KnownFactSerializer(), help_text="What depends on its surroundings, up to the last check of its storey")

    class Meta:
        model = Element
        fields = (
            *ElementSerializer.Meta.fields,
            "connects",
            "box",
            "footprint",
            "properties",
            "quantities",
            "given",
            "valid_from_seq",
        )


class StateFactsSerializer(serializers.Serializer[Any]):
    facts = serializers.DictField(child=serializers.JSONField(allow_null=True), help_text='{"clear_width": 0.91}; null takes back what was stated')


class StateManySerializer(StateFactsSerializer):
    elements = serializers.ListField(child=serializers.CharField(max_length=40), required=False, allow_empty=False, help_text="Global ids")
    ifc_class = serializers.CharField(required=False, max_length=63, help_text="Instead of elements: all of this class")
    storey = serializers.CharField(required=False, max_length=40, help_text="With ifc_class: only those of this storey")
    missing_only = serializers.BooleanField(required=False, help_text="With ifc_class: only those of which the facts are not known")


class StatedSerializer(serializers.Serializer[Any]):
    seq = serializers.IntegerField(help_text="The model's sequence number afterwards")
    elements = serializers.IntegerField(help_text="How many elements were told")


class ElementChangeSerializer(serializers.Serializer[Any]):
    global_id = serializers.CharField()
    ifc_class = serializers.CharField()
    name = serializers.CharField()
    storey = serializers.CharField()
    change = serializers.ChoiceField(choices=("added", "changed", "removed"))
    fields = serializers.DictField(help_text="Field -> {before, after}, at most 20 of them")  # type: ignore[assignment]  # a field of the document
    field_count = serializers.IntegerField(required=False)


class ModelChangesSerializer(serializers.Serializer[Any]):
    before = serializers.IntegerField()
    after = serializers.IntegerField()
    added = serializers.IntegerField()
    changed = serializers.IntegerField()
    removed = serializers.IntegerField()
    changes = ElementChangeSerializer(many=True)
    truncated = serializers.BooleanField()


class LiveShapesSerializer(serializers.Serializer[Any]):
    at_seq = serializers.IntegerField()
    boxes = serializers.ListField(child=serializers.DictField())
    gone = serializers.ListField(child=serializers.CharField())


class SpaceFunctionSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    spaces = serializers.IntegerField()
    function = serializers.CharField()
    confidence = serializers.FloatField()
    why = serializers.CharField()
    others = serializers.ListField(child=serializers.CharField())
    mapped = serializers.BooleanField()
