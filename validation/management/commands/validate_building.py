"""`manage.py validate_building FILE`: one model checked once. Nothing is written, unless --building names a building whose new revision it is."""

import json
import sys
import time
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.core.files import File
from django.core.management.base import BaseCommand, CommandError

from mcp_platform.celery import app
from mcp_platform.errors import PlatformError
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import OPEN, Operation
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.permissions import ALL
from mcp_platform.tenancy.scope import Principal
from validation.core import score, units
from validation.core.rules import Judgement, Outcome
from validation.models import Building, Finding, ModelRevision, ValidationRun
from validation.queries import live
from validation.services import one_off, revisions
from validation.services.one_off import Checked, Request

PASS, FAIL, INVALID = "pass", "fail", "invalid"
SET_ASIDE: Final = (Finding.State.WAIVED,)  # a false positive changes no status either: that takes a waiver
EXIT: Final = {PASS: 0, FAIL: 1, INVALID: 2}
WIDTHS: Final = (9, 34, 26)
EXIT_CODES: Final = (
    "The last word is pass (exit code 0: nothing that could be judged is violated), fail (1: something is) "
    "or invalid (2: the check could not be made, or only of a part of the model)."
)


class Command(BaseCommand):
    help = f"Check a building model (.ifc, .ifczip, neutral .json) and print what is wrong with it. {EXIT_CODES}"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--jurisdiction", default="US-WA-SEA", metavar="CODE", help="Where it is built; default US-WA-SEA")
        parser.add_argument("--permit-date", type=date.fromisoformat, default=None, metavar="DAY", help="Which editions are in force; default today")
        parser.add_argument("--rules", nargs="*", default=[], metavar="SLUG", help="Rule sets beside those of the editions in force")
        parser.add_argument("--occupancy", default=None, metavar="GROUP", help="Occupancy group of the building, such as B")
        parser.add_argument("--construction-type", default=None, metavar="TYPE", help="Such as V-B")
        parser.add_argument("--sprinklers", choices=("none", "nfpa13", "nfpa13r"), default=None)
        parser.add_argument("--existing", action="store_true", default=None, help="An existing building")
        parser.add_argument("--tenant", default="", metavar="SLUG", help="Take the law from this tenant's rows instead of the product's own pack")
        parser.add_argument(
            "--building", type=UUID, default=None, metavar="ID", help="Keep the model as a new revision of this building; waits for its check"
        )
        parser.add_argument("--limit", type=int, default=40, help="Findings that are printed; default 40")
        parser.add_argument("--json", action="store_true", help="Print the whole report as JSON")
        parser.add_argument("--out", type=Path, default=None, metavar="FILE", help="Write the whole report as JSON into a file")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with scope.platform_scope():
                verdict = self._keep(options) if options["building"] else self._once(options)
        except PlatformError as refused:
            faults = [f"  {one.get('path')}: {one.get('message')}" for one in refused.details.get("errors", ())]
            raise self._unusable(options, "\n".join([refused.message, *faults]), refused.code) from refused
        except CommandError as refused:
            raise self._unusable(options, str(refused), "UNUSABLE") from refused
        if not options["json"]:
            self.stdout.write(verdict)
        if EXIT[verdict]:
            sys.exit(EXIT[verdict])

    def _unusable(self, options: dict[str, Any], why: str, code: str) -> CommandError:
        """The verdict goes where verdicts go; why, where errors go."""
        self.stdout.write(json.dumps({"verdict": INVALID, "problem": {"code": code, "detail": why}}) if options["json"] else INVALID)
        return CommandError(why, returncode=EXIT[INVALID])

    def _once(self, options: dict[str, Any]) -> str:
        tenant = _tenant(options["tenant"]) if options["tenant"] else None
        found = one_off.check(options["file"], _request(options), tenant=tenant, tell=self._tell(options))
        verdict = _verdict(partial=found.model.state == "partial", failing=found.results.total(Outcome.FAIL))
        report = {**one_off.report(found, file=options["file"].name), "verdict": verdict}
        self._write(options, report)
        if not options["json"]:
            self._print(found, report, options["limit"])
        return verdict

    def _write(self, options: dict[str, Any], report: dict[str, Any]) -> None:
        if options["out"]:
            options["out"].write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        if options["json"]:
            self.stdout.write(json.dumps(report, ensure_ascii=False))

    def _tell(self, options: dict[str, Any]) -> one_off.Tell:
        """Progress, for people at a terminal alone."""
        if options["json"] or not sys.stderr.isatty():
            return lambda done, total, phase: None
        return lambda done, total, phase: self.stderr.write(f"\r{phase} {done}/{total}   ", ending="")

    def _print(self, found: Checked, report: dict[str, Any], limit: int) -> None:
        basis, model = report["basis"], found.model
        say = self.stdout.write
        say(f"{report['file']}: {model.schema}, {report['elements']:,} elements{', READ IN PART ONLY' if model.state == 'partial' else ''}")
        editions = ", ".join(f"{one['title']} {one['edition']}" for one in basis["editions"]) or "no edition in force"
        say(f"{basis['jurisdiction']['code']} {basis['jurisdiction']['name']}, permit of {basis['permit_date']}: {editions}; {basis['rules']} rules")
        say(f"score {_number(found.score.score)}   coverage {_share(found.score.coverage)}   status: {found.score.status.value}")
        counts = report["counts"]
        say(
            f"{counts['fail']} violated, {counts['not_evaluable']} not evaluable, {counts['pass']} hold, {counts['not_applicable']} not applicable; "
            f"{model.seconds:.1f} s reading, {found.seconds:.1f} s checking"
        )
        violations = [one for one in found.findings if one.outcome is Outcome.FAIL]
        self._table(violations[:limit], found)
        if len(violations) > limit:
            say(f"… and {len(violations) - limit} more (--limit, or --out FILE for all of them)")
        unlocks = score.unlocks(found.findings)
        if unlocks:
            say(f"\n{score.sentence(unlocks)}")
            for one in unlocks:
                say(f"  {one.fact}: missing {one.subjects} times, would unlock {one.unlocks} judgements")

    def _table(self, findings: list[Judgement], found: Checked) -> None:
        if not findings:
            return
        self.stdout.write("")
        self._row("severity", "rule", "element", "what is wrong")
        self._row(*("─" * width for width in WIDTHS), "─" * 40)
        for one in findings:
            self._row(one.severity.value, one.rule, found.names.get(one.subject) or one.subject, one.message or _bare(one, found.book.system))

    def _row(self, *cells: str) -> None:
        *narrow, last = cells
        self.stdout.write("  ".join([*(_cut(cell, width) for cell, width in zip(narrow, WIDTHS, strict=True)), last]))

    def _keep(self, options: dict[str, Any]) -> str:
        house = Building.objects.filter(pk=options["building"]).select_related("tenant").first()
        if house is None:
            raise CommandError(f"There is no building {options['building']}.")
        if not options["file"].is_file():
            raise CommandError(f"There is no file {options['file']}.")
        tenant = house.tenant
        app.loader.import_default_modules()  # what carries out operations registers itself there
        by = Principal(tenant=tenant, actor="system:validate_building", permissions=ALL)
        with options["file"].open("rb") as content:
            revision, is_new = revisions.upload(tenant, building_id=house.pk, name=options["file"].name, content=File(content), by=by)
        if not options["json"]:
            self.stdout.write(f"{house}: revision {revision.number}{'' if is_new else ', which was there already'}")
        run = self._waited(tenant, revision.pk, revision.operation_id)
        revision.refresh_from_db()
        report = self._kept(house, revision, run, is_new)
        partial = revision.state == ModelRevision.State.PARTIAL
        report["verdict"] = _verdict(partial=partial, failing=report["violations"])
        self._write(options, report)
        if not options["json"]:
            counted = f"{report['violations']} violations, {report['set_aside']} waived or called none"
            told = f"score {_number(run.score)}   coverage {_share(run.coverage)}   status: {run.status}   {counted}"
            self.stdout.write(told + (", READ IN PART ONLY" if partial else ""))
        return str(report["verdict"])

    def _kept(self, house: Building, revision: ModelRevision, run: ValidationRun, is_new: bool) -> dict[str, Any]:
        """Findings as they stand on the building; those that people have waived or called no violation are no violations."""
        findings = list(live.findings_now(house.tenant, house.pk))
        failing = [one for one in findings if one["outcome"] == Outcome.FAIL.value]
        return {
            "building": str(house.pk),
            "revision": {"id": str(revision.pk), "number": revision.number, "is_new": is_new, "state": revision.state, "sha256": revision.sha256},
            "integrity": revision.integrity,
            "run": str(run.pk),
            "score": run.score,
            "coverage": run.coverage,
            "status": run.status,
            "counts": run.counts,
            "violations": sum(one["state"] not in SET_ASIDE for one in failing),
            "set_aside": sum(one["state"] in SET_ASIDE for one in failing),
            "findings": findings,
        }

    def _waited(self, tenant: Tenant, revision_id: UUID, operation_id: UUID | None) -> ValidationRun:
        """Read and checked here, unless a worker has taken it already: then it is waited for."""
        if operation_id is not None:
            self._done(tenant, operation_id)
        run = ValidationRun.objects.for_tenant(tenant).filter(revision_id=revision_id, is_what_if=False).order_by("-created_at").first()
        if run is None or run.operation_id is None:
            raise CommandError("The model was read, and no check was started.")
        self._done(tenant, run.operation_id)
        run.refresh_from_db()
        return run

    def _done(self, tenant: Tenant, operation_id: UUID) -> None:
        operations.run(tenant, operation_id=operation_id, attempt=0)
        while (operation := Operation.objects.for_tenant(tenant).get(pk=operation_id)).status in OPEN:
            time.sleep(0.2)
        if operation.status != Operation.Status.SUCCEEDED:
            raise CommandError(str((operation.error or {}).get("detail") or f"It was {operation.status}."))


