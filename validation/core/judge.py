"""What one rule says of one subject.

Order: `when` (false: not applicable), then `require` (true: pass). Only what does not pass is held against the exceptions: one that holds makes the
rule not applicable, one that needs a signature leaves the failure and says so, and one that is not known excuses nothing. What is left fails, or
is not evaluable with the facts that are missing.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from validation.core import evaluation, expressions, margins, messages, tables
from validation.core.building import Fact, Facts
from validation.core.checks import GEOMETRY_OF
from validation.core.expressions import SPACES, Expression, plain
from validation.core.gaps import NOTHING, Failed, Scope, Unknown
from validation.core.margins import Deciding, Units
from validation.core.rules import Evidence, Exemption, Judgement, Kind, Outcome, Rule
from validation.core.units import METRIC

Given: TypeAlias = Facts | Mapping[str, Mapping[str, Any]]  # facts, or facts as JSON: {name: {"value": …, "source": …}}
GEOMETRIES: Final = frozenset(GEOMETRY_OF.values())


class Known:
    """The facts of one thing, and their values as expressions see them. A storey's is made once for all its elements."""

    __slots__ = ("facts", "values")

    def __init__(self, facts: Given) -> None:
        self.facts = facts
        self.values = {
            name: plain(fact["value"] if type(fact) is dict else fact.value)  # type: ignore[union-attr]
            for name, fact in facts.items()
            if name not in GEOMETRIES
        }

    def fact(self, name: str) -> Fact | None:
        found = self.facts.get(name)
        if found is None or isinstance(found, Fact):
            return found
        return Fact(value=found["value"], source=found.get("source", ""), assumed=bool(found.get("assumed")), note=found.get("note", ""))


NONE: Final = Known({})


class Subject:
    """What is judged. Facts: `e` its own and those of its surroundings, `st` of its storey, `b` of the building and project."""

    __slots__ = ("b", "e", "global_id", "ifc_class", "name", "scope", "st")

    def __init__(
        self, *, global_id: str, ifc_class: str, e: Given | Known, st: Given | Known = NONE, b: Given | Known = NONE, name: str = ""
    ) -> None:
        self.global_id, self.ifc_class, self.name = global_id, ifc_class, name
        self.e, self.st, self.b = (given if isinstance(given, Known) else Known(given) for given in (e, st, b))
        self.scope = Scope(self.e.values, self.st.values, self.b.values)

    def fact(self, name: str) -> Fact | None:
        """By name with prefix: "st.occupant_load"."""
        space, _, bare = name.partition(".")
        known: Known = getattr(self, space)
        return known.fact(bare)


class Runnable:
    """A rule compiled with its parameters. Frozen by convention; shared between threads."""

    __slots__ = (
        "decide",
        "exemptions",
        "needs",
        "require",
        "require_expression",
        "rule",
        "shows",
        "system",
        "units",
        "when",
    )

    def __init__(self, rule: Rule, *, units: Units, system: str = METRIC) -> None:
        """units: of facts without prefix. system: how values are shown. Raises ValueError when an expression cannot be compiled."""
        self.rule, self.system = rule, system
        self.units = margins.plain_units(rule.params, units)
        parameters = {name: as_parameter(name, parameter.value) for name, parameter in rule.params.items()}
        when, self.require_expression = expression(rule.when), expression(rule.require)
        self.when = evaluation.compiled(when.tree, parameters)
        self.require = evaluation.compiled(self.require_expression.tree, parameters)
        self.decide = margins.deciding(self.require_expression.tree, parameters, self.units)
        excuses = [(exemption, expression(exemption.when)) for exemption in rule.exemptions]
        self.exemptions = tuple((exemption, evaluation.compiled(parsed.tree, parameters)) for exemption, parsed in excuses)
        self.needs = facts_of(rule, (when, self.require_expression, *(parsed for _, parsed in excuses)))
        self.shows = frozenset(shown(rule, self.require_expression))

    @property
    def key(self) -> str:
        return self.rule.key


def as_parameter(name: str, value: Any) -> Any:
    return tables.lookup(name, value) if tables.is_table(value) else value


