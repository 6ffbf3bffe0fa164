"""Whether what a server lists is what the protocol asks for. Each judge gives what is wrong, in words; nothing: all is well."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

Outcome: TypeAlias = Literal["passed", "warning", "failed", "skipped"]
Json = Any
LEGAL: Final = re.compile(r"[A-Za-z0-9_.\-]{1,128}")
MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """`said`: what was seen, or why it was skipped."""

    name: str
    title: str
    outcome: Outcome
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformity:
    """How a server keeps to the protocol."""

    server: str
    protocol_version: str
    checks: tuple[Check, ...]

    def count(self, outcome: str) -> int:
        return sum(one.outcome == outcome for one in self.checks)


def _some(things: Sequence[str]) -> str:
    shown = ", ".join(one[:60] for one in things[:MOST_NAMED])
    return f"{shown} and {len(things) - MOST_NAMED} more" if len(things) > MOST_NAMED else shown


def wrong_names(names: Sequence[str]) -> str:
    illegal = [one for one in names if not LEGAL.fullmatch(one)]
    twice = [one for one, count in Counter(names).items() if count > 1]
    said = [f"illegal: {_some(illegal)}"] if illegal else []
    return "; ".join([*said, *([f"more than once: {_some(twice)}"] if twice else [])])


def wrong_schemas(tools: Iterable[Mapping[str, Json]]) -> str:
    """Of arguments and results: JSON Schema 2020-12, an object at the top."""
    wrong = [f"{tool.get('name', '')} {name}" for tool in tools for name in ("inputSchema", "outputSchema") if not _is_schema(tool.get(name), name)]
    return f"no schema of an object: {_some(wrong)}" if wrong else ""


def _is_schema(schema: Json, name: str) -> bool:
    from jsonschema import Draft202012Validator, SchemaError

    if schema is None:
        return name == "outputSchema"
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return False
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError):
        return False
    return True


def bare_tools(tools: Iterable[Mapping[str, Json]]) -> str:
    """A model chooses by the description."""
    bare = [str(tool.get("name", "")) for tool in tools if not str(tool.get("description") or "").strip()]
    return f"without a description: {_some(bare)}" if bare else ""


def contrary_hints(tools: Iterable[Mapping[str, Json]]) -> str:
    contrary = [str(tool.get("name", "")) for tool in tools if _is_contrary(tool.get("annotations") or {})]
    return f"said to read only and to destroy: {_some(contrary)}" if contrary else ""


def _is_contrary(hints: Mapping[str, Json]) -> bool:
    return hints.get("readOnlyHint") is True and hints.get("destructiveHint") is True


def changed(first: Mapping[str, Json], second: Mapping[str, Json]) -> str:
    """Two lists, name -> definition, one right after the other."""
    other = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    return f"another list the second time: {_some(other)}" if other else ""


def wrong_uris(resources: Iterable[Mapping[str, Json]]) -> str:
    uris = [str(one.get("uri", "")) for one in resources]
    relative = [one for one in uris if not urlsplit(one).scheme]
    twice = [one for one, count in Counter(uris).items() if count > 1]
    said = [f"without a scheme: {_some(relative)}"] if relative else []
    return "; ".join([*said, *([f"more than once: {_some(twice)}"] if twice else [])])
