"""The JSON of flows, versions, environments and integrations.

What a flow may contain is not said here but in docs/protocol/flow.md: definitions are read by `core.definition`, which finds every fault of
a document at once. The write shapes below name the members; the services check their values.
"""

import hashlib
from typing import Any
from uuid import UUID

from rest_framework import serializers

from flows import queries
from flows.core import scripts, transcripts
from flows.models import CONDITIONS, INTEGRATION_TYPES, STATE_TYPES, Environment, Flow, FlowTest, FlowVersion, Integration, State, Stub, Transition


class FlowProblemSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(help_text="JSONPath of the fault, such as $.states.ask.transitions[0].target_state")
    code = serializers.CharField(help_text="Stable; docs/protocol/flow.md lists the codes.")
    message = serializers.CharField()
    expected = serializers.CharField(allow_blank=True, help_text="What would be right")
    severity = serializers.ChoiceField(choices=["error", "warning"])


class ReportSerializer(serializers.Serializer[Any]):
    publishable = serializers.BooleanField(help_text="True when there is no error; warnings do not count.")
    error_count = serializers.IntegerField()
    warning_count = serializers.IntegerField()
    problems = FlowProblemSerializer(many=True)


class FlowSummarySerializer(serializers.ModelSerializer[Flow]):
    latest_version = serializers.IntegerField(read_only=True, allow_null=True, help_text="Number of the newest published version")
    running = serializers.DictField(child=serializers.IntegerField(), read_only=True, help_text="Environment -> version number")

    class Meta:
        model = Flow
        fields: tuple[str, ...] = (
            "id", "flow_id", "name", "version", "description", "initial_state", "rev", "problem_count",
            "latest_version", "running", "archived_at", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields


class FlowSerializer(FlowSummarySerializer):
    global_handlers = serializers.DictField(read_only=True)
    variables = serializers.DictField(read_only=True)
    slots = serializers.DictField(read_only=True)
    intents = serializers.DictField(read_only=True)
    metadata = serializers.DictField(read_only=True)

    class Meta(FlowSummarySerializer.Meta):
        fields = (*FlowSummarySerializer.Meta.fields, "global_handlers", "variables", "slots", "intents", "metadata")
        read_only_fields = fields


class FlowChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200, required=False)
    version = serializers.CharField(max_length=50, required=False, help_text="The author's own label")
    description = serializers.CharField(required=False, allow_blank=True)
    initial_state = serializers.CharField(max_length=63, required=False)
    global_handlers = serializers.DictField(required=False)
    variables = serializers.DictField(required=False)
    slots = serializers.DictField(required=False)
    intents = serializers.DictField(required=False)
    metadata = serializers.DictField(required=False)


class FlowCreateSerializer(FlowChangeSerializer):
    flow_id = serializers.CharField(max_length=63, help_text="The name that API clients and other flows use; it never changes.")


class DefinitionSerializer(serializers.Serializer[Any]):
    """A flow as one JSON document: docs/protocol/flow.md."""

    flow_id = serializers.CharField()
    tenant_id = serializers.CharField(required=False, help_text="Written on the way out, not looked at on the way in.")
    name = serializers.CharField()
    version = serializers.CharField(required=False)
    description = serializers.CharField(required=False, allow_blank=True)
    initial_state = serializers.CharField()
    states = serializers.DictField(child=serializers.DictField())
    global_handlers = serializers.DictField(required=False)
    variables = serializers.DictField(required=False)
    slots = serializers.DictField(required=False)
    intents = serializers.DictField(required=False)
    metadata = serializers.DictField(required=False)


class SavedDraftSerializer(ReportSerializer):
    flow_id = serializers.CharField()
    rev = serializers.IntegerField(help_text="The new revision; also the ETag")


class ValidateSerializer(serializers.Serializer[Any]):
    document = serializers.DictField(required=False, help_text="Checked instead of the draft; nothing is saved.")


