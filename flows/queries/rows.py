"""One row or many, by what people call them. Raises the NotFound of its kind."""

from collections.abc import Iterable
from typing import Any, TypeAlias
from uuid import UUID

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from flows.core.types import Json
from flows.errors import (
    EnvironmentNotFound,
    FlowNotFound,
    FlowTestNotFound,
    IntegrationNotFound,
    StateNotFound,
    StubNotFound,
    TransitionNotFound,
    VersionNotFound,
)
from flows.models import Environment, Flow, FlowTest, FlowVersion, Integration, State, Stub, Transition
from mcp_platform.orchestrator import queries as orchestrator
from mcp_platform.tenancy.models import Tenant
from mcp_platform.vault import queries as vault

FlowKey: TypeAlias = str | UUID  # the flow_id that authors and clients write, or the row's id
_TRANSITIONS_IN_ORDER = Prefetch("transitions", Transition.objects.select_related("state__flow").order_by("position", "id"))


def flow(tenant: Tenant | UUID, flow_id: FlowKey) -> Flow:
    """Raises FlowNotFound, also for a flow of another tenant."""
    found = Flow.objects.for_tenant(tenant).select_related("tenant").filter(**by_key(flow_id)).first()
    if found is None:
        raise FlowNotFound(flow_id=str(flow_id))
    return found


def by_key(flow_id: FlowKey) -> dict[str, Any]:
    return {"pk": flow_id} if isinstance(flow_id, UUID) else {"flow_id": flow_id}


def flows(tenant: Tenant | UUID) -> QuerySet[Flow]:
    """With `latest_version` and what `running` needs."""
    newest = FlowVersion.objects.filter(flow=OuterRef("pk")).order_by("-number").values("number")[:1]
    rows: QuerySet[Flow] = Flow.objects.for_tenant(tenant).annotate(latest_version=Subquery(newest))
    return rows.prefetch_related("pointers__environment", "pointers__version")


def one_flow(tenant: Tenant | UUID, flow_id: FlowKey) -> Flow:
    """As `flow`, with what `flows` adds. Raises FlowNotFound."""
    found = flows(tenant).filter(**by_key(flow_id)).first()
    if found is None:
        raise FlowNotFound(flow_id=str(flow_id))
    return found


def flow_of(tenant: Tenant | UUID, document: Json) -> Flow | None:
    """The flow that a document defines, when there is one."""
    name = document.get("flow_id") if isinstance(document, dict) else None
    found: Flow | None = Flow.objects.for_tenant(tenant).filter(flow_id=name).first() if isinstance(name, str) else None
    return found


def versions(tenant: Tenant | UUID, flow_id: FlowKey) -> QuerySet[FlowVersion]:
    """Newest first, with what `environments` needs. Raises FlowNotFound."""
    rows: QuerySet[FlowVersion] = FlowVersion.objects.filter(flow=flow(tenant, flow_id))
    return rows.select_related("flow", "published_by").prefetch_related("pointers__environment")


def version(tenant: Tenant | UUID, flow_id: FlowKey, number: int) -> FlowVersion:
    """Raises FlowNotFound, VersionNotFound."""
    found: FlowVersion | None = flow(tenant, flow_id).versions.filter(number=number).first()
    if found is None:
        raise VersionNotFound(flow_id=str(flow_id), version=number)
    return found


def environment(tenant: Tenant | UUID, name: str = "") -> Environment:
    """The environment of that name, the tenant's default one for "". Raises EnvironmentNotFound."""
    wanted = {"name": name} if name else {"is_default": True}
    found: Environment | None = Environment.objects.for_tenant(tenant).filter(**wanted).first()
    if found is None:
        raise EnvironmentNotFound(environment=name)
    return found


def environments(tenant: Tenant | UUID) -> QuerySet[Environment]:
    rows: QuerySet[Environment] = Environment.objects.for_tenant(tenant)
    return rows.prefetch_related("pointers__flow", "pointers__version")


def states(tenant: Tenant | UUID) -> QuerySet[State]:
    rows: QuerySet[State] = State.objects.for_tenant(tenant).order_by("flow_id", "position", "id")
    return rows.select_related("flow").prefetch_related(_TRANSITIONS_IN_ORDER)


def state(tenant: Tenant | UUID, state_id: int) -> State:
    """Raises StateNotFound."""
    found = states(tenant).filter(pk=state_id).first()
    if found is None:
        raise StateNotFound(state=state_id)
    return found


