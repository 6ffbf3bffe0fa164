"""Which rules are about what: by class, subtypes included, and by the facts that they read."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from validation.core.ifc_classes import PARENTS
from validation.core.judge import Runnable

ROOT = "IfcObject"


@lru_cache(maxsize=4_096)
def lineage(ifc_class: str) -> frozenset[str]:
    """The class and everything that it is a kind of: IfcDoorStandardCase is an IfcDoor, an IfcElement, …"""
    return frozenset((ifc_class,)).union(*(lineage(parent) for parent in PARENTS.get(ifc_class, ())))


def is_class(name: str) -> bool:
    """Whether rules can be about it."""
    return name in PARENTS or name == ROOT


def is_a(ifc_class: str, names: Iterable[str]) -> bool:
    return not lineage(ifc_class).isdisjoint(names)


def by_class(rules: Iterable[Runnable]) -> dict[str, tuple[Runnable, ...]]:
    """Class named by rules -> those rules."""
    found = dict[str, list[Runnable]]()
    for runnable in rules:
        for name in dict.fromkeys(runnable.rule.applies_to):
            found.setdefault(name, []).append(runnable)
    return {name: tuple(rules) for name, rules in found.items()}


def of_class(ifc_class: str, named: Mapping[str, tuple[Runnable, ...]]) -> tuple[Runnable, ...]:
    """The rules about a class, each once, by key."""
    found = {runnable.key: runnable for name in lineage(ifc_class) for runnable in named.get(name, ())}
    return tuple(found[key] for key in sorted(found))


def by_fact(rules: Iterable[Runnable]) -> dict[str, frozenset[str]]:
    """Fact with prefix -> keys of the rules that read it."""
    found = dict[str, set[str]]()
    for runnable in rules:
        for fact in runnable.needs | runnable.shows:
            found.setdefault(fact, set()).add(runnable.key)
    return {fact: frozenset(keys) for fact, keys in found.items()}
