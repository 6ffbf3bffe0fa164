"""Reads that more than one door uses, and the two caches of this process: compiled programs and current versions.

A program is cached under its version's id and never goes stale, because a version never changes. Which version is current does change: that
cache is dropped at once by a publish in this process and within a second by one in another process (a generation number in the shared
cache), and after FLOW_CACHE_TTL_SECONDS in any case.
"""

import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from flows.core import definition, lint
from flows.core.definition import tenant as tenant_definition
from flows.core.lint.interfaces import Interface, interface_of
from flows.core.lint.references import references
from flows.core.program import compile_program, integration_ids
from flows.core.sites import all_actions
from flows.core.types import Flow as Definition
from flows.core.types import Json, Problem, Program, Severity, Trigger, TriggerFlow
from flows.errors import (
    EnvironmentNotFound,
    FlowHasProblems,
    FlowNotFound,
    FlowTestNotFound,
    IntegrationNotFound,
    StateNotFound,
    StubNotFound,
    TransitionNotFound,
    VersionDoesNotCompile,
    VersionNotFound,
)
from flows.models import Environment, Flow, FlowTest, FlowVersion, Integration, Pointer, State, Stub, TenantHandlers, Transition
from mcp_platform import observability
from mcp_platform.tenancy.models import Tenant
from mcp_platform.vault import queries as vault

log = observability.logger(__name__)
FlowKey: TypeAlias = str | UUID  # the flow_id that authors and clients write, or the row's id
_TRANSITIONS_IN_ORDER = Prefetch("transitions", Transition.objects.select_related("state__flow").order_by("position", "id"))


# ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


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


def users_of_secret(tenant: Tenant | UUID, name: str) -> list[str]:
    """For the vault: what refers to a secret."""
    return [f"integration:{row.integration_id}" for row in integrations(tenant) if secret_of(row) == name]


def integration_problems(rows: Iterable[Integration]) -> dict[UUID, list[dict[str, str]]]:
    """What keeps integrations of one tenant from working although their definitions are whole, by primary key: secrets that are not there."""
    kept = [row for row in rows if secret_of(row)]
    absent = set(vault.missing(kept[0].tenant_id, [secret_of(row) for row in kept])) if kept else set()
    return {row.pk: [_missing_secret(secret_of(row))] for row in kept if secret_of(row) in absent}


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


# ── the draft as a document ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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
    """Calls of integrations whose secret is not there."""
    called = {found.path: found.name for found in references(parsed) if found.kind == "integration"}
    if not called:
        return []
    rows = {row.integration_id: row for row in integrations(tenant).filter(integration_id__in=set(called.values()))}
    without = integration_problems(rows.values())
    return [
        Problem(
            path=path,
            code="missing_secret",
            message=f'The integration "{name}" needs the secret {secret_of(rows[name])}, which is not there.',
            expected="a secret of this name",
            severity=Severity.ERROR,
        )
        for path, name in called.items()
        if name in rows and rows[name].pk in without
    ]


def as_errors(problems: Iterable[Problem]) -> list[dict[str, str]]:
    """Problems as the `errors` of a problem document."""
    return [{**asdict(found), "severity": found.severity.value} for found in problems]


# ── programs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

PROGRAMS_KEPT = 2_000  # far more than one process runs at a time; the oldest half goes when there are more
_programs: dict[str, Program] = {}


def program_for(version_id: UUID | str) -> Program:
    """The compiled version, from this process's cache or from its row in the current tenant scope.

    No lock: two threads may compile the same version once each, and both get the first one's result. Raises VersionNotFound.
    """
    key = str(version_id)
    found = _programs.get(key)
    observability.count_cache("program", hit=found is not None)
    return found or _programs.setdefault(key, _load(key))


