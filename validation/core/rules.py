"""Rules as they run: published, resolved for a place and a day, frozen. Outcomes and findings as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from validation.core.building import Value


class Kind(StrEnum):
    CEL = "cel"  # `require` over facts
    TABLE = "table"  # limits looked up by facts, then `require` over them: params of kind table
    IDS = "ids"  # one specification of an IDS file
    PYTHON = "python"  # a registered check adds facts (travel distance, occupant load…), `require` judges them


class Severity(StrEnum):
    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    INFO = "info"


class Outcome(StrEnum):
    PASS = "pass"  # noqa: S105  not a secret
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"
    NOT_EVALUABLE = "not_evaluable"


CATEGORIES: Final = ("egress", "accessibility", "fire", "structure", "energy", "plumbing", "data")
WEIGHTS: Final[Mapping[Severity, int]] = {Severity.CRITICAL: 10, Severity.MAJOR: 3, Severity.MINOR: 1, Severity.INFO: 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Where the requirement stands, and what it says in our own words (never a quotation)."""

    section: str
    paraphrase: str
    title: str = ""  # "International Building Code"
    edition: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number (or table) of a rule. `origin` says which step of the resolution gave it: "rule", "ruleset", "amendment <id> (US-WA)", "project"."""

    value: Value
    unit: str = ""
    display: str = ""
    origin: str = "rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """An exception of the code: where `when` holds the rule does not apply; with `needs_signoff` only after a person has agreed (a waiver)."""

    when: str
    citation: str = ""
    needs_signoff: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One requirement. CEL sees `e` (the subject), `st` (its storey), `b` (the building and project), `p` (parameters), each a map of facts.

    applies_to: IFC classes, subtypes included. scope: element | space | storey | building, what the facts of the rule depend on.
    facts: what it reads, with prefix: "e.clear_width", "b.occupancy"; by static walk of its expressions and tables.
    check: name of the registered check of a python rule ("exit_access_travel_distance"); table rules keep theirs in params.
    """

    key: str
    title: str
    kind: Kind
    applies_to: tuple[str, ...]
    when: str
    require: str
    message: str
    severity: Severity
    category: str
    citation: Citation
    params: Mapping[str, Parameter] = field(default_factory=dict)
    facts: frozenset[str] = frozenset()
    scope: str = "element"
    discipline: str = ""
    weight: float = 1.0
    check: str = ""
    ids: str = ""  # the XML of one <ids:specification> of an ids rule
    exemptions: tuple[Exemption, ...] = ()
    ruleset: str = ""  # slug of its rule set
    version: str = ""  # number of the rule set's version


MODEL_FILE: Final = "model file"  # what a judgement misses when IDS rules have no file to read; not a fact that somebody could fill in


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fact that the judgement stands on."""

    fact: str
    value: Value
    unit: str = ""
    source: str = ""
    assumed: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one rule says of one subject.

    actual, required: of the comparison that decides, in SI; None when the requirement is not a comparison of numbers.
    margin: how far inside (positive) or outside (negative) the limit, in `unit`; None with them. missing: facts that were needed and not known.
    geometry: JSON for plans and 3D, such as {"path": [[x, y, z], …]} of the longest way out; {} when there is none.
    """

    rule: str
    subject: str  # global id of the element
    outcome: Outcome
    severity: Severity
    actual: Value = None
    required: Value = None
    unit: str = ""
    margin: float | None = None
    message: str = ""
    missing: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    geometry: Mapping[str, Any] = field(default_factory=dict)
    exemption: str = ""  # citation of the exception that makes it not applicable, or that needs a signature
