"""Tests of flows: write, import, export, run, and ask before a publish.

Playing a script needs the engine, which lies above this app: whoever composes the platform hands in the function that plays (`use_runner`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from flows import queries
from flows.core import definition, scripts, transcripts, verdicts
from flows.core.scripts import Script
from flows.core.types import Flow as Definition
from flows.core.types import Json, Problem
from flows.core.verdicts import Verdict
from flows.errors import DefinitionRefused, DraftHasChanged, FailingTests, FieldsRefused, FlowHasProblems, FlowTestNotFound, NameTaken
from flows.models import Flow, FlowTest
from flows.queries import FlowKey
from mcp_platform.errors import Broken
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

Runner: TypeAlias = Callable[[Tenant, Definition, Sequence[Script]], list[Verdict]]
FIELDS: Final = ("name", "description", "enabled", "script")
MOST_TESTS: Final = 2_000  # of one flow

_runners: list[Runner] = []


def use_runner(runner: Runner) -> None:
    """What plays scripts from now on: a flow as it is defined, and the scripts to play on it."""
    _runners[:] = [runner]


def play(tenant: Tenant, parsed: Definition, played: Sequence[Script]) -> list[Verdict]:
    """One verdict for each script. Raises FlowHasProblems when the definition does not compile."""
    if not _runners:
        raise Broken("Nothing plays scripts here: no engine has been handed in.")
    return _runners[0](tenant, parsed, played)


def save_test(
    tenant: Tenant,
    *,
    flow_id: FlowKey,
    fields: Mapping[str, Json],
    test_id: UUID | None = None,
    recorded_from: UUID | None = None,
    expected_rev: int | None = None,
    by: By,
) -> FlowTest:
    """Create a test, or change some of its `FIELDS`. `script` is JSON, or a transcript as text.

    Raises FlowNotFound, FlowTestNotFound, FieldsRefused with every fault, NameTaken, DraftHasChanged.
    """
    with transaction.atomic():
        flow = queries.flow(tenant, flow_id)
        row = _locked(tenant, flow, test_id, expected_rev) if test_id else FlowTest(tenant=tenant, flow=flow, rev=0, recorded_from=recorded_from)
        before = {name: getattr(row, name) for name in FIELDS}
        given = _checked(fields, new=test_id is None)
        for name, value in given.items():
            setattr(row, name, value)
        changed: dict[str, Json] = {name: [before[name], value] for name, value in given.items() if before[name] != value and name != "script"}
        if "script" in given:
            row.locale = given["script"]["locale"]
            changed.update({"script": "changed"} if given["script"] != before["script"] else {})
        if not changed and test_id:
            return row
        row.rev += 1
        _write(row)
        audit(tenant, actor=actor_of(by), action="test.save" if test_id else "test.create", target=flow, changes={"test": row.name, **changed})
    return row


def _write(row: FlowTest) -> None:
    if row.rev == 1 and FlowTest.objects.filter(flow=row.flow).count() >= MOST_TESTS:
        raise FieldsRefused(errors=[_fault("$", "too_many", f"The flow has {MOST_TESTS} tests already.", f"at most {MOST_TESTS}")])
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as taken:
        raise NameTaken("The flow has a test with this name already.", test=row.name) from taken


def _locked(tenant: Tenant, flow: Flow, test_id: UUID, expected_rev: int | None) -> FlowTest:
    rows = FlowTest.objects.for_tenant(tenant).select_for_update(of=("self",)).select_related("flow", "tenant")
    found: FlowTest | None = rows.filter(flow=flow, pk=test_id).first()
    if found is None:
        raise FlowTestNotFound(flow_id=flow.flow_id, test=str(test_id))
    if expected_rev is not None and found.rev != expected_rev:
        raise DraftHasChanged("Somebody saved the test after you read it.", expected_rev=found.rev, given_rev=expected_rev)
    return found


def _fault(path: str, code: str, message: str, expected: str) -> dict[str, str]:
    return {"path": path, "code": code, "message": message, "expected": expected}


def _checked(fields: Mapping[str, Json], *, new: bool) -> dict[str, Json]:
    """The columns, the script as JSON. Raises FieldsRefused with every fault."""
    found = [_fault(f"$.{name}", "unknown", "is not known here", ", ".join(FIELDS)) for name in fields if name not in FIELDS]
    needed = ("name", "script") if new else ()
    given = {name: fields.get(name) for name in FIELDS if name in fields or name in needed}
    for name, value in given.items():
        given[name], faults = _CHECKS[name](value)
        found += faults
    if found:
        raise FieldsRefused(errors=found)
    return given


def read_script(value: Json) -> tuple[Json, list[dict[str, str]]]:
    """A script as JSON, from JSON or from a transcript, and every fault; the fault of a transcript names its line."""
    text = isinstance(value, str)
    script, problems = transcripts.parse(value) if text else scripts.parse(value)
    faults = [_placed(problem, text) for problem in problems]
    return (scripts.to_json(script) if script is not None else None), faults


def _placed(problem: Problem, text: bool) -> dict[str, str]:
    if not text:
        return _fault(f"$.script{problem.path.removeprefix('$')}", problem.code, problem.message, problem.expected)
    where = f"{problem.path}: " if problem.path.startswith("line") else f"{problem.path.removeprefix('$.')}: "
    return _fault("$.script", problem.code, f"{where}{problem.message}", problem.expected)


Checked: TypeAlias = tuple[Json, list[dict[str, str]]]


def _text(name: str, longest: int, *, empty: bool) -> Callable[[Json], Checked]:
    def check(value: Json) -> Checked:
        fits = isinstance(value, str) and len(value) <= longest and "\x00" not in value and (empty or bool(value.strip()))
        expected = f"{0 if empty else 1} to {longest} characters"
        return value, [] if fits else [_fault(f"$.{name}", "wrong_type", "is no such text", expected)]

    return check


def _boolean(value: Json) -> Checked:
    return value, [] if isinstance(value, bool) else [_fault("$.enabled", "wrong_type", "is no boolean", "true or false")]


_CHECKS: Final[Mapping[str, Callable[[Json], Checked]]] = {
    "name": _text("name", 200, empty=False),
    "description": _text("description", 2_000, empty=True),
    "enabled": _boolean,
    "script": read_script,
}


def delete_test(tenant: Tenant, *, flow_id: FlowKey, test_id: UUID, expected_rev: int | None = None, by: By) -> None:
    """Raises FlowNotFound, FlowTestNotFound, DraftHasChanged."""
    with transaction.atomic():
        flow = queries.flow(tenant, flow_id)
        row = _locked(tenant, flow, test_id, expected_rev)
        audit(tenant, actor=actor_of(by), action="test.delete", target=flow, changes={"test": row.name})
        row.delete()


def export_tests(tenant: Tenant, *, flow_id: FlowKey) -> dict[str, Json]:
    """All tests of the flow as one document; importing it gives the same tests. Raises FlowNotFound."""
    flow = queries.flow(tenant, flow_id)
    return {"flow_id": flow.flow_id, "tests": [_exported(row) for row in queries.tests(tenant, flow.pk)]}


def _exported(row: FlowTest) -> dict[str, Json]:
    described = {"description": row.description} if row.description else {}
    return {"name": row.name, **described, "enabled": row.enabled, "script": row.script}


def import_tests(tenant: Tenant, *, flow_id: FlowKey, document: Json, replace: bool = False, by: By) -> list[FlowTest]:
    """The tests of a document, all or nothing. A test with a name that is there already is refused, or with `replace` overwritten.

    Raises FlowNotFound, FieldsRefused with every fault and its path, NameTaken.
    """
    found, problems = scripts.parse_tests(document)
    if found is None:
        raise FieldsRefused(errors=queries.as_errors(problems))
    with transaction.atomic():
        flow = queries.flow(tenant, flow_id)
        known = {row.name: row.pk for row in queries.tests(tenant, flow.pk)}
        taken = [name for name in (one.name for one in found) if name in known]
        if taken and not replace:
            raise NameTaken(
                f"The flow has tests with these names already: {', '.join(taken[:5])}. Import with `replace` to overwrite them.", tests=taken
            )
        return [_imported(tenant, flow, one, known.get(one.name), by) for one in found]


def _imported(tenant: Tenant, flow: Flow, one: scripts.NamedScript, test_id: UUID | None, by: By) -> FlowTest:
    fields = {"name": one.name, "description": one.description, "enabled": one.enabled, "script": scripts.to_json(one.script)}
    return save_test(tenant, flow_id=flow.pk, fields=fields, test_id=test_id, by=by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    test: FlowTest
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of some tests. `on` names what they ran on; `states` are those of the flow, `unvisited` those that no test came to."""

    on: str
    ran: tuple[Ran, ...]
    states: tuple[str, ...]

    @property
    def failed(self) -> tuple[Ran, ...]:
        return tuple(one for one in self.ran if not one.verdict.passed)

    @property
    def unvisited(self) -> tuple[str, ...]:
        visited = frozenset[str]().union(*(one.verdict.visits for one in self.ran))
        return tuple(name for name in self.states if name not in visited)


