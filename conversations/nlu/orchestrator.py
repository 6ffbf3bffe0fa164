"""The remote model service, when MODEL_ORCHESTRATOR_URL names one: docs/protocol/model_orchestrator.md is the contract.

It has little time, its answers are checked, and a breaker keeps a service that is down from costing every message its timeout. Whatever
goes wrong, the caller does without: the embedded model answers, or the flow's own text is said.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from django.conf import settings

from conversations.core.words import clean
from flows.core.types import Program
from mcp_platform import errors, observability, outbound
from mcp_platform.outbound import breaker

log = observability.logger(__name__)
T = TypeVar("T")

DETECT: Final = "/v1/detect"
GENERATE: Final = "/v1/generate"
MOST_INTENTS: Final = 500
MOST_EXAMPLES: Final = 5  # of each intent, in a request
LONGEST_TEXT: Final = 2_000
REMEMBERED: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    intents: tuple[tuple[str, float], ...]
    entities: Mapping[str, str] = field(default_factory=dict)


class Refused(errors.Unavailable):
    """The model service cannot be asked, or its answer is not one."""

    code = "MODEL_UNAVAILABLE"


def configured() -> bool:
    return bool(settings.MODEL_ORCHESTRATOR_URL)


_Key = tuple[str, str, str]  # program, locale, text
_answers: "OrderedDict[_Key, Detected]" = OrderedDict()
_lock = Lock()


def remembered(program: Program, text: str, locale: str) -> Detected | None:
    """An answer that this process has got before."""
    with _lock:
        return _answers.get((program.key, locale, text))


def detect(program: Program, text: str, *, locale: str, tenant: str) -> Detected:
    """What the service makes of the words. Raises PlatformError in whatever way that fails."""
    known = remembered(program, text, locale)
    if known is not None:
        return known
    flow = program.flow
    body = {
        "tenant_id": tenant,
        "flow_id": flow.flow_id,
        "version_id": program.key,
        "locale": locale,
        "text": clean(text)[:LONGEST_TEXT],
        "intents": [
            {"name": intent.name, "examples": list(intent.examples[:MOST_EXAMPLES])} for intent in list(flow.intents.values())[:MOST_INTENTS]
        ],
        "slots": [{"name": rule.name, "type": rule.type.value} for rule in flow.slots.values()],
    }
    found = _ask(DETECT, body, timeout_ms=settings.MODEL_ORCHESTRATOR_TIMEOUT_MS, read=lambda answer: _detected(answer, program))
    with _lock:
        _answers[program.key, locale, text] = found
        while len(_answers) > REMEMBERED:
            _answers.popitem(last=False)
    return found


def _detected(answer: Any, program: Program) -> Detected:
    """Only intents and slots that the flow has. Raises TypeError, ValueError, KeyError for what is no answer."""
    flow = program.flow
    scores: dict[str, float] = {}
    for one in answer["intents"]:
        name, confidence = one["name"], float(one["confidence"])
        if not 0 <= confidence <= 1:
            raise ValueError(f"a confidence of {confidence}")
        if name in flow.intents:
            scores[name] = max(confidence, scores.get(name, 0.0))
    entities = {name: clean(value)[:500] for name, value in (answer.get("entities") or {}).items() if name in flow.slots and isinstance(value, str)}
    return Detected(intents=tuple(sorted(scores.items(), key=lambda pair: -pair[1])), entities=entities)


def generate(request: Mapping[str, Any], *, timeout_ms: int, tenant: str, key: str) -> str:
    """The text for a prompt. Raises PlatformError in whatever way that fails."""
    body = {"tenant_id": tenant, "idempotency_key": key, **request}
    return _ask(GENERATE, body, timeout_ms=timeout_ms, read=_text, key=key)


def _text(answer: Any) -> str:
    text = answer["text"]
    if not isinstance(text, str) or not text.strip():
        raise ValueError("no text")
    return clean(text)


def _ask(path: str, body: Mapping[str, Any], *, timeout_ms: int, read: Callable[[Any], T], key: str = "") -> T:
    name = f"model-orchestrator:{path}"
    if not breaker.admits(name):
        raise Refused("The model service has failed too often and is left alone for a while.")
    base = settings.MODEL_ORCHESTRATOR_URL.rstrip("/")
    headers = {"X-Correlation-ID": observability.correlation_id(), **({"Idempotency-Key": key} if key else {})}
    if settings.MODEL_ORCHESTRATOR_TOKEN:
        headers["Authorization"] = f"Bearer {settings.MODEL_ORCHESTRATOR_TOKEN}"
    told = False
    try:
        # The address is the operator's, not a tenant's: it may be a private one.
        answer = outbound.request("POST", base + path, json=body, headers=headers, timeout_ms=timeout_ms, allow_hosts=[urlsplit(base).hostname or ""])
        found = _read(answer, read)
        breaker.report(name, healthy=True)
        told = True
        return found
    finally:
        if not told:
            breaker.report(name, healthy=False)


def _read(answer: outbound.Answer, read: Callable[[Any], T]) -> T:
    if answer.status != 200:
        raise Refused(f"The model service answered {answer.status}.")
    try:
        return read(json.loads(answer.body))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
        raise Refused(f"The model service gave an answer that cannot be read: {fault}.") from fault
