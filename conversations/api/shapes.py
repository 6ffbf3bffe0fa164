"""The bodies of this API, for the OpenAPI document and for the views that read by serializer."""

from typing import Any

from rest_framework import serializers

from conversations.hearing import COMMANDS, CONTENT_TYPES
from conversations.models import Turn

STATUSES = ("active", "waiting", "handoff", "ended", "failed")
Plain = serializers.Serializer[Any]


class ContentSerializer(Plain):
    """What was said. `text` is the words, the name of the command, or the name of the event; a text alone may stand for the whole object."""

    type = serializers.ChoiceField(choices=CONTENT_TYPES, default="text")
    text = serializers.CharField(max_length=10_000, required=False, help_text=f"For commands one of {', '.join(COMMANDS)}")
    attributes = serializers.DictField(child=serializers.CharField(), required=False)
    intent = serializers.CharField(required=False, help_text="Of a postback")
    slots = serializers.DictField(required=False, help_text="Of a postback")
    token = serializers.CharField(required=False, help_text="Of a postback: the token of the message that showed the button")


class HintsSerializer(Plain):
    priority = serializers.IntegerField(required=False, help_text="Accepted and kept; turns run in the order of arrival")
    bypass_cache = serializers.BooleanField(required=False)
    force_flow = serializers.CharField(required=False, help_text="Leave the current flow and start this one with the message")


class MessageSerializer(Plain):
    content = ContentSerializer()
    client_message_id = serializers.CharField(
        max_length=120, required=False, help_text="Makes retries safe: the same id gets the stored reply. The Idempotency-Key header does the same."
    )
    user_id = serializers.CharField(max_length=200, required=False)
    channel = serializers.CharField(max_length=40, required=False)
    metadata = serializers.DictField(required=False)
    hints = HintsSerializer(required=False)


class StartSerializer(Plain):
    flow_id = serializers.CharField(required=False, help_text="The tenant's default flow when it is left out or not known")
    environment = serializers.CharField(required=False, help_text="The default environment when left out")
    channel = serializers.CharField(max_length=40, default="web")
    user_id = serializers.CharField(max_length=200, required=False, help_text="Your own name of the user")
    locale = serializers.CharField(max_length=20, default="en")
    inputs = serializers.DictField(required=False, help_text="Variables or slots of the flow that are known from the start")
    user_profile = serializers.DictField(required=False, help_text="What is known of the user, `profile` in expressions")
    client_message_id = serializers.CharField(max_length=120, required=False, help_text="The same id gives the same conversation again")


class TurnRefSerializer(Plain):
    id = serializers.UUIDField()
    number = serializers.IntegerField()
    status = serializers.ChoiceField(choices=Turn.Status.choices)


class SaidSerializer(Plain):
    text = serializers.CharField()
    type = serializers.CharField()
    state = serializers.CharField()
    token = serializers.CharField()
    delay_ms = serializers.IntegerField(required=False)
    typing_indicator = serializers.BooleanField(required=False)
    buttons = serializers.ListField(child=serializers.DictField(), required=False)


class ResponseSerializer(Plain):
    text = serializers.CharField()
    type = serializers.CharField()
    messages = SaidSerializer(many=True)
    buttons = serializers.ListField(child=serializers.DictField())
    token = serializers.CharField()


class ReplySerializer(Plain):
    """The stored result of a turn: what every retry gets too."""

    conversation_id = serializers.UUIDField()
    current_state = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    response = ResponseSerializer()
    context_updates = serializers.DictField()
    actions_performed = serializers.ListField(child=serializers.CharField())
    confidence_scores = serializers.DictField(child=serializers.FloatField())
    processing_time_ms = serializers.IntegerField()
    ab_variant = serializers.CharField(allow_null=True)
    turn = TurnRefSerializer()
    error = serializers.DictField(required=False, help_text="error_code and message, when the turn failed")


class AcceptedSerializer(Plain):
    conversation_id = serializers.UUIDField()
    turn = TurnRefSerializer()


class SummarySerializer(Plain):
    conversation_id = serializers.UUIDField()
    flow_id = serializers.CharField()
    flow_version = serializers.IntegerField()
    environment = serializers.CharField()
    channel = serializers.CharField()
    user_id = serializers.CharField()
    locale = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    current_state = serializers.CharField()
    awaiting = serializers.BooleanField(help_text="A call to an integration is on its way")
    queued_turns = serializers.IntegerField()
    turns = serializers.IntegerField()
    last_seq = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class FrameSerializer(Plain):
    flow_id = serializers.CharField()
    state = serializers.CharField()
    version = serializers.CharField()


class ContextSerializer(SummarySerializer):
    """Where a conversation stands. Sensitive slots are masked."""

    tenant_id = serializers.UUIDField()
    user_id = serializers.CharField()
    previous_states = serializers.ListField(child=serializers.CharField())
    slots = serializers.DictField()
    variables = serializers.DictField()
    user_profile = serializers.DictField()
    intent_history = serializers.ListField(child=serializers.CharField())
    integration_results = serializers.DictField()
    error_count = serializers.IntegerField()
    flow_stack = FrameSerializer(many=True)


class SpokenSerializer(Plain):
    """One line of the transcript."""

    seq = serializers.IntegerField()
    at = serializers.DateTimeField()
    turn = serializers.IntegerField()
    by = serializers.ChoiceField(choices=("user", "bot", "agent"))
    text = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]  # a declared field does not hide Serializer.data


class EventSerializer(Plain):
    seq = serializers.IntegerField()
    kind = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]  # a declared field does not hide Serializer.data
    at = serializers.DateTimeField()
    turn = serializers.IntegerField()


class TraceSerializer(Plain):
    number = serializers.IntegerField()
    kind = serializers.CharField()
    status = serializers.CharField()
    client_message_id = serializers.CharField()
    trace = serializers.ListField(child=serializers.DictField(), help_text="Every transition that was considered: taken or not, and why")
    error = serializers.DictField(allow_null=True)


class LogSerializer(Plain):
    """A page of the log; `turns` are the turns of these events, with the reasons of the engine."""

    count = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = EventSerializer(many=True)
    turns = TraceSerializer(many=True)


class TurnSerializer(Plain):
    id = serializers.UUIDField()
    number = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Turn.Kind.choices)
    status = serializers.ChoiceField(choices=Turn.Status.choices)
    client_message_id = serializers.CharField()
    request = serializers.DictField()
    reply = ReplySerializer(allow_null=True)
    trace = serializers.ListField(child=serializers.DictField())
    error = serializers.DictField(allow_null=True)
    attempts = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class ResetSerializer(Plain):
    client_message_id = serializers.CharField(max_length=120, required=False)