def _load(key: str) -> Program:
    text = FlowVersion.objects.filter(pk=key).values_list("definition", flat=True).first()
    if text is None:
        raise VersionNotFound(version_id=key)
    if len(_programs) >= PROGRAMS_KEPT:
        for old in list(_programs)[: PROGRAMS_KEPT // 2]:
            _programs.pop(old, None)
    parsed, problems = definition.parse(json.loads(text))
    program = None
    if parsed is not None:
        program, problems = compile_program(parsed, key)
    if program is None:
        raise VersionDoesNotCompile(version_id=key, errors=as_errors(problems))
    return program


# ── current versions ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Current:
    versions: Mapping[str, UUID]
    generation: str
    expires: float  # time.monotonic()
    looked: float
    afar: "Afar"
    books: dict[tuple[frozenset[str], frozenset[str]], "Book"] = field(default_factory=dict)


class Book(NamedTuple):
    """What a step needs: the pinned programs, those that they can reach through sub-flows, and which version of those is current."""

    programs: Mapping[str, Program]  # version id -> program
    current: Mapping[str, str]  # flow_id -> version id
    tenant: Program | None = None  # the tenant's own handlers
    triggers: Mapping[str, tuple[Trigger, ...]] = {}  # flow_id -> what starts it from anywhere


class Afar(NamedTuple):
    """What listens in every conversation although it belongs to no flow on the stack."""

    tenant: Program | None
    triggers: Mapping[str, tuple[Trigger, ...]]

    @property
    def flows(self) -> frozenset[str]:
        """The flows that may begin because of it."""
        own = flows_used(self.tenant.flow) if self.tenant is not None else frozenset()
        return own | frozenset(self.triggers)


GENERATION_SECONDS = 1.0  # how often the shared generation is looked at: the longest that a publish in another process stays unseen
BOOKS_KEPT = 1_000
_current: dict[tuple[UUID, int], _Current] = {}
_unsettled = threading.local()  # tenants whose pointers this thread has moved in a transaction that may still be open


def current_versions(tenant: Tenant | UUID, where: Environment | int) -> Mapping[str, UUID]:
    """flow_id -> id of the version that runs in this environment. Archived flows are not there."""
    return _entry(tenant, where).versions


def book_for(tenant: Tenant | UUID, where: Environment | int, version_ids: Iterable[UUID | str], also: Iterable[str] = ()) -> Book:
    """The book for these pinned versions, and for the current versions of the flows `also` (the default flow, one that shall start)."""
    entry = _entry(tenant, where)
    pinned, named = frozenset(map(str, version_ids)), frozenset(also)
    found = entry.books.get((pinned, named))
    if found is None:
        if len(entry.books) >= BOOKS_KEPT:
            entry.books.clear()
        found = entry.books[pinned, named] = _make_book(entry.versions, pinned, named, entry.afar)
    return found


def _make_book(versions: Mapping[str, UUID], pinned: frozenset[str], named: frozenset[str], afar: Afar) -> Book:
    programs = {key: program_for(key) for key in pinned}
    current: dict[str, str] = {}
    to_visit = [*named, *afar.flows, *(name for program in programs.values() for name in flows_used(program.flow))]
    while to_visit:
        name = to_visit.pop()
        if name in current or name not in versions:
            continue
        key = current[name] = str(versions[name])
        programs[key] = program_for(key)
        to_visit.extend(flows_used(programs[key].flow))
    return Book(programs=programs, current=current, tenant=afar.tenant, triggers=afar.triggers)


def _afar(tenant_id: UUID, versions: Mapping[str, UUID]) -> Afar:
    """Only versions whose text has triggers are compiled for this."""
    with_triggers = set(FlowVersion.objects.filter(pk__in=versions.values(), definition__contains='"triggers":[').values_list("pk", flat=True))
    found = {flow_id: program_for(key).flow.triggers for flow_id, key in versions.items() if key in with_triggers}
    return Afar(tenant=_tenant_program(tenant_id), triggers={flow_id: triggers for flow_id, triggers in found.items() if triggers})


def _tenant_program(tenant_id: UUID) -> Program | None:
    """None when there is none, or when it does not compile any more: then conversations go on without it."""
    document = TenantHandlers.objects.for_tenant(tenant_id).values_list("document", flat=True).first()
    if not document:
        return None
    parsed, problems = tenant_definition.parse(document)
    program = None
    if parsed is not None:
        key = f"tenant:{definition.digest(definition.canonical(tenant_definition.export(parsed)))}"
        program, problems = compile_program(parsed, key)
    if program is None:
        log.error("tenant_handlers_do_not_compile", tenant_id=str(tenant_id), errors=as_errors(problems)[:5])
    return program


def _entry(tenant: Tenant | UUID, where: Environment | int) -> _Current:
    tenant_id = tenant.pk if isinstance(tenant, Tenant) else tenant
    key = (tenant_id, where.pk if isinstance(where, Environment) else where)
    if _is_unsettled(tenant_id):
        return _read(key, "")  # this transaction sees its own publish; nobody else may, so it is not cached
    found = _current.get(key)
    fresh = found is not None and _still_true(found, tenant_id)
    observability.count_cache("current_versions", hit=fresh)
    if found is None or not fresh:
        # The generation is read before the rows: a publish in between makes this entry look old, never new.
        found = _current[key] = _read(key, _generation(tenant_id))
    return found


def _read(key: tuple[UUID, int], generation: str) -> _Current:
    tenant_id, environment_id = key
    rows = Pointer.objects.for_tenant(tenant_id).filter(environment_id=environment_id, flow__archived_at=None)
    versions = dict(rows.values_list("flow__flow_id", "version_id"))
    now = time.monotonic()
    return _Current(
        versions=versions,
        generation=generation,
        expires=now + settings.FLOW_CACHE_TTL_SECONDS,
        looked=now,
        afar=_afar(tenant_id, versions),
    )


def _still_true(entry: _Current, tenant_id: UUID) -> bool:
    now = time.monotonic()
    if now >= entry.expires:
        return False
    if now - entry.looked >= GENERATION_SECONDS:
        entry.looked = now
        return _generation(tenant_id) in (entry.generation, "")
    return True


def _generation(tenant_id: UUID) -> str:
    """What the last publish of this tenant wrote; "" when nothing did, or when the shared cache is away (then the TTL bounds the age)."""
    try:
        return str(cache.get(f"flows:generation:{tenant_id}") or "")
    except Exception as fault:  # noqa: BLE001  every backend has its own errors, and a turn must not fail because Redis is away
        log.warning("generation_unread", fault=repr(fault))
        return ""


def _is_unsettled(tenant_id: UUID) -> bool:
    tenants: set[UUID] = getattr(_unsettled, "tenants", set())
    if tenant_id not in tenants:
        return False
    if connection.in_atomic_block:
        return True
    tenants.discard(tenant_id)
    return False


def pointers_moving(tenant_id: UUID) -> None:
    """Called inside the transaction that moves pointers: until it ends, this thread reads them from the database."""
    _unsettled.tenants = {*getattr(_unsettled, "tenants", set()), tenant_id}


def pointers_moved(tenant_id: UUID, generation: str) -> None:
    """Called after its commit: every process looks again, this one at once."""
    try:
        cache.set(f"flows:generation:{tenant_id}", generation, timeout=None)
    except Exception as fault:  # noqa: BLE001  as in _generation
        log.warning("generation_unwritten", fault=repr(fault))
    for key in [key for key in list(_current) if key[0] == tenant_id]:
        _current.pop(key, None)
    getattr(_unsettled, "tenants", set()).discard(tenant_id)


# ── what a flow uses ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def flows_used(parsed: Definition) -> frozenset[str]:
    """The flow_ids that this flow can start: its trigger_flow actions and its handlers."""
    triggered = {action.flow_id for _, _, action in all_actions(parsed) if isinstance(action, TriggerFlow)}
    return frozenset(triggered | {handler.flow_id for handler in parsed.handlers if handler.flow_id})


def running(tenant: Tenant | UUID) -> Iterator[tuple[str, Definition]]:
    """(flow_id, definition) of every version that some environment runs, archived flows left out."""
    rows = Pointer.objects.for_tenant(tenant).filter(flow__archived_at=None).values_list("flow__flow_id", "version_id").distinct()
    for flow_id, version_id in rows:
        yield flow_id, program_for(version_id).flow


def users_of_flow(tenant: Tenant | UUID, flow_id: str) -> list[str]:
    """The other flows whose running versions can start this one."""
    return sorted({name for name, parsed in running(tenant) if name != flow_id and flow_id in flows_used(parsed)})


def users_of_integration(tenant: Tenant | UUID, integration_id: str) -> list[str]:
    return sorted({name for name, parsed in running(tenant) if integration_id in integration_ids(parsed)})
