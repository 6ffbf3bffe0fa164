"""`manage.py flow …`: flows from the command line, for people and for pipelines. docs/testing_flows.md tells it with examples.

Exit codes: 0 all is well; 1 there are problems, failing tests or differences; 2 the command was not understood, or what it names is not there.
With --json, standard output is exactly one JSON document, errors too.
"""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from conversations import replays
from flows import services
from flows.core.diff import compare
from mcp_platform import rest
from mcp_platform.errors import Kind, PlatformError
from mcp_platform.management.flows import playing
from mcp_platform.management.flows.sources import Unusable, counted, read_json, source_of, tenant_of
from mcp_platform.tenancy.models import Tenant

Options = Mapping[str, Any]
OK, PROBLEMS, USAGE = 0, 1, 2
BY = None  # the audit says "system"


class Command(BaseCommand):
    help = "Validate, import, export, compare, try out, test and replay flows."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(VERBS))
        for name, (about, arguments, _) in VERBS.items():
            verb = verbs.add_parser(name, help=about, description=about)
            verb.add_argument("--json", action="store_true", help="Print exactly one JSON document.")
            verb.add_argument("--tenant", default="", metavar="SLUG", help="Whose flows, integrations and stubs there are.")
            arguments(verb)

    def handle(self, *args: Any, **options: Any) -> None:
        _, _, work = VERBS[options["verb"]]
        try:
            answer, code = work(options)
        except PlatformError as error:
            answer, code = rest.problem(error), USAGE if error.kind is Kind.NOT_FOUND or isinstance(error, Unusable) else PROBLEMS
            if not options["json"]:
                self.stderr.write(_as_lines(error))
                sys.exit(code)
        if options["json"]:
            self.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False, default=str))
        else:
            for line in PRINTED.get(options["verb"], _nothing)(answer):
                self.stdout.write(line)
        if code:
            sys.exit(code)


def _as_lines(error: PlatformError) -> str:
    faults = [fault for fault in error.details.get("errors", ()) if isinstance(fault, Mapping)]
    return "\n".join([f"{error.message}", *(f"  {_problem(fault)}" for fault in faults)])


def _nothing(answer: Any) -> list[str]:
    return []


def _tenant(options: Options) -> Tenant | None:
    return tenant_of(options["tenant"]) if options["tenant"] else None


def _need_tenant(options: Options) -> Tenant:
    if not options["tenant"]:
        raise Unusable("Name the tenant with --tenant.")
    return tenant_of(options["tenant"])


def validate(options: Options) -> tuple[Any, int]:
    source = source_of(options["flow"], _tenant(options))
    problems, needs = source.problems()
    answer = {"flow": source.name, **counted(problems), "needs": needs}
    return {"publishable": not answer["errors"], **answer}, PROBLEMS if answer["errors"] else OK


def import_(options: Options) -> tuple[Any, int]:
    tenant = _need_tenant(options)
    flow = services.import_flow(tenant, document=read_json(options["file"]), replace=options["replace"], by=BY)
    answer: dict[str, Any] = {"flow_id": flow.flow_id, "rev": flow.rev, **counted(flow.problems)}
    if options["publish"]:
        version = services.publish(
            tenant, flow_id=flow.flow_id, environment=options["environment"], note=options["note"], override_tests=options["override_tests"], by=BY
        )
        answer["published"] = {"version": version.number, "sha256": version.sha256, "is_new": version.is_new}
    return answer, PROBLEMS if answer["errors"] else OK


def export(options: Options) -> tuple[Any, int]:
    tenant = _need_tenant(options)
    flow_id, _, which = options["flow"].partition("@")
    number = int(which) if which.isdecimal() else None
    if which and which != "draft" and number is None:
        raise Unusable("After @ comes draft or the number of a version.", given=options["flow"])
    if options["tests"]:
        return services.export_tests(tenant, flow_id=flow_id), OK
    return json.loads(services.export_flow(tenant, flow_id=flow_id, number=number)), OK


def diff(options: Options) -> tuple[Any, int]:
    tenant = _tenant(options)
    before, after = source_of(options["before"], tenant), source_of(options["after"], tenant)
    changes = [
        {"path": one.path, "kind": one.kind.value, "before": one.before, "after": one.after} for one in compare(before.parsed(), after.parsed())
    ]
    return {"before": before.name, "after": after.name, "changes": changes}, PROBLEMS if changes else OK


def simulate(options: Options) -> tuple[Any, int]:
    tenant = _tenant(options)
    source, others = source_of(options["flow"], tenant), [source_of(one, tenant) for one in options["also"]]
    answer = playing.Dialogue(source, others, locale=options["locale"], trace=options["trace"], quiet=options["json"]).hold()
    return answer, PROBLEMS if answer["faults"] else OK


