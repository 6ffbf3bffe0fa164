"""The law and the rules: jurisdictions, editions and their adoption, versioned rule sets, amendments, and where facts come from."""

from typing import Any, ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from flows.models import AuthoredJSONField
from mcp_platform.tenancy.models import TenantQuerySet, User
from validation.core.rules import CATEGORIES
from validation.errors import RuleSetVersionIsImmutable
from validation.models.base import Authored

SLUG = RegexValidator(r"^[a-z0-9][a-z0-9.\-]{0,62}$", "Small letters, digits, dots and dashes; at most 63 characters.")
KEY = RegexValidator(r"^[A-Z0-9][A-Za-z0-9._\-]{0,79}$", "Letters, digits, dots and dashes; starts with a capital or a digit; at most 80 characters.")
CODE = RegexValidator(r"^[A-Z0-9]+(-[A-Z0-9]+){0,7}$", "Capitals and digits in parts joined by dashes, such as US-WA-SEA.")
SEMVER = RegexValidator(r"^\d+\.\d+\.\d+$", "A version such as 1.2.0.")
SEVERITIES = [("critical", "critical"), ("major", "major"), ("minor", "minor"), ("info", "info")]
KINDS = [("cel", "expression (CEL)"), ("table", "lookup table"), ("ids", "IDS specification"), ("python", "registered check")]
PROVENANCE = [("V", "verified"), ("S", "secondary source"), ("M", "from memory")]
SCOPES = [("element", "element"), ("space", "space"), ("storey", "storey"), ("building", "building")]


class Jurisdiction(Authored):
    """A place that adopts codes. Amendments are resolved from the root of the tree to the leaf."""

    class Kind(models.TextChoices):
        COUNTRY = "country"
        STATE = "state"
        COUNTY = "county"
        CITY = "city"
        CLIENT = "client"

    code = models.CharField(max_length=63, validators=(CODE,), help_text="Such as US-WA-SEA")
    name = models.CharField(max_length=200)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    kind = models.CharField(max_length=10, choices=Kind)
    default_units = models.CharField(max_length=10, choices=[("metric", "metric"), ("imperial", "imperial")], default="metric")
    locale = models.CharField(max_length=12, default="en")
    timezone = models.CharField(max_length=63, default="UTC")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "code"), name="jurisdiction_code_once"),)
        ordering = ("code",)

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class CodeEdition(Authored):
    publisher = models.CharField(max_length=200)
    title = models.CharField(max_length=200)
    edition = models.CharField(max_length=63)
    language = models.CharField(max_length=12, default="en")
    published_on = models.DateField(null=True, blank=True)
    url = models.CharField(max_length=500, blank=True)
    superseded_by = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="supersedes")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "title", "edition", "language"), name="code_edition_once"),)
        ordering = ("title", "edition")

    def __str__(self) -> str:
        return f"{self.title} {self.edition}"


class Adoption(Authored):
    """From when to when an edition is in force in a jurisdiction. The edition of a project is the one of its permit application's day."""

    jurisdiction = models.ForeignKey(Jurisdiction, on_delete=models.CASCADE, related_name="adoptions")
    code_edition = models.ForeignKey(CodeEdition, on_delete=models.PROTECT, related_name="adoptions")
    effective_from = models.DateField()
    effective_to = models.DateField(null=True, blank=True, help_text="The last day; empty: still in force")
    legal_reference = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(effective_to__isnull=True) | Q(effective_to__gte=F("effective_from")), name="adoption_dates"),
        )
        ordering = ("jurisdiction_id", "-effective_from")

    def __str__(self) -> str:
        return f"{self.code_edition} from {self.effective_from}"


class RuleSet(Authored):
    """Rules that belong together. `owner` system: it came with the product and is changed by its importer alone."""

    slug = models.CharField(max_length=63, validators=(SLUG,))
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    code_edition = models.ForeignKey(CodeEdition, null=True, blank=True, on_delete=models.PROTECT, related_name="rule_sets")
    owner = models.CharField(max_length=10, choices=[("system", "system"), ("tenant", "tenant")], default="tenant", editable=False)
    pack_sha256 = models.CharField(max_length=64, blank=True, editable=False, help_text="Of the rule pack that it was last imported from")
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "slug"), name="rule_set_slug_once"),)
        ordering = ("title",)

    def __str__(self) -> str:
        return self.title


