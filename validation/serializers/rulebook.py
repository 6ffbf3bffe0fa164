"""The law and the rules, as REST shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from validation.core.documents import Document
from validation.models import Adoption, Amendment, Building, CodeEdition, FactDefinition, Jurisdiction, Project, Rule, RuleSet, RuleSetVersion
from validation.queries import rulebook as queries

SYSTEM = ("id", "rev", "created_at", "updated_at")


class JurisdictionSerializer(serializers.ModelSerializer[Jurisdiction]):
    class Meta:
        model = Jurisdiction
        fields = ("id", "code", "name", "parent", "kind", "default_units", "locale", "timezone", "rev", "created_at", "updated_at")
        read_only_fields = SYSTEM


class EditionSerializer(serializers.ModelSerializer[CodeEdition]):
    class Meta:
        model = CodeEdition
        fields = ("id", "publisher", "title", "edition", "language", "published_on", "url", "superseded_by", "rev", "created_at", "updated_at")
        read_only_fields = SYSTEM


class AdoptionSerializer(serializers.ModelSerializer[Adoption]):
    jurisdiction_code = serializers.CharField(source="jurisdiction.code", read_only=True)
    edition_title = serializers.CharField(source="code_edition.__str__", read_only=True)

    class Meta:
        model = Adoption
        fields = (
            *("id", "jurisdiction", "jurisdiction_code", "code_edition", "edition_title", "effective_from", "effective_to", "legal_reference"),
            *("rev", "created_at", "updated_at"),
        )
        read_only_fields = SYSTEM


class AmendmentSerializer(serializers.ModelSerializer[Amendment]):
    jurisdiction_code = serializers.CharField(source="jurisdiction.code", read_only=True)
    payload = serializers.DictField(required=False)

    class Meta:
        model = Amendment
        fields = (
            *("id", "jurisdiction", "jurisdiction_code", "rule_key", "effective_from", "effective_to", "action", "payload", "citation"),
            *("rev", "created_at", "updated_at"),
        )
        read_only_fields = SYSTEM


class FactSerializer(serializers.ModelSerializer[FactDefinition]):
    applies_to = serializers.ListField(child=serializers.CharField())
    sources = serializers.ListField(child=serializers.CharField())
    params = serializers.DictField(required=False)

    class Meta:
        model = FactDefinition
        fields = ("id", "name", "type", "unit", "applies_to", "sources", "assumption", "params", "rev", "created_at", "updated_at")
        read_only_fields = SYSTEM


class BuiltInFactSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    type = serializers.CharField()
    unit = serializers.CharField()
    level = serializers.CharField(help_text="What it depends on: own, around, storey, building, project")
    applies_to = serializers.ListField(child=serializers.CharField())
    sources = serializers.ListField(child=serializers.CharField())
    assumption = serializers.CharField()
    params = serializers.DictField()


class RuleSetSerializer(serializers.ModelSerializer[RuleSet]):
    published = serializers.SerializerMethodField(help_text="Number of the version that checks use")

    class Meta:
        model = RuleSet
        fields = ("id", "slug", "title", "description", "code_edition", "owner", "published", "archived_at", "rev", "created_at", "updated_at")
        read_only_fields = (*SYSTEM, "owner", "archived_at")

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_published(self, row: RuleSet) -> str | None:
        numbers = [version.number for version in row.versions.all() if version.state == RuleSetVersion.State.PUBLISHED]
        return max(numbers, key=queries.semver) if numbers else None


class VersionSerializer(serializers.ModelSerializer[RuleSetVersion]):
    overrides = serializers.DictField(required=False)
    rule_count = serializers.IntegerField(read_only=True)
    submitted_by = serializers.CharField(source="submitted_by.username", read_only=True, default=None, allow_null=True)
    published_by = serializers.CharField(source="published_by.username", read_only=True, default=None, allow_null=True)

    class Meta:
        model = RuleSetVersion
        fields = (
            *("id", "rule_set", "number", "state", "changelog", "overrides", "content_sha256", "problem_count", "rule_count"),
            *("submitted_by", "published_by", "published_at", "rev", "created_at", "updated_at"),
        )
        read_only_fields = (*SYSTEM, "rule_set", "state", "content_sha256", "problem_count", "published_at")


class DraftSerializer(serializers.Serializer[Any]):
    number = serializers.RegexField(r"^\d+\.\d+\.\d+$", max_length=20, required=False, help_text="The next minor number when it is left out")
    copy_of = serializers.UUIDField(required=False, help_text="The version whose rules it begins with; the newest published one when it is left out")
    empty = serializers.BooleanField(required=False, default=False)
    changelog = serializers.CharField(required=False, allow_blank=True, max_length=20_000)


class RuleProblemSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    expected = serializers.CharField(allow_blank=True)
    severity = serializers.CharField()


class RuleProblemListSerializer(serializers.Serializer[Any]):
    problems = RuleProblemSerializer(many=True)


class CitationSerializer(serializers.Serializer[Any]):
    section = serializers.CharField(allow_blank=True, required=False)
    paraphrase = serializers.CharField(allow_blank=True, required=False)
    url = serializers.CharField(allow_blank=True, required=False)


class RuleSerializer(serializers.Serializer[Any]):
    """A rule document with the row's id; `problems` is everything that is wrong with it."""

    id = serializers.UUIDField(read_only=True)
    version = serializers.UUIDField(read_only=True)
    key = serializers.CharField()
    title = serializers.CharField()
    kind = serializers.CharField(required=False)
    applies_to = serializers.ListField(child=serializers.CharField(), required=False)
    when = serializers.CharField(required=False)
    require = serializers.CharField(required=False)
    message = serializers.CharField(required=False)
    params = serializers.DictField(required=False)
    severity = serializers.CharField(required=False)
    weight = serializers.FloatField(required=False)
    category = serializers.CharField()
    discipline = serializers.CharField(required=False)
    scope = serializers.CharField(required=False)
    check = serializers.CharField(required=False)
    citation = CitationSerializer(required=False)
    rationale = serializers.CharField(required=False)
    examples = serializers.ListField(child=serializers.DictField(), required=False)
    exceptions = serializers.ListField(child=serializers.DictField(), required=False)
    ids = serializers.CharField(required=False)
    provenance = serializers.CharField(required=False, help_text="V seen in the code, S in a secondary source, M from memory")
    section_provenance = serializers.CharField(required=False)
    source = serializers.CharField(required=False)  # type: ignore[assignment]  # a member of the document, not the serializer's own argument
    is_active = serializers.BooleanField(required=False)
    position = serializers.IntegerField(required=False)
    facts = serializers.ListField(child=serializers.CharField(), read_only=True)
    confirmed_at = serializers.DateTimeField(read_only=True, allow_null=True)
    rev = serializers.IntegerField(read_only=True)
    problems = RuleProblemSerializer(many=True, read_only=True)


