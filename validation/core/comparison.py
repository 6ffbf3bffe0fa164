"""Two checks side by side: what the second finds that the first did not, by rule."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from validation.core.rules import Outcome

Result: TypeAlias = Mapping[str, Any]  # of one rule and subject: rule, subject, outcome, actual, required, margin, message
MOST_SHOWN: Final = 200  # subjects of one rule that are named


@dataclass(slots=True, kw_only=True)
class OfRule:
    rule: str
    before: int = 0
    after: int = 0
    added: list[str] = field(default_factory=list)
    resolved: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def json(self) -> dict[str, Any]:
        lists = {name: sorted(getattr(self, name))[:MOST_SHOWN] for name in ("added", "resolved", "changed")}
        numbers = {f"{name}_count": len(getattr(self, name)) for name in lists}
        return {"rule": self.rule, "before": self.before, "after": self.after, **numbers, **lists}


def compare(before: Iterable[Result], after: Iterable[Result]) -> dict[str, Any]:
    """{findings: {before, after, added, resolved, changed}, failures: {before, after}, rules: [by rule, those with a difference]}.

    A finding is a failure or what could not be judged; `changed` says the same rule and subject another outcome or another number.
    """
    old, new = _by_pair(before), _by_pair(after)
    rules: dict[str, OfRule] = {}
    for rule, _ in old:
        rules.setdefault(rule, OfRule(rule=rule)).before += 1
    for (rule, subject), one in new.items():
        held = rules.setdefault(rule, OfRule(rule=rule))
        held.after += 1
        was = old.get((rule, subject))
        if was is None:
            held.added.append(subject)
        elif any(was.get(name) != one.get(name) for name in ("outcome", "actual", "required")):
            held.changed.append(subject)
    for rule, subject in old.keys() - new.keys():
        rules[rule].resolved.append(subject)
    different = [one for one in rules.values() if one.added or one.resolved or one.changed]
    return {
        "findings": {
            "before": len(old),
            "after": len(new),
            "added": sum(len(one.added) for one in different),
            "resolved": sum(len(one.resolved) for one in different),
            "changed": sum(len(one.changed) for one in different),
        },
        "failures": {"before": _failures(old), "after": _failures(new)},
        "rules": [one.json() for one in sorted(different, key=lambda one: (-len(one.added) - len(one.resolved), one.rule))],
    }


def sentence(comparison: Mapping[str, Any], what: str) -> str:
    """ "edition 2024: 12 more findings, 3 fewer." """
    added, resolved = comparison["findings"]["added"], comparison["findings"]["resolved"]
    if not added and not resolved:
        return f"{what}: the same findings."
    return f"{what}: {added} more {'finding' if added == 1 else 'findings'}, {resolved} fewer."


def _by_pair(results: Iterable[Result]) -> dict[tuple[str, str], Result]:
    return {(one["rule"], one["subject"]): one for one in results}


def _failures(results: Mapping[Any, Result]) -> int:
    return sum(1 for one in results.values() if one["outcome"] == Outcome.FAIL.value)
