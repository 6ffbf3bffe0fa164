"""How one fact of one element is found: its sources are asked in order, and derivations may ask for other facts.

A definition names its sources: "user" (stated by a person or a plugin; always asked first), "attribute:OverallWidth",
"pset:Pset_DoorCommon.FireRating" ("pset:*.Fire Rating" looks in every set), "quantity:Qto_SpaceBaseQuantities.NetFloorArea", "derived:<name>"
(validation/core/derivations.py). IFC attributes are kept among the properties as "Attributes.<Name>" (`Attributes.OverallWidth`,
`Attributes.LongName`, `Attributes.Elevation`); lengths, areas and volumes of attributes, quantities and measured properties arrive in SI. Upper and
lower case, blanks and underscores do not matter in names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeAlias

from validation.core.building import Element, Fact, Value
from validation.core.readings import READERS

ATTRIBUTES: Final = "Attributes"  # the "set" of an element's own IFC attributes among its properties
_SUFFIXES: Final = ("StandardCase", "ElementedCase")
Asking: TypeAlias = Callable[["Deriving", str, "FactDefinition"], Fact | None]
Derivations: TypeAlias = Mapping[str, Callable[["Deriving", "FactDefinition"], "Derived | None"]]


class Level(StrEnum):
    """What a fact depends on, so when it has to be found again."""

    OWN = "own"  # the element alone (and its parts)
    AROUND = "around"  # the rooms, doors and stairs of its storey
    STOREY = "storey"  # of the storey itself
    BUILDING = "building"  # sums over the storeys
    PROJECT = "project"  # stated in the project's row


@dataclass(frozen=True, slots=True, kw_only=True)
class FactDefinition:
    """One fact of some classes. `assumption` is printed when a derivation had to assume; `params` are the numbers of the derivation.

    type: number | integer | text | boolean | list. unit: m, m2, m3, min, persons, rise/run, "".
    """

    name: str
    type: str
    applies_to: tuple[str, ...]
    sources: tuple[str, ...] = ("user",)
    unit: str = ""
    assumption: str = ""
    params: Mapping[str, Value] = field(default_factory=dict)
    level: Level = Level.OWN
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """All definitions in force for a tenant, and the map of space names to functions of one building. Make it with `definitions`."""

    by_class: Mapping[str, Mapping[str, FactDefinition]]
    function_map: Mapping[str, str] = field(default_factory=dict)

    def of(self, ifc_class: str) -> Mapping[str, FactDefinition]:
        """Definitions of the class by name of the fact."""
        return self.by_class.get(base_class(ifc_class), {})


@dataclass(frozen=True, slots=True)
class Derived:
    """What a derivation found. `note` replaces the definition's assumption text when it is given."""

    value: Value
    assumed: bool = False
    note: str = ""
    source: str = ""


@lru_cache(maxsize=2048)
def base_class(ifc_class: str) -> str:
    """IfcWallStandardCase -> IfcWall: facts do not differ between them."""
    for suffix in _SUFFIXES:
        ifc_class = ifc_class.removesuffix(suffix)
    return ifc_class


