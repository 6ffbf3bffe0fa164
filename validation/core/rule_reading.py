"""Rule documents as people and packs write them, read member by member, with every fault of their shape."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from validation.core import documents, expressions, index, tables, units
from validation.core.examples import Problem
from validation.core.ifc_classes import PARENTS
from validation.core.judge import facts_of
from validation.core.rules import CATEGORIES, Citation, Exemption, Kind, Parameter, Rule, Severity

SCOPES: Final = ("element", "space", "storey", "building")
KEY: Final = re.compile(r"[A-Z0-9][A-Za-z0-9._-]{0,79}")
TEXTS: Final[Mapping[str, int]] = {
    "title": 200,
    "when": 2_000,
    "require": 2_000,
    "message": 2_000,
    "discipline": 63,
    "check": 63,
    "rationale": 20_000,
    "ids": 1_000_000,
}
MAX_PARAMETER: Final = 20_000  # characters of its canonical JSON
MAX_CLASSES: Final = 50
MAX_ITEMS: Final = 100
CITED: Final = (*documents.CITATION, "title", "edition")
PARAMETER_MEMBERS: Final = ("value", "unit", "display", "note")


class Reading:
    """One document while it is read."""

    def __init__(self, document: Mapping[str, Any], path: str) -> None:
        self.document, self.path = document, path
        self.problems: list[Problem] = []

    def fault(self, where: str, code: str, message: str, expected: str = "", *, warning: bool = False) -> None:
        severity = "warning" if warning else "error"
        self.problems.append(Problem(path=f"{self.path}{where}", code=code, message=message, expected=expected, severity=severity))

    def rule(self) -> Rule | None:
        self.strangers()
        texts = {name: self.text(name, limit) for name, limit in TEXTS.items()}
        texts.pop("rationale")  # read for its faults; it is no part of what runs
        choices = self.choices()
        whole: dict[str, Any] = {
            **texts,
            **choices,
            "key": self.key(),
            "applies_to": self.classes(choices["kind"]),
            "citation": self.citation(),
            "params": self.params(),
            "exemptions": self.exemptions(),
            "weight": self.weight(),
            "when": texts["when"] or "true",
            "require": texts["require"] or "true",
        }
        if any(problem.severity == "error" for problem in self.problems):
            return None
        return with_facts(Rule(**whole))

    def strangers(self) -> None:
        for name in self.document:
            if name not in documents.MEMBERS:
                close = difflib.get_close_matches(str(name), documents.MEMBERS, n=1)
                self.fault(f".{str(name)[:80]}", "unknown", "is not a member of a rule.", close[0] if close else ", ".join(documents.MEMBERS))

    def choices(self) -> dict[str, Any]:
        return {
            "kind": self.choice("kind", Kind, "cel"),
            "severity": self.choice("severity", Severity, "major"),
            "category": self.choice("category", CATEGORIES, ""),
            "scope": self.choice("scope", SCOPES, "element"),
        }

    def text(self, name: str, limit: int) -> str:
        value = self.document.get(name, documents.MEMBERS[name])
        if not isinstance(value, str):
            self.fault(f".{name}", "wrong_type", "is no text.", "a text")
            return ""
        if len(value) > limit:
            self.fault(f".{name}", "too_long", f"has {len(value)} characters.", f"at most {limit}")
            return ""
        return value

    def key(self) -> str:
        value = self.document.get("key")
        if isinstance(value, str) and KEY.fullmatch(value):
            return value
        self.fault(".key", "invalid", "is not a key.", "letters, digits, dots and hyphens, such as IBC21-1017.2-TRAVEL")
        return ""

    def choice(self, name: str, allowed: Any, default: str) -> Any:
        value = self.document.get(name, default)
        options = [str(getattr(option, "value", option)) for option in allowed]
        if isinstance(value, str) and value in options:
            return allowed(value) if isinstance(allowed, type) else value
        close = difflib.get_close_matches(str(value)[:80], options, n=1)
        self.fault(f".{name}", "not_a_choice", f"{quoted(value)} is not one of them.", close[0] if close else ", ".join(options))
        return next(iter(allowed))

    def weight(self) -> float:
        value = self.document.get("weight", 1.0)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100:
            return float(value)
        self.fault(".weight", "wrong_type", "is not a weight.", "a number from 0 to 100")
        return 1.0

    def classes(self, kind: Kind) -> tuple[str, ...]:
        value = self.document.get("applies_to", [])
        if not isinstance(value, list | tuple) or len(value) > MAX_CLASSES or (not value and kind is not Kind.IDS):
            self.fault(".applies_to", "wrong_type", "names the IFC classes that the rule is about.", '["IfcDoor"]')
            return ()
        for place, name in enumerate(value):
            if not isinstance(name, str) or not index.is_class(name):
                close = difflib.get_close_matches(str(name)[:80], PARENTS, n=1, cutoff=0.7)
                self.fault(
                    f".applies_to[{place}]",
                    "unknown_class",
                    f"{quoted(name)} is no IFC class of objects.",
                    close[0] if close else "IfcDoor",
                )
        return tuple(name for name in value if isinstance(name, str))

    def citation(self) -> Citation:
        value = self.document.get("citation", {})
        if not isinstance(value, Mapping) or not all(isinstance(value.get(name, ""), str) for name in documents.CITATION):
            self.fault(".citation", "wrong_type", "is no citation.", '{"section": "1017.2", "paraphrase": "…", "url": ""}')
            return Citation(section="", paraphrase="")
        given = {name: one for name, one in value.items() if name in CITED and isinstance(one, str)}
        return Citation(**{"section": "", "paraphrase": "", **given})

    def exemptions(self) -> tuple[Exemption, ...]:
        value = self.document.get("exceptions", [])
        if not isinstance(value, list | tuple) or len(value) > MAX_ITEMS:
            self.fault(".exceptions", "wrong_type", "is a list of exceptions.", '[{"when": "…", "citation": "…", "needs_signoff": false}]')
            return ()
        return tuple(one for one in (self.exemption(place, given) for place, given in enumerate(value)) if one is not None)

    def exemption(self, place: int, given: Any) -> Exemption | None:
        expected = '{"when": "…", "citation": "…", "needs_signoff": false}'
        if not isinstance(given, Mapping) or not isinstance(given.get("when"), str) or not isinstance(given.get("citation", ""), str):
            self.fault(f".exceptions[{place}]", "wrong_type", "is no exception.", expected)
            return None
        signed = given.get("needs_signoff", False)
        if not isinstance(signed, bool):
            self.fault(f".exceptions[{place}].needs_signoff", "wrong_type", "is neither true nor false.", "true or false")
        return Exemption(when=given["when"], citation=given.get("citation", ""), needs_signoff=signed is True)

    def params(self) -> dict[str, Parameter]:
        value = self.document.get("params", {})
        if not isinstance(value, Mapping) or len(value) > MAX_ITEMS:
            self.fault(".params", "wrong_type", "is an object of parameters.", '{"min": {"value": 0.813, "unit": "m", "display": "32 in"}}')
            return {}
        found = {str(name): self.parameter(str(name), given) for name, given in value.items()}
        return {name: parameter for name, parameter in found.items() if parameter is not None}

    def parameter(self, name: str, given: Any) -> Parameter | None:
        where = f".params.{name[:80]}"
        if not re.fullmatch(r"[A-Za-z_]\w{0,62}", name, re.ASCII):
            self.fault(where, "invalid", "is no name of a parameter.", "letters, digits and underscores")
            return None
        if not isinstance(given, Mapping) or given.get("value") is None or set(given) - set(PARAMETER_MEMBERS):
            self.fault(where, "wrong_type", "is no parameter.", '{"value": 0.813, "unit": "m", "display": "32 in"}')
            return None
        if not all(isinstance(given.get(member, ""), str) for member in ("unit", "display", "note")):
            self.fault(where, "wrong_type", "has a unit or display that is no text.", '{"value": 0.813, "unit": "m", "display": "32 in"}')
            return None
        return self.valued(where, given)

    def valued(self, where: str, given: Mapping[str, Any]) -> Parameter | None:
        value, unit = given["value"], given.get("unit", "")
        wrong = value_fault(value)
        if wrong:
            self.fault(f"{where}.value", "wrong_type", wrong, "a number, a text, true or false, or lists and objects of them")
            return None
        told = units.problem(unit)
        if told is not None:
            self.fault(f"{where}.unit", "unknown_unit", *told)
        if tables.is_table(value):
            for inside, text in tables.faults(value):
                self.fault(
                    f"{where}.value{inside}", "bad_table", text, '{"by": ["e.occupancy"], "rows": [{"when": {"e.occupancy": "B"}, "value": 60}]}'
                )
        return Parameter(value=value, unit=unit, display=given.get("display", ""))


def value_fault(value: Any, depth: int = 0) -> str:
    """What is wrong with the value of a parameter; "" when nothing is."""
    if depth > 6:
        return "is nested too deeply."
    if depth == 0 and len(repr(value)) > MAX_PARAMETER:
        return f"is longer than {MAX_PARAMETER} characters."
    if isinstance(value, float) and not math.isfinite(value):
        return "is no finite number."
    inside: Iterable[Any]
    if isinstance(value, Mapping):
        inside = value.values() if all(isinstance(key, str) for key in value) else [None]
    elif isinstance(value, list | tuple):
        inside = value
    else:
        return "" if isinstance(value, str | bool | int | float) and abs(0 if isinstance(value, str) else value) < 1e15 else "is no value."
    return next((text for text in (value_fault(one, depth + 1) for one in inside) if text), "")


def quoted(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def with_facts(rule: Rule) -> Rule:
    """With the facts that its expressions, tables and registered check read."""
    parts = [expressions.parse(source)[0] for source in (rule.when, rule.require, *(one.when for one in rule.exemptions))]
    try:
        return replace(rule, facts=facts_of(rule, [part for part in parts if part is not None]))
    except (AttributeError, TypeError):  # a table that is none; its problem is told with it
        return rule