def _verdict(*, partial: bool, failing: int) -> str:
    """A part of a model says nothing about the whole, whatever was found in it."""
    return INVALID if partial else FAIL if failing else PASS


def _tenant(slug: str) -> Tenant:
    found = Tenant.objects.filter(slug=slug, is_active=True).first()
    if found is None:
        raise CommandError(f"There is no active tenant {slug}.")
    return found


def _request(options: dict[str, Any]) -> Request:
    sprinklers = options["sprinklers"]
    situation = {
        "occupancy": options["occupancy"],
        "occupancies": [options["occupancy"]] if options["occupancy"] else None,
        "construction_type": options["construction_type"],
        "sprinklered_nfpa13": None if sprinklers is None else sprinklers == "nfpa13",
        "sprinklered_nfpa13r": None if sprinklers is None else sprinklers == "nfpa13r",
        "existing": options["existing"],
    }
    on = options["permit_date"] or date.today()  # noqa: DTZ011  the permit's day where the command is run
    return Request(jurisdiction=options["jurisdiction"], on=on, rule_sets=tuple(options["rules"]), situation=situation)


def _bare(one: Judgement, system: str) -> str:
    return f"{units.shown(one.actual, one.unit, system)}; required {units.shown(one.required, one.unit, system)}"


def _cut(text: str, width: int) -> str:
    return f"{text if len(text) <= width else text[: width - 1] + '…':<{width}}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
