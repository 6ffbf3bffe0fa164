"""The bodies of the inbox, for the OpenAPI document and for the views that read by serializer."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from conversations.api.shapes import SpokenSerializer
from conversations.models import AgentPresence, Handoff

Plain = serializers.Serializer[Any]
LONGEST_TEXT = 10_000
LANGUAGE = r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,2}$"


class LastSerializer(Plain):
    by = serializers.CharField(help_text="user or agent")
    text = serializers.CharField(help_text="At most 200 characters, masked where it holds a sensitive value")


class HandoffSerializer(Plain):
    """One line of the inbox."""

    id = serializers.UUIDField()
    conversation_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Handoff.Status.choices)
    outcome = serializers.CharField(help_text="Of a closed one: resumed, unanswered, restarted, or how the conversation ended")
    queue = serializers.CharField(help_text="Empty: the general queue")
    priority = serializers.IntegerField(help_text="The lowest first")
    skills = serializers.ListField(child=serializers.CharField())
    reason = serializers.CharField()
    agent = serializers.CharField(help_text="The actor who has it")
    agent_name = serializers.CharField()
    unread = serializers.IntegerField()
    last = LastSerializer()
    flow_id = serializers.CharField()
    state = serializers.CharField()
    channel = serializers.CharField()
    locale = serializers.CharField()
    user_id = serializers.CharField()
    opened_at = serializers.DateTimeField()
    taken_at = serializers.DateTimeField(allow_null=True)
    answered_at = serializers.DateTimeField(allow_null=True, help_text="First answer of a person")
    closed_at = serializers.DateTimeField(allow_null=True)
    waiting_since = serializers.DateTimeField(allow_null=True, help_text="The user waits for an answer since then")
    answer_due_at = serializers.DateTimeField(allow_null=True)
    give_up_at = serializers.DateTimeField(allow_null=True, help_text="Not taken by then: the bot goes on")
    last_at = serializers.DateTimeField()
    rev = serializers.IntegerField(help_text="Grows with every change")


class NoteSerializer(Plain):
    id = serializers.IntegerField()
    author = serializers.CharField()
    author_name = serializers.CharField()
    text = serializers.CharField()
    at = serializers.DateTimeField()


class WayBackSerializer(Plain):
    states = serializers.ListField(child=serializers.CharField())
    slots = serializers.ListField(child=serializers.DictField(), help_text="name, type, sensitive")


class EarlierSerializer(Plain):
    conversation_id = serializers.UUIDField()
    flow_id = serializers.CharField()
    status = serializers.CharField()
    updated_at = serializers.DateTimeField()


class HandoffDetailSerializer(HandoffSerializer):
    context = serializers.DictField()  # type: ignore[assignment]  # a declared field does not hide Serializer.context
    ways_back = WayBackSerializer()
    notes = NoteSerializer(many=True)
    messages = SpokenSerializer(many=True)
    earlier = EarlierSerializer(many=True)


class AgentSerializer(Plain):
    agent = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=AgentPresence.Status.choices)
    conversations = serializers.IntegerField()


class OnceSerializer(Plain):
    client_message_id = serializers.CharField(max_length=120, required=False, help_text="Makes retries safe")


class AnswerSerializer(OnceSerializer):
    text = serializers.CharField(max_length=LONGEST_TEXT)


class TransferSerializer(OnceSerializer):
    queue = serializers.CharField(max_length=63, required=False, allow_blank=True, help_text="Empty: the general queue")
    agent = serializers.CharField(max_length=200, required=False, help_text="An actor such as user:<id>")


class ResumeSerializer(OnceSerializer):
    state = serializers.CharField(max_length=63, required=False, allow_blank=True, help_text="Where the bot goes on; where it was when left out")
    slots = serializers.DictField(required=False, help_text="Slots to fill")


class EndSerializer(OnceSerializer):
    completion = serializers.SlugField(max_length=40, required=False, help_text="How it ended, for the statistics; ended_by_agent when left out")


class HandOverSerializer(Plain):
    reason = serializers.CharField(max_length=200, required=False)


class NoteTextSerializer(Plain):
    text = serializers.CharField(max_length=LONGEST_TEXT)


class PresenceSerializer(Plain):
    status = serializers.ChoiceField(choices=AgentPresence.Status.choices)


class CannedSerializer(Plain):
    id = serializers.IntegerField(read_only=True)
    shortcut = serializers.SlugField(max_length=40)
    texts = serializers.DictField(child=serializers.CharField(max_length=LONGEST_TEXT), allow_empty=False, help_text="Text by language")
    queue = serializers.CharField(max_length=63, required=False, allow_blank=True, default="")

    def validate_texts(self, texts: Mapping[str, str]) -> Mapping[str, str]:
        language = serializers.RegexField(LANGUAGE)
        for name in texts:
            try:
                language.run_validation(name)
            except serializers.ValidationError as fault:
                raise serializers.ValidationError({name: "is no language such as en or de-AT"}) from fault
        return texts