class FlowTransitionSerializer(serializers.ModelSerializer[Transition]):
    flow = serializers.CharField(source="state.flow.flow_id", read_only=True)
    state = serializers.IntegerField(source="state_id", read_only=True, help_text="Id of the state that it leaves")
    actions = serializers.ListField(child=serializers.DictField(), read_only=True)

    class Meta:
        model = Transition
        fields = ("id", "flow", "state", "condition", "condition_value", "expression", "target_state", "priority", "actions", "position")
        read_only_fields = fields


class TransitionChangeSerializer(serializers.Serializer[Any]):
    condition = serializers.ChoiceField(choices=CONDITIONS, required=False)
    condition_value = serializers.CharField(required=False, allow_blank=True)
    expression = serializers.CharField(required=False, allow_blank=True, help_text="CEL; required when the condition is expression")
    target_state = serializers.CharField(required=False)
    priority = serializers.IntegerField(min_value=0, max_value=1000, required=False, help_text="Lowest first")
    actions = serializers.ListField(child=serializers.DictField(), required=False)
    position = serializers.IntegerField(min_value=0, required=False, help_text="Place among the transitions of its state")


class TransitionCreateSerializer(TransitionChangeSerializer):
    state = serializers.IntegerField(help_text="Id of the state that it leaves")
    condition = serializers.ChoiceField(choices=CONDITIONS)
    target_state = serializers.CharField()


class FlowStateSerializer(serializers.ModelSerializer[State]):
    flow = serializers.CharField(source="flow.flow_id", read_only=True)
    config = serializers.DictField(read_only=True)
    transitions = FlowTransitionSerializer(many=True, read_only=True)
    entry_actions = serializers.ListField(child=serializers.DictField(), read_only=True)
    exit_actions = serializers.ListField(child=serializers.DictField(), read_only=True)
    metadata = serializers.DictField(read_only=True)

    class Meta:
        model = State
        fields = ("id", "flow", "name", "type", "config", "transitions", "entry_actions", "exit_actions", "metadata", "position")
        read_only_fields = fields


class StateChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=63, required=False, help_text="Transitions and initial_state follow a new name.")
    type = serializers.ChoiceField(choices=STATE_TYPES, required=False)
    config = serializers.DictField(required=False)
    transitions = serializers.ListField(child=TransitionChangeSerializer(), required=False, help_text="Replaces all transitions of the state.")
    entry_actions = serializers.ListField(child=serializers.DictField(), required=False)
    exit_actions = serializers.ListField(child=serializers.DictField(), required=False)
    metadata = serializers.DictField(required=False)


class StateCreateSerializer(StateChangeSerializer):
    flow = serializers.CharField(help_text="flow_id")
    name = serializers.CharField(max_length=63)
    type = serializers.ChoiceField(choices=STATE_TYPES)


class FlowVersionSummarySerializer(serializers.ModelSerializer[FlowVersion]):
    flow_id = serializers.CharField(source="flow.flow_id", read_only=True)
    published_by = serializers.CharField(source="published_by.username", read_only=True, default="", help_text="Empty when a program published it")
    environments = serializers.ListField(child=serializers.CharField(), read_only=True, help_text="Where this version runs")

    class Meta:
        model = FlowVersion
        fields: tuple[str, ...] = ("id", "flow_id", "number", "sha256", "note", "published_by", "published_at", "environments")
        read_only_fields = fields


class FlowVersionSerializer(FlowVersionSummarySerializer):
    definition = DefinitionSerializer(read_only=True)

    class Meta(FlowVersionSummarySerializer.Meta):
        fields = (*FlowVersionSummarySerializer.Meta.fields, "definition")
        read_only_fields = fields


LIVE_POLICIES = ("pin", "migrate_at_wait", "drain", "force")
DRAIN_ENDS = ("expire", "force")


class LiveChoiceSerializer(serializers.Serializer[Any]):
    """What becomes of the conversations that run another version of the flow (docs/live_versions.md)."""

    policy = serializers.ChoiceField(choices=LIVE_POLICIES, default="pin")
    fallback = serializers.CharField(required=False, max_length=63, help_text="force: where they go whose state is gone; else the initial state")
    days = serializers.IntegerField(required=False, min_value=1, max_value=3650, help_text="drain: after so many days what is left is ended or moved")
    at_end = serializers.ChoiceField(choices=DRAIN_ENDS, required=False, help_text="drain: which of the two")