def expression(source: str) -> Expression:
    found, faults = expressions.parse(source)
    if found is None:
        raise ValueError(f"{source}: {faults[0][1]}")
    return found


def facts_of(rule: Rule, parts: Iterable[Expression]) -> frozenset[str]:
    """Every fact that a judgement can depend on, also those that are only asked about."""
    looked_up = (tables.facts_of(parameter.value) for parameter in rule.params.values() if tables.is_table(parameter.value))
    return frozenset().union(*(part.reads | part.known for part in parts), *looked_up)


def shown(rule: Rule, require: Expression) -> Iterable[str]:
    """Facts that only the words and drawings of a finding depend on."""
    for name in messages.placeholders(rule.message):
        if name.partition(".")[0] in SPACES:
            yield name
    for name in require.reads:
        space, _, bare = name.partition(".")
        if bare in GEOMETRY_OF:
            yield f"{space}.{GEOMETRY_OF[bare]}"


def runnable(rule: Rule, *, units: Units | None = None, system: str = METRIC) -> Runnable:
    return Runnable(rule, units=units or {}, system=system)


def judge(runnable: Runnable, subject: Subject, *, explain: bool = False) -> Judgement:
    """The judgement. Evidence and message are given with findings (fail, not evaluable), and with `explain` always."""
    scope = subject.scope
    scope.steps = 0
    applies = runnable.when(scope)
    if applies is False:
        return closed(runnable, subject, Outcome.NOT_APPLICABLE, explain=explain)
    required = runnable.require(scope)
    if applies is True and required is True:
        return closed(runnable, subject, Outcome.PASS, explain=explain)
    return finding(runnable, subject, applies, required)


def closed(runnable: Runnable, subject: Subject, outcome: Outcome, *, explain: bool) -> Judgement:
    deciding = runnable.decide(subject.scope) if outcome is Outcome.PASS else None
    return made(runnable, subject, outcome, deciding=deciding, evidence=evidence(runnable, subject) if explain else ())


def made(runnable: Runnable, subject: Subject, outcome: Outcome, *, deciding: Deciding | None = None, **more: Any) -> Judgement:
    rule = runnable.rule
    if deciding is None:
        return Judgement(rule=rule.key, subject=subject.global_id, outcome=outcome, severity=rule.severity, **more)
    return Judgement(
        rule=rule.key,
        subject=subject.global_id,
        outcome=outcome,
        severity=rule.severity,
        actual=deciding.actual,
        required=deciding.required,
        unit=deciding.unit,
        margin=deciding.margin,
        **more,
    )


def finding(runnable: Runnable, subject: Subject, applies: Any, required: Any) -> Judgement:
    excuse = excused(runnable, subject.scope)
    if excuse is not None and not excuse.needs_signoff:
        return made(runnable, subject, Outcome.NOT_APPLICABLE, exemption=citation_of(excuse), evidence=evidence(runnable, subject))
    fails = applies is True and required is False
    deciding = runnable.decide(subject.scope) if fails else None
    gaps = [value for value in (applies, required) if value is not True and value is not False]
    missing = () if fails else tuple(sorted(NOTHING.union(*(gap.facts for gap in gaps if type(gap) is Unknown))))
    text = failing(runnable, subject, deciding) if fails else not_evaluable(runnable, missing, gaps)
    return made(
        runnable,
        subject,
        Outcome.FAIL if fails else Outcome.NOT_EVALUABLE,
        deciding=deciding,
        message=text + (f" An exception may be claimed with a signature: {citation_of(excuse)}." if excuse else ""),
        missing=missing,
        evidence=evidence(runnable, subject),
        geometry=geometry(runnable, subject) if fails else {},
        exemption=citation_of(excuse) if excuse else "",
    )


def excused(runnable: Runnable, scope: Scope) -> Exemption | None:
    """The first exception that holds; those that need no signature come first."""
    holding = [exemption for exemption, holds in runnable.exemptions if holds(scope) is True]
    return min(holding, key=lambda exemption: exemption.needs_signoff, default=None)