class Deriving:
    """One element while its facts are found. Derivations ask it for other facts; a circle of them ends in "not known"."""

    __slots__ = ("_facts", "_loose", "_open", "_properties", "children", "definitions", "derivations", "element", "known")

    def __init__(self, element: Element, known: Definitions, derivations: "Derivations", children: Sequence[Element] = ()) -> None:
        self.element = element
        self.derivations = derivations
        self.known = known
        self.definitions = known.of(element.ifc_class)
        self.children = children
        self._facts: dict[str, Fact | None] = {}
        self._open: set[str] = set()
        self._properties: dict[str, tuple[str, Value]] | None = None
        self._loose: dict[str, tuple[str, Value]] = {}

    def fact(self, name: str) -> Fact | None:
        """The named fact from the first of its sources that gives one."""
        if name not in self._facts and name not in self._open:
            self._open.add(name)
            self._facts[name] = self._found(name)
            self._open.discard(name)
        return self._facts.get(name)

    def of_children(self, name: str) -> list[Fact]:
        """The same fact of the element's parts."""
        asked = (Deriving(child, self.known, self.derivations) for child in self.children)
        return [fact for one in asked if (fact := one.fact(name))]

    def value(self, name: str) -> Value:
        fact = self.fact(name)
        return None if fact is None else fact.value

    def _found(self, name: str) -> Fact | None:
        stated = self.element.given.get(name)
        if stated is not None:
            return Fact(value=stated, source="user")
        definition = self.definitions.get(name)
        if definition is None:
            return None
        for source in definition.sources:
            ask, what = _split(source)
            fact = ask(self, what, definition)
            if fact is not None:
                return fact
        return None

    def property(self, name: str) -> tuple[str, Value] | None:
        """(real name, value) of "Set.Property" whatever its spelling; the set "*" stands for any."""
        if self._properties is None:
            self._properties = {_folded(key): (key, value) for key, value in self.element.properties.items()}
            for key, found in self._properties.items():
                if not key.startswith("attributes."):
                    self._loose.setdefault(key.partition(".")[2], found)
        if not self._properties:
            return None
        folded = _folded(name)
        return self._loose.get(folded[2:]) if folded.startswith("*.") else self._properties.get(folded)

    def attribute(self, name: str) -> Value:
        found = self.property(f"{ATTRIBUTES}.{name}")
        return found[1] if found else None


@lru_cache(maxsize=20000)
def _folded(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "")


@lru_cache(maxsize=4096)
def _split(source: str) -> tuple[Asking, str]:
    kind, _, what = source.partition(":")
    return _ASK.get(kind, _nobody), what


def _read(raw: Value, definition: FactDefinition, source: str) -> Fact | None:
    reading = READERS[definition.type](raw, definition.unit)
    return None if reading is None else Fact(value=reading.value, source=source, assumed=bool(reading.note), note=reading.note)


def _from_property(asking: Deriving, name: str, definition: FactDefinition) -> Fact | None:
    found = asking.property(name)
    return _read(found[1], definition, f"pset:{found[0]}") if found else None


def _from_attribute(asking: Deriving, name: str, definition: FactDefinition) -> Fact | None:
    value = _FIELDS[name](asking.element) if name in _FIELDS else asking.attribute(name)
    return _read(value, definition, f"attribute:{name}")


def _from_quantity(asking: Deriving, name: str, definition: FactDefinition) -> Fact | None:
    quantities = asking.element.quantities
    keys = [key for key in quantities if _folded(key).endswith(_folded(name[1:]))] if name.startswith("*.") else [name] if name in quantities else []
    return _read(quantities[keys[0]], definition, f"quantity:{keys[0]}") if keys else None


def _from_derivation(asking: Deriving, name: str, definition: FactDefinition) -> Fact | None:
    derivation = asking.derivations.get(name)
    derived = derivation(asking, definition) if derivation else None
    if derived is None or derived.value is None:
        return None
    note = derived.note or (definition.assumption if derived.assumed else "")
    return Fact(value=derived.value, source=derived.source or f"derived:{name}", assumed=derived.assumed, note=note)


def _nobody(asking: Deriving, name: str, definition: FactDefinition) -> Fact | None:
    """Of "user", which is asked before all others, and of kinds that nobody knows."""
    return None


_FIELDS: Final[Mapping[str, Callable[[Element], Value]]] = {
    "Name": lambda element: element.name,
    "Tag": lambda element: element.tag,
    "PredefinedType": lambda element: element.predefined_type,
}
_ASK: Final[Mapping[str, "Asking"]] = {
    "pset": _from_property,
    "attribute": _from_attribute,
    "quantity": _from_quantity,
    "derived": _from_derivation,
}
