"""Examples of rules, which are their tests: facts, and what the rule must say of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from validation.core import vocabulary
from validation.core.building import Fact
from validation.core.expressions import SPACES
from validation.core.facts import Definitions
from validation.core.judge import Runnable, Subject, judge
from validation.core.rules import Judgement, Outcome, Rule

MAX_EXAMPLES: Final = 200
NEEDED: Final = (Outcome.PASS, Outcome.FAIL)
EXPECTED: Final = '{"facts": {"e.clear_width": 0.9}, "expected": "pass"}'
FITTING: Final[Mapping[str, tuple[type, ...]]] = {
    "number": (int, float),
    "integer": (int, float),
    "text": (str,),
    "boolean": (bool,),
    "list": (list, tuple),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with a document. path: a JSONPath. severity: error | warning."""

    path: str
    code: str
    message: str
    expected: str = ""
    severity: str = "error"

    def json(self) -> dict[str, str]:
        return {"path": self.path, "code": self.code, "message": self.message, "expected": self.expected, "severity": self.severity}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """facts: with prefix; one that is null is not known."""

    facts: Mapping[str, Any]
    expected: Outcome
    note: str = ""

    def document(self) -> dict[str, Any]:
        return {"facts": dict(self.facts), "expected": self.expected.value, **({"note": self.note} if self.note else {})}

    def subject(self, ifc_class: str = "") -> Subject:
        spaces: dict[str, dict[str, Fact]] = {space: {} for space in SPACES}
        for name, value in self.facts.items():
            space, _, bare = name.partition(".")
            spaces[space][bare] = Fact(value=value, source="example")
        return Subject(global_id="example", ifc_class=ifc_class, e=spaces["e"], st=spaces["st"], b=spaces["b"])


def read_examples(given: Any, path: str, problems: list[Problem]) -> tuple[Example, ...]:
    """The examples that can be read; what is wrong with the others is added to `problems`."""
    if not isinstance(given, list | tuple) or len(given) > MAX_EXAMPLES:
        problems.append(Problem(path=path, code="wrong_type", message="is a list of examples.", expected=f"[{EXPECTED}]"))
        return ()
    found = (read_example(one, f"{path}[{place}]", problems) for place, one in enumerate(given))
    return tuple(one for one in found if one is not None)


def read_example(given: Any, path: str, problems: list[Problem]) -> Example | None:
    facts = given.get("facts") if isinstance(given, Mapping) else None
    note = given.get("note", "") if isinstance(given, Mapping) else None
    if not isinstance(given, Mapping) or not isinstance(facts, Mapping) or not isinstance(note, str):
        problems.append(Problem(path=path, code="wrong_type", message="is no example.", expected=EXPECTED))
        return None
    expected, outcomes = given.get("expected"), [outcome.value for outcome in Outcome]
    if not isinstance(expected, str) or expected not in outcomes:
        problems.append(Problem(path=f"{path}.expected", code="not_a_choice", message="is no outcome.", expected=", ".join(outcomes)))
        return None
    strange = [name for name in facts if not is_fact(name)]
    places = (f"{path}.facts['{str(name)[:80]}']" for name in strange)
    problems += [Problem(path=place, code="unknown_fact", message="is no fact.", expected="e.clear_width") for place in places]
    return None if strange else Example(facts=dict(facts), expected=Outcome(expected), note=note)


def is_fact(name: Any) -> bool:
    space, dot, bare = name.partition(".") if isinstance(name, str) else ("", "", "")
    return space in SPACES and bool(dot) and bare.isidentifier()


def run(rule: Rule, examples: Iterable[Example], *, units: Mapping[str, str] | None = None) -> tuple[tuple[Example, Judgement], ...]:
    """Each example with what the rule says of it. Raises ValueError when the rule does not compile."""
    runnable = Runnable(rule, units=units or {})
    about = rule.applies_to[0] if rule.applies_to else ""
    return tuple((example, judge(runnable, example.subject(about), explain=True)) for example in examples)


def wrong_examples(rule: Rule, examples: tuple[Example, ...], known: Definitions, path: str) -> list[Problem]:
    """Examples that are missing, that say something else than the rule does, and whose facts do not fit."""
    found = [
        Problem(path=path, code="missing_example", message=f'There is no example that is expected to "{outcome}".', expected=EXPECTED)
        for outcome in NEEDED
        if all(example.expected is not outcome for example in examples)
    ]
    for place, (example, judgement) in enumerate(run(rule, examples)):
        found += misfits(rule, example, known, f"{path}[{place}]")
        if judgement.outcome is not example.expected:
            said = f"The rule says {judgement.outcome.value}. {judgement.message}".strip()
            found.append(Problem(path=f"{path}[{place}].expected", code="example_fails", message=said, expected=judgement.outcome.value))
    return found


def misfits(rule: Rule, example: Example, known: Definitions, path: str) -> Iterable[Problem]:
    for name, value in example.facts.items():
        where = f"{path}.facts['{name}']"
        if name not in rule.facts:
            yield Problem(path=where, code="not_used", message="The rule does not read this fact.", severity="warning")
            continue
        types = {one.type for one in vocabulary.definitions_of(name, rule.applies_to, known)}
        if value is not None and types and not any(fits(value, kind) for kind in types):
            yield Problem(path=where, code="wrong_type", message=f"is not {' or '.join(sorted(types))}.", expected=" or ".join(sorted(types)))


def fits(value: Any, kind: str) -> bool:
    return isinstance(value, FITTING.get(kind, (object,))) and (isinstance(value, bool) is (kind == "boolean") or kind not in FITTING)
