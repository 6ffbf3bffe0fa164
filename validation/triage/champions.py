"""What ranks a tenant's findings: the model that serves, loaded once in a process, or the baseline; and what was known there a minute ago at most."""

import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from mcp_platform import observability
from mcp_platform.errors import PlatformError
from mcp_platform.ml import queries
from mcp_platform.tenancy.models import Tenant
from validation.core.risk import BASELINES, Case, History, Row, baseline_scores, features, history_of
from validation.triage import cases
from validation.triage.forest import Forest, Unusable, from_bytes

log = observability.logger(__name__)

KIND: Final = "risk"
SUBJECT: Final = "findings"
KEPT: Final = 64  # models of one process
TRIED_AGAIN_SECONDS: Final = 60.0
BELIEVED_SECONDS: Final = 60.0
BASELINE: Final = next(iter(BASELINES.values()))

_forests: dict[UUID, Forest] = {}
_refused: dict[UUID, float] = {}
_histories: dict[UUID, tuple[float, History]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """`model` is None where the baseline ranks."""

    model: UUID | None
    forest: Forest | None

    def scores(self, rows: list[Row]) -> list[float]:
        """0 to 1, the highest to be looked at first."""
        if not rows:
            return []
        found = self.forest.probabilities(rows).tolist() if self.forest is not None else baseline_scores(rows, BASELINE)
        return [round(float(score), 6) for score in found]


def ranking(tenant_id: UUID, instead: UUID | None = None) -> Ranking:
    """`instead`: an experiment's model; the champion where that one cannot be used; the baseline when no model serves, or none can be used."""
    for model_id in (instead, queries.serving(tenant_id).get((KIND, SUBJECT))):
        forest = forest_of(tenant_id, model_id) if model_id is not None else None
        if forest is not None:
            return Ranking(model=model_id, forest=forest)
    return Ranking(model=None, forest=None)


def forest_of(tenant_id: UUID, model_id: UUID) -> Forest | None:
    """None when its bytes are not those that were trained, or were trained on other features."""
    found = _forests.get(model_id)
    if found is not None:
        return found
    if _refused.get(model_id, 0.0) > time.monotonic():
        return None
    try:
        made = from_bytes(queries.content(tenant_id, model_id))
    except (Unusable, PlatformError) as fault:
        log.error("triage_model_refused", model_id=str(model_id), fault=repr(fault))
        _refused[model_id] = time.monotonic() + TRIED_AGAIN_SECONDS
        return None
    if len(_forests) >= KEPT:
        _forests.clear()
    _forests[model_id] = made
    return made


def history(tenant: Tenant, *, fresh: bool = False) -> History:
    """What was found and judged in the tenant, at most a minute old."""
    held = _histories.get(tenant.pk)
    if held is not None and not fresh and held[0] > time.monotonic():
        return held[1]
    made = history_of(cases.brief(tenant))
    if len(_histories) >= KEPT:
        _histories.clear()
    _histories[tenant.pk] = (time.monotonic() + BELIEVED_SECONDS, made)
    return made


def forget(tenant_id: UUID) -> None:
    _histories.pop(tenant_id, None)


def rows_of(found: list[Case], known: History, now: float) -> list[Row]:
    return [features(case, known, now) for case in found]