def transitions(tenant: Tenant | UUID) -> QuerySet[Transition]:
    rows: QuerySet[Transition] = Transition.objects.for_tenant(tenant).order_by("state_id", "position", "id")
    return rows.select_related("state__flow")


def transition(tenant: Tenant | UUID, transition_id: int) -> Transition:
    """Raises TransitionNotFound."""
    found = transitions(tenant).filter(pk=transition_id).first()
    if found is None:
        raise TransitionNotFound(transition=transition_id)
    return found


def integrations(tenant: Tenant | UUID) -> QuerySet[Integration]:
    rows: QuerySet[Integration] = Integration.objects.for_tenant(tenant)
    return rows


def integration(tenant: Tenant | UUID, integration_id: str) -> Integration:
    """Raises IntegrationNotFound."""
    found = integrations(tenant).filter(integration_id=integration_id).first()
    if found is None:
        raise IntegrationNotFound(integration_id=integration_id)
    return found


def stubs(tenant: Tenant | UUID, integration_id: str) -> QuerySet[Stub]:
    """Raises IntegrationNotFound."""
    rows: QuerySet[Stub] = Stub.objects.for_tenant(tenant).filter(integration=integration(tenant, integration_id))
    return rows.select_related("integration")


def stub(tenant: Tenant | UUID, integration_id: str, stub_id: UUID) -> Stub:
    """Raises IntegrationNotFound, StubNotFound."""
    found = stubs(tenant, integration_id).filter(pk=stub_id).first()
    if found is None:
        raise StubNotFound(integration_id=integration_id, stub=str(stub_id))
    return found


def secret_of(row: Integration) -> str:
    """The name of the secret that it shows; "" when it shows none."""
    name = row.authentication.get("secret") if isinstance(row.authentication, dict) else None
    return name if isinstance(name, str) else ""


def users_of_server(tenant: Tenant | UUID, slug: str) -> list[str]:
    """Integrations that call tools of this MCP server, as `integration:<id>`."""
    rows = Integration.objects.for_tenant(tenant).filter(type="mcp")
    return [f"integration:{row.integration_id}" for row in rows if server_of(row) == slug]


def users_of_secret(tenant: Tenant | UUID, name: str) -> list[str]:
    """For the vault: what refers to a secret."""
    return [f"integration:{row.integration_id}" for row in integrations(tenant) if secret_of(row) == name]


def integration_problems(rows: Iterable[Integration]) -> dict[UUID, list[dict[str, str]]]:
    """What keeps integrations of one tenant from working although their definitions are whole, by primary key: secrets and servers that are not
    there."""
    rows = list(rows)
    kept = [row for row in rows if secret_of(row)]
    absent = set(vault.missing(kept[0].tenant_id, [secret_of(row) for row in kept])) if kept else set()
    found = {row.pk: [_missing_secret(secret_of(row))] for row in kept if secret_of(row) in absent}
    upstream = [row for row in rows if row.type == "mcp"]
    known = set(orchestrator.servers(upstream[0].tenant_id).values_list("slug", flat=True)) if upstream else set()
    return found | {row.pk: [_missing_server(server_of(row))] for row in upstream if server_of(row) not in known}


def server_of(row: Integration) -> str:
    """The MCP server that an integration of that type calls."""
    return str((row.options or {}).get("server", "")) if row.type == "mcp" else ""


def _missing_server(slug: str) -> dict[str, str]:
    message = f"There is no MCP server {slug} yet: calls will fail, and flows that make them cannot be published."
    return {"path": "$.options.server", "code": "missing_server", "message": message, "expected": "a connected server of this short name"}


def _missing_secret(name: str) -> dict[str, str]:
    message = f"There is no secret {name} yet: calls will fail, and flows that make them cannot be published."
    return {"path": "$.authentication.secret", "code": "missing_secret", "message": message, "expected": "a secret of this name"}


def tests(tenant: Tenant | UUID, flow_id: FlowKey) -> QuerySet[FlowTest]:
    """By name. Raises FlowNotFound."""
    rows: QuerySet[FlowTest] = FlowTest.objects.for_tenant(tenant).filter(flow=flow(tenant, flow_id))
    return rows.select_related("flow", "tenant").order_by("name", "id")


def test(tenant: Tenant | UUID, flow_id: FlowKey, test_id: UUID) -> FlowTest:
    """Raises FlowNotFound, FlowTestNotFound."""
    found = tests(tenant, flow_id).filter(pk=test_id).first()
    if found is None:
        raise FlowTestNotFound(flow_id=str(flow_id), test=str(test_id))
    return found
