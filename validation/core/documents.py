"""Rules as documents: what packs and exports hold, what is hashed, and what differs between two versions. JSON in, JSON out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from validation.core import canonical

Document: TypeAlias = dict[str, Any]

# Member of a rule document -> what it is when it is left out.
MEMBERS: Final[Mapping[str, Any]] = {
    "key": "",
    "title": "",
    "kind": "cel",
    "applies_to": [],
    "when": "true",
    "require": "true",
    "message": "",
    "params": {},
    "severity": "major",
    "weight": 1.0,
    "category": "",
    "discipline": "",
    "scope": "element",
    "check": "",
    "citation": {},
    "rationale": "",
    "examples": [],
    "exceptions": [],
    "ids": "",
    "provenance": "",
    "section_provenance": "",
    "source": "",
    "is_active": True,
}
CITATION: Final = ("section", "paraphrase", "url")
_NOT_RUN: Final = frozenset({"examples", "rationale", "provenance", "section_provenance", "source", "is_active"})  # what a check does not depend on


def complete(document: Mapping[str, Any]) -> Document:
    """With every member, in their order; what is not known is left out."""
    whole = {name: document.get(name, default) for name, default in MEMBERS.items()}
    given = whole["citation"] if isinstance(whole["citation"], Mapping) else {}
    return {**whole, "citation": {name: given.get(name, "") for name in CITATION}}


def content_sha256(rules: Iterable[Mapping[str, Any]], overrides: Mapping[str, Any]) -> str:
    """Of a version: over its rules by key and its overrides. The order in which people see them is no part of it."""
    ordered = sorted((complete(rule) for rule in rules), key=lambda rule: str(rule["key"]))
    return canonical.sha256({"rules": ordered, "overrides": overrides})


def as_run(document: Mapping[str, Any]) -> Document:
    """Only what a check depends on."""
    whole = complete(document)
    citation = whole["citation"]
    if whole["section_provenance"] == "M" and citation["section"]:
        citation = {**citation, "section": f"{citation['section']} (number not confirmed)"}
    return {**{name: value for name, value in whole.items() if name not in _NOT_RUN}, "citation": citation}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """kind: added | removed | changed. `path`: "IBC21-1017.2-TRAVEL.params.limits.value.B"; for a rule as a whole, its key."""

    rule: str
    kind: str
    path: str
    before: Any = None
    after: Any = None


def compare(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> tuple[Change, ...]:
    """What changed from one list of rule documents to another, by key; maps are compared member by member, lists as a whole."""
    old = {str(rule["key"]): complete(rule) for rule in before}
    new = {str(rule["key"]): complete(rule) for rule in after}
    found: list[Change] = []
    for key in sorted(old.keys() | new.keys()):
        if key not in old:
            found.append(Change(rule=key, kind="added", path=key, after=new[key]["title"]))
        elif key not in new:
            found.append(Change(rule=key, kind="removed", path=key, before=old[key]["title"]))
        else:
            found.extend(_differences(key, key, old[key], new[key]))
    return tuple(found)


def _differences(rule: str, path: str, old: Any, new: Any) -> Iterable[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _differences(rule, f"{path}.{name}", old.get(name), new.get(name))
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        kind = "added" if old is None else "removed" if new is None else "changed"
        yield Change(rule=rule, kind=kind, path=path, before=old, after=new)
