"""GraphQL over HTTP: the mapped values are the variables; an answer with `errors` is a failure, whatever its status."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from conversations.effects import answers, rest
from conversations.effects.types import Ask, Heard, Sent, Veil, failed
from flows.models import Integration
from mcp_platform import outbound

_INLINE: Final = re.compile(r"\s*(?:\{|query\b|mutation\b|fragment\b)")
_STRINGS: Final = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"|#[^\n]*', re.DOTALL)
_NAMED: Final = re.compile(r"\b(?:query|mutation)\s+([_A-Za-z][_0-9A-Za-z]*)")


def document_of(integration: Integration, endpoint: str) -> str:
    """The document itself, or the one that the integration keeps under this name; "" when there is none."""
    if _INLINE.match(_STRINGS.sub(" ", endpoint)):
        return endpoint
    kept = (integration.options.get("operations") or {}).get(endpoint.strip())
    return kept if isinstance(kept, str) else ""


def repeatable(integration: Integration, request: Mapping[str, Any]) -> bool:
    """A document without a mutation changes nothing."""
    document = document_of(integration, str(request.get("endpoint", "")))
    return bool(document) and "mutation" not in _top_level(document)


def perform(ask: Ask) -> Heard:
    document = document_of(ask.integration, ask.endpoint)
    if not document:
        return failed(f"the integration keeps no operation {ask.endpoint[:60]}")
    names = _NAMED.findall(_STRINGS.sub(" ", document))
    body = {"query": document, "variables": ask.values, **({"operationName": names[0]} if len(names) == 1 else {})}
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/graphql-response+json, application/json",
        **ask.integration.headers,
        **ask.marks(),
    }
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    letter = rest.Letter(method="POST", url=ask.integration.base_url, params={}, headers=headers, content=content, shown=body)
    return rest.exchange(ask, letter, _heard)


def _heard(answer: outbound.Answer, veil: Veil, sent: Sent) -> Heard:
    found = answers.heard(answer, veil, sent)
    told = found.outcome.data
    if not isinstance(told, Mapping) or not {"data", "errors"} & told.keys():
        if found.outcome.success:
            outcome = replace(found.outcome, success=False, code="INTEGRATION_ERROR", error="the answer is not one of GraphQL")
            return replace(found, outcome=outcome)
        return found
    faults = told.get("errors")
    if faults:
        outcome = replace(found.outcome, success=False, code="INTEGRATION_ERROR", error=_first(faults), data=told)
        return replace(found, outcome=outcome)
    return replace(found, outcome=replace(found.outcome, data=told.get("data")))


def _first(faults: Any) -> str:
    one = faults[0] if isinstance(faults, list) and faults else faults
    message = one.get("message") if isinstance(one, Mapping) else one
    return f"GraphQL: {str(message)[:300]}"


def _top_level(document: str) -> str:
    """The words outside of all braces and parentheses."""
    depth, found = 0, []
    for letter in _STRINGS.sub(" ", document):
        if letter in "{(":
            depth += 1
        elif letter in "})":
            depth -= 1
        elif depth == 0:
            found.append(letter)
    return "".join(found)