def citation_of(excuse: Exemption) -> str:
    return excuse.citation or "exception"


def failing(runnable: Runnable, subject: Subject, deciding: Deciding | None) -> str:
    rule = runnable.rule
    template = rule.message or messages.default(rule.title or rule.key, deciding.sign if deciding else "")
    names = messages.placeholders(template)
    return messages.filled(template, {name: placed(runnable, subject, deciding, name) for name in {*names, "actual", "required"}}, runnable.system)


def placed(runnable: Runnable, subject: Subject, deciding: Deciding | None, name: str) -> tuple[Any, str]:
    """The value of a placeholder, and its unit."""
    if name in ("actual", "required", "margin"):
        return (getattr(deciding, name), deciding.unit) if deciding else (None, "")
    if name in ("name", "class"):
        return (subject.name or subject.global_id) if name == "name" else subject.ifc_class.removeprefix("Ifc"), ""
    space, _, bare = name.partition(".")
    if space == expressions.PARAMETERS:
        parameter = runnable.rule.params.get(bare)
        if parameter is not None and tables.is_table(parameter.value):
            return as_parameter(bare, parameter.value)(subject.scope), parameter.unit
        return (parameter.value, parameter.unit) if parameter else (None, "")
    fact = subject.fact(name) if space in SPACES else None
    return (fact.value if fact else None), runnable.units.get(bare, "")


def not_evaluable(runnable: Runnable, missing: tuple[str, ...], gaps: Iterable[Any]) -> str:
    title = runnable.rule.title or runnable.rule.key
    if missing:
        return f"{title}: cannot be judged without {', '.join(missing)}."
    why = next((gap.message for gap in gaps if type(gap) is Failed), "its condition is neither true nor false.")
    return f"{title}: cannot be judged. {why}"


class Recording:
    """Values that note which of them are read."""

    __slots__ = ("get_value", "read", "space")

    def __init__(self, values: Mapping[str, Any], space: str, read: dict[tuple[str, str], None]) -> None:
        self.get_value, self.space, self.read = values.get, space, read

    def get(self, name: str) -> Any:
        self.read[self.space, name] = None
        return self.get_value(name)


def reads(runnable: Runnable, subject: Subject) -> Iterable[tuple[str, str]]:
    """The facts that this judgement reads, as ("e", "clear_width"), in the order of reading: branches that are not needed read nothing."""
    read = dict[tuple[str, str], None]()
    seen = subject.scope
    scope: Any = Scope(*(Recording(values, space, read) for space, values in zip(SPACES, (seen.e, seen.st, seen.b), strict=True)))  # type: ignore[arg-type]
    if runnable.when(scope) is not False and runnable.require(scope) is not True:
        for _, holds in runnable.exemptions:
            holds(scope)
    return read


def evidence(runnable: Runnable, subject: Subject) -> tuple[Evidence, ...]:
    known = {"e": subject.e, "st": subject.st, "b": subject.b}
    found = ((space, name, known[space].facts.get(name)) for space, name in reads(runnable, subject) if known[space].values.get(name) is not None)
    return tuple(shown_fact(f"{space}.{name}", runnable.units.get(name, ""), fact) for space, name, fact in found)


def shown_fact(name: str, unit: str, fact: Any) -> Evidence:
    if type(fact) is dict:
        return Evidence(name, fact["value"], unit, fact.get("source", ""), bool(fact.get("assumed")), fact.get("note", ""))
    return Evidence(name, fact.value, unit, fact.source, fact.assumed, fact.note)


def geometry(runnable: Runnable, subject: Subject) -> Mapping[str, Any]:
    """What the surroundings have drawn for the facts that the requirement compares, such as the longest way out."""
    for name in sorted(runnable.require_expression.reads):
        space, _, bare = name.partition(".")
        drawn = subject.fact(f"{space}.{GEOMETRY_OF[bare]}") if bare in GEOMETRY_OF else None
        if drawn is not None and isinstance(drawn.value, Mapping):
            return drawn.value
    return {}


JUDGED_ELSEWHERE: Final = frozenset((Kind.IDS,))
