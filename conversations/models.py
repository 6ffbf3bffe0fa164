"""Running conversations: the row that is locked, and the rows that say what happened. Semantics: docs/adr and conversations/turn.py."""

import uuid

from django.db import models
from django.db.models import Q

from flows.models import Environment, Flow, FlowVersion, Integration
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
        AGENT = "agent"
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
        indexes = (
            models.Index(fields=("status", "created_at"), condition=Q(status__in=("queued", "running")), name="turn_open"),
            models.Index(fields=("client_message_id",), condition=Q(kind="migration"), name="turn_migration"),
            models.Index(fields=("tenant", "-finished_at"), condition=Q(status="dead"), name="turn_dead"),
        )

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
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often a worker has taken it up")
    tries = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="How many of the attempts have ended and are to be repeated")
    begun_at = models.DateTimeField(null=True, help_text="When it was taken up first; what it waited before is no time of the other side")
    due_at = models.DateTimeField(null=True, help_text="When it is to be tried again")
    deadline = models.DateTimeField(help_text="Not finished by then: recovery takes it up")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("turn", "step_key"), name="effect_step_once"),
            models.UniqueConstraint(fields=("conversation", "effect_id"), name="effect_id_once"),
        )
        indexes = (
            models.Index(fields=("deadline",), condition=Q(status="started"), name="effect_overdue"),
            models.Index(fields=("due_at",), condition=Q(status="started", due_at__isnull=False), name="effect_due"),
            models.Index(fields=("tenant", "created_at"), condition=Q(status="started"), name="effect_waiting"),
            models.Index(fields=("tenant", "integration_id", "-finished_at"), condition=Q(finished_at__isnull=False), name="effect_health"),
        )

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
        indexes = (
            models.Index(fields=("due_at",), condition=Q(status__in=("pending", "claimed")), name="timer_due"),
            models.Index(fields=("claimed_at",), condition=Q(status="dead", claimed_at__isnull=False), name="timer_unburied"),
        )

    def __str__(self) -> str:
        return self.token


class DeadTurn(TenantModel):
    """What an operator has done about a turn that was given up. Without a row, nobody has looked yet."""

    class Action(models.TextChoices):
        RETRIED = "retried"
        BURIED = "buried"

    turn = models.OneToOneField(Turn, on_delete=models.CASCADE, related_name="dead_turn")
    action = models.CharField(max_length=10, choices=Action)
    by = models.CharField(max_length=200)
    note = models.CharField(max_length=500, blank=True)
    retried_as = models.PositiveIntegerField(null=True, help_text="Number of the turn that says it again")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-at",)

    def __str__(self) -> str:
        return f"turn {self.turn_id}: {self.action}"


class Handoff(TenantModel):
    """One stay of a conversation with people: in the queue, then with an agent. Written in the turns that hand over, answer and give back.

    `agent` is the actor who has taken it. `rev` grows with every change, so that a live list knows what is new.
    """

    class Status(models.TextChoices):
        WAITING = "waiting"
        TAKEN = "taken"
        CLOSED = "closed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="handoffs")
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    outcome = models.CharField(max_length=40, blank=True, help_text="Of a closed one: resumed, unanswered, restarted, or how the conversation ended")
    queue = models.CharField(max_length=63, blank=True, help_text="Empty: the general queue")
    priority = models.PositiveSmallIntegerField(default=100, help_text="The lowest first")
    skills = models.JSONField(default=list)
    reason = models.CharField(max_length=200, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    agent_name = models.CharField(max_length=200, blank=True)
    opened_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True, help_text="First answer of a person")
    closed_at = models.DateTimeField(null=True)
    waiting_since = models.DateTimeField(null=True, help_text="The user has waited for a person's answer since then")
    answer_due_at = models.DateTimeField(null=True, help_text="When the first answer is late")
    give_up_at = models.DateTimeField(null=True, help_text="Not taken by then: the bot goes on")
    unread = models.PositiveIntegerField(default=0, help_text="Messages of the user since the agent has looked")
    last_by = models.CharField(max_length=10, blank=True)
    last_text = models.CharField(max_length=200, blank=True, help_text="As readers see it: masked")
    last_at = models.DateTimeField()
    rev = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("priority", "opened_at")
        constraints = (models.UniqueConstraint(fields=("conversation",), condition=~Q(status="closed"), name="handoff_open_once"),)
        indexes = (
            models.Index(fields=("tenant", "priority", "opened_at"), condition=~Q(status="closed"), name="handoff_queue"),
            models.Index(fields=("give_up_at",), condition=Q(status="waiting"), name="handoff_give_up"),
            models.Index(fields=("tenant", "-closed_at"), condition=Q(status="closed"), name="handoff_closed"),
        )

    def __str__(self) -> str:
        return f"handoff of {self.conversation_id}"