def test(options: Options) -> tuple[Any, int]:
    tenant = _tenant(options)
    if options["scripts"]:
        source, others = source_of(options["flow"], tenant), [source_of(one, tenant) for one in options["also"]]
        results = playing.run(source, playing.tests_of(options["scripts"]), others)
        answer = {"ran_on": source.name, "total": len(results), "failed": sum(not one["passed"] for one in results), "results": results}
        return answer, PROBLEMS if answer["failed"] else OK
    return _stored_tests(options)


def _stored_tests(options: Options) -> tuple[Any, int]:
    tenant = _need_tenant(options)
    flow_id, _, which = options["flow"].partition("@")
    report = services.run_tests(tenant, flow_id=flow_id, number=int(which) if which.isdecimal() else None)
    results = [{"name": one.test.name, "enabled": one.test.enabled, "test_id": str(one.test.pk), **(one.test.result or {})} for one in report.ran]
    failed = sum(not one["passed"] and one["enabled"] for one in results)
    answer = {"ran_on": report.on, "total": len(results), "failed": failed, "unvisited_states": list(report.unvisited), "results": results}
    return answer, PROBLEMS if failed else OK


class _Told:
    """Progress on standard error."""

    def report(self, done: int, total: int, phase: str = "") -> None:
        sys.stderr.write(f"\r{phase} {done} of {total}")
        if done >= total:
            sys.stderr.write("\n")


def replay(options: Options) -> tuple[Any, int]:
    tenant = _need_tenant(options)
    if options["rebuild"]:
        return _rebuild(tenant, options)
    if options["conversation"]:
        return _one_conversation(tenant, options)
    playing.need(options["flow"], "Name the flow: permit_desk for its draft, permit_desk@3 for a version.")
    flow_id, _, which = options["flow"].partition("@")
    made = replays.prepare(
        tenant,
        flow_id=flow_id,
        number=int(which) if which.isdecimal() else None,
        count=options["last"],
        environment=options["environment"],
        ran_on=options["ran_on"],
        understanding=options["understanding"],
        by=BY,
    )
    counts = replays.work(tenant, {"replay_id": str(made.pk)}, _Told())
    answer = {"flow_id": flow_id, "target": made.target, **counts}
    differs = counts["differs"] - counts["texts_only"] if options["ignore_texts"] else counts["differs"]
    return answer, PROBLEMS if differs + counts["failed"] else OK


def _rebuild(tenant: Tenant, options: Options) -> tuple[Any, int]:
    faults = [{"conversation_id": str(key), "faults": found} for key, found in replays.verify(tenant, limit=options["last"])]
    return {"checked": options["last"], "broken": faults}, PROBLEMS if faults else OK


def _one_conversation(tenant: Tenant, options: Options) -> tuple[Any, int]:
    try:
        conversation_id = UUID(options["conversation"])
    except ValueError as fault:
        raise Unusable("--conversation takes the id of a conversation.", given=options["conversation"]) from fault
    changes = {}
    for one in options["what_if"]:
        number, _, text = one.partition("=")
        playing.need(number.isdecimal() and text, "--what-if takes the number of a turn and other words: 3=twelve")
        changes[int(number)] = {"type": "text", "text": text}
    _, _, which = options["flow"].partition("@")
    number_ = int(which) if which.isdecimal() else None
    draft = bool(options["flow"]) and number_ is None
    found = replays.what_if(
        tenant, conversation_id=conversation_id, number=number_, draft=draft, changes=changes, understanding=options["understanding"]
    )
    return {"same": found.same, **replays.shown(found)}, OK if found.same else PROBLEMS


WHICH = "a file, or flow_id, flow_id@draft, flow_id@3 with --tenant"


def _validate_arguments(verb: Any) -> None:
    verb.add_argument("flow", help=WHICH)


def _import_arguments(verb: Any) -> None:
    verb.add_argument("file", help="a definition as JSON, - for standard input")
    verb.add_argument("--replace", action="store_true", help="overwrite the draft of an existing flow")
    verb.add_argument("--publish", action="store_true")
    verb.add_argument("--environment", default="")
    verb.add_argument("--note", default="")
    verb.add_argument("--override-tests", default="", metavar="REASON", help="publish although tests fail")


def _export_arguments(verb: Any) -> None:
    verb.add_argument("flow", help="flow_id, flow_id@draft, flow_id@3")
    verb.add_argument("--tests", action="store_true", help="the tests of the flow instead of its definition")


def _diff_arguments(verb: Any) -> None:
    verb.add_argument("before", help=WHICH)
    verb.add_argument("after", help=WHICH)


def _also(verb: Any) -> None:
    verb.add_argument("--also", action="append", default=[], metavar="FILE", help="a flow that this one starts; may be repeated")


def _simulate_arguments(verb: Any) -> None:
    verb.add_argument("flow", help=WHICH)
    verb.add_argument("--locale", default="en")
    verb.add_argument("--trace", action="store_true", help="why each transition was or was not taken")
    _also(verb)


