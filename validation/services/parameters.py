"""Values for parameters that a rule set, an amendment or a project sets apart from the rule: they must fit the rule's own."""

from collections.abc import Iterable
from typing import Any

from validation.models import Rule
from validation.services.authoring import Fault, fault

EXPECTED = '{"min": {"value": 0.9, "unit": "m", "display": "900 mm"}}'


def faults_of(given: Any, path: str, rules: Iterable[Rule]) -> Iterable[Fault]:
    """`rules`: every stored rule of the key. A name that none of them has would change nothing; another unit would change the meaning."""
    if not isinstance(given, dict) or not given:
        yield fault(path, "missing", "names no parameter", EXPECTED)
        return
    units = units_of(rules)
    for name, value in given.items():
        at = f"{path}.{name[:80]}"
        if not isinstance(value, dict) or "value" not in value or value["value"] is None:
            yield fault(at, "wrong_type", "has no value", EXPECTED)
        elif name not in units and units:
            yield fault(at, "unknown", "is no parameter of the rule", ", ".join(sorted(units)))
        elif units and value.get("unit", "") not in {"", *units[name]}:
            yield fault(f"{at}.unit", "wrong_unit", "is another unit than the rule's", " or ".join(sorted(units[name])))


def units_of(rules: Iterable[Rule]) -> dict[str, set[str]]:
    """Parameter -> the units in which versions of the rule have it."""
    found: dict[str, set[str]] = {}
    for rule in rules:
        for name, parameter in rule.params.items():
            found.setdefault(name, set()).add(str(parameter.get("unit", "")) if isinstance(parameter, dict) else "")
    return found