class Note(TenantModel):
    """What agents tell each other about a conversation; never shown to its user."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="notes")
    author = models.CharField(max_length=200)
    author_name = models.CharField(max_length=200, blank=True)
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        ordering = ("at", "id")

    def __str__(self) -> str:
        return self.text[:60]


class CannedResponse(TenantModel):
    """A text that agents send often, in several languages."""

    shortcut = models.SlugField(max_length=40, help_text="What agents type after a slash")
    texts = models.JSONField(default=dict, help_text='Text by language: {"en": "…", "de": "…"}')
    queue = models.CharField(max_length=63, blank=True, help_text="Only for conversations of this queue; empty: for all")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("shortcut",)
        constraints = (models.UniqueConstraint(fields=("tenant", "shortcut"), name="canned_response_once"),)

    def __str__(self) -> str:
        return f"/{self.shortcut}"


class AgentPresence(TenantModel):
    """An agent whose inbox is open. Who has not been seen for a while has gone, whatever `status` says."""

    class Status(models.TextChoices):
        AVAILABLE = "available"
        AWAY = "away"

    agent = models.CharField(max_length=200)
    name = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.AVAILABLE)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "agent"), name="agent_presence_once"),)

    def __str__(self) -> str:
        return self.name or self.agent


class WebChannel(TenantModel):
    """A public chat page: which flow visitors talk to, how it looks, and which sites may show it in a frame."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    public_id = models.CharField(max_length=32, unique=True, editable=False, help_text="In the address of the page")
    name = models.CharField(max_length=100, help_text="The title of the chat")
    flow_id = models.CharField(max_length=63, help_text="The flow that visitors talk to")
    environment = models.CharField(max_length=40, blank=True, help_text="Empty: the default environment")
    locale = models.CharField(max_length=20, blank=True, help_text="Empty: the language of the visitor's browser")
    allowed_origins = models.JSONField(
        default=list, blank=True, help_text="Sites that may show the chat in a frame, such as https://www.example.org. None: only this server."
    )
    colour = models.CharField(max_length=7, default="#6d28d9", help_text="Theme colour, such as #6d28d9")
    greeting = models.CharField(max_length=300, blank=True, help_text="A line above the conversation")
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)
        verbose_name = "web chat"

    def __str__(self) -> str:
        return self.name


class MigrationPlan(TenantModel):
    """How the live conversations of one version of a flow become conversations of another, and what is done with them meanwhile.

    While it is active, conversations move with their next message or by the batch job, whichever comes first. `run` counts how often it was
    applied: it is part of the id of the turn that moves a conversation, so that none is moved twice by the same run.
    """

    class Policy(models.TextChoices):
        MIGRATE_AT_WAIT = "migrate_at_wait", "Move while waiting"
        DRAIN = "drain", "Drain"
        FORCE = "force", "Force"

    class AtEnd(models.TextChoices):
        EXPIRE = "expire", "End them"
        FORCE = "force", "Move them by force"

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Active"
        STOPPED = "stopped", "Stopped"
        FINISHED = "finished", "Finished"
        REVERTED = "reverted", "Reverted"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="+")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    source = models.ForeignKey(FlowVersion, on_delete=models.PROTECT, related_name="+", help_text="The version that conversations leave")
    target = models.ForeignKey(FlowVersion, on_delete=models.PROTECT, related_name="+")
    policy = models.CharField(max_length=20, choices=Policy, default=Policy.MIGRATE_AT_WAIT)
    mapping = models.JSONField(default=dict, blank=True, help_text="docs/live_versions.md")
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Of a drain: what is left then is ended or moved")
    at_end = models.CharField(max_length=10, choices=AtEnd, default=AtEnd.EXPIRE)
    note = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT, editable=False)
    run = models.PositiveIntegerField(default=0, editable=False)
    rev = models.PositiveIntegerField(default=1, editable=False)
    report = models.JSONField(null=True, editable=False, help_text="What the last dry run found")
    report_rev = models.PositiveIntegerField(default=0, editable=False, help_text="The rev that was tried")
    report_at = models.DateTimeField(null=True, editable=False)
    created_by = models.CharField(max_length=200, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(fields=("environment", "source"), condition=Q(status="active"), name="migration_plan_one_active"),
            models.CheckConstraint(condition=~Q(source=models.F("target")), name="migration_plan_goes_somewhere"),
        )
        indexes = (models.Index(fields=("ends_at",), condition=Q(status="active"), name="migration_plan_due"),)

    def __str__(self) -> str:
        return f"{self.flow.flow_id}: v{self.source.number} → v{self.target.number}"

    @property
    def ends_conversations(self) -> bool:
        """Whether it moves none at all, but ends what is left of a drain."""
        return self.policy == self.Policy.DRAIN and self.at_end == self.AtEnd.EXPIRE

    @property
    def message_id(self) -> str:
        """The id of the turn that moves a conversation by this run."""
        return self.message_id_of(self.run)

    def message_id_of(self, run: int) -> str:
        return f"migration:{self.pk}" if run <= 1 else f"migration:{self.pk}:{run}"


