"""Live conversations to another version of their flow, in one command: `manage.py migrate_conversations --plan ID [--dry-run|--revert]`."""

import json
import sys
import time
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations import versions
from conversations.models import MigrationPlan
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant

WIDTH = 40


class Bar:
    """A progress bar on standard error: a line that grows on a terminal, else one line every few seconds."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._terminal = quiet, sys.stderr.isatty()
        self._began, self._told = time.monotonic(), 0.0

    def report(self, done: int, total: int, phase: str = "") -> None:
        now = time.monotonic()
        if self._quiet or (now - self._told < (0.1 if self._terminal else 5.0) and done < total):
            return
        self._told = now
        share = done / total if total else 1.0
        speed = done / max(now - self._began, 0.001)
        left = (total - done) / speed if speed else 0.0
        bar = "█" * round(WIDTH * share) + "·" * (WIDTH - round(WIDTH * share))
        line = f"{phase} {bar} {done:,} of {total:,}  {speed:,.0f}/s  {left:,.0f} s left"
        print(f"\r\033[K{line}" if self._terminal else line, end="\n" if done >= total or not self._terminal else "", file=sys.stderr, flush=True)


class Command(BaseCommand):
    help = "Try a migration plan on the live conversations, apply it, or take it back. Cut short, it can be run again and goes on."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--plan", type=UUID, help="The id of a plan that was written in the admin or by the API")
        which.add_argument("--flow", help="Make a plan for this flow, with the suggested map; needs --from")
        parser.add_argument("--tenant", help="Slug of the tenant; needed with --flow when there are several")
        parser.add_argument("--from", type=int, dest="source", metavar="N", help="The version that conversations leave")
        parser.add_argument("--to", type=int, dest="target", metavar="N", help="The version they come to; the running one when left out")
        parser.add_argument("--environment", default="", help="The default one when left out")
        parser.add_argument("--map", help="A file with the map as JSON (docs/live_versions.md), with --flow")
        parser.add_argument("--force", action="store_true", help="With --flow: refuse nothing that can be helped, give up calls on their way")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--dry-run", action="store_true", help="Write nothing but the plan's report")
        what.add_argument("--revert", action="store_true", help="Bring back what the plan has moved")
        parser.add_argument(
            "--inverse", action="store_true", help="With --revert: conversations that have gone on are moved by the map read backwards"
        )
        parser.add_argument("--json", action="store_true", help="The result as JSON on standard output, no progress bar")

    def handle(self, *args: Any, **given: Any) -> None:
        with scope.platform_scope():
            try:
                tenant, plan = _planned(given)
                result = _carried_out(tenant, plan, given, Bar(quiet=given["json"]))
            except PlatformError as error:
                raise CommandError(_explained(error)) from error
        self.stdout.write(json.dumps(result, indent=2) if given["json"] else "\n".join(_sentences(plan, result)))
        if result.get("refused"):
            sys.exit(3)


def _planned(given: dict[str, Any]) -> tuple[Tenant, MigrationPlan]:
    if given["plan"]:
        found = MigrationPlan.objects.select_related("tenant").filter(pk=given["plan"]).first()
        if found is None:
            raise CommandError(f"There is no plan {given['plan']}.")
        return found.tenant, versions.plan(found.tenant, found.pk)
    if given["source"] is None:
        raise CommandError("--flow needs --from.")
    tenant = _tenant(given["tenant"])
    fields: dict[str, Any] = {"policy": "force" if given["force"] else "migrate_at_wait", "note": "Made by migrate_conversations"}
    if given["map"]:
        fields["mapping"] = _read(given["map"])
    return tenant, versions.create(
        tenant, flow_id=given["flow"], source=given["source"], target=given["target"], environment=given["environment"], fields=fields, by=None
    )


def _tenant(slug: str | None) -> Tenant:
    rows = Tenant.objects.filter(slug=slug) if slug else Tenant.objects.all()
    found = list(rows[:2])
    if len(found) != 1:
        raise CommandError(f"There is no tenant {slug}." if slug else "Name the tenant: --tenant SLUG.")
    return found[0]


def _read(path: str) -> Any:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as fault:
        raise CommandError(f"{path}: {fault}") from fault


def _carried_out(tenant: Tenant, plan: MigrationPlan, given: dict[str, Any], bar: Bar) -> dict[str, Any]:
    if given["dry_run"]:
        return versions.run_dry(tenant, plan.pk, bar)
    if given["revert"]:
        held = versions.reverted(tenant, plan_id=plan.pk, by=None)
        return versions.run_revert(tenant, plan.pk, bar, run=held.run, inverse=given["inverse"])
    held = plan if plan.status == MigrationPlan.Status.ACTIVE else versions.activated(tenant, plan_id=plan.pk, by=None)  # active: it goes on
    return versions.run_apply(tenant, plan.pk, bar, run=held.run)


def _explained(error: PlatformError) -> str:
    faults = [f"  {fault['path']}: {fault['message']} (expected: {fault['expected']})" for fault in error.details.get("errors", ())]
    return "\n".join([error.message, *faults])


def _sentences(plan: MigrationPlan, result: dict[str, Any]) -> list[str]:
    """The result for people."""
    found = [f"Plan {plan.pk}: {plan} in {plan.environment.name}"]
    words = {
        "total": "looked at",
        "movable": "can move" if "rev" in result else "moved by this run of the command",
        "migrated": "moved by the plan so far",
        "restored": "restored",
        "expired": "ended",
        "moved_on": "have gone on since",
        "already": "were done already",
        "refused": "refused",
        "remaining": "still on the old version",
        "awaiting": "wait for a call",
    }
    found += [f"  {result[name]:>8,}  {text}" for name, text in words.items() if isinstance(result.get(name), int)]
    found += [
        f"  {reason['count']:>8,}  {reason['state'] or '–'}: {reason['message']} (such as {reason['examples'][0]})"
        for reason in result.get("reasons", ())
    ]
    for name, text in (("slots_lost", "slot lost"), ("slots_converted", "slot converted"), ("variables_lost", "variable lost"), ("remarks", "note")):
        found += [f"  {one['count']:>8,}  {text}: {one['name']}" for one in result.get(name, ())]
    return [*found, f"  {result.get('seconds', 0):>8}  seconds"]
