"""A draft as the document that its author imports and exports, and everything that is wrong with it."""

from dataclasses import dataclass
from uuid import UUID

from flows.core import definition, lint
from flows.core.lint.interfaces import Interface, interface_of
from flows.core.lint.references import references
from flows.core.sites import all_actions
from flows.core.types import Flow as Definition
from flows.core.types import Json, Problem, Severity, TriggerFlow
from flows.errors import (
    FlowHasProblems,
)
from flows.models import Flow, Integration, Pointer, State, TenantHandlers, Transition
from flows.queries.programs import program_for
from flows.queries.reading import as_errors
from flows.queries.rows import _TRANSITIONS_IN_ORDER, integration_problems, integrations, secret_of, server_of, version
from mcp_platform.tenancy.models import Tenant


def draft_document(draft: Flow) -> dict[str, Json]:
    """The draft as the JSON that docs/protocol/flow.md describes, as its author wrote it; it may have problems."""
    states = State.objects.filter(flow=draft).prefetch_related(_TRANSITIONS_IN_ORDER)
    return {
        "flow_id": draft.flow_id,
        "tenant_id": draft.tenant.slug,
        "name": draft.name,
        "version": draft.version,
        "description": draft.description,
        "initial_state": draft.initial_state,
        "states": {row.name: state_document(row) for row in states},
        "global_handlers": draft.global_handlers,
        "variables": draft.variables,
        "slots": draft.slots,
        "intents": draft.intents,
        "metadata": draft.metadata,
    }


def state_document(row: State) -> dict[str, Json]:
    return {
        "name": row.name,
        "type": row.type,
        "config": row.config,
        "transitions": [transition_document(transition) for transition in row.transitions.all()],
        "entry_actions": row.entry_actions,
        "exit_actions": row.exit_actions,
        "metadata": row.metadata,
    }


def transition_document(row: Transition) -> dict[str, Json]:
    document = {
        "condition": row.condition,
        "condition_value": row.condition_value,
        "expression": row.expression,
        "target_state": row.target_state,
        "priority": row.priority,
        "actions": row.actions,
    }
    return document if row.expression else {name: value for name, value in document.items() if name != "expression"}


def definition_of(tenant: Tenant | UUID, draft: Flow, number: int | None) -> Definition:
    """A version as it was published; the draft without a number. Raises VersionNotFound, FlowHasProblems when the draft has errors."""
    if number is not None:
        return program_for(version(tenant, draft.pk, number).pk).flow
    checked = check(tenant, draft_document(draft))
    if checked.definition is None or checked.errors:
        raise FlowHasProblems(flow_id=draft.flow_id, errors=as_errors(checked.problems))
    return checked.definition


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A document and everything that is wrong with it. `definition` is None while it has faults of shape."""

    definition: Definition | None
    problems: tuple[Problem, ...]  # errors first

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)


def check(tenant: Tenant | UUID, document: Json) -> Checked:
    """All problems of a document, seen with the flows and integrations that the tenant has."""
    known_flows = frozenset(Flow.objects.for_tenant(tenant).filter(archived_at=None).values_list("flow_id", flat=True))
    known_integrations = frozenset(Integration.objects.for_tenant(tenant).values_list("integration_id", flat=True))
    others = _interfaces(tenant, document)
    parsed, problems = lint.check_document(document, known_flows=known_flows, known_integrations=known_integrations, others=others)
    secrets = _missing_secrets(tenant, parsed) if parsed is not None else []
    return Checked(definition=parsed, problems=tuple(lint.errors_first([*problems, *secrets]) if secrets else problems))


def _interfaces(tenant: Tenant | UUID, document: Json) -> dict[str, Interface]:
    """What the flows that this one calls take and give: as they run in the default environment, else as they are drafted."""
    called = _called(document)
    if not called:
        return {}
    rows = Pointer.objects.for_tenant(tenant).filter(flow__flow_id__in=called, environment__is_default=True)
    found = {flow_id: interface_of(program_for(version_id).flow) for flow_id, version_id in rows.values_list("flow__flow_id", "version_id")}
    for draft in Flow.objects.for_tenant(tenant).select_related("tenant").filter(flow_id__in=called - set(found)):
        parsed, _ = definition.parse(draft_document(draft))
        if parsed is not None:
            found[draft.flow_id] = interface_of(parsed)
    return found


def _called(document: Json) -> set[str]:
    parsed, _ = definition.parse(document)
    actions = all_actions(parsed) if parsed is not None else ()
    return {action.flow_id for _, _, action in actions if isinstance(action, TriggerFlow) and action.flow_id != getattr(parsed, "flow_id", "")}


def tenant_handlers(tenant: Tenant | UUID) -> TenantHandlers:
    """The tenant's own handlers; a row that is not saved yet where it has none."""
    found: TenantHandlers | None = TenantHandlers.objects.for_tenant(tenant).first()
    if found is None:
        found = TenantHandlers(tenant_id=tenant.pk if isinstance(tenant, Tenant) else tenant, document={"global_handlers": {}}, rev=0)
    return found


def check_tenant_handlers(tenant: Tenant | UUID, document: Json) -> Checked:
    """All problems of the tenant's own handlers."""
    known_flows = frozenset(Flow.objects.for_tenant(tenant).filter(archived_at=None).values_list("flow_id", flat=True))
    known_integrations = frozenset(Integration.objects.for_tenant(tenant).values_list("integration_id", flat=True))
    parsed, problems = lint.check_tenant(document, known_flows=known_flows, known_integrations=known_integrations)
    return Checked(definition=parsed, problems=tuple(problems))


def _missing_secrets(tenant: Tenant | UUID, parsed: Definition) -> list[Problem]:
    """Calls of integrations whose secret, or whose MCP server, is not there."""
    called = {found.path: found.name for found in references(parsed) if found.kind == "integration"}
    if not called:
        return []
    rows = {row.integration_id: row for row in integrations(tenant).filter(integration_id__in=set(called.values()))}
    without = integration_problems(rows.values())
    return [
        Problem(
            path=path,
            code=without[rows[name].pk][0]["code"],
            message=f'The integration "{name}" needs the {_needed(rows[name])}, which is not there.',
            expected=without[rows[name].pk][0]["expected"],
            severity=Severity.ERROR,
        )
        for path, name in called.items()
        if name in rows and rows[name].pk in without
    ]


def _needed(row: Integration) -> str:
    return f"MCP server {server_of(row)}" if row.type == "mcp" else f"secret {secret_of(row)}"
