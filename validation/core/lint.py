"""What is wrong with a rule as a whole: names, types and units of its expressions, tables, words and check."""

import difflib
from collections.abc import Iterable
from typing import Any, Final

from flows.core import expressions as cel
from validation.core import expressions, margins, messages, syntax, tables, units, vocabulary
from validation.core.checks import CHECKS
from validation.core.expressions import Expression
from validation.core.facts import Definitions
from validation.core.rule_reading import Reading, quoted
from validation.core.rules import Kind, Rule
from validation.core.syntax import Call


def check(rule: Rule, known: Definitions, reading: Reading) -> bool:
    """Adds what is wrong. False: the rule cannot run."""
    before = len([one for one in reading.problems if one.severity == "error"])
    if rule.kind is Kind.IDS:
        if not rule.ids.strip():
            reading.fault(".ids", "missing", "A rule of kind ids has its specification.", "the XML of one specification")
    else:
        parsed = [(where, expression) for where, source in sources(rule) if (expression := compiled(where, source, reading)) is not None]
        for where, expression in parsed:
            check_names(where, expression, rule, known, reading)
        for part in (check_tables, check_message, check_kind):
            part(rule, known, reading)
        if len([one for one in reading.problems if one.severity == "error"]) == before:
            for where, expression in parsed:
                check_types(where, expression, rule, known, reading)
            check_units(rule, known, reading)
            unused(rule, [expression for _, expression in parsed], reading)
    return len([one for one in reading.problems if one.severity == "error"]) == before


def sources(rule: Rule) -> list[tuple[str, str]]:
    excuses = [(f".exceptions[{place}].when", one.when) for place, one in enumerate(rule.exemptions)]
    return [(".when", rule.when), (".require", rule.require), *excuses]


def compiled(where: str, source: str, reading: Reading) -> Expression | None:
    expression, faults = expressions.parse(source)
    for column, text in faults:
        reading.fault(where, "bad_expression", f"Column {column}: {text}", "a CEL expression that is true or false")
    return expression


def check_names(where: str, expression: Expression, rule: Rule, known: Definitions, reading: Reading) -> None:
    for fact in sorted(expression.reads | expression.known):
        check_fact(where, fact, rule, known, reading)
    for name in sorted(expression.params - rule.params.keys()):
        close = difflib.get_close_matches(name, rule.params, n=1)
        expected = f"p.{close[0]}" if close else ", ".join(f"p.{one}" for one in rule.params)
        reading.fault(where, "unknown_parameter", f"There is no parameter p.{name}.", expected)


def check_fact(where: str, fact: str, rule: Rule, known: Definitions, reading: Reading) -> None:
    if vocabulary.definitions_of(fact, rule.applies_to, known):
        return
    close = vocabulary.close_to(fact, rule.applies_to, known)
    others = vocabulary.elsewhere(fact, known)
    if others:
        reading.fault(where, "fact_of_another_class", f"{fact} is a fact of {', '.join(others)}; here it has to be stated.", close, warning=True)
    else:
        reading.fault(where, "unknown_fact", f"There is no fact {fact}." + (f" Did you mean {close}?" if close else ""), close)


def check_tables(rule: Rule, known: Definitions, reading: Reading) -> None:
    found = {name: one.value for name, one in rule.params.items() if tables.is_table(one.value)}
    for name, value in found.items():
        for fact in sorted(tables.facts_of(value)):
            if fact.partition(".")[0] in expressions.SPACES:
                check_fact(f".params.{name}.value.by", fact, rule, known, reading)
            else:
                reading.fault(f".params.{name}.value.by", "unknown_fact", f"{quoted(fact)} is no fact.", "e.occupancy")
    if rule.kind is Kind.TABLE and not found:
        reading.fault(".params", "missing", "A rule of kind table has a parameter with rows.", '{"limit": {"value": {"by": [], "rows": []}}}')


def check_message(rule: Rule, known: Definitions, reading: Reading) -> None:
    for name in messages.placeholders(rule.message):
        space, _, bare = name.partition(".")
        if space in expressions.SPACES and bare:
            check_fact(".message", name, rule, known, reading)
        elif name not in messages.PLAIN and (space != expressions.PARAMETERS or bare not in rule.params):
            reading.fault(".message", "unknown_placeholder", f"{{{name}}} is not filled in.", ", ".join(f"{{{one}}}" for one in messages.PLAIN))