def rule(row: Rule, problems: list[dict[str, str]] | None = None) -> Document:
    """The row as RuleSerializer describes it."""
    system = {"id": str(row.pk), "version": str(row.version_id), "position": row.position, "facts": row.facts, "rev": row.rev}
    told = {} if problems is None else {"problems": problems}
    return {**queries.document(row), **system, "confirmed_at": row.confirmed_at, **told}


class RuleSummarySerializer(serializers.ModelSerializer[Rule]):
    class Meta:
        model = Rule
        fields = (
            *("id", "version", "key", "title", "kind", "severity", "category", "scope", "applies_to", "section", "provenance", "section_provenance"),
            *("is_active", "confirmed_at", "position", "rev"),
        )


class ConfirmSerializer(serializers.Serializer[Any]):
    source = serializers.CharField(max_length=2000)  # type: ignore[assignment]  # a member of the document, not the serializer's own argument


class WithdrawSerializer(serializers.Serializer[Any]):
    note = serializers.CharField(required=False, allow_blank=True, max_length=2000)


class DryRunSerializer(serializers.Serializer[Any]):
    buildings = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=1000)


class RuleChangeSerializer(serializers.Serializer[Any]):
    rule = serializers.CharField()
    kind = serializers.CharField()
    path = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class VersionDocumentSerializer(serializers.Serializer[Any]):
    schema = serializers.IntegerField()
    slug = serializers.CharField()
    title = serializers.CharField()
    edition = serializers.DictField(allow_null=True)
    number = serializers.CharField()
    changelog = serializers.CharField(allow_blank=True)
    overrides = serializers.DictField()
    rules = serializers.ListField(child=serializers.DictField())
    sha256 = serializers.CharField()


