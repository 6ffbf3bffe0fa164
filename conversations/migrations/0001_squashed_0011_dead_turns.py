import django.db.models.deletion
import uuid
from django.db import migrations, models

from mcp_platform.db.operations import Tables
from mcp_platform.tenancy import rls

TABLES = (
    "conversation",
    "turn",
    "conversationevent",
    "effect",
    "timer",
    "migrationplan",
    "handoff",
    "note",
    "cannedresponse",
    "agentpresence",
    "webchannel",
    "replay",
    "replayedconversation",
    "deadturn",
)


class Migration(migrations.Migration):
    replaces = [
        ("conversations", "0001_initial"),
        ("conversations", "0002_row_level_security"),
        ("conversations", "0003_turn_claimed_at"),
        ("conversations", "0004_live_versions"),
        ("conversations", "0005_effect_retries_and_health"),
        ("conversations", "0006_handoff"),
        ("conversations", "0007_replays"),
        ("conversations", "0008_replays_row_level_security"),
        ("conversations", "0009_integration_health"),
        ("conversations", "0010_understoodflow"),
        ("conversations", "0011_dead_turns"),
    ]

    initial = True

    dependencies = [
        ("flows", "0001_squashed_0010_integration_type_mcp"),
        ("tenancy", "0001_squashed_0002_shared_issuers"),
    ]

    operations = [
        Tables(
            creations=[
                migrations.CreateModel(
                    name="AgentPresence",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("agent", models.CharField(max_length=200)),
                        ("name", models.CharField(blank=True, max_length=200)),
                        ("status", models.CharField(choices=[("available", "Available"), ("away", "Away")], default="available", max_length=10)),
                        ("seen_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("tenant", "agent"), name="agent_presence_once")],
                    },
                ),
                migrations.CreateModel(
                    name="CannedResponse",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("shortcut", models.SlugField(help_text="What agents type after a slash", max_length=40)),
                        ("texts", models.JSONField(default=dict, help_text='Text by language: {"en": "…", "de": "…"}')),
                        ("queue", models.CharField(blank=True, help_text="Only for conversations of this queue; empty: for all", max_length=63)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ("shortcut",),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "shortcut"), name="canned_response_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Conversation",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("environment", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="flows.environment")),
                        (
                            "version",
                            models.ForeignKey(
                                help_text="Version of the bottom frame",
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="flows.flowversion",
                            ),
                        ),
                        ("flow_key", models.CharField(help_text="flow_id of the bottom frame, for filters and metrics", max_length=63)),
                        ("channel", models.CharField(default="web", max_length=40)),
                        ("user_ref", models.CharField(blank=True, help_text="The client's own name of the user", max_length=200)),
                        ("locale", models.CharField(default="en", max_length=20)),
                        ("status", models.CharField(default="active", max_length=10)),
                        ("current_state", models.CharField(blank=True, max_length=63)),
                        ("snapshot", models.JSONField(default=dict)),
                        ("awaiting", models.CharField(blank=True, max_length=80)),
                        ("rev", models.PositiveIntegerField(default=0)),
                        ("next_turn", models.PositiveIntegerField(default=1)),
                        ("queued", models.PositiveIntegerField(default=0)),
                        ("last_seq", models.PositiveIntegerField(default=0)),
                        ("created_at", models.DateTimeField()),
                        ("updated_at", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ("-updated_at", "id"),
                        "indexes": [
                            models.Index(fields=["tenant", "-updated_at"], name="conversation_recent"),
                            models.Index(fields=["tenant", "user_ref"], name="conversation_user"),
                            models.Index(condition=models.Q(("queued__gt", 0)), fields=["updated_at"], name="conversation_queue"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ConversationEvent",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "tenant",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="tenancy.tenant",
                            ),
                        ),
                        (
                            "conversation",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="events", to="conversations.conversation"
                            ),
                        ),
                        (
                            "turn",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="events",
                                to="conversations.turn",
                            ),
                        ),
                        ("seq", models.PositiveIntegerField()),
                        ("kind", models.CharField(max_length=40)),
                        ("data", models.JSONField(default=dict)),
                        ("at", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ("conversation_id", "seq"),
                        "constraints": [models.UniqueConstraint(fields=("conversation", "seq"), name="event_seq_once")],
                    },
                ),
                migrations.CreateModel(
                    name="DeadTurn",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "turn",
                            models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name="dead_turn", to="conversations.turn"),
                        ),
                        ("action", models.CharField(choices=[("retried", "Retried"), ("buried", "Buried")], max_length=10)),
                        ("by", models.CharField(max_length=200)),
                        ("note", models.CharField(blank=True, max_length=500)),
                        ("retried_as", models.PositiveIntegerField(help_text="Number of the turn that says it again", null=True)),
                        ("at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ("-at",),
                    },
                ),
                migrations.CreateModel(
                    name="Effect",
                    fields=[
                        (
                            "tenant",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="tenancy.tenant",
                            ),
                        ),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("turn", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="effects", to="conversations.turn")),
                        (
                            "conversation",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="effects", to="conversations.conversation"
                            ),
                        ),
                        ("effect_id", models.CharField(max_length=80)),
                        ("step_key", models.CharField(max_length=120)),
                        ("integration_id", models.CharField(max_length=63)),
                        ("request", models.JSONField(default=dict)),
                        ("request_sha256", models.CharField(max_length=64)),
                        ("idempotency_key", models.CharField(max_length=64)),
                        (
                            "status",
                            models.CharField(
                                choices=[("started", "Started"), ("succeeded", "Succeeded"), ("failed", "Failed"), ("unknown", "Unknown")],
                                default="started",
                                max_length=10,
                            ),
                        ),
                        ("result", models.JSONField(null=True)),
                        ("attempts", models.PositiveSmallIntegerField(default=0, help_text="How often a worker has taken it up")),
                        (
                            "tries",
                            models.PositiveSmallIntegerField(
                                db_default=0, default=0, help_text="How many of the attempts have ended and are to be repeated"
                            ),
                        ),
                        (
                            "begun_at",
                            models.DateTimeField(
                                help_text="When it was taken up first; what it waited before is no time of the other side", null=True
                            ),
                        ),
                        ("due_at", models.DateTimeField(help_text="When it is to be tried again", null=True)),
                        ("deadline", models.DateTimeField(help_text="Not finished by then: recovery takes it up")),
                        ("created_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "indexes": [
                            models.Index(condition=models.Q(("status", "started")), fields=["deadline"], name="effect_overdue"),
                            models.Index(condition=models.Q(("due_at__isnull", False), ("status", "started")), fields=["due_at"], name="effect_due"),
                            models.Index(condition=models.Q(("status", "started")), fields=["tenant", "created_at"], name="effect_waiting"),
                            models.Index(
                                condition=models.Q(("finished_at__isnull", False)),
                                fields=["tenant", "integration_id", "-finished_at"],
                                name="effect_health",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(fields=("turn", "step_key"), name="effect_step_once"),
                            models.UniqueConstraint(fields=("conversation", "effect_id"), name="effect_id_once"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Handoff",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "conversation",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="handoffs", to="conversations.conversation"),
                        ),
                        (
                            "status",
                            models.CharField(
                                choices=[("waiting", "Waiting"), ("taken", "Taken"), ("closed", "Closed")], default="waiting", max_length=10
                            ),
                        ),
                        (
                            "outcome",
                            models.CharField(
                                blank=True, help_text="Of a closed one: resumed, unanswered, restarted, or how the conversation ended", max_length=40
                            ),
                        ),
                        ("queue", models.CharField(blank=True, help_text="Empty: the general queue", max_length=63)),
                        ("priority", models.PositiveSmallIntegerField(default=100, help_text="The lowest first")),
                        ("skills", models.JSONField(default=list)),
                        ("reason", models.CharField(blank=True, max_length=200)),
                        ("agent", models.CharField(blank=True, max_length=200)),
                        ("agent_name", models.CharField(blank=True, max_length=200)),
                        ("opened_at", models.DateTimeField()),
                        ("taken_at", models.DateTimeField(null=True)),
                        ("answered_at", models.DateTimeField(help_text="First answer of a person", null=True)),
                        ("closed_at", models.DateTimeField(null=True)),
                        ("waiting_since", models.DateTimeField(help_text="The user has waited for a person's answer since then", null=True)),
                        ("answer_due_at", models.DateTimeField(help_text="When the first answer is late", null=True)),
                        ("give_up_at", models.DateTimeField(help_text="Not taken by then: the bot goes on", null=True)),
                        ("unread", models.PositiveIntegerField(default=0, help_text="Messages of the user since the agent has looked")),
                        ("last_by", models.CharField(blank=True, max_length=10)),
                        ("last_text", models.CharField(blank=True, help_text="As readers see it: masked", max_length=200)),
                        ("last_at", models.DateTimeField()),
                        ("rev", models.PositiveIntegerField(default=1)),
                    ],
                    options={
                        "ordering": ("priority", "opened_at"),
                        "indexes": [
                            models.Index(
                                condition=models.Q(("status", "closed"), _negated=True),
                                fields=["tenant", "priority", "opened_at"],
                                name="handoff_queue",
                            ),
                            models.Index(condition=models.Q(("status", "waiting")), fields=["give_up_at"], name="handoff_give_up"),
                            models.Index(condition=models.Q(("status", "closed")), fields=["tenant", "-closed_at"], name="handoff_closed"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("status", "closed"), _negated=True), fields=("conversation",), name="handoff_open_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="MigrationPlan",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("flow", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="flows.flow")),
                        ("environment", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="flows.environment")),
                        (
                            "source",
                            models.ForeignKey(
                                help_text="The version that conversations leave",
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="flows.flowversion",
                            ),
                        ),
                        ("target", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="flows.flowversion")),
                        (
                            "policy",
                            models.CharField(
                                choices=[("migrate_at_wait", "Move while waiting"), ("drain", "Drain"), ("force", "Force")],
                                default="migrate_at_wait",
                                max_length=20,
                            ),
                        ),
                        ("mapping", models.JSONField(blank=True, default=dict, help_text="docs/live_versions.md")),
                        ("ends_at", models.DateTimeField(blank=True, help_text="Of a drain: what is left then is ended or moved", null=True)),
                        (
                            "at_end",
                            models.CharField(choices=[("expire", "End them"), ("force", "Move them by force")], default="expire", max_length=10),
                        ),
                        ("note", models.CharField(blank=True, max_length=500)),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("draft", "Draft"),
                                    ("active", "Active"),
                                    ("stopped", "Stopped"),
                                    ("finished", "Finished"),
                                    ("reverted", "Reverted"),
                                ],
                                default="draft",
                                editable=False,
                                max_length=10,
                            ),
                        ),
                        ("run", models.PositiveIntegerField(default=0, editable=False)),
                        ("rev", models.PositiveIntegerField(default=1, editable=False)),
                        ("report", models.JSONField(editable=False, help_text="What the last dry run found", null=True)),
                        ("report_rev", models.PositiveIntegerField(default=0, editable=False, help_text="The rev that was tried")),
                        ("report_at", models.DateTimeField(editable=False, null=True)),
                        ("created_by", models.CharField(editable=False, max_length=200)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ("-created_at",),
                        "indexes": [models.Index(condition=models.Q(("status", "active")), fields=["ends_at"], name="migration_plan_due")],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("status", "active")), fields=("environment", "source"), name="migration_plan_one_active"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("source", models.F("target")), _negated=True), name="migration_plan_goes_somewhere"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Note",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "conversation",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="notes", to="conversations.conversation"),
                        ),
                        ("author", models.CharField(max_length=200)),
                        ("author_name", models.CharField(blank=True, max_length=200)),
                        ("text", models.TextField()),
                        ("at", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ("at", "id"),
                    },
                ),
                migrations.CreateModel(
                    name="Replay",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("flow", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="flows.flow")),
                        ("target", models.CharField(help_text="What it is called: draft rev 7, version 3", max_length=100)),
                        ("version", models.PositiveIntegerField(help_text="Number of the version that is tried; null: the draft", null=True)),
                        ("definition", models.TextField()),
                        ("sha256", models.CharField(max_length=64)),
                        (
                            "environment",
                            models.ForeignKey(
                                help_text="Whose versions of other flows it uses",
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="flows.environment",
                            ),
                        ),
                        (
                            "understanding",
                            models.CharField(
                                choices=[
                                    ("auto", "As recorded, anew where the intents have changed"),
                                    ("recorded", "As recorded"),
                                    ("anew", "Anew, by the definition that is tried"),
                                ],
                                default="auto",
                                max_length=10,
                            ),
                        ),
                        ("chosen", models.JSONField(default=dict, help_text="How the conversations were chosen")),
                        ("operation_id", models.UUIDField(null=True)),
                        ("counts", models.JSONField(default=dict)),
                        ("created_by", models.CharField(max_length=200)),
                        ("created_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "ordering": ("-created_at",),
                        "indexes": [models.Index(fields=["tenant", "flow", "-created_at"], name="replay_newest")],
                    },
                ),
                migrations.CreateModel(
                    name="ReplayedConversation",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("replay", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="results", to="conversations.replay")),
                        (
                            "conversation",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="conversations.conversation"),
                        ),
                        ("position", models.PositiveIntegerField()),
                        (
                            "verdict",
                            models.CharField(
                                choices=[
                                    ("pending", "Not played yet"),
                                    ("same", "The same"),
                                    ("differs", "Differs"),
                                    ("skipped", "Cannot be compared"),
                                    ("failed", "Could not be played again"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("cause", models.CharField(blank=True, help_text="core.differences.CAUSES", max_length=20)),
                        ("detail", models.CharField(blank=True, max_length=200)),
                        ("texts_only", models.BooleanField(default=False)),
                        ("diverged_at", models.PositiveIntegerField(help_text="Number of the first turn that differs", null=True)),
                        ("turns", models.PositiveIntegerField(default=0)),
                        ("diff", models.JSONField(null=True)),
                    ],
                    options={
                        "ordering": ("position",),
                        "indexes": [models.Index(fields=["replay", "verdict", "cause", "detail"], name="replayed_by_cause")],
                        "constraints": [models.UniqueConstraint(fields=("replay", "conversation"), name="replayed_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Timer",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "tenant",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="tenancy.tenant",
                            ),
                        ),
                        (
                            "conversation",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="timers", to="conversations.conversation"),
                        ),
                        ("token", models.CharField(max_length=120, unique=True)),
                        ("due_at", models.DateTimeField()),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("pending", "Pending"),
                                    ("claimed", "Claimed"),
                                    ("fired", "Fired"),
                                    ("cancelled", "Cancelled"),
                                    ("dead", "Dead"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("claimed_at", models.DateTimeField(null=True)),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                    ],
                    options={
                        "indexes": [
                            models.Index(condition=models.Q(("status__in", ("pending", "claimed"))), fields=["due_at"], name="timer_due"),
                            models.Index(
                                condition=models.Q(("claimed_at__isnull", False), ("status", "dead")), fields=["claimed_at"], name="timer_unburied"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Turn",
                    fields=[
                        (
                            "tenant",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="tenancy.tenant",
                            ),
                        ),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "conversation",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="turns", to="conversations.conversation"
                            ),
                        ),
                        ("number", models.PositiveIntegerField(help_text="Order of arrival, without gaps")),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("start", "Start"),
                                    ("message", "Message"),
                                    ("timer", "Timer"),
                                    ("callback", "Callback"),
                                    ("command", "Command"),
                                    ("agent", "Agent"),
                                    ("migration", "Migration"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("client_message_id", models.CharField(max_length=160)),
                        ("request_sha256", models.CharField(max_length=64)),
                        ("request", models.JSONField(default=dict, help_text="The input as it entered the engine")),
                        (
                            "status",
                            models.CharField(
                                choices=[("queued", "Queued"), ("running", "Running"), ("done", "Done"), ("failed", "Failed"), ("dead", "Dead")],
                                max_length=10,
                            ),
                        ),
                        ("reply", models.JSONField(help_text="The stored result that every duplicate gets", null=True)),
                        ("trace", models.JSONField(default=list)),
                        ("error", models.JSONField(null=True)),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        ("claimed_at", models.DateTimeField(help_text="When a worker took it from the queue", null=True)),
                        ("created_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "ordering": ("conversation_id", "number"),
                        "indexes": [
                            models.Index(
                                condition=models.Q(("status__in", ("queued", "running"))), fields=["status", "created_at"], name="turn_open"
                            ),
                            models.Index(condition=models.Q(("kind", "migration")), fields=["client_message_id"], name="turn_migration"),
                            models.Index(condition=models.Q(("status", "dead")), fields=["tenant", "-finished_at"], name="turn_dead"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(fields=("conversation", "client_message_id"), name="turn_message_once"),
                            models.UniqueConstraint(fields=("conversation", "number"), name="turn_number_once"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="WebChannel",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("public_id", models.CharField(editable=False, help_text="In the address of the page", max_length=32, unique=True)),
                        ("name", models.CharField(help_text="The title of the chat", max_length=100)),
                        ("flow_id", models.CharField(help_text="The flow that visitors talk to", max_length=63)),
                        ("environment", models.CharField(blank=True, help_text="Empty: the default environment", max_length=40)),
                        ("locale", models.CharField(blank=True, help_text="Empty: the language of the visitor's browser", max_length=20)),
                        (
                            "allowed_origins",
                            models.JSONField(
                                blank=True,
                                default=list,
                                help_text="Sites that may show the chat in a frame, such as https://www.example.org. None: only this server.",
                            ),
                        ),
                        ("colour", models.CharField(default="#6d28d9", help_text="Theme colour, such as #6d28d9", max_length=7)),
                        ("greeting", models.CharField(blank=True, help_text="A line above the conversation", max_length=300)),
                        ("enabled", models.BooleanField(default=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "verbose_name": "web chat",
                        "ordering": ("name",),
                    },
                ),
                migrations.CreateModel(
                    name="IntegrationHealth",
                    fields=[],
                    options={
                        "verbose_name": "integration health",
                        "verbose_name_plural": "integration health",
                        "proxy": True,
                        "indexes": [],
                        "constraints": [],
                    },
                    bases=("flows.integration",),
                ),
                migrations.CreateModel(
                    name="UnderstoodFlow",
                    fields=[],
                    options={
                        "verbose_name": "understanding of a flow",
                        "verbose_name_plural": "understanding",
                        "proxy": True,
                        "indexes": [],
                        "constraints": [],
                    },
                    bases=("flows.flow",),
                ),
            ],
        ),
        rls.enable(*(f"conversations_{table}" for table in TABLES)),
    ]