def _test_arguments(verb: Any) -> None:
    verb.add_argument("flow", help=WHICH)
    verb.add_argument("scripts", nargs="*", help="transcripts (.txt) or exported tests (.json); without them the stored tests of the flow")
    _also(verb)


def _replay_arguments(verb: Any) -> None:
    verb.add_argument("flow", nargs="?", default="", help="flow_id for its draft, flow_id@3 for a version")
    verb.add_argument("--last", type=int, default=1_000, metavar="N", help="the newest N conversations")
    verb.add_argument("--environment", default="", help="only conversations that ran there")
    verb.add_argument("--ran-on", type=int, default=None, metavar="VERSION", help="only conversations that ran on this version")
    verb.add_argument("--understanding", choices=("auto", "recorded", "anew"), default="auto")
    verb.add_argument("--ignore-texts", action="store_true", help="differences of words only are no differences")
    verb.add_argument("--rebuild", action="store_true", help="only check that every log folds to its snapshot")
    verb.add_argument("--conversation", default="", metavar="ID", help="one conversation, both runs side by side")
    verb.add_argument("--what-if", action="append", default=[], metavar="TURN=TEXT", help="with --conversation: other words in a turn")


VERBS: Mapping[str, tuple[str, Callable[[Any], None], Callable[[Options], tuple[Any, int]]]] = {
    "validate": ("Everything that is wrong with a definition.", _validate_arguments, validate),
    "import": ("A definition as the draft of a flow; published too, when that is wished.", _import_arguments, import_),
    "export": ("A definition, or the tests of a flow, as JSON.", _export_arguments, export),
    "diff": ("What differs between two definitions.", _diff_arguments, diff),
    "simulate": ("Talk with a flow, without a server; or pipe a conversation in.", _simulate_arguments, simulate),
    "test": ("Run tests: stored ones, or files.", _test_arguments, test),
    "replay": ("Play stored conversations again on a draft or version.", _replay_arguments, replay),
}


def _problem(fault: Mapping[str, Any]) -> str:
    expected = f" Expected: {fault['expected']}." if fault.get("expected") else ""
    return f"{fault.get('severity', 'error')}: {fault.get('path', '')} {fault.get('message', '')}{expected}"


def _print_problems(answer: Any) -> list[str]:
    lines = [_problem(one) for one in answer["problems"]]
    needs = [f"needs {name}" for name in answer.get("needs", ())]
    published = [f"Published as version {answer['published']['version']}."] if answer.get("published") else []
    return [*lines, *needs, f"{answer['errors']} errors, {answer['warnings']} warnings", *published]


def _print_document(answer: Any) -> list[str]:
    return [json.dumps(answer, indent=2, ensure_ascii=False)]


def _print_changes(answer: Any) -> list[str]:
    shown = [f"{one['kind']:<8} {one['path']}: {_short(one['before'])} → {_short(one['after'])}" for one in answer["changes"]]
    return [*shown, f"{len(answer['changes'])} changes from {answer['before']} to {answer['after']}"]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _print_tests(answer: Any) -> list[str]:
    lines = []
    for one in answer["results"]:
        lines.append(f"{'ok  ' if one['passed'] else 'FAIL'} {one['name']}")
        found = one.get("divergence")
        if found:
            lines.append(f"       step {found['step'] + 1}: {found['message']}")
            lines += [f"       expected {found['expected']}", f"       got      {found['got']}"]
    lines.append(f"{answer['total'] - answer['failed']} of {answer['total']} pass on {answer['ran_on']}")
    unvisited = answer.get("unvisited_states")
    return [*lines, f"No test comes to: {', '.join(unvisited)}"] if unvisited else lines


def _print_replay(answer: Any) -> list[str]:
    if "broken" in answer:
        return [*(f"{one['conversation_id']}: {'; '.join(one['faults'])}" for one in answer["broken"]), f"{len(answer['broken'])} broken logs"]
    if "turns" in answer:
        return _print_comparison(answer)
    lines = [f"{one['count']:>6}  {one['label']}: {one['detail']}" for one in answer["causes"]]
    differ = f"{answer['same']} same, {answer['differs']} differ ({answer['texts_only']} in words only)"
    return [*lines, f"{differ}, {answer['skipped']} skipped, {answer['failed']} failed; on {answer['target']}"]


def _print_comparison(answer: Any) -> list[str]:
    lines = []
    for turn in answer["turns"]:
        mark = "≠" if turn["differences"] else "="
        lines.append(f"{mark} turn {turn['turn']} {turn['said']}")
        lines += [f"      {one['label']}: {one['where']}: {_short(one['before'])} → {_short(one['after'])}" for one in turn["differences"]]
    return [*lines, "the same" if answer["same"] else f"differs from turn {answer['diverged_at']} on"]


PRINTED: Mapping[str, Callable[[Any], list[str]]] = {
    "validate": _print_problems,
    "import": _print_problems,
    "export": _print_document,
    "diff": _print_changes,
    "test": _print_tests,
    "replay": _print_replay,
}