class PublishSerializer(serializers.Serializer[Any]):
    environment = serializers.CharField(required=False, default="", allow_blank=True, help_text="The default environment when empty")
    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)
    override_tests = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=500, help_text="Why it is published although tests fail; the audit keeps it"
    )
    live = LiveChoiceSerializer(required=False, help_text="What becomes of running conversations; they keep their version when left out")


class RollBackSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(min_value=1, help_text="Number of the version that shall run")
    environment = serializers.CharField(required=False, default="", allow_blank=True, help_text="The default environment when empty")
    live = LiveChoiceSerializer(required=False, help_text="What becomes of running conversations; they keep their version when left out")


class ChangeSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    kind = serializers.ChoiceField(choices=["added", "removed", "changed"])
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class DiffSerializer(serializers.Serializer[Any]):
    before = serializers.IntegerField()
    after = serializers.IntegerField(allow_null=True, help_text="null is the draft")
    changes = ChangeSerializer(many=True)


class EnvironmentSerializer(serializers.ModelSerializer[Environment]):
    flows = serializers.DictField(child=serializers.IntegerField(), read_only=True, help_text="flow_id -> number of the version that runs here")

    class Meta:
        model = Environment
        fields = ("name", "is_default", "flows")
        read_only_fields = fields


class EnvironmentCreateSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=40)
    is_default = serializers.BooleanField(required=False, default=False)


class EnvironmentChangeSerializer(serializers.Serializer[Any]):
    is_default = serializers.BooleanField(help_text="true makes it the default in place of the one that was")


class IntegrationSerializer(serializers.ModelSerializer[Integration]):
    authentication = serializers.DictField(read_only=True)
    headers = serializers.DictField(child=serializers.CharField(), read_only=True)
    retry_policy = serializers.DictField(read_only=True)
    options = serializers.DictField(read_only=True)
    descriptor_sha256 = serializers.SerializerMethodField(help_text='Of the uploaded descriptor set; "" when the server is asked')
    problems = serializers.SerializerMethodField(help_text="What keeps it from working, such as a secret that is not there")

    class Meta:
        model = Integration
        fields = (
            "id",
            "integration_id",
            "name",
            "type",
            "base_url",
            "authentication",
            "headers",
            "timeout_ms",
            "retry_policy",
            "options",
            "descriptor_sha256",
            "problems",
            "rev",
            "updated_at",
        )
        read_only_fields = fields

    def get_descriptor_sha256(self, row: Integration) -> str:
        return hashlib.sha256(row.descriptor_set.encode()).hexdigest() if row.descriptor_set else ""

    def get_problems(self, row: Integration) -> list[dict[str, str]]:
        page: Any = self.parent.instance if isinstance(self.parent, serializers.ListSerializer) else [row]
        context: Any = self.context
        known: dict[UUID, list[dict[str, str]]] = context.setdefault("_problems", {})
        if row.pk not in known:  # once for a whole page
            known.update({**{one.pk: [] for one in page}, **queries.integration_problems(page)})
        return known[row.pk]


class IntegrationChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200, required=False)
    type = serializers.ChoiceField(choices=INTEGRATION_TYPES, required=False)
    base_url = serializers.CharField(max_length=300, required=False, allow_blank=True, help_text="http:// or https://; gRPC: grpc:// or grpcs://")
    authentication = serializers.DictField(required=False, help_text='{"type": "bearer", "secret": "CRM_TOKEN"}: secrets by name, never themselves')
    headers = serializers.DictField(child=serializers.CharField(), required=False)
    timeout_ms = serializers.IntegerField(min_value=100, max_value=30_000, required=False)
    retry_policy = serializers.DictField(required=False, help_text='{"max_attempts": 3, "backoff_ms": 200, "idempotent": false}')
    options = serializers.DictField(required=False, help_text="What only this type has: docs/integrations.md")
    descriptor_set = serializers.CharField(required=False, allow_blank=True, help_text="gRPC: a FileDescriptorSet in base64")


