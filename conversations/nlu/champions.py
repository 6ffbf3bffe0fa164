"""The intent model that understands a flow's users, loaded once in a process and kept by its id: what a model is never changes."""

import time
from typing import Final
from uuid import UUID

from conversations.nlu.model import IntentModel, Unusable, from_bytes
from mcp_platform import observability
from mcp_platform.errors import PlatformError
from mcp_platform.ml import queries

log = observability.logger(__name__)

KIND: Final = "intent"
KEPT: Final = 64  # models of one process; some hundred kilobytes each
TRIED_AGAIN_SECONDS: Final = 60.0  # what could not be loaded is not loaded with every message

_models: dict[UUID, IntentModel] = {}
_refused: dict[UUID, float] = {}


def subject_of(flow_id: str) -> str:
    return f"flow:{flow_id}"


def flow_of(subject: str) -> str:
    """The flow that a subject names; "" for one that names none."""
    return subject.removeprefix("flow:") if subject.startswith("flow:") else ""


def model_of(tenant_id: UUID, flow_id: str) -> IntentModel | None:
    """None when no model serves, or when the one that should cannot be used: then patterns answer alone."""
    found = chosen(tenant_id, flow_id)
    return found[1] if found is not None else None


def chosen(tenant_id: UUID, flow_id: str, instead: UUID | None = None) -> tuple[UUID, IntentModel] | None:
    """`instead`: an experiment's model; the champion where that one cannot be used. None when there is none."""
    for model_id in (instead, queries.serving(tenant_id).get((KIND, subject_of(flow_id)))):
        made = by_id(tenant_id, model_id) if model_id is not None else None
        if model_id is not None and made is not None:
            return model_id, made
    return None


def by_id(tenant_id: UUID, model_id: UUID) -> IntentModel | None:
    """None when it cannot be used."""
    found = _models.get(model_id)
    return found if found is not None else _load(tenant_id, model_id)


def _load(tenant_id: UUID, model_id: UUID) -> IntentModel | None:
    if _refused.get(model_id, 0.0) > time.monotonic():
        return None
    try:
        made = from_bytes(queries.content(tenant_id, model_id))
    except (Unusable, PlatformError) as fault:
        log.error("intent_model_refused", model_id=str(model_id), fault=repr(fault))
        _refused[model_id] = time.monotonic() + TRIED_AGAIN_SECONDS
        return None
    if len(_models) >= KEPT:
        _models.clear()
    _models[model_id] = made
    return made
