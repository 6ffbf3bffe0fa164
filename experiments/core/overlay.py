"""What a variant changes of its base: RFC 7396 merge patches, or RFC 6902 operations where lists are meant. Done once, when it is validated."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = Any
IDENTITY: Final = ("flow_id", "tenant_id")  # a variant is another content of the same flow
LABELS: Final = frozenset({"version", "tenant_id"})  # no content: changing these alone changes nothing
MERGE: Final = "merge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with modifications. `path` is a JSONPath into them."""

    path: str
    code: str
    message: str
    expected: str = ""


def overlay(base: Mapping[str, Json], modifications: Json, patch_format: str) -> tuple[dict[str, Json], list[Fault]]:
    """The base with the modifications in it, and everything that is wrong with that; the document is empty when there are faults."""
    shaped = _shape(modifications, patch_format)
    if shaped:
        return {}, shaped
    made, faults = _merged_whole(base, modifications) if patch_format == MERGE else patched(base, modifications)
    faults = faults or _content(base, made)
    return ({}, faults) if faults else (made, [])


def _merged_whole(base: Mapping[str, Json], patch: Json) -> tuple[dict[str, Json], list[Fault]]:
    return merged(base, patch), []


def _shape(modifications: Json, patch_format: str) -> list[Fault]:
    kind, name = (Mapping, "an object") if patch_format == MERGE else (list, "a list of operations")
    if isinstance(modifications, kind):
        return []
    return [Fault(path="$", code="wrong_type", message=f"is {type(modifications).__name__}", expected=name)]


def _content(base: Mapping[str, Json], made: Json) -> list[Fault]:
    if not isinstance(made, dict):
        return [Fault(path="$", code="wrong_type", message="leaves no flow behind", expected="an object")]
    faults = [
        Fault(path=f"$.{name}", code="identity", message="is what the flow is known by; a variant cannot change it", expected=str(base.get(name)))
        for name in IDENTITY
        if made.get(name) != base.get(name)
    ]
    if not faults and same_content(base, made):
        faults = [Fault(path="$", code="no_difference", message="changes nothing: both arms would be the same", expected="a difference")]
    return faults


def same_content(one: Mapping[str, Json], other: Mapping[str, Json]) -> bool:
    return {key: value for key, value in one.items() if key not in LABELS} == {key: value for key, value in other.items() if key not in LABELS}


def merged(target: Json, patch: Json) -> Json:
    """RFC 7396: members are put over, null takes one away, lists are replaced as a whole."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    found = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value)
    return found


def patched(base: Mapping[str, Json], operations: list[Json]) -> tuple[dict[str, Json], list[Fault]]:
    """RFC 6902, all or nothing; `test` operations say what the author believed the base to be."""
    import jsonpatch
    import jsonpointer

    found: Any = copy.deepcopy(dict(base))
    for index, operation in enumerate(operations):
        try:
            found = jsonpatch.JsonPatch([operation]).apply(found)
        except jsonpatch.JsonPatchTestFailed as fault:
            return {}, [Fault(path=f"$[{index}]", code="test_failed", message=f"The base is not what this expects: {fault}"[:500])]
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError, IndexError, ValueError) as fault:
            return {}, [Fault(path=f"$[{index}]", code="cannot_apply", message=f"{type(fault).__name__}: {fault}"[:500])]
    return found, []