def run_tests(tenant: Tenant, *, flow_id: FlowKey, number: int | None = None, test_ids: Iterable[UUID] | None = None) -> Report:
    """Play tests (all of the flow, disabled ones too, unless some are named) on the draft or on a version, and keep what came of them.

    Raises FlowNotFound, VersionNotFound, FlowTestNotFound, FlowHasProblems when the draft cannot run.
    """
    flow = queries.flow(tenant, flow_id)
    chosen = list(queries.tests(tenant, flow.pk))
    if test_ids is not None:
        wanted = set(test_ids)
        missing = wanted - {row.pk for row in chosen}
        if missing:
            raise FlowTestNotFound(flow_id=flow.flow_id, test=str(min(missing)))
        chosen = [row for row in chosen if row.pk in wanted]
    on = f"version {number}" if number is not None else f"draft rev {flow.rev}"
    parsed = queries.definition_of(tenant, flow, number)
    report = _run(tenant, parsed, chosen, on)
    _keep(report)
    return report


def _run(tenant: Tenant, parsed: Definition, rows: Sequence[FlowTest], on: str) -> Report:
    readable = [(row, scripts.parse(row.script)[0]) for row in rows]
    played = iter(play(tenant, parsed, [script for _, script in readable if script is not None]) if rows else [])
    ran = tuple(Ran(test=row, verdict=next(played) if script is not None else UNREADABLE) for row, script in readable)
    return Report(on=on, ran=ran, states=tuple(parsed.states))


