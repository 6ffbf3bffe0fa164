"""How many live conversations run which version of a flow, where they stand, and which of them a plan concerns."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.db.models.fields.json import KT

from conversations.core.frames import DEPTH
from conversations.models import Conversation, MigrationPlan
from flows.models import Flow, FlowVersion, Pointer
from mcp_platform.tenancy.models import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The live conversations of one version in one environment. `states` are those of this flow's own frame; `inside` of them run it as a
    sub-flow. `runs`: the environment starts new conversations with it."""

    version_id: UUID
    number: int
    environment: str
    environment_id: int
    runs: bool
    states: Counter[str] = field(default_factory=Counter)
    inside: int = 0

    @property
    def total(self) -> int:
        return self.states.total()


def alive(tenant: Tenant) -> QuerySet[Conversation]:
    rows: QuerySet[Conversation] = Conversation.objects.for_tenant(tenant).exclude(status="ended")
    return rows


def live(tenant: Tenant, flow: Flow) -> list[Live]:
    """Every version of the flow that runs somewhere or has live conversations, newest first."""
    numbers: dict[UUID, int] = dict(FlowVersion.objects.filter(flow=flow).values_list("pk", "number"))
    found = {(one.version_id, one.environment_id): _row(one, numbers) for one in Pointer.objects.filter(flow=flow).select_related("environment")}
    where: dict[int, str] = {}
    inside: Counter[tuple[UUID, int]] = Counter()
    states: dict[tuple[UUID, int], Counter[str]] = {}
    for version_id, environment_id, name, state, count, below in _counted(tenant, flow, numbers):
        where[environment_id] = name
        states.setdefault((version_id, environment_id), Counter())[state or ""] += count
        inside[version_id, environment_id] += count if below else 0
    for key, counted in states.items():
        known = found.get(key)
        found[key] = Live(
            version_id=key[0],
            number=numbers[key[0]],
            environment=where[key[1]],
            environment_id=key[1],
            runs=known is not None,
            states=counted,
            inside=inside[key],
        )
    return sorted(found.values(), key=lambda one: (one.environment, -one.number))


def _row(pointer: Pointer, numbers: dict[UUID, int]) -> Live:
    return Live(
        version_id=pointer.version_id,
        number=numbers[pointer.version_id],
        environment=pointer.environment.name,
        environment_id=pointer.environment_id,
        runs=True,
    )


def _counted(tenant: Tenant, flow: Flow, numbers: dict[UUID, int]) -> Iterator[tuple[UUID, int, str, str, int, bool]]:
    """(version, environment id and name, state, count, whether as a sub-flow)."""
    bottom = alive(tenant).filter(version__flow=flow).order_by().annotate(state=KT("snapshot__frames__0__state"))
    for row in bottom.values_list("version_id", "environment_id", "environment__name", "state").annotate(n=Count("pk")):
        yield (*row, False)
    above = alive(tenant).filter(_frames_above(flow_id=flow.flow_id)).values_list("environment_id", "environment__name", "snapshot__frames")
    for environment_id, name, frames in above.iterator(chunk_size=500):
        for frame in frames[1:]:
            if frame["flow_id"] == flow.flow_id and UUID(frame["program"]) in numbers:
                yield UUID(frame["program"]), environment_id, name, frame["state"], 1, True


def _frames_above(**wanted: str) -> Q:
    """Some frame but the one at the bottom has this member."""
    found = Q()
    for name, value in wanted.items():
        for level in range(1, DEPTH):
            found |= Q(**{f"snapshot__frames__{level}__{name}": value})
    return found


def waiting_for(tenant: Tenant, plan: MigrationPlan) -> QuerySet[Conversation]:
    """The live conversations that run the version which the plan leaves, on the bottom of their stack or above it."""
    uses = Q(version_id=plan.source_id) | _frames_above(program=str(plan.source_id))
    return alive(tenant).filter(uses, environment_id=plan.environment_id)


def live_states(tenant: Tenant, plan: MigrationPlan) -> Counter[str]:
    """Where the conversations of a plan stand: the states of its source version that are in use."""
    found: Counter[str] = Counter()
    for frames in waiting_for(tenant, plan).values_list("snapshot__frames", flat=True).iterator(chunk_size=500):
        found.update(_states_of(frames, str(plan.source_id)))
    return found


def _states_of(frames: list[dict[str, Any]], program: str) -> set[str]:
    return {frame["state"] for frame in frames if frame["program"] == program}
