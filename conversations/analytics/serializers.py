"""The JSON of the numbers."""

from typing import Any

from rest_framework import serializers


class _Read(serializers.Serializer[Any]):
    pass


class FlowTotalsSerializer(_Read):
    flow_id = serializers.CharField()
    name = serializers.CharField()
    starts = serializers.IntegerField()
    completed = serializers.IntegerField()
    completion_rate = serializers.FloatField(allow_null=True, help_text="0..1")
    handoffs = serializers.IntegerField()


class FlowListSerializer(_Read):
    since = serializers.DateField()
    until = serializers.DateField()
    counted_at = serializers.DateTimeField(allow_null=True, help_text="When the numbers were last brought up to date")
    results = FlowTotalsSerializer(many=True)


class BucketSerializer(_Read):
    up_to = serializers.IntegerField(allow_null=True, help_text="Milliseconds; null: beyond the last bound")
    count = serializers.IntegerField()


class LatencySerializer(_Read):
    count = serializers.IntegerField()
    p50 = serializers.FloatField(allow_null=True, help_text="Milliseconds, interpolated inside a bucket")
    p90 = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)
    p99 = serializers.FloatField(allow_null=True)
    buckets = BucketSerializer(many=True)


class ScoreSerializer(_Read):
    score = serializers.FloatField()
    scale = serializers.IntegerField(help_text="The best score")
    count = serializers.IntegerField()


class SatisfactionSerializer(_Read):
    answers = serializers.IntegerField()
    declined = serializers.IntegerField(help_text="Did not want to say")
    mean = serializers.FloatField(allow_null=True, help_text="null while there are several scales")
    mean_share = serializers.FloatField(allow_null=True, help_text="0 (least) to 1 (best)")
    scores = ScoreSerializer(many=True)


class SlotNumbersSerializer(_Read):
    slot = serializers.CharField()
    filled = serializers.IntegerField()
    refused = serializers.IntegerField()
    corrected = serializers.IntegerField()
    refusals_per_answer = serializers.FloatField(allow_null=True)


class IntentNumbersSerializer(_Read):
    intent = serializers.CharField()
    count = serializers.IntegerField()


class ConfidenceSerializer(_Read):
    lower = serializers.CharField(help_text="Lower bound of a bucket of 0.1")
    count = serializers.IntegerField()


class IntegrationNumbersSerializer(_Read):
    integration_id = serializers.CharField()
    calls = serializers.IntegerField()
    failed = serializers.IntegerField()
    failure_rate = serializers.FloatField(allow_null=True)
    faults = serializers.DictField(child=serializers.IntegerField(), help_text="Error code -> count")
    mean_ms = serializers.FloatField(allow_null=True)


class _View(_Read):
    flow_id = serializers.CharField()
    since = serializers.DateField()
    until = serializers.DateField()
    version = serializers.IntegerField(allow_null=True)
    environment = serializers.CharField()
    channel = serializers.CharField()
    counted_at = serializers.DateTimeField(allow_null=True)


class OverviewSerializer(_View):
    starts = serializers.IntegerField()
    called_as_sub_flow = serializers.IntegerField()
    completions = serializers.DictField(child=serializers.IntegerField(), help_text="Completion type -> count")
    completed = serializers.IntegerField(help_text="Without those that failed, were cancelled, stopped, abandoned or expired")
    completion_rate = serializers.FloatField(allow_null=True, help_text="0..1")
    handoffs = serializers.IntegerField()
    handoff_rate = serializers.FloatField(allow_null=True)
    not_ended = serializers.IntegerField(help_text="Sessions that still go on, or stopped on the way")
    migrated_in = serializers.IntegerField()
    migrated_out = serializers.IntegerField()
    turns = serializers.DictField(child=serializers.IntegerField(), help_text="Kind -> count")
    failed_turns = serializers.IntegerField()
    faults = serializers.DictField(child=serializers.IntegerField(), help_text="Error code -> count")
    missed = serializers.IntegerField(help_text="Messages that nothing matched")
    escalated = serializers.IntegerField()
    latency_ms = LatencySerializer()
    satisfaction = SatisfactionSerializer()
    slots = SlotNumbersSerializer(many=True)
    intents = IntentNumbersSerializer(many=True)
    confidence = ConfidenceSerializer(many=True)
    integrations = IntegrationNumbersSerializer(many=True)


class StateNumbersSerializer(_Read):
    state = serializers.CharField()
    reached = serializers.IntegerField(help_text="Sessions that came there at least once")
    reached_share = serializers.FloatField(allow_null=True)
    visits = serializers.IntegerField()
    stopped = serializers.IntegerField(help_text="Sessions that are, or were last seen, there and have not ended")
    stopped_share = serializers.FloatField(allow_null=True, help_text="Of those that reached it")
    ended = serializers.IntegerField()
    handoffs = serializers.IntegerField()
    missed = serializers.IntegerField()
    escalated = serializers.IntegerField()


class MoveSerializer(_Read):
    from_state = serializers.CharField()
    to_state = serializers.CharField()
    count = serializers.IntegerField()


class FunnelSerializer(_View):
    sessions = serializers.IntegerField()
    states = StateNumbersSerializer(many=True)
    moves = MoveSerializer(many=True)


class DaySerializer(_Read):
    day = serializers.DateField()
    starts = serializers.IntegerField()
    completed = serializers.IntegerField(help_text="Of the sessions that began on this day")
    completion_rate = serializers.FloatField(allow_null=True)
    handoffs = serializers.IntegerField()
    turns = serializers.IntegerField()
    faults = serializers.IntegerField()
    missed = serializers.IntegerField()
    p50_ms = serializers.FloatField(allow_null=True)
    p95_ms = serializers.FloatField(allow_null=True)
    satisfaction = serializers.FloatField(allow_null=True, help_text="0 (least) to 1 (best)")


class DaysSerializer(_View):
    days = DaySerializer(many=True)


class VersionNumbersSerializer(_Read):
    version = serializers.IntegerField()
    starts = serializers.IntegerField()
    completed = serializers.IntegerField()
    completion_rate = serializers.FloatField(allow_null=True)
    handoff_rate = serializers.FloatField(allow_null=True)
    missed = serializers.IntegerField()
    p95_ms = serializers.FloatField(allow_null=True)
    satisfaction = serializers.FloatField(allow_null=True, help_text="0 (least) to 1 (best)")


class VersionsSerializer(_View):
    versions = VersionNumbersSerializer(many=True)
