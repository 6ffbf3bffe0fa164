from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProcessMessageRequest(_message.Message):
    __slots__ = ("tenant_id", "conversation_id", "content", "metadata", "hints", "client_message_id", "user_id", "channel", "flow_id", "environment", "locale", "inputs_json", "user_profile_json", "respond_async")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    FLOW_ID_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    INPUTS_JSON_FIELD_NUMBER: _ClassVar[int]
    USER_PROFILE_JSON_FIELD_NUMBER: _ClassVar[int]
    RESPOND_ASYNC_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    conversation_id: str
    content: MessageContent
    metadata: _containers.ScalarMap[str, str]
    hints: ProcessingHints
    client_message_id: str
    user_id: str
    channel: str
    flow_id: str
    environment: str
    locale: str
    inputs_json: str
    user_profile_json: str
    respond_async: bool
    def __init__(self, tenant_id: _Optional[str] = ..., conversation_id: _Optional[str] = ..., content: _Optional[_Union[MessageContent, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., hints: _Optional[_Union[ProcessingHints, _Mapping]] = ..., client_message_id: _Optional[str] = ..., user_id: _Optional[str] = ..., channel: _Optional[str] = ..., flow_id: _Optional[str] = ..., environment: _Optional[str] = ..., locale: _Optional[str] = ..., inputs_json: _Optional[str] = ..., user_profile_json: _Optional[str] = ..., respond_async: _Optional[bool] = ...) -> None: ...

class MessageContent(_message.Message):
    __slots__ = ("type", "text", "attributes")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    type: str
    text: str
    attributes: _containers.ScalarMap[str, str]
    def __init__(self, type: _Optional[str] = ..., text: _Optional[str] = ..., attributes: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ProcessingHints(_message.Message):
    __slots__ = ("priority", "bypass_cache", "force_flow")
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    BYPASS_CACHE_FIELD_NUMBER: _ClassVar[int]
    FORCE_FLOW_FIELD_NUMBER: _ClassVar[int]
    priority: str
    bypass_cache: bool
    force_flow: str
    def __init__(self, priority: _Optional[str] = ..., bypass_cache: _Optional[bool] = ..., force_flow: _Optional[str] = ...) -> None: ...

class ProcessMessageResponse(_message.Message):
    __slots__ = ("conversation_id", "current_state", "response", "context_updates", "actions_performed", "processing_time_ms", "status", "turn", "replayed", "confidence_scores", "ab_variant", "messages", "reply_json")
    class ContextUpdatesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ConfidenceScoresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_UPDATES_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_PERFORMED_FIELD_NUMBER: _ClassVar[int]
    PROCESSING_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_SCORES_FIELD_NUMBER: _ClassVar[int]
    AB_VARIANT_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    REPLY_JSON_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    current_state: str
    response: MessageContent
    context_updates: _containers.ScalarMap[str, str]
    actions_performed: _containers.RepeatedScalarFieldContainer[str]
    processing_time_ms: int
    status: str
    turn: Turn
    replayed: bool
    confidence_scores: _containers.ScalarMap[str, float]
    ab_variant: str
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    reply_json: str
    def __init__(self, conversation_id: _Optional[str] = ..., current_state: _Optional[str] = ..., response: _Optional[_Union[MessageContent, _Mapping]] = ..., context_updates: _Optional[_Mapping[str, str]] = ..., actions_performed: _Optional[_Iterable[str]] = ..., processing_time_ms: _Optional[int] = ..., status: _Optional[str] = ..., turn: _Optional[_Union[Turn, _Mapping]] = ..., replayed: _Optional[bool] = ..., confidence_scores: _Optional[_Mapping[str, float]] = ..., ab_variant: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., reply_json: _Optional[str] = ...) -> None: ...

class Turn(_message.Message):
    __slots__ = ("id", "number", "status")
    ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    id: str
    number: int
    status: str
    def __init__(self, id: _Optional[str] = ..., number: _Optional[int] = ..., status: _Optional[str] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("type", "text", "state", "delay_ms", "typing_indicator", "token", "json")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    TYPING_INDICATOR_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    type: str
    text: str
    state: str
    delay_ms: int
    typing_indicator: bool
    token: str
    json: str
    def __init__(self, type: _Optional[str] = ..., text: _Optional[str] = ..., state: _Optional[str] = ..., delay_ms: _Optional[int] = ..., typing_indicator: _Optional[bool] = ..., token: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...

class GetStateRequest(_message.Message):
    __slots__ = ("tenant_id", "conversation_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    conversation_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., conversation_id: _Optional[str] = ...) -> None: ...

class GetStateResponse(_message.Message):
    __slots__ = ("conversation_id", "current_state", "previous_states", "slots", "variables", "status", "intent_history", "error_count", "created_at", "updated_at", "context_json")
    class SlotsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class VariablesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_STATES_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    INTENT_HISTORY_FIELD_NUMBER: _ClassVar[int]
    ERROR_COUNT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_JSON_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    current_state: str
    previous_states: _containers.RepeatedScalarFieldContainer[str]
    slots: _containers.ScalarMap[str, str]
    variables: _containers.ScalarMap[str, str]
    status: str
    intent_history: _containers.RepeatedScalarFieldContainer[str]
    error_count: int
    created_at: str
    updated_at: str
    context_json: str
    def __init__(self, conversation_id: _Optional[str] = ..., current_state: _Optional[str] = ..., previous_states: _Optional[_Iterable[str]] = ..., slots: _Optional[_Mapping[str, str]] = ..., variables: _Optional[_Mapping[str, str]] = ..., status: _Optional[str] = ..., intent_history: _Optional[_Iterable[str]] = ..., error_count: _Optional[int] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., context_json: _Optional[str] = ...) -> None: ...

class ResetRequest(_message.Message):
    __slots__ = ("tenant_id", "conversation_id", "client_message_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    conversation_id: str
    client_message_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., conversation_id: _Optional[str] = ..., client_message_id: _Optional[str] = ...) -> None: ...

class ResetResponse(_message.Message):
    __slots__ = ("conversation_id", "current_state", "response", "turn", "reply_json")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    REPLY_JSON_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    current_state: str
    response: MessageContent
    turn: Turn
    reply_json: str
    def __init__(self, conversation_id: _Optional[str] = ..., current_state: _Optional[str] = ..., response: _Optional[_Union[MessageContent, _Mapping]] = ..., turn: _Optional[_Union[Turn, _Mapping]] = ..., reply_json: _Optional[str] = ...) -> None: ...