UNREADABLE: Final = Verdict(divergence=verdicts.Divergence(step=0, message="This release of the platform cannot read the script; save it again."))


def _keep(report: Report) -> None:
    """The last result of each test. A run is no change: neither `rev` nor the audit knows of it."""
    now = timezone.now()
    for one in report.ran:
        row = one.test
        row.passed, row.ran_at, row.ran_on, row.result = one.verdict.passed, now, report.on, verdicts.to_json(one.verdict)
        FlowTest.objects.filter(pk=row.pk).update(passed=row.passed, ran_at=now, ran_on=report.on, result=row.result)


def try_script(tenant: Tenant, *, flow_id: FlowKey, script: Json) -> Verdict:
    """Play a script that is not saved on the draft. Raises FlowNotFound, FieldsRefused, FlowHasProblems."""
    read, faults = read_script(script)
    parsed = scripts.parse(read)[0] if not faults else None
    if parsed is None:
        raise FieldsRefused(errors=faults)
    flow = queries.flow(tenant, flow_id)
    return play(tenant, queries.definition_of(tenant, flow, None), [parsed])[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the enabled tests say of the draft as it was at `rev`."""

    rev: int
    report: Report | None

    def require(self, flow: Flow, reason: str) -> dict[str, Any]:
        """What the audit must say. Raises FailingTests when some fail and nobody gives a reason, DraftHasChanged when they ran on another draft."""
        if self.rev != flow.rev:
            raise DraftHasChanged("Somebody saved the draft while its tests ran; publish again.", expected_rev=flow.rev, given_rev=self.rev)
        failed = self.report.failed if self.report is not None else ()
        if failed and not reason.strip():
            raise FailingTests(flow_id=flow.flow_id, errors=[as_error(one) for one in failed])
        return {"failing_tests": [one.test.name for one in failed][:50], "override_reason": reason.strip()[:500]} if failed else {}


def judge_draft(tenant: Tenant, *, flow_id: FlowKey, keep: bool = True) -> Judged:
    """Run the enabled tests on the draft, outside any transaction of the publish: playing takes time. A draft that cannot run has no
    verdict: its publish is refused for that. `keep`: what came of it becomes the last result of the tests. Raises FlowNotFound."""
    flow = queries.flow(tenant, flow_id)
    rows = list(queries.tests(tenant, flow.pk).filter(enabled=True))
    if not rows:
        return Judged(rev=flow.rev, report=None)
    try:
        report = _run(tenant, queries.definition_of(tenant, flow, None), rows, f"draft rev {flow.rev}")
    except (FlowHasProblems, DefinitionRefused):
        return Judged(rev=flow.rev, report=None)
    if keep:
        _keep(report)
    return Judged(rev=flow.rev, report=report)


def as_error(one: Ran) -> dict[str, Json]:
    """A failing test as one of the `errors` of a problem document."""
    divergence = one.verdict.divergence
    step = divergence.step if divergence is not None else 0
    return {
        "path": f"$.tests[{definition.canonical(one.test.name)}].script.steps[{step}]",
        "code": "test_failed",
        "message": f"{one.test.name}: {divergence.message if divergence is not None else ''}",
        "expected": divergence.expected if divergence is not None else "",
        "got": divergence.got if divergence is not None else "",
        "test_id": str(one.test.pk),
        "step": step,
        "severity": "error",
    }
