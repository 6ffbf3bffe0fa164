"""Expressions and templates in the scope where they stand: do they compile, and do they give what is wanted?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flows.core.definition.vocabulary import fits, type_of
from flows.core.expressions import Compiled, Environment
from flows.core.program import problems_of, scope_types, slot_type
from flows.core.sites import TEMPLATES, Kind, Site, all_actions, sites
from flows.core.templates import Filled, Plain, compile_in
from flows.core.types import Flow, Problem, SetVariable

NOT_JSON: Final = frozenset(("bytes", "type"))


@dataclass(frozen=True, slots=True)
class Checked:
    """A site that compiles."""

    site: Site
    compiled: Compiled | Plain | Filled


class Scopes:
    """The environments of a flow, made when they are needed."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.base = scope_types(flow)
        self.made: dict[tuple[tuple[str, str], ...], Environment] = {}

    def of(self, site: Site) -> Environment:
        extra: dict[str, str] = {}
        if site.kind is Kind.RESPONSE:
            extra = {"response": "dyn"}
        if site.kind in (Kind.RULE, Kind.MESSAGE):
            extra = {"value": slot_type(self.flow.slots[site.slot]) if site.kind is Kind.RULE else "dyn"}
        if site.kind is Kind.SENTENCE:
            extra = {"facts": "map"}
        key = tuple(extra.items())
        if key not in self.made:
            self.made[key] = Environment({**self.base, **extra})
        return self.made[key]


def check(flow: Flow) -> tuple[list[Checked], list[Problem]]:
    scopes, good, problems = Scopes(flow), list[Checked](), list[Problem]()
    for site in sites(flow):
        is_template = site.kind in TEMPLATES
        environment = scopes.of(site)
        compiled, faults = compile_in(environment, site.source) if is_template else environment.compile(site.source)
        problems += problems_of(site.path, "bad_template" if is_template else "bad_expression", faults)
        if compiled is not None:
            good.append(Checked(site, compiled))
            problems += misfits(flow, site, compiled)
    return good, [*problems, *literal_misfits(flow)]


def misfits(flow: Flow, site: Site, compiled: Compiled | Plain | Filled) -> list[Problem]:
    if not isinstance(compiled, Compiled):
        return []
    found = compiled.type.lower().partition("<")[0]
    if site.kind in (Kind.GUARD, Kind.RULE):
        return [] if found in ("bool", "dyn") else [mismatch(site.path, "not_bool", found, "bool")]
    if site.kind is Kind.ITEMS:
        return [] if found in ("list", "dyn") else [mismatch(site.path, "type_mismatch", found, "a list")]
    if found in NOT_JSON:
        return [mismatch(site.path, "type_mismatch", found, "a value that JSON has")]
    wanted = wanted_type(flow.variables.get(site.variable))
    return [] if type_fits(found, wanted) else [mismatch(site.path, "type_mismatch", found, wanted)]


def wanted_type(variable: object) -> str:
    return str(getattr(variable, "type", "dyn"))


SAME: Final[Mapping[str, str]] = {"uint": "int", "null": "dyn", "timestamp": "string", "duration": "double"}


def type_fits(found: str, wanted: str) -> bool:
    found = SAME.get(found, found)
    return "dyn" in (found, wanted) or found == wanted or (found, wanted) == ("int", "double")


def mismatch(path: str, code: str, found: str, wanted: str) -> Problem:
    return Problem(path=path, code=code, message=f"This is of type {found}.", expected=wanted)


def literal_misfits(flow: Flow) -> list[Problem]:
    found: list[Problem] = []
    for path, _, action in all_actions(flow):
        if isinstance(action, SetVariable) and not action.expression and action.name:
            wanted = wanted_type(flow.variables.get(action.name))
            if not fits(action.value, wanted):
                found.append(mismatch(f"{path}.value", "type_mismatch", type_of(action.value), wanted))
    return found
