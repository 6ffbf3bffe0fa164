"""What every service of experiments does the same way: lock, look at the state, tell the audit and the world."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.utils import timezone

from experiments import queries
from experiments.core import chain
from experiments.errors import ExperimentHasChanged, ExperimentNotFound, NotInThisState
from experiments.models import Decision, Experiment
from mcp_platform import jobs
from mcp_platform.outbox import services as outbox
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

Key = str | UUID


def locked(tenant: Tenant, key: Key, expected_rev: int | None = None) -> Experiment:
    """The row, held until the transaction ends. Raises ExperimentNotFound, ExperimentHasChanged."""
    found = queries.experiment(tenant, key)
    held = Experiment.objects.for_tenant(tenant).select_for_update(of=("self",)).filter(pk=found.pk)
    row: Experiment | None = held.select_related("flow", "environment", "base", "namespace", "holdout", "tenant").first()
    if row is None:
        raise ExperimentNotFound(experiment=str(key))
    if expected_rev is not None and row.rev != expected_rev:
        raise ExperimentHasChanged(expected_rev=row.rev, given_rev=expected_rev)
    return row


def require(row: Experiment, states: Collection[str], deed: str) -> None:
    """Raises NotInThisState."""
    if row.state not in states:
        raise NotInThisState(f"An experiment that is {row.state} cannot be {deed}.", state=row.state, expected=sorted(map(str, states)))


def saved(row: Experiment, *, by: By, deed: str, changes: Mapping[str, Any]) -> Experiment:
    """Write it with its audit row, and let every process look again."""
    row.rev += 1
    row.save()
    audit(row.tenant, actor=actor_of(by), action=f"experiment.{deed}", target=row, changes=changes)
    tenant_id = row.tenant_id
    queries.forget(tenant_id)
    jobs.after_commit(lambda: queries.forget(tenant_id))
    return row


def tell(row: Experiment, what: str, **data: Any) -> None:
    """Tell the world, late in the transaction."""
    outbox.emit(
        row.tenant, type=f"experiment.{what}", subject=f"experiments/{row.key}", data={"experiment": row.key, **data}, key=f"experiment:{row.key}"
    )


def note(row: Experiment, verdict: str, *, variant: str = "", reason: str = "", by: By) -> Decision:
    """Append to the experiment's chain of decisions, with the numbers as they are. Called with the experiment locked."""
    last = queries.decisions(row).last()
    made = Decision(
        tenant_id=row.tenant_id,
        experiment=row,
        number=last.number + 1 if last else 1,
        phase=row.phase,
        verdict=verdict,
        variant=variant,
        reason=reason[:2000],
        by=actor_of(by)[:200],
        at=timezone.now(),
        numbers=row.findings,
        previous_digest=last.digest if last else "",
    )
    made.digest = chain.digest(content(made), made.previous_digest)
    made.save()
    row.decision_count, row.decision_digest = made.number, made.digest
    row.save(update_fields=("decision_count", "decision_digest"))
    return made


def content(row: Decision) -> dict[str, Any]:
    """What the digest covers."""
    return {
        "experiment": str(row.experiment_id),
        "number": row.number,
        "phase": row.phase,
        "verdict": row.verdict,
        "variant": row.variant,
        "reason": row.reason,
        "by": row.by,
        "at": row.at.astimezone(timezone.get_default_timezone()).isoformat() if row.at.tzinfo is None else row.at.isoformat(),
        "numbers": row.numbers,
    }
