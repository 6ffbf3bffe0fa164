"""What runs: the two caches of this process, compiled programs and current versions.

A program is cached under its version's id and never goes stale, because a version never changes. Which version is current does change: that
cache is dropped at once by a publish in this process and within a second by one in another process (a generation number in the shared
cache), and after FLOW_CACHE_TTL_SECONDS in any case.
"""

import json
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import connection

from flows.core import definition
from flows.core.definition import tenant as tenant_definition
from flows.core.program import compile_program
from flows.core.types import Program, Trigger
from flows.errors import (
    VersionDoesNotCompile,
    VersionNotFound,
)
from flows.models import Environment, FlowVersion, Pointer, TenantHandlers
from flows.queries.reading import as_errors, flows_used
from mcp_platform import observability
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)
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


@dataclass(slots=True)
class _Current:
    versions: Mapping[str, UUID]
    generation: str
    expires: float  # time.monotonic()
    looked: float
    afar: "Afar"
    books: dict[tuple[frozenset[str], frozenset[str], frozenset[tuple[str, str]]], "Book"] = field(default_factory=dict)


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


def book_for(
    tenant: Tenant | UUID,
    where: Environment | int,
    version_ids: Iterable[UUID | str],
    also: Iterable[str] = (),
    instead: Mapping[str, str] | None = None,
) -> Book:
    """The book for these pinned versions, and for the current versions of the flows `also` (the default flow, one that shall start).

    `instead`: flow_id -> the version that this conversation starts it in, in place of the current one.
    """
    entry = _entry(tenant, where)
    pinned, named, others = frozenset(map(str, version_ids)), frozenset(also), frozenset((instead or {}).items())
    found = entry.books.get((pinned, named, others))
    if found is None:
        if len(entry.books) >= BOOKS_KEPT:
            entry.books.clear()
        versions = {**entry.versions, **{flow_id: UUID(key) for flow_id, key in others if flow_id in entry.versions}} if others else entry.versions
        found = entry.books[pinned, named, others] = _make_book(versions, pinned, named, entry.afar)
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
