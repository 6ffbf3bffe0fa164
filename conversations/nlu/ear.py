"""What one flow makes of the words: the remote service or the flow's trained model, with the flow's own patterns, and near choices."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from uuid import UUID

from conversations.core.types import Understanding
from conversations.nlu import champions, entities, minilm, orchestrator, patterns
from conversations.nlu.blending import Ranked, blended
from flows.core.types import Program
from mcp_platform import observability
from mcp_platform.errors import PlatformError

log = observability.logger(__name__)

SURE_EXAMPLE: Final = 90.0  # beside a model only an example that is misspelt counts: what is alike in meaning the model knows better


NOTHING_ELSE: Final[Mapping[str, UUID]] = {}


def understand(
    program: Program, text: str, *, locale: str, tenant_id: UUID | None, thorough: bool, instead: Mapping[str, UUID] = NOTHING_ELSE
) -> Understanding:
    """`tenant_id`: whose models; None for patterns alone. `thorough`: no lock is held, so that a model may compute and a service be asked;
    otherwise only what this process has worked out before is used. `instead`: flow -> the model that an experiment asks in the champion's place."""
    flow = program.flow
    if tenant_id is None or not flow.intents:
        return _with_choices(patterns.understand(program, text, locale=locale), program, text)
    if orchestrator.configured():
        detected = _detected(program, text, locale, tenant_id, thorough)
        if detected is not None:
            signs = patterns.understand(program, text, locale=locale, near=SURE_EXAMPLE)
            intents = blended(signs.intents, detected.intents, flow.intents)
            return _with_choices(Understanding(intents=intents, entities=dict(detected.entities)), program, text)
    asked = _learned(tenant_id, flow.flow_id, text, thorough, instead.get(flow.flow_id))
    if asked is None:
        return _with_choices(patterns.understand(program, text, locale=locale), program, text)
    model_id, learned = asked
    signs = patterns.understand(program, text, locale=locale, near=SURE_EXAMPLE)
    found = Understanding(intents=blended(signs.intents, learned, flow.intents), models={flow.flow_id: str(model_id)})
    return _with_choices(found, program, text)


def _detected(program: Program, text: str, locale: str, tenant_id: UUID, thorough: bool) -> orchestrator.Detected | None:
    if not thorough or not text.strip():
        return orchestrator.remembered(program, text, locale)
    try:
        return orchestrator.detect(program, text, locale=locale, tenant=str(tenant_id))
    except PlatformError as fault:
        log.warning("detected_embedded", fault=fault.message)
        return None


def _learned(tenant_id: UUID, flow_id: str, text: str, thorough: bool, instead: UUID | None) -> tuple[UUID, Ranked] | None:
    """The model that was asked, and what it says; None when there is no model, or no time for it."""
    chosen = champions.chosen(tenant_id, flow_id, instead)
    if chosen is None or not (thorough or chosen[1].ready(text)):
        return None
    try:
        return chosen[0], chosen[1].classify(text)
    except (minilm.Unavailable, minilm.Busy) as fault:
        log.warning("understood_by_patterns", fault=repr(fault))
        return None


def _with_choices(found: Understanding, program: Program, text: str) -> Understanding:
    near = entities.near_choices(program.flow, text) if program.flow.slots else {}
    if not near:
        return found
    return replace(found, entities={**near, **found.entities})