class Replay(TenantModel):
    """Stored conversations played again on another definition of their flow. `definition` is what they are played on, frozen when the replay
    began: the draft may change meanwhile. `counts` are filled in at the end; the rows are the truth."""

    class Understanding(models.TextChoices):
        AUTO = "auto", "As recorded, anew where the intents have changed"
        RECORDED = "recorded", "As recorded"
        ANEW = "anew", "Anew, by the definition that is tried"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="+")
    target = models.CharField(max_length=100, help_text="What it is called: draft rev 7, version 3")
    version = models.PositiveIntegerField(null=True, help_text="Number of the version that is tried; null: the draft")
    definition = models.TextField()
    sha256 = models.CharField(max_length=64)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", help_text="Whose versions of other flows it uses")
    understanding = models.CharField(max_length=10, choices=Understanding, default=Understanding.AUTO)
    chosen = models.JSONField(default=dict, help_text="How the conversations were chosen")
    operation_id = models.UUIDField(null=True)
    counts = models.JSONField(default=dict)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at",)
        indexes = (models.Index(fields=("tenant", "flow", "-created_at"), name="replay_newest"),)

    def __str__(self) -> str:
        return f"Replay on {self.target}"


class ReplayedConversation(TenantModel):
    """One conversation of a replay and what came of it. `diff` has both runs turn by turn where they differ, values of sensitive slots masked."""

    class Verdict(models.TextChoices):
        PENDING = "pending", "Not played yet"
        SAME = "same", "The same"
        DIFFERS = "differs", "Differs"
        SKIPPED = "skipped", "Cannot be compared"
        FAILED = "failed", "Could not be played again"

    replay = models.ForeignKey(Replay, on_delete=models.CASCADE, related_name="results")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveIntegerField()
    verdict = models.CharField(max_length=10, choices=Verdict, default=Verdict.PENDING)
    cause = models.CharField(max_length=20, blank=True, help_text="core.differences.CAUSES")
    detail = models.CharField(max_length=200, blank=True)
    texts_only = models.BooleanField(default=False)
    diverged_at = models.PositiveIntegerField(null=True, help_text="Number of the first turn that differs")
    turns = models.PositiveIntegerField(default=0)
    diff = models.JSONField(null=True)

    class Meta:
        ordering = ("position",)
        constraints = (models.UniqueConstraint(fields=("replay", "conversation"), name="replayed_once"),)
        indexes = (models.Index(fields=("replay", "verdict", "cause", "detail"), name="replayed_by_cause"),)

    def __str__(self) -> str:
        return f"{self.conversation_id}: {self.verdict}"


class UnderstoodFlow(Flow):
    """A flow, seen by what it understands: its own page of the admin."""

    class Meta:
        proxy = True
        verbose_name = "understanding of a flow"
        verbose_name_plural = "understanding"


class IntegrationHealth(Integration):
    """An integration, seen from the calls that conversations make."""

    class Meta:
        proxy = True
        verbose_name = "integration health"
        verbose_name_plural = "integration health"
