"""The end of an experiment: a decision that is kept, and the winner published."""

from contextlib import AbstractContextManager, nullcontext

from django.db import transaction

from experiments import queries
from experiments.core import chain
from experiments.errors import NotInThisState, VariantNotFound
from experiments.models import Decision, Experiment, Variant
from experiments.services import challenging
from experiments.services.planning import require_base
from experiments.services.rows import Key, content, locked, note, require, saved, tell
from flows import queries as flows
from flows import services as flow_services
from flows.core import definition
from flows.errors import DraftHasChanged
from mcp_platform.ml import services as models
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import By

State = Experiment.State
ENDED = (State.RUNNING, State.PAUSED, State.STOPPED)


def decide(tenant: Tenant, *, key: Key, verdict: str, reason: str, by: By) -> Decision:
    """End it without a change of what runs. `verdict`: keep (the base stays) or inconclusive. Raises NotInThisState."""
    with transaction.atomic():
        row = locked(tenant, key)
        require(row, ENDED, "decided")
        row.state = State.DECIDED
        saved(row, by=by, deed="decide", changes={"verdict": verdict, "reason": reason})
        challenging.end(row, by)
        made = note(row, verdict, reason=reason, by=by)
        tell(row, "decided", verdict=verdict, variant="")
    return made


def promote(tenant: Tenant, *, key: Key, variant: str, reason: str, overwrite_draft: bool = False, by: By) -> Decision:
    """Publish a variant: its version becomes the draft and is published in the usual way, with the flow's tests; of models, it is promoted.

    Who decides experiments may not publish with that alone: it needs `flows:publish`, of models `models:write`. The flow's draft must still be what
    the base was, unless `overwrite_draft`. Raises Denied, BaseHasMoved, DraftHasChanged, FlowHasProblems,
    FailingTests, VariantNotFound, NotInThisState, GatesClosed.
    """
    asked = queries.experiment(tenant, key)
    with _permits(asked, by), transaction.atomic():
        row = locked(tenant, key)
        require(row, ENDED, "decided")
        chosen: Variant | None = row.variants.select_related("version", "model").filter(key=variant).first()
        if chosen is None:
            raise VariantNotFound(variant=variant)
        _require_right(row, chosen, by)
        require_base(row)
        row.state = State.DECIDED
        saved(row, by=by, deed="promote", changes={"variant": variant, "reason": reason})
        made = note(row, "promote", variant=variant, reason=reason, by=by)
        tell(row, "decided", verdict="promote", variant=variant)
        if row.kind == Experiment.Kind.FLOW and not chosen.is_control:
            _publish(row, chosen, reason, overwrite_draft, by)
        elif chosen.model is not None and not chosen.is_control:
            models.promote(tenant, model_id=chosen.model.pk, by=by)
        challenging.end(row, by)
    return made


def _require_right(row: Experiment, chosen: Variant, by: By) -> None:
    """Raises Denied. The control runs already: to keep it publishes nothing."""
    if isinstance(by, Principal) and not chosen.is_control:
        by.require("flows:publish" if row.kind == Experiment.Kind.FLOW else "models:write")


def _permits(asked: Experiment, by: By) -> AbstractContextManager[None]:
    """What a security hub says to the publish is asked before the transaction."""
    if asked.flow is None or asked.kind != Experiment.Kind.FLOW:
        return nullcontext()
    return flow_services.permits_ahead(asked.tenant, asked.flow.flow_id, ("edit", "publish"), by)


def _publish(row: Experiment, chosen: Variant, reason: str, overwrite_draft: bool, by: By) -> None:
    if row.flow is None or row.base is None or chosen.version is None:
        raise NotInThisState(state=row.state)
    drafted = flow_services.export_flow(row.tenant, flow_id=row.flow.pk)
    if definition.digest(drafted) not in (row.base.sha256, chosen.version.sha256) and not overwrite_draft:
        raise DraftHasChanged("The draft of the flow has changes that are not published; publish or discard them first.", flow_id=row.flow.flow_id)
    document = definition.export(flows.program_for(chosen.version.pk).flow)
    flow_services.save_draft(row.tenant, flow_id=row.flow.pk, document=document, by=by)
    note_ = f"experiment {row.key}: {chosen.key} promoted. {reason}"[:500]
    flow_services.publish(row.tenant, flow_id=row.flow.pk, environment=row.environment.name, note=note_, by=by)


def archive(tenant: Tenant, *, key: Key, by: By) -> Experiment:
    with transaction.atomic():
        row = locked(tenant, key)
        require(row, (State.DRAFT, State.VALIDATED, State.STOPPED, State.DECIDED), "archived")
        row.state = State.ARCHIVED
        return saved(row, by=by, deed="archive", changes={})


def verify_decisions(row: Experiment) -> int | None:
    """The number of the first decision that was tampered with or is missing; None when the chain holds."""
    rows = list(queries.decisions(row))
    place = chain.broken_at((content(one), one.previous_digest, one.digest) for one in rows)
    if place is not None:
        return rows[place].number
    anchor = Experiment.objects.filter(pk=row.pk).values_list("decision_count", "decision_digest").get()
    return None if anchor == (len(rows), rows[-1].digest if rows else "") else len(rows) + 1
