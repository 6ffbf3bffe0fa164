"""Intent models in the shadow: after a turn they are run in a worker on what was said, beside the model that understood it. Nobody hears them.

The turn has the text and the model in its row, so that the job carries ids alone. Both are asked without the flow's patterns: these would settle
many sentences for both, and the models would look more alike than they are.
"""

import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.core.cache import cache

from conversations import sealed
from conversations.core import codec
from conversations.core.types import Event, Said
from conversations.models import Turn
from conversations.nlu import champions, minilm
from conversations.nlu.blending import Ranked
from conversations.nlu.model import BAR, OUT_OF_SCOPE
from mcp_platform import jobs, observability
from mcp_platform.ml import queries as models
from mcp_platform.ml import stages
from mcp_platform.ml.stages import Compared
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)

NOTHING: Final = "(nothing)"  # no intent above the bar
REMEMBERED_SECONDS: Final = 3_600  # a job that comes twice within this time counts once


def follow(tenant: Tenant, turn_id: UUID, events: Sequence[Event]) -> None:
    """After a step: have its words compared when a model understood them and another one is in the shadow."""
    asked = [name for event in events if event.kind == "message" for name in event.data.get("models") or ()]
    if asked and any((champions.KIND, champions.subject_of(name)) in models.shadows(tenant.pk) for name in asked):
        jobs.enqueue("conversations.shadow_turn", tenant_id=str(tenant.pk), turn_id=str(turn_id))


def compare(tenant: Tenant, *, turn_id: UUID) -> int:
    """The worker's part: how many models in the shadow were run."""
    request = Turn.objects.for_tenant(tenant).filter(pk=turn_id).values_list("request", flat=True).first()
    said = codec.input_from_json(sealed.opened(request)["input"]) if request and "input" in request else None
    if not isinstance(said, Said) or not said.text:
        return 0
    count = 0
    for flow_id, served_id in said.understanding.models.items():
        for shadow_id in models.shadows(tenant.pk).get((champions.KIND, champions.subject_of(flow_id)), ()):
            if str(shadow_id) != served_id and _first_time(turn_id, shadow_id):
                count += _compare(tenant, said.text, UUID(served_id), shadow_id)
    return count


def _first_time(turn_id: UUID, shadow_id: UUID) -> bool:
    try:
        return bool(cache.add(f"shadow:{turn_id}:{shadow_id}", 1, REMEMBERED_SECONDS))
    except Exception as fault:  # noqa: BLE001  each cache has its own errors; a comparison more or less is no harm
        log.warning("shadow_unmarked", fault=repr(fault))
        return True


def _compare(tenant: Tenant, text: str, served_id: UUID, shadow_id: UUID) -> int:
    served, shadow = champions.by_id(tenant.pk, served_id), champions.by_id(tenant.pk, shadow_id)
    if served is None or shadow is None:
        return 0
    try:
        began = time.perf_counter()
        told = _best(shadow.classify(text))
        spent = (time.perf_counter() - began) * 1000
        heard = _best(served.classify(text))
    except (minilm.Unavailable, minilm.Busy) as fault:
        log.warning("shadow_unheard", fault=repr(fault))
        return 0
    number = models.model(tenant, served_id).number
    stages.note(tenant, model_id=shadow_id, served_number=number, seen=_seen(heard, told, spent))
    return 1


def _best(ranked: Ranked) -> tuple[str, float]:
    """The intent that would be believed, or NOTHING; and the confidence of the best one."""
    name, confidence = next(((name, score) for name, score in ranked if name != OUT_OF_SCOPE), ("", 0.0))
    return (name if confidence >= BAR else NOTHING), confidence


def _seen(heard: tuple[str, float], told: tuple[str, float], milliseconds: float) -> Compared:
    same = heard[0] == told[0]
    return Compared(
        compared=1,
        agreed=int(same),
        sure=int(told[0] != NOTHING),
        served_sure=int(heard[0] != NOTHING),
        confidence=told[1],
        served_confidence=heard[1],
        milliseconds=milliseconds,
        differences={} if same else {(heard[0], told[0]): 1},
    )
