"""A rule as a document, read and checked: the rule, its examples, and every problem with its path.

The document's members are those of validation/core/documents.py. Reading never raises, whatever the document is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from validation.core import canonical, documents
from validation.core.examples import Example, Problem, read_examples, wrong_examples
from validation.core.facts import Definitions
from validation.core.lint import check
from validation.core.rule_reading import Reading
from validation.core.rules import Kind, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """rule: None when an error keeps it from running. A rule can run and still not be fit to publish (examples)."""

    rule: Rule | None
    examples: tuple[Example, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")


def parse(document: Any, known: Definitions, *, path: str = "$") -> Parsed:
    """The rule of a document and all that is wrong with it. known: the fact definitions in force."""
    if not isinstance(document, Mapping):
        return Parsed(rule=None, problems=(Problem(path=path, code="wrong_type", message="A rule is an object.", expected="an object"),))
    reading = Reading(document, path)
    rule = reading.rule()
    examples = read_examples(document.get("examples", []), f"{path}.examples", reading.problems)
    if rule is None:
        return Parsed(rule=None, examples=examples, problems=tuple(reading.problems))
    sound = check(rule, known, reading)
    if sound and rule.kind is not Kind.IDS:
        reading.problems += wrong_examples(rule, examples, known, f"{path}.examples")
    return Parsed(rule=rule if sound else None, examples=examples, problems=tuple(reading.problems))


def as_rule(document: Mapping[str, Any]) -> Rule:
    """The rule of a document that was checked before; its citation may name title and edition of the code. Raises ValueError."""
    reading = Reading(document, "$")
    rule = reading.rule()
    if rule is None:
        raise ValueError("; ".join(f"{problem.path}: {problem.message}" for problem in reading.problems))
    return rule


def document_of(rule: Rule, examples: Iterable[Example] = (), **more: Any) -> documents.Document:
    """The document of a rule; `parse` of it gives the rule again."""
    return documents.complete(
        {
            **{name: getattr(rule, name) for name in ("key", "title", "when", "require", "message", "discipline", "scope", "check", "ids", "weight")},
            "kind": rule.kind.value,
            "severity": rule.severity.value,
            "category": rule.category,
            "applies_to": list(rule.applies_to),
            "params": {name: {"value": one.value, "unit": one.unit, "display": one.display} for name, one in rule.params.items()},
            "citation": {"section": rule.citation.section, "paraphrase": rule.citation.paraphrase, "url": rule.citation.url},
            "exceptions": [{"when": one.when, "citation": one.citation, "needs_signoff": one.needs_signoff} for one in rule.exemptions],
            "examples": [example.document() for example in examples],
            **more,
        }
    )


def content_sha256(rules: Iterable[Rule]) -> str:
    """Of what rules say, whatever set or amendment they stand in."""
    return canonical.sha256([document_of(rule) for rule in sorted(rules, key=lambda rule: rule.key)])