def check_kind(rule: Rule, known: Definitions, reading: Reading) -> None:
    if rule.kind is not Kind.PYTHON:
        if rule.check:
            reading.fault(".check", "not_used", "Only rules of kind python name a registered check.", "", warning=True)
        return
    if rule.check not in CHECKS:
        close = difflib.get_close_matches(rule.check, CHECKS, n=1)
        reading.fault(".check", "unknown_check", f"{quoted(rule.check)} is no registered check.", close[0] if close else ", ".join(CHECKS))
    elif not CHECKS[rule.check].gives & rule.facts:
        gives = ", ".join(sorted(CHECKS[rule.check].gives))
        reading.fault(".require", "check_not_read", f"It reads nothing that {rule.check} gives.", gives, warning=True)


def check_types(where: str, expression: Expression, rule: Rule, known: Definitions, reading: Reading) -> None:
    """CEL's own type check, with each fact and parameter declared by its type."""
    if any(isinstance(node, syntax.Select) and node.test for node in syntax.walk(expression.tree)) or indexed(expression):
        return
    facts = {fact: type_of(fact, expression, rule, known) for fact in expression.reads | expression.known}
    params = {f"p.{name}": parameter_type(rule.params[name].value) for name in expression.params}
    typed, faults = cel.compile(expressions.CEIL.sub(r"math.\1", expression.source), {**facts, **params})
    for column, text in faults:
        if "(int, double)" not in text and "(double, int)" not in text:  # whole numbers mix with others here
            reading.fault(where, "wrong_type", f"Column {column}: {text}", "values that can be compared")
    if typed is not None and typed.type.lower() not in ("bool", "dyn"):
        reading.fault(where, "wrong_type", f"It is {typed.type.lower()}, neither true nor false.", "a condition, such as e.clear_width >= p.min")


def indexed(expression: Expression) -> bool:
    """Whether a fact or parameter is written e["name"], which has no place in a typed scope."""
    return any(isinstance(node, Call) and expressions.name_of(node) is not None for node in syntax.walk(expression.tree))


def type_of(fact: str, expression: Expression, rule: Rule, known: Definitions) -> str:
    types = {vocabulary.CEL_TYPES.get(one.type, "dyn") for one in vocabulary.definitions_of(fact, rule.applies_to, known)}
    return types.pop() if len(types) == 1 and fact not in expression.known else "dyn"


TYPE_NAMES: Final[tuple[tuple[Any, str], ...]] = ((bool, "bool"), ((int, float), "double"), (str, "string"), ((list, tuple), "list"))


def parameter_type(value: Any) -> str:
    if tables.is_table(value):
        types = {parameter_type(row["value"]) for row in value["rows"]}
        return types.pop() if len(types) == 1 else "dyn"
    return next((name for kind, name in TYPE_NAMES if isinstance(value, kind)), "map")


def check_units(rule: Rule, known: Definitions, reading: Reading) -> None:
    """Where a fact is compared with a parameter of another dimension."""
    told = {**vocabulary.units_of(known), **{f"p.{name}": one.unit for name, one in rule.params.items()}}
    expression = expressions.parse(rule.require)[0]
    for node in syntax.walk(expression.tree) if expression else ():
        if not isinstance(node, Call) or node.function not in margins.COMPARISONS or len(node.args) != 2:
            continue
        for fact_side, limit in (node.args, node.args[::-1]):
            fact = expressions.fact_of(fact_side)
            limits = {told.get(f"p.{name}", "") for name in margins.branches(limit)} - units.NUMBERLESS
            unit = told.get(fact.partition(".")[2], "") if fact else ""
            if unit and unit not in units.NUMBERLESS and limits - {unit}:
                reading.fault(".require", "wrong_unit", f"{fact} is in {unit}, its limit in {', '.join(sorted(limits))}.", unit)


def unused(rule: Rule, parsed: Iterable[Expression], reading: Reading) -> None:
    read = {name for expression in parsed for name in expression.params} | {
        name[2:] for name in messages.placeholders(rule.message) if name[:2] == "p."
    }
    listened = CHECKS[rule.check].listens if rule.check in CHECKS else frozenset()
    for name in sorted(rule.params.keys() - read - listened):
        reading.fault(f".params.{name}", "not_used", "Nothing reads this parameter.", warning=True)
