"""Bodies and answers of findings and waivers."""

from typing import Any

from rest_framework import serializers

from validation.core.rules import CATEGORIES
from validation.models import Finding, Waiver
from validation.models.rulebook import SEVERITIES

STATES = [(value, value) for value in Finding.State.values]
SETTABLE = [(value, value) for value in ("open", "acknowledged", "in_progress", "fixed", "false_positive")]
OUTCOMES = [("fail", "fail"), ("not_evaluable", "not_evaluable")]
WAIVER_STATES = [(value, value) for value in Waiver.State.values]
WAIVER_KINDS = [(value, value) for value in Waiver.Kind.values]
SCOPES = [("finding", "finding"), ("rule", "rule")]
NOTE_KINDS = [(name, name) for name in ("comment", "state", "assignee", "due", "waiver")]


class PersonSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class ShownSerializer(serializers.Serializer[Any]):
    """In the units of the jurisdiction."""

    actual = serializers.CharField()
    required: Any = serializers.CharField()
    margin = serializers.CharField()


class FindingLineSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    fingerprint = serializers.CharField(help_text="sha1 of rule key and subject: the same from check to check")
    rule = serializers.CharField()
    section = serializers.CharField()
    subject = serializers.CharField(help_text="Global id of the element")
    subject_name = serializers.CharField()
    ifc_class = serializers.CharField()
    storey = serializers.CharField()
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    severity = serializers.ChoiceField(choices=SEVERITIES)
    category = serializers.ChoiceField(choices=[(name, name) for name in CATEGORIES])
    discipline = serializers.CharField()
    actual = serializers.JSONField(help_text="SI")
    required: Any = serializers.JSONField(help_text="SI")
    unit = serializers.CharField()
    margin = serializers.FloatField(allow_null=True)
    shown = ShownSerializer()
    message = serializers.CharField()
    missing = serializers.ListField(child=serializers.CharField())
    state = serializers.ChoiceField(choices=STATES)
    assignee = PersonSerializer(allow_null=True)
    due_on = serializers.DateField(allow_null=True)
    ml_score = serializers.FloatField(allow_null=True, help_text="How likely a person confirms it, 0 to 1; null without a model")
    created_at = serializers.DateTimeField()
    first_seen_seq = serializers.IntegerField()
    resolved_at = serializers.DateTimeField(allow_null=True)
    rev = serializers.IntegerField()


class FindingPageSerializer(serializers.Serializer[Any]):
    next = serializers.CharField(allow_null=True, help_text="Cursor of the next page; null at the end")
    total = serializers.IntegerField(allow_null=True, help_text="How many the filters leave; with the first page only")
    results = FindingLineSerializer(many=True)


class FindingNoteSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=NOTE_KINDS)
    text = serializers.CharField()
    data = serializers.JSONField()  # type: ignore[assignment]  # a member of the answer, not the serializer's
    actor = serializers.CharField()
    author = serializers.CharField()
    at = serializers.DateTimeField()


class AttachmentSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    at = serializers.DateTimeField()


class ActorSerializer(serializers.Serializer[Any]):
    actor = serializers.CharField()
    name = serializers.CharField()


class WaiverSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    building = serializers.UUIDField()
    finding = serializers.UUIDField(allow_null=True)
    rule = serializers.CharField()
    scope = serializers.ChoiceField(choices=SCOPES)
    kind = serializers.ChoiceField(choices=WAIVER_KINDS)
    state = serializers.ChoiceField(choices=WAIVER_STATES)
    justification = serializers.CharField()
    authority_reference = serializers.CharField()
    conditions = serializers.CharField()
    expires_on = serializers.DateField(allow_null=True)
    requester = ActorSerializer()
    approver = ActorSerializer(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    decision_note = serializers.CharField()
    lapsed_because = serializers.CharField()
    attachments = AttachmentSerializer(many=True)
    created_at = serializers.DateTimeField()
    rev = serializers.IntegerField()


class FindingSerializer(FindingLineSerializer):
    rule_title = serializers.CharField()
    rationale = serializers.CharField()
    rule_version = serializers.CharField()
    exact = ShownSerializer()
    citation = serializers.JSONField()
    evidence = serializers.JSONField(help_text="[{fact, value, unit, source, assumed, note, shown, source_text}]")
    parameters = serializers.JSONField(help_text="[{name, value, unit, origin, shown}]")
    geometry = serializers.JSONField()
    element = serializers.JSONField(help_text="The element with its facts; null when it never was in the model")
    notes = FindingNoteSerializer(many=True)
    waivers = WaiverSerializer(many=True)
    bcf_topic_guid = serializers.UUIDField()


class FindingChangeSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=SETTABLE, required=False)
    assignee = serializers.UUIDField(required=False, allow_null=True, help_text="Id of a member; null: nobody")
    due_on = serializers.DateField(required=False, allow_null=True)
    comment = serializers.CharField(required=False, allow_blank=True, max_length=10_000, help_text="Needed with false_positive")


class BulkSerializer(FindingChangeSerializer):
    ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=5000, help_text="Without ids: all that `filters` leave")
    filters = serializers.DictField(child=serializers.JSONField(), required=False, help_text="As in the query of the list: {name: value or values}")


class BulkDoneSerializer(serializers.Serializer[Any]):
    changed = serializers.IntegerField()
    skipped = serializers.IntegerField(help_text="Waived findings, whose state only their waiver changes")


class CommentSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=10_000)


class FindingGroupSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    count = serializers.IntegerField()
    severities = serializers.DictField(child=serializers.IntegerField())


class WaiverFieldsSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=WAIVER_KINDS, required=False)
    justification = serializers.CharField(required=False, max_length=10_000)
    authority_reference = serializers.CharField(required=False, allow_blank=True, max_length=300)
    conditions = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    expires_on = serializers.DateField(required=False, allow_null=True)


class WaiverRequestSerializer(WaiverFieldsSerializer):
    finding = serializers.UUIDField(required=False, allow_null=True)
    rule = serializers.CharField(required=False, allow_blank=True, max_length=80, help_text="Instead of a finding: every finding of this rule")


class ApproveSerializer(serializers.Serializer[Any]):
    note = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    conditions = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    expires_on = serializers.DateField(required=False, allow_null=True)


class FindingNoteTextSerializer(serializers.Serializer[Any]):
    note = serializers.CharField(required=False, allow_blank=True, max_length=10_000)


class ViolationsSerializer(serializers.Serializer[Any]):
    seq = serializers.IntegerField()
    findings = serializers.JSONField(help_text="{global id: [worst severity, findings, id of the worst, its outcome]}")


class SceneSerializer(ViolationsSerializer):
    storeys = serializers.JSONField(help_text="[{id, name, elevation}], from below")
    classes = serializers.ListField(child=serializers.CharField())
    elements = serializers.JSONField(help_text="[[global id, index of its class, name, index of its storey or -1, box], …]; lengths m")
