"""Rules and subjects for tests, as short as they can be written."""

from typing import Any

from validation.core.building import Fact
from validation.core.judge import Subject, judge, runnable
from validation.core.rules import Citation, Exemption, Judgement, Kind, Parameter, Rule, Severity

UNITS = {"clear_width": "m", "clear_height": "m", "travel_distance": "m", "occupant_load": "persons", "fire_rating_min": "min", "slope": "rise/run"}


def rule(require: str, *, when: str = "true", params: dict[str, Any] | None = None, **more: Any) -> Rule:
    """params: {"min": 0.8} or {"min": (0.8, "m")}."""
    given = {name: value if isinstance(value, tuple) else (value, "m") for name, value in (params or {}).items()}
    whole: dict[str, Any] = {
        "key": "T-1",
        "title": "Door width",
        "kind": Kind.CEL,
        "applies_to": ("IfcDoor",),
        "message": "",
        "severity": Severity.MAJOR,
        "category": "egress",
        "citation": Citation(section="1", paraphrase="Doors are wide enough."),
        "params": {name: Parameter(value=value, unit=unit) for name, (value, unit) in given.items()},
        **more,
    }
    return Rule(when=when, require=require, **whole)


def subject(ifc_class: str = "IfcDoor", name: str = "D 1", **facts: Any) -> Subject:
    """subject(e_clear_width=0.9, b_existing=True)"""
    spaces: dict[str, dict[str, Fact]] = {"e": {}, "st": {}, "b": {}}
    for prefixed, value in facts.items():
        space, _, bare = prefixed.partition("_")
        spaces[space][bare] = value if isinstance(value, Fact) else Fact(value=value, source="user")
    return Subject(global_id="door-1", ifc_class=ifc_class, name=name, e=spaces["e"], st=spaces["st"], b=spaces["b"])


def judged(one: Rule, *, system: str = "metric", explain: bool = False, name: str = "D 1", **facts: Any) -> Judgement:
    return judge(runnable(one, units=UNITS, system=system), subject(name=name, **facts), explain=explain)


def exception(when: str, citation: str = "exception 1", *, signed: bool = False) -> Exemption:
    return Exemption(when=when, citation=citation, needs_signoff=signed)
