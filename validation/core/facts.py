"""Facts of elements: the definitions in force, and an element's own facts after them (validation/core/sources.py says how each is found)."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from validation.core.building import Element, Fact, Facts
from validation.core.derivations import DERIVATIONS
from validation.core.fact_table import BUILT_IN
from validation.core.sources import ATTRIBUTES, Definitions, Derived, Deriving, FactDefinition, Level, base_class


def definitions(rows: Iterable[FactDefinition] = (), *, function_map: Mapping[str, str] | None = None) -> Definitions:
    """The built-in table with a tenant's rows laid over it: a row wins over the built-in definition of its name for the classes that it names."""
    by_class: dict[str, dict[str, FactDefinition]] = {}
    for definition in (*BUILT_IN, *rows):
        for ifc_class in definition.applies_to:
            by_class.setdefault(base_class(ifc_class), {})[definition.name] = definition
    return Definitions(by_class=MappingProxyType(by_class), function_map=dict(function_map or {}))


def derive(element: Element, known: Definitions, *, children: Sequence[Element] = ()) -> Facts:
    """The element's own facts. `children`: its parts (flights of a stair); what cannot be known is absent.

    What the model itself says of a fact that depends on surroundings (a door's FireExit) is among them; the surroundings win over it when they are
    known.
    """
    deriving = Deriving(element, known, DERIVATIONS, children)
    found = {name: deriving.fact(name) for name in deriving.definitions}
    stated = {name: Fact(value=value, source="user") for name, value in element.given.items() if value is not None}
    return {name: fact for name, fact in {**found, **stated}.items() if fact is not None}


__all__ = ["ATTRIBUTES", "Definitions", "Derived", "Deriving", "FactDefinition", "Level", "base_class", "definitions", "derive"]
