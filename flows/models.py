"""Flows as authors edit them (drafts: Flow, State, Transition) and as they run (FlowVersion, immutable)."""

import uuid
from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from psycopg.types.json import Json

from flows.core.types import Condition, Problem, StateType
from flows.errors import VersionIsImmutable
from mcp_platform.tenancy.models import TenantModel, TenantQuerySet, User

NAME = RegexValidator(r"^[A-Za-z][A-Za-z0-9_\-]{0,62}$", "Letters, digits, _ and -; starts with a letter; at most 63 characters.")
STATE_TYPES = [(item.value, item.value.replace("_", " ")) for item in StateType]
CONDITIONS = [(item.value, item.value.replace("_", " ")) for item in Condition]
INTEGRATION_TYPES = [("rest", "REST"), ("graphql", "GraphQL"), ("grpc", "gRPC"), ("tool", "Tool of this platform"), ("mcp", "MCP server")]


class AuthoredJSONField(models.JSONField):
    """JSON that comes back as it was written. PostgreSQL's jsonb sorts keys and turns 1e22 into an integer; its json keeps the text."""

    def db_type(self, connection: Any) -> str | None:
        return "json" if connection.vendor == "postgresql" else super().db_type(connection)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if connection.vendor != "postgresql" or value is None or hasattr(value, "as_sql"):
            return super().get_db_prep_value(value, connection, prepared)
        return Json(value)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return super().from_db_value(value, expression, connection) if isinstance(value, str) else value


class Flow(TenantModel):
    """A draft and its history. `rev` grows with every saved change and is the ETag of the draft."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    flow_id = models.CharField("flow id", max_length=63, validators=(NAME,), help_text="The name that API clients and other flows use.")
    name = models.CharField(max_length=200)
    version = models.CharField(max_length=50, default="1", help_text="The author's own label, such as 2.1")
    description = models.TextField(blank=True)
    initial_state = models.CharField(max_length=63, blank=True)
    global_handlers = AuthoredJSONField(default=dict, blank=True)
    variables = AuthoredJSONField(default=dict, blank=True)
    slots = AuthoredJSONField(default=dict, blank=True)
    intents = AuthoredJSONField(default=dict, blank=True)
    metadata = AuthoredJSONField(default=dict, blank=True)
    rev = models.PositiveIntegerField(default=1, editable=False)
    problem_count = models.PositiveIntegerField(default=0, editable=False, help_text="Errors found when the draft was last saved")
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    problems: tuple[Problem, ...] = ()  # set by the service that has just saved the draft

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "flow_id"), name="flow_id_once"),)
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name

    @property
    def running(self) -> dict[str, int]:
        """Environment -> number of the version that runs there."""
        return {pointer.environment.name: pointer.version.number for pointer in self.pointers.all()}


class State(TenantModel):
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="states")
    name = models.CharField(max_length=63, validators=(NAME,))
    type = models.CharField(max_length=20, choices=STATE_TYPES)
    config = AuthoredJSONField(default=dict, blank=True)
    entry_actions = AuthoredJSONField(default=list, blank=True)
    exit_actions = AuthoredJSONField(default=list, blank=True)
    metadata = AuthoredJSONField(default=dict, blank=True)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("flow", "name"), name="state_name_once"),)
        ordering = ("position", "id")

    def __str__(self) -> str:
        return self.name


class Transition(TenantModel):
    """`target_state` is a name, not a key: a draft may point at a state that is not written yet, and its problem says so."""

    state = models.ForeignKey(State, on_delete=models.CASCADE, related_name="transitions")
    condition = models.CharField(max_length=24, choices=CONDITIONS)
    condition_value = models.CharField(max_length=200, blank=True)
    expression = models.TextField(blank=True, max_length=2000)
    target_state = models.CharField(max_length=63)
    priority = models.PositiveSmallIntegerField(default=100, validators=(MaxValueValidator(1000),))
    actions = AuthoredJSONField(default=list, blank=True)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("position", "id")

    def __str__(self) -> str:
        return f"{self.condition} → {self.target_state}"


class FlowVersionQuerySet(TenantQuerySet["FlowVersion"]):
    def update(self, **kwargs: Any) -> int:
        """Raises VersionIsImmutable."""
        raise VersionIsImmutable(fields=sorted(kwargs))


class FlowVersion(TenantModel):
    """What was published. `definition` is canonical JSON text, `sha256` its digest; neither ever changes.

    Triggers in the database refuse what `save` and `update` refuse here (ADR 0004); only `published_by` may be cleared, with its user.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    flow = models.ForeignKey(Flow, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    definition = models.TextField()
    sha256 = models.CharField(max_length=64)
    note = models.CharField(max_length=500, blank=True)
    published_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    published_at = models.DateTimeField()

    is_new: bool = False  # True on the object that a publish has just made; False when the same content had been published before

    objects: ClassVar[Any] = FlowVersionQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("flow", "number"), name="flow_version_number_once"),
            models.UniqueConstraint(fields=("flow", "sha256"), name="flow_version_content_once"),
        )
        ordering = ("-number",)

    def __str__(self) -> str:
        return f"v{self.number}"

    @property
    def environments(self) -> list[str]:
        """The names of those that run this version."""
        return sorted(pointer.environment.name for pointer in self.pointers.all())

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert, once. Raises VersionIsImmutable."""
        if not self._state.adding:
            raise VersionIsImmutable
        super().save(*args, **kwargs)


class Environment(TenantModel):
    """A place where flows run, such as production or staging. A tenant starts with `production`, its default."""

    name = models.CharField(max_length=40, validators=(NAME,))
    is_default = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("tenant", "name"), name="environment_name_once"),
            models.UniqueConstraint(fields=("tenant",), condition=models.Q(is_default=True), name="environment_one_default"),
        )
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def flows(self) -> dict[str, int]:
        """flow_id -> number of the version that runs here."""
        return {pointer.flow.flow_id: pointer.version.number for pointer in self.pointers.all()}


class Pointer(TenantModel):
    """Which version of a flow an environment runs. Publish and roll back move it; every move is an audit row."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="pointers")
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="pointers")
    version = models.ForeignKey(FlowVersion, on_delete=models.PROTECT, related_name="pointers")
    moved_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("environment", "flow"), name="pointer_once"),)

    def __str__(self) -> str:
        return f"pointer {self.pk}"


