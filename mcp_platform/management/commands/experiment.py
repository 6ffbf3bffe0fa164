"""`manage.py experiment …`: experiments evaluated from the command line, before they start. docs/experiments/evaluation.md tells it.

Exit codes: 0 all is well; 1 a replay parts where it should not, or a simulation whose model is not to be believed; 2 the command was not
understood, or what it names is not there. With --json, standard output is exactly one JSON document, errors too.
"""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from experiments import services
from experiments.core.prediction import HOLDS
from experiments.services.evaluating import RAN_ON, UNDERSTANDING
from mcp_platform import rest
from mcp_platform.errors import Kind, PlatformError
from mcp_platform.management.flows.sources import Unusable, tenant_of
from mcp_platform.tenancy import scope

Options = Mapping[str, Any]
OK, PROBLEMS, USAGE = 0, 1, 2
BY = None  # the audit says "system"


class Command(BaseCommand):
    help = "Evaluate an experiment before it starts: replay stored conversations through its variants, or simulate some."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(VERBS))
        for name, (about, arguments, _, _) in VERBS.items():
            verb = verbs.add_parser(name, help=about, description=about)
            verb.add_argument("experiment", help="its key or id")
            verb.add_argument("--tenant", required=True, metavar="SLUG")
            verb.add_argument("--json", action="store_true", help="Print exactly one JSON document.")
            arguments(verb)

    def handle(self, *args: Any, **options: Any) -> None:
        _, _, kind, lines = VERBS[options["verb"]]
        try:
            with scope.platform_scope():
                answer, code = _evaluated(kind, options)
        except PlatformError as error:
            answer, code = rest.problem(error), USAGE if error.kind is Kind.NOT_FOUND or isinstance(error, Unusable) else PROBLEMS
            if not options["json"]:
                self.stderr.write("\n".join([error.message, *(f"  {one['path']} {one['message']}" for one in error.details.get("errors", ()))]))
                sys.exit(code)
        for line in [json.dumps(answer, indent=2, ensure_ascii=False, default=str)] if options["json"] else lines(answer):
            self.stdout.write(line)
        if code:
            sys.exit(code)


class _Told:
    """Progress on standard error."""

    def report(self, done: int, total: int, phase: str = "") -> None:
        sys.stderr.write(f"\r{phase}: {done} of {total}\x1b[K")
        if done >= total:
            sys.stderr.write("\n")


def _evaluated(kind: str, options: Options) -> tuple[dict[str, Any], int]:
    tenant = tenant_of(options["tenant"])
    chosen = {name: options[name] for name in CHOSEN[kind] if options[name] is not None}
    made = services.prepare(tenant, key=options["experiment"], kind=kind, by=BY, **chosen)
    services.work(tenant, {"evaluation_id": str(made.pk)}, _Told())
    made.refresh_from_db()
    answer = {"experiment": made.experiment.key, "evaluation_id": str(made.pk), "kind": kind, "chosen": made.chosen, **made.results}
    return answer, FINE[kind](answer)


def _replay_fine(answer: Mapping[str, Any]) -> int:
    """The control is the base itself: a conversation that cannot be played again is a fault, a difference of a variant is what it is for."""
    return PROBLEMS if any(arm["failed"] for arm in answer["arms"]) else OK


def _simulation_fine(answer: Mapping[str, Any]) -> int:
    return OK if answer["calibration"]["verdict"] == HOLDS else PROBLEMS


CHOSEN: Mapping[str, tuple[str, ...]] = {
    "replay": ("conversations", "ran_on", "understanding"),
    "simulation": ("conversations", "learn_from", "ran_on", "seed", "quiet_minutes"),
}
FINE: Mapping[str, Callable[[Mapping[str, Any]], int]] = {"replay": _replay_fine, "simulation": _simulation_fine}


def _replay_arguments(verb: Any) -> None:
    verb.add_argument("--last", dest="conversations", type=int, default=None, metavar="N", help="the newest N conversations (1000)")
    verb.add_argument("--ran-on", choices=RAN_ON, default=None, help="only those of the base, or of any version (any)")
    verb.add_argument("--understanding", choices=UNDERSTANDING, default=None)


def _simulate_arguments(verb: Any) -> None:
    verb.add_argument("--conversations", type=int, default=None, metavar="N", help="made-up conversations of each arm (1000)")
    verb.add_argument("--learn-from", type=int, default=None, metavar="N", help="the newest N stored conversations (2000)")
    verb.add_argument("--ran-on", choices=RAN_ON, default=None, help="learn from those of the base, or of any version (base)")
    verb.add_argument("--seed", type=int, default=None, help="the same seed, the same numbers (1)")
    verb.add_argument("--quiet-minutes", type=int, default=None, metavar="N", help="who has been silent for so long has left (30)")


def _print_replay(answer: Mapping[str, Any]) -> list[str]:
    lines = [f"{answer['label']}: {answer['conversations']} conversations, {answer['drifted']} come out otherwise on the control"]
    for arm in answer["arms"]:
        named = f"{arm['key']}{' (control)' if arm['control'] else ''}"
        lines.append(f"{named}: {arm['same']} same, {arm['own']} part ({arm['own_words_only']} in words only), {arm['failed']} could not be played")
        lines += [f"{point['count']:>8}  after {point['state'] or 'the start'}" for point in arm["points"]]
        lines += [f"{one['count']:>8}  {one['label']}: {one['detail']}" for one in arm["causes"]]
    return lines


def _print_simulation(answer: Mapping[str, Any]) -> list[str]:
    calibration = answer["calibration"]
    error = calibration["reliability"].get("error")
    lines = [f"{answer['label']}.", f"Model: {calibration['sentence']}"]
    lines.append(f"Learned from {answer['learned_from']} conversations, held against {calibration['held_out']}; mean error {_figure(error)}")
    for arm in answer["arms"]:
        lines.append(f"{arm['key']}{' (control)' if arm['control'] else ''}{' differs in words only' if arm['words_only'] else ''}")
        for one in (one for one in arm["metrics"] if not one["why_not"]):
            found = one["difference"]
            more = f"   {found['value']:+.4g} ({found['lower']:+.4g} … {found['upper']:+.4g})" if found else ""
            lines.append(f"  {one['label']:<28} {_figure(one['value']):>10}{more}")
    power = answer["power"]
    return [*lines, f"{power['units_per_arm']} units in each arm to find {power['minimum_effect']:g}"] if power else lines


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


VERBS: Mapping[str, tuple[str, Callable[[Any], None], str, Callable[[Mapping[str, Any]], list[str]]]] = {
    "replay": ("Play stored conversations through the variants (a check of consistency).", _replay_arguments, "replay", _print_replay),
    "simulate": ("Let made-up people talk to the variants (a forecast by a model).", _simulate_arguments, "simulation", _print_simulation),
}