class RuleStepSerializer(serializers.Serializer[Any]):
    what = serializers.CharField()
    name = serializers.CharField()
    did = serializers.CharField()
    parameter = serializers.CharField(allow_blank=True)
    value = serializers.JSONField(allow_null=True)
    replaced = serializers.JSONField(allow_null=True)
    citation = serializers.CharField(allow_blank=True)
    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False, allow_null=True)
    jurisdiction = serializers.CharField(required=False)


class RuleResolutionSerializer(serializers.Serializer[Any]):
    rule = serializers.CharField()
    title = serializers.CharField(allow_blank=True)
    jurisdiction = serializers.CharField()
    chain = serializers.ListField(child=serializers.CharField())
    on = serializers.DateField()
    in_force = serializers.BooleanField()
    why = serializers.CharField()
    require = serializers.CharField(allow_blank=True)
    citation = serializers.DictField()
    params = serializers.DictField()
    steps = RuleStepSerializer(many=True)
    not_applied = serializers.ListField(child=serializers.DictField())
    problems = serializers.ListField(child=serializers.CharField())


class ImportedSerializer(serializers.Serializer[Any]):
    jurisdictions = serializers.IntegerField()
    editions = serializers.IntegerField()
    adoptions = serializers.IntegerField()
    amendments = serializers.IntegerField()
    published = serializers.ListField(child=serializers.CharField())
    drafts = serializers.ListField(child=serializers.CharField())
    unchanged = serializers.ListField(child=serializers.CharField())
    notes = serializers.ListField(child=serializers.CharField())


class ProjectSerializer(serializers.ModelSerializer[Project]):
    jurisdiction_code = serializers.CharField(source="jurisdiction.code", read_only=True)
    parties = serializers.ListField(child=serializers.DictField(), required=False)
    rule_overrides = serializers.DictField(required=False)
    rule_sets = serializers.SlugRelatedField(slug_field="slug", many=True, required=False, queryset=RuleSet.objects.none())

    class Meta:
        model = Project
        fields = (
            *("id", "name", "permit_number", "permit_application_date", "jurisdiction", "jurisdiction_code", "address", "construction_type"),
            *("sprinkler", "is_existing", "parties", "coverage_threshold", "rule_overrides", "rule_sets", "archived_at"),
            *("rev", "created_at", "updated_at"),
        )
        read_only_fields = (*SYSTEM, "archived_at")


class BuildingSerializer(serializers.ModelSerializer[Building]):
    occupancy_groups = serializers.ListField(child=serializers.DictField(), required=False)
    function_map = serializers.DictField(child=serializers.CharField(), required=False)

    class Meta:
        model = Building
        fields = (
            *("id", "project", "name", "occupancy_groups", "storeys_above", "storeys_below", "height_m", "gross_area_m2", "function_map"),
            *("head_seq", "checked_seq", "score", "coverage", "status", "archived_at", "rev", "created_at", "updated_at"),
        )
        read_only_fields = (*SYSTEM, "head_seq", "checked_seq", "score", "coverage", "status", "archived_at")


class RuleInForceSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()
    kind = serializers.CharField()
    severity = serializers.CharField()
    category = serializers.CharField()
    rule_set = serializers.CharField()
    section = serializers.CharField(allow_blank=True)
    params = serializers.DictField()


class InForceSerializer(serializers.Serializer[Any]):
    permit_date = serializers.DateField()
    jurisdiction = serializers.DictField()
    editions = serializers.ListField(child=serializers.DictField())
    rule_sets = serializers.ListField(child=serializers.DictField())
    amendments = serializers.ListField(child=serializers.DictField())
    rules = RuleInForceSerializer(many=True)
    problems = serializers.ListField(child=serializers.CharField())
    sha256 = serializers.CharField()