class RuleSetVersionQuerySet(TenantQuerySet["RuleSetVersion"]):
    def update(self, **kwargs: Any) -> int:
        if self.exclude(state__in=("draft", "in_review")).exists() and set(kwargs) - {
            "state",
            "updated_at",
            "updated_by",
            "published_by",
            "created_by",
        }:
            raise RuleSetVersionIsImmutable(fields=sorted(kwargs))
        return super().update(**kwargs)


class RuleSetVersion(Authored):
    """A numbered state of a rule set. Published by somebody else than its author, and never changed after."""

    class State(models.TextChoices):
        DRAFT = "draft"
        IN_REVIEW = "in_review"
        PUBLISHED = "published"
        RETIRED = "retired"

    rule_set = models.ForeignKey(RuleSet, on_delete=models.CASCADE, related_name="versions")
    number = models.CharField(max_length=20, validators=(SEMVER,))
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT, editable=False)
    changelog = models.TextField(blank=True)
    overrides = AuthoredJSONField(
        default=dict,
        blank=True,
        help_text='Parameters that it sets apart from its rules: {"<rule key>": {"min": {"value": 0.9, "unit": "m"}}}',
    )
    content_sha256 = models.CharField(max_length=64, blank=True, editable=False, help_text="Over the canonical JSON of its rules")
    authors = models.JSONField(
        default=list, editable=False, help_text="Everybody who has changed anything of it: ids of people, or actors that no person is known behind"
    )
    submitted_by = models.ForeignKey(User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+")
    published_by = models.ForeignKey(User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+")
    published_at = models.DateTimeField(null=True, blank=True, editable=False)
    problem_count = models.PositiveIntegerField(default=0, editable=False)

    objects: ClassVar[Any] = RuleSetVersionQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("rule_set", "number"), name="rule_set_version_once"),)
        ordering = ("rule_set_id", "-created_at")

    def __str__(self) -> str:
        return f"{self.rule_set} {self.number}"

    @property
    def is_open(self) -> bool:
        """Whether its rules may still change."""
        return self.state in (self.State.DRAFT, self.State.IN_REVIEW)


class IdsSpecification(Authored):
    """An IDS file that was imported into a rule set's version; each of its specifications is a rule of kind ids."""

    version = models.ForeignKey(RuleSetVersion, on_delete=models.CASCADE, related_name="ids_files")
    file_name = models.CharField(max_length=255)
    content = models.TextField(editable=False)
    sha256 = models.CharField(max_length=64, editable=False)
    title = models.CharField(max_length=300, blank=True)
    specification_count = models.PositiveIntegerField(default=0, editable=False)
    audit = models.JSONField(default=dict, editable=False, help_text="What the audit of the file found")

    class Meta:
        ordering = ("version_id", "file_name")

    def __str__(self) -> str:
        return self.file_name