class TenantHandlers(TenantModel):
    """What belongs to the tenant and to no flow: handlers that work in every conversation, and its own words for the engine's sentences.

    `document` is flows.core.definition.tenant as JSON; a change counts at once, in every environment. There is one row for each tenant.
    """

    document = AuthoredJSONField(default=dict, blank=True)
    rev = models.PositiveIntegerField(default=1, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant",), name="tenant_handlers_once"),)
        verbose_name = "tenant handlers"
        verbose_name_plural = "tenant handlers"

    def __str__(self) -> str:
        return "Handlers of the tenant"


class Integration(TenantModel):
    """The definition of an external system that flows may call. Secrets are referenced by name, never stored here."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    integration_id = models.CharField(max_length=63, validators=(NAME,))
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=10, choices=INTEGRATION_TYPES, default="rest")
    base_url = models.CharField(
        max_length=300, blank=True, help_text="http:// or https:// (gRPC: grpc:// or grpcs://), without user, query and fragment"
    )
    authentication = models.JSONField(default=dict, blank=True)
    headers = models.JSONField(default=dict, blank=True)
    timeout_ms = models.PositiveIntegerField(default=5000, validators=(MinValueValidator(100), MaxValueValidator(30_000)))
    retry_policy = models.JSONField(default=dict, blank=True)
    options = models.JSONField(default=dict, blank=True, help_text="What only this type has; see docs/integrations.md")
    descriptor_set = models.TextField(blank=True, editable=False, help_text="gRPC: a FileDescriptorSet in base64, in place of server reflection")
    rev = models.PositiveIntegerField(default=1, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "integration_id"), name="integration_id_once"),)
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name


class Stub(TenantModel):
    """An answer that stands in for the outside: tests and dry runs get it where a real conversation would call the integration.

    It fits a call when `endpoint` and `method` are equal to the call's ("" fits any) and every member of `request` is in the call's request.
    """

    class Source(models.TextChoices):
        WRITTEN = "written", "written by hand"
        TRIAL = "trial", "recorded from a trial call"
        CONVERSATION = "conversation", "recorded from a conversation"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="stubs")
    name = models.CharField(max_length=100)
    endpoint = models.CharField(max_length=2000, blank=True)
    method = models.CharField(max_length=10, blank=True)
    request = models.JSONField(default=dict, blank=True)
    outcome = models.JSONField(help_text="success, status_code, data, error, code, execution_time_ms")
    source = models.CharField(max_length=12, choices=Source, default=Source.WRITTEN)
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("integration", "name"), name="stub_name_once"),)
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name


class FlowTest(TenantModel):
    """A scripted conversation that the flow must play as written (docs/testing_flows.md). `script` is flows.core.scripts.Script as JSON.

    `passed`, `ran_at`, `ran_on` and `result` (flows.core.verdicts) tell of the last run; `ran_on` names the draft or version it was of.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="tests")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, max_length=2000)
    script = AuthoredJSONField(default=dict)
    locale = models.CharField(max_length=20, default="en", help_text="The script's own, for lists")
    enabled = models.BooleanField(default=True, help_text="A publish asks only enabled tests")
    recorded_from = models.UUIDField(null=True, editable=False, help_text="The conversation that it was recorded from")
    rev = models.PositiveIntegerField(default=1, editable=False)
    passed = models.BooleanField(null=True, editable=False)
    ran_at = models.DateTimeField(null=True, editable=False)
    ran_on = models.CharField(max_length=100, blank=True, editable=False)
    result = models.JSONField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("flow", "name"), name="flow_test_name_once"),)
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name
