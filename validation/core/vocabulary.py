"""What rules can speak of: the facts of each class with their types and units, taken from the fact definitions in force."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from validation.core import index
from validation.core.building import BUILDING, STOREY
from validation.core.facts import Definitions, FactDefinition, Level
from validation.core.margins import Units

FIXED: Final[Mapping[str, str]] = {"st": STOREY, "b": BUILDING}
CEL_TYPES: Final[Mapping[str, str]] = {"number": "double", "integer": "double", "text": "string", "boolean": "bool", "list": "list"}


def units_of(known: Definitions) -> Units:
    """Name of the fact -> its unit. The same name has the same unit in every class."""
    return {name: fact.unit for facts in known.by_class.values() for name, fact in facts.items() if fact.unit}


def around_of(known: Definitions) -> frozenset[str]:
    """ "IfcSpace.travel_distance": facts of a class that more than the element itself decides."""
    return frozenset(
        f"{ifc_class}.{name}" for ifc_class, facts in known.by_class.items() for name, fact in facts.items() if fact.level is not Level.OWN
    )


def definitions_of(fact: str, classes: Iterable[str], known: Definitions) -> tuple[FactDefinition, ...]:
    """Of a fact with prefix, for a rule about these classes."""
    space, _, name = fact.partition(".")
    about = [FIXED[space]] if space in FIXED else [one for ifc_class in classes for one in known.by_class if related(one, ifc_class)]
    return tuple(known.by_class[one][name] for one in about if name in known.by_class.get(one, {}))


def related(defined: str, named: str) -> bool:
    """Whether facts that are defined for one class can be facts of elements of the other."""
    return index.is_a(named, (defined,)) or index.is_a(defined, (named,))


def elsewhere(fact: str, known: Definitions) -> tuple[str, ...]:
    """Classes that have a fact of this name."""
    name = fact.partition(".")[2]
    return tuple(sorted(ifc_class for ifc_class, facts in known.by_class.items() if name in facts))


def close_to(fact: str, classes: Iterable[str], known: Definitions) -> str:
    """What the author may have meant, with prefix; "" when nothing is like it."""
    space, _, name = fact.partition(".")
    names = {
        f"{prefix}.{one}"
        for prefix, about in (("e", [*classes]), ("st", [STOREY]), ("b", [BUILDING]))
        for ifc_class in about
        for defined, facts in known.by_class.items()
        if related(defined, ifc_class)
        for one in facts
    }
    same_space = [one for one in names if one.startswith(f"{space}.")]
    found = difflib.get_close_matches(f"{space}.{name}", sorted(same_space), n=1, cutoff=0.7)
    return next(iter(found or difflib.get_close_matches(fact, sorted(names), n=1, cutoff=0.7)), "")