class Rule(Authored):
    """One requirement of a version. `provenance`, how its numbers were checked: V seen in the code's text, S in a secondary source, M from memory."""

    version = models.ForeignKey(RuleSetVersion, on_delete=models.CASCADE, related_name="rules")
    key = models.CharField(max_length=80, validators=(KEY,), help_text="Stable over versions, such as IBC21-1017.2-TRAVEL")
    title = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=KINDS, default="cel")
    applies_to = AuthoredJSONField(default=list, help_text='IFC classes, subtypes included: ["IfcDoor"]')
    when = models.TextField(default="true", help_text="CEL: which of them it is about")
    require = models.TextField(default="true", help_text="CEL: what must hold")
    message = models.TextField(blank=True, help_text="Shown when it fails; {e.clear_width}, {p.min}, {actual}, {required} and {margin} are filled in")
    params = AuthoredJSONField(default=dict, blank=True, help_text='{"min": {"value": 0.813, "unit": "m", "display": "32 in"}}')
    severity = models.CharField(max_length=10, choices=SEVERITIES, default="major")
    weight = models.DecimalField(max_digits=5, decimal_places=2, default=1)
    category = models.CharField(max_length=20, choices=[(name, name) for name in CATEGORIES])
    discipline = models.CharField(max_length=63, blank=True)
    scope = models.CharField(max_length=10, choices=SCOPES, default="element")
    check_name = models.CharField("registered check", max_length=63, blank=True)
    facts = AuthoredJSONField(default=list, blank=True, editable=False, help_text="What it reads, found when it was saved")
    section = models.CharField(max_length=200, blank=True)
    paraphrase = models.TextField(blank=True, help_text="What the code asks for, in our own words")
    url = models.CharField(max_length=500, blank=True)
    rationale = models.TextField(blank=True)
    examples = AuthoredJSONField(
        default=list, blank=True, help_text='[{"facts": {"e.clear_width": 0.9}, "expected": "pass"}], at least one pass and one fail'
    )
    exceptions = AuthoredJSONField(default=list, blank=True, help_text='[{"when": "…", "citation": "…", "needs_signoff": false}]')
    ids_file = models.ForeignKey(IdsSpecification, null=True, blank=True, on_delete=models.CASCADE, related_name="rules")
    ids_xml = models.TextField(blank=True, editable=False)
    provenance = models.CharField(max_length=1, blank=True, choices=PROVENANCE, help_text="How its numbers were checked")
    section_provenance = models.CharField(max_length=1, blank=True, choices=PROVENANCE, help_text="How the number of the section was checked")
    source = models.TextField(blank=True, help_text="Where its numbers were seen")
    confirmed_by = models.ForeignKey(User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+")
    confirmed_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When a person has checked it against the code")
    is_active = models.BooleanField(default=True, help_text="Inactive rules are kept and never run")
    position = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("version", "key"), name="rule_key_once"),)
        ordering = ("position", "key")

    def __str__(self) -> str:
        return self.key


class Amendment(Authored):
    """What a jurisdiction does to a rule for a time.

    `payload` by action: override_params {name: {value, unit, display}}; replace and add: members of a rule; disable: {}.
    """

    class Action(models.TextChoices):
        OVERRIDE_PARAMS = "override_params"
        REPLACE = "replace"
        DISABLE = "disable"
        ADD = "add"

    jurisdiction = models.ForeignKey(Jurisdiction, on_delete=models.CASCADE, related_name="amendments")
    rule_key = models.CharField(max_length=80, validators=(KEY,))
    effective_from = models.DateField()
    effective_to = models.DateField(null=True, blank=True, help_text="The last day; empty: still in force")
    action = models.CharField(max_length=20, choices=Action)
    payload = AuthoredJSONField(default=dict, blank=True)
    citation = models.CharField(max_length=500)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(effective_to__isnull=True) | Q(effective_to__gte=F("effective_from")), name="amendment_dates"),
        )
        ordering = ("jurisdiction_id", "rule_key", "effective_from")

    def __str__(self) -> str:
        return f"{self.action} {self.rule_key}"


class FactDefinition(Authored):
    """Where a fact comes from. A tenant's own row wins over the built-in definition of the same name (validation/core/facts.py)."""

    name = models.CharField(max_length=63, help_text="Such as clear_width")
    type = models.CharField(max_length=10, choices=[(name, name) for name in ("number", "integer", "text", "boolean", "list")])
    unit = models.CharField(max_length=10, blank=True)
    applies_to = AuthoredJSONField(default=list, help_text='IFC classes: ["IfcDoor"]')
    sources = AuthoredJSONField(
        default=list,
        help_text='In the order in which they are asked: ["pset:Pset_DoorCommon.ClearWidth", "attribute:OverallWidth", "derived:door_clear_width"]',
    )
    assumption = models.TextField(blank=True, help_text="What is assumed when a derivation had to; printed in reports")
    params = AuthoredJSONField(default=dict, blank=True, help_text='Numbers of the derivation, such as {"frame": 0.05}')

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "name"), name="fact_definition_once"),)
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
