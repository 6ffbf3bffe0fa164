"""What is wrong with a flow before anybody talks to it. Errors refuse a publish; warnings are shown. Codes: docs/protocol/flow.md."""

from collections.abc import Collection, Mapping

from flows.core import definition
from flows.core.definition import tenant
from flows.core.lint import content, dataflow, interfaces, references, structure, typed
from flows.core.lint.interfaces import Interface
from flows.core.types import Flow, Json, Problem, Severity

NOTHING: frozenset[str] = frozenset()
NOBODY: Mapping[str, Interface] = {}


def check(
    flow: Flow, *, known_flows: Collection[str] = NOTHING, known_integrations: Collection[str] = NOTHING, others: Mapping[str, Interface] = NOBODY
) -> list[Problem]:
    """All problems of a parsed flow, errors first. `known_flows` and `known_integrations` are the ids that exist beside this flow; `others`
    says what those flows take and give, as far as it is known."""
    shape = structure.shape_of(flow)
    checked, typing = typed.check(flow)
    found = [
        *references.missing(flow, known_flows, known_integrations),
        *typing,
        *structure.check(shape),
        *dataflow.check(shape, checked),
        *content.check(flow),
        *interfaces.check(flow, others),
    ]
    return errors_first(found)


def check_tenant(
    document: Json, *, known_flows: Collection[str] = NOTHING, known_integrations: Collection[str] = NOTHING
) -> tuple[Flow | None, list[Problem]]:
    """The same for the tenant's own handlers."""
    flow, problems = tenant.parse(document)
    if flow is None:
        return None, problems
    _, typing = typed.check(flow)
    return flow, errors_first([*references.missing(flow, known_flows, known_integrations), *typing, *content.check(flow)])


def check_document(
    document: Json, *, known_flows: Collection[str] = NOTHING, known_integrations: Collection[str] = NOTHING, others: Mapping[str, Interface] = NOBODY
) -> tuple[Flow | None, list[Problem]]:
    """`parse` and `check` in one. A document with faults of shape is still searched for missing references and silent loops."""
    survey = definition.survey(document)
    if not survey.problems:
        return survey.flow, check(survey.flow, known_flows=known_flows, known_integrations=known_integrations, others=others)
    shape = structure.shape_of(survey.flow)
    further = [*references.missing(survey.flow, known_flows, known_integrations), *structure.loops(shape)]
    seen = {problem.path for problem in survey.problems}
    return None, errors_first([*survey.problems, *(problem for problem in further if problem.path not in seen)])


def errors_first(found: list[Problem]) -> list[Problem]:
    return sorted(dict.fromkeys(found), key=lambda problem: problem.severity is Severity.WARNING)
