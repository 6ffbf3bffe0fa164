"""What a conversation's unit gets of the experiments: who is asked for, and the models that experiments ask in the champions' place.

Turns ask when they run, and whoever understands words asks before that; both get the same answer, because arms stick to units.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from conversations import queries, store
from conversations.core.types import Snapshot
from conversations.nlu import champions
from experiments import queries as experiments
from experiments.queries import Trial
from experiments.services import assigning

OF_FLOWS, OF_MODELS = "flow", "intent_model"
NOTHING: Final[Mapping[str, UUID]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelArm:
    """An arm of an experiment on the intent model of a flow."""

    trial: Trial
    arm: str
    unit: str
    flow_id: str
    model: UUID


def of_models(row: store.Row, at: Snapshot, flows: Collection[str], now: datetime, *, fresh: bool) -> tuple[ModelArm, ...]:
    """The models that understand this conversation in experiments on `flows`. `fresh`: it is being made.

    Only a conversation that began after the experiment (or the end of its pause) and after its unit had its arm takes part: else the champion
    would have understood its first words, whatever the arm.
    """
    found: dict[str, ModelArm] = {}
    for trial in experiments.running(row.tenant_id, row.environment_id):
        flow_id = champions.flow_of(trial.subject) if trial.kind == OF_MODELS else ""
        if flow_id not in flows or flow_id in found or not (fresh or _began_within(row, trial)):
            continue
        unit = unit_of(trial, row)
        made = fresh and trial.unit == "conversation"
        held = assigning.holding(row.tenant_id, trial, unit, attributes(row, at, trial, flow_id), now, fresh=made)
        if held is None or held.arm not in trial.models or not (fresh or unit in trial.forced or _held_before(row, held)):
            continue
        found[flow_id] = ModelArm(trial=trial, arm=held.arm, unit=unit, flow_id=flow_id, model=trial.models[held.arm])
    return tuple(found.values())


def _began_within(row: store.Row, trial: Trial) -> bool:
    return row.created_at is not None and row.created_at >= trial.since


def _held_before(row: store.Row, held: assigning.Held) -> bool:
    return row.created_at is not None and held.at <= row.created_at


def instead(arms: Iterable[ModelArm]) -> Mapping[str, UUID]:
    """flow -> the model that is asked."""
    return {one.flow_id: one.model for one in arms} or NOTHING


def unit_of(trial: Trial, row: store.Row) -> str:
    return str(row.id) if trial.unit == "conversation" else row.user_ref


def attributes(row: store.Row, at: Snapshot, trial: Trial, flow_id: str) -> Mapping[str, Any]:
    """What targeting may ask. `id` is what is hashed."""
    return {
        "id": unit_of(trial, row),
        "user_id": row.user_ref,
        "conversation_id": str(row.id),
        "channel": row.channel,
        "locale": at.locale or row.locale,
        "environment": queries.environment_name(row.environment_id),
        "flow_id": flow_id,
        "profile": at.profile,
    }