class IntegrationCreateSerializer(IntegrationChangeSerializer):
    integration_id = serializers.CharField(max_length=63)


class StubSerializer(serializers.ModelSerializer[Stub]):
    request = serializers.DictField(read_only=True, help_text="Members that the request of a fitting call has")
    outcome = serializers.DictField(read_only=True)

    class Meta:
        model = Stub
        fields = ("id", "name", "endpoint", "method", "request", "outcome", "source", "created_by", "created_at")
        read_only_fields = fields


class StubChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    endpoint = serializers.CharField(max_length=2_000, required=False, allow_blank=True, help_text='"" fits any')
    method = serializers.CharField(max_length=10, required=False, allow_blank=True, help_text='"" fits any')
    request = serializers.DictField(required=False, help_text="Members that the request of a fitting call has")
    outcome = serializers.DictField(help_text="success, status_code, data, error, code, execution_time_ms")


class FlowTestSerializer(serializers.ModelSerializer[FlowTest]):
    flow = serializers.CharField(source="flow.flow_id", read_only=True)
    passed = serializers.BooleanField(read_only=True, allow_null=True, help_text="In the last run; null: it never ran")

    class Meta:
        model = FlowTest
        fields: tuple[str, ...] = (
            "id", "flow", "name", "description", "locale", "enabled", "recorded_from", "passed", "ran_at", "ran_on", "rev",
            "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields


class DivergenceSerializer(serializers.Serializer[Any]):
    step = serializers.IntegerField(help_text="Number of the step that was not met, from 0")
    message = serializers.CharField()
    expected = serializers.CharField()
    got = serializers.CharField()


class PlayedLineSerializer(serializers.Serializer[Any]):
    step = serializers.IntegerField(help_text="The step of the script that it belongs to; -1: the start")
    by = serializers.ChoiceField(choices=["user", "bot", "outside", "note"])
    text = serializers.CharField()


class VerdictSerializer(serializers.Serializer[Any]):
    passed = serializers.BooleanField()
    divergence = DivergenceSerializer(allow_null=True, help_text="The first step that was not met")
    lines = PlayedLineSerializer(many=True, help_text="What was said and done")
    visits = serializers.ListField(child=serializers.CharField(), help_text="The states that were run")
    trace = serializers.ListField(child=serializers.DictField(), help_text="The reasons of the last turn, when it failed")


class FlowTestDetailSerializer(FlowTestSerializer):
    script: Any = serializers.DictField(read_only=True)
    transcript = serializers.SerializerMethodField(help_text="The script as text")
    result = VerdictSerializer(read_only=True, allow_null=True)

    class Meta(FlowTestSerializer.Meta):
        fields = (*FlowTestSerializer.Meta.fields, "script", "transcript", "result")
        read_only_fields = fields

    def get_transcript(self, row: FlowTest) -> str:
        script, _ = scripts.parse(row.script)
        return transcripts.write(script) if script is not None else ""


class FlowTestWriteSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    enabled = serializers.BooleanField(required=False, default=True)
    script = serializers.JSONField(help_text="A script as JSON, or a transcript as text: docs/testing_flows.md")


class RunTestsSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(required=False, min_value=1, help_text="Number of a version; the draft when absent")
    tests = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=2000, help_text="Ids; all of the flow when absent")


class TestResultSerializer(VerdictSerializer):
    test_id = serializers.UUIDField()
    name = serializers.CharField()
    enabled = serializers.BooleanField()


class TestReportSerializer(serializers.Serializer[Any]):
    ran_on = serializers.CharField()
    total = serializers.IntegerField()
    failed = serializers.IntegerField()
    unvisited_states = serializers.ListField(child=serializers.CharField(), help_text="States that no test came to")
    results = TestResultSerializer(many=True)


class TryScriptSerializer(serializers.Serializer[Any]):
    script = serializers.JSONField()


class NamedScriptSerializer(FlowTestWriteSerializer):
    """A test in a file; its script is JSON there."""


class TestFileSerializer(serializers.Serializer[Any]):
    flow_id = serializers.CharField(required=False)
    tests = NamedScriptSerializer(many=True)
