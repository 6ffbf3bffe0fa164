"""Running conversations: the row that is locked, and the rows that say what happened. Semantics: docs/adr and conversations/turn.py."""

import uuid

from django.db import models
from django.db.models import Q

from flows.models import Environment, FlowVersion
from mcp_platform.tenancy.models import Tenant, TenantModel


class LogModel(TenantModel):
    """Base of the rows that a turn writes. They are only ever reached through their conversation, so the tenant is neither indexed nor checked
    against its table: every check would lock the one row of the tenant, for all turns of that tenant at once."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False)

    class Meta:
        abstract = True


class Conversation(TenantModel):
    """`snapshot` is `core.types.Snapshot` as JSON; `rev` guards it; `next_turn` numbers turns; `last_seq` is the last event's number.

    `queued` counts the turns that wait behind a blocking effect or for a worker: while it is not 0, a new message must wait behind them.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(FlowVersion, on_delete=models.PROTECT, related_name="+", help_text="Version of the bottom frame")
    flow_key = models.CharField(max_length=63, help_text="flow_id of the bottom frame, for filters and metrics")
    channel = models.CharField(max_length=40, default="web")
    user_ref = models.CharField(max_length=200, blank=True, help_text="The client's own name of the user")
    locale = models.CharField(max_length=20, default="en")
    status = models.CharField(max_length=10, default="active")
    current_state = models.CharField(max_length=63, blank=True)
    snapshot = models.JSONField(default=dict)
    awaiting = models.CharField(max_length=80, blank=True)
    rev = models.PositiveIntegerField(default=0)
    next_turn = models.PositiveIntegerField(default=1)
    queued = models.PositiveIntegerField(default=0)
    last_seq = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("-updated_at", "id")
        indexes = (
            models.Index(fields=("tenant", "-updated_at"), name="conversation_recent"),
            models.Index(fields=("tenant", "user_ref"), name="conversation_user"),
            models.Index(fields=("updated_at",), condition=Q(queued__gt=0), name="conversation_queue"),
        )

    def __str__(self) -> str:
        return str(self.id)


class Turn(LogModel):
    """One macrostep and its stored reply. A duplicate `client_message_id` gets this row's reply, never a second step."""

    class Kind(models.TextChoices):
        START = "start"
        MESSAGE = "message"
        TIMER = "timer"
        CALLBACK = "callback"
        COMMAND = "command"
        MIGRATION = "migration"

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        DEAD = "dead"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="turns", db_index=False)  # turn_number_once is its index
    number = models.PositiveIntegerField(help_text="Order of arrival, without gaps")
    kind = models.CharField(max_length=10, choices=Kind)
    client_message_id = models.CharField(max_length=160)
    request_sha256 = models.CharField(max_length=64)
    request = models.JSONField(default=dict, help_text="The input as it entered the engine")
    status = models.CharField(max_length=10, choices=Status)
    reply = models.JSONField(null=True, help_text="The stored result that every duplicate gets")
    trace = models.JSONField(default=list)
    error = models.JSONField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    claimed_at = models.DateTimeField(null=True, help_text="When a worker took it from the queue")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("conversation_id", "number")
        constraints = (
            models.UniqueConstraint(fields=("conversation", "client_message_id"), name="turn_message_once"),
            models.UniqueConstraint(fields=("conversation", "number"), name="turn_number_once"),
        )
        indexes = (models.Index(fields=("status", "created_at"), condition=Q(status__in=("queued", "running")), name="turn_open"),)

    def __str__(self) -> str:
        return f"turn {self.number}"


class ConversationEvent(LogModel):
    """The log. Folding a conversation's events in `seq` order gives its snapshot."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="events", db_index=False)  # event_seq_once is its index
    # Deleted with the conversation; its own cascade and check would only repeat that, on the hottest table.
    turn = models.ForeignKey(Turn, on_delete=models.DO_NOTHING, related_name="events", db_index=False, db_constraint=False)
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=40)
    data = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        ordering = ("conversation_id", "seq")
        constraints = (models.UniqueConstraint(fields=("conversation", "seq"), name="event_seq_once"),)

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"


class Effect(LogModel):
    """The journal of blocking effects. `idempotency_key` = sha256(conversation, turn, step): equal over retries and recovery."""

    class Status(models.TextChoices):
        STARTED = "started"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        UNKNOWN = "unknown"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="effects")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="effects", db_index=False)  # effect_id_once is its index
    effect_id = models.CharField(max_length=80)
    step_key = models.CharField(max_length=120)
    integration_id = models.CharField(max_length=63)
    request = models.JSONField(default=dict)
    request_sha256 = models.CharField(max_length=64)
    idempotency_key = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=Status, default=Status.STARTED)
    result = models.JSONField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    deadline = models.DateTimeField(help_text="Not finished by then: recovery takes it up")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("turn", "step_key"), name="effect_step_once"),
            models.UniqueConstraint(fields=("conversation", "effect_id"), name="effect_id_once"),
        )
        indexes = (models.Index(fields=("deadline",), condition=Q(status="started"), name="effect_overdue"),)

    def __str__(self) -> str:
        return self.effect_id


class Timer(LogModel):
    """A durable timer. The dispatcher claims due rows by conditional update and makes a turn with id `timer:<token>`."""

    class Status(models.TextChoices):
        PENDING = "pending"
        CLAIMED = "claimed"
        FIRED = "fired"
        CANCELLED = "cancelled"
        DEAD = "dead"

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="timers")
    token = models.CharField(max_length=120, unique=True)
    due_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    claimed_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = (models.Index(fields=("due_at",), condition=Q(status__in=("pending", "claimed")), name="timer_due"),)

    def __str__(self) -> str:
        return self.token
