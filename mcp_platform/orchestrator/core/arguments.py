"""Whether arguments fit the schema that was approved: before they leave, so that a caller hears at once and in our words what is wrong.

The schema comes from somebody else's server. So nothing is fetched for it, and its regular expressions are left to that server: Python's can be
made to run for ever. So is the search for items that occur twice, which takes a square of their number.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

KEPT: Final = 500
MOST_FAULTS: Final = 20  # looked for
_validators: OrderedDict[str, Any] = OrderedDict()


def fault_of(arguments: Mapping[str, Any], *, schema: Mapping[str, Any], key: str) -> tuple[str, str]:
    """(JSON path, what is wrong) of the first fault; ("", "") when they fit, or when the schema itself cannot be followed.

    `key` names the schema for ever: its hash.
    """
    try:
        faults = islice(_validator(key, schema).iter_errors(dict(arguments)), MOST_FAULTS)
        found = sorted(faults, key=lambda one: [str(step) for step in one.path])
    except Exception:  # noqa: BLE001  a reference to nowhere, a type that does not exist, no end: the server will say what it thinks
        return "", ""
    return (found[0].json_path, str(found[0].message)[:200]) if found else ("", "")


def _validator(key: str, schema: Mapping[str, Any]) -> Any:
    found = _validators.get(key)
    if found is None:
        if len(_validators) >= KEPT:
            _validators.popitem(last=False)
        found = _validators[key] = _made(schema)
    return found


def _made(schema: Mapping[str, Any]) -> Any:
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry

    def additional(validator: Any, value: Any, instance: Any, inside: Mapping[str, Any]) -> Iterator[Any]:
        if "patternProperties" not in inside:
            yield from Draft202012Validator.VALIDATORS["additionalProperties"](validator, value, instance, inside)

    def nothing(*_: Any) -> tuple[()]:
        return ()

    left_alone = dict.fromkeys(("pattern", "patternProperties", "unevaluatedProperties", "uniqueItems"), nothing)
    extend: Any = validators.extend
    kind = extend(Draft202012Validator, {**left_alone, "additionalProperties": additional})
    return kind(dict(schema), registry=Registry())
